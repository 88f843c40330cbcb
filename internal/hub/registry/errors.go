package registry

import "github.com/tvilling/tvilling"

func refuse(code tvilling.Code, op string, id tvilling.Identity, format string, args ...any) error {
	e := tvilling.Errorf(code, format, args...)
	e.Op, e.Subject = op, id.String()
	return e
}

func deviceNotFound(op string, id tvilling.Identity) error {
	return refuse(tvilling.DeviceNotFound, op, id, "Device %s not registered", id.Device)
}

func moduleNotFound(op string, id tvilling.Identity) error {
	return refuse(tvilling.ModuleNotFound, op, id, "Module %s not registered on device %s", id.Module, id.Device)
}

func notFound(op string, id tvilling.Identity) error {
	if id.IsModule() {
		return moduleNotFound(op, id)
	}
	return deviceNotFound(op, id)
}

func stale(op string, id tvilling.Identity) error {
	return refuse(tvilling.PreconditionFailed, op, id, "The etag given is not the current one of %s; read it again and retry.", id)
}

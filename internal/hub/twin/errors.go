package twin

import (
	"github.com/tvilling/tvilling"
)

// notFound says that id has no twin because it is not registered.
func notFound(op string, id tvilling.Identity) error {
	e := tvilling.Errorf(tvilling.DeviceNotFound, "Device %s not registered", id.Device)
	if id.IsModule() {
		e = tvilling.Errorf(tvilling.ModuleNotFound, "Module %s not registered on device %s", id.Module, id.Device)
	}
	e.Op, e.Subject = op, id.String()
	return e
}

// stale says that the caller's etag or base version is not the current one.
func stale(op string, id tvilling.Identity, what string) error {
	e := tvilling.Errorf(tvilling.PreconditionFailed, "%s; read the twin again and retry.", what)
	e.Op, e.Subject = op, id.String()
	return e
}

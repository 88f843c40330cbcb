package query

import "github.com/tvilling/tvilling"

// Pair is a row of devices JOIN devices.modules.
type Pair struct{ Device, Module Row }

// ID returns the module's identity.
func (j *Pair) ID() tvilling.Identity { return j.Module.ID() }

// Member returns the member of the twin that m is about.
func (j *Pair) Member(m *Member) Value {
	if m.Module {
		return j.Module.Member(m)
	}
	return j.Device.Member(m)
}

// AppendJSON appends both twins.
func (j *Pair) AppendJSON(dst []byte) []byte {
	dst = j.Device.AppendJSON(append(dst, `{"device":`...))
	dst = j.Module.AppendJSON(append(dst, `,"module":`...))
	return append(dst, '}')
}

// Err returns what kept a member of either twin from being read.
func (j *Pair) Err() error {
	if err := j.Device.Err(); err != nil {
		return err
	}
	return j.Module.Err()
}

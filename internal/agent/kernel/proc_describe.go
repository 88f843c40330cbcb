//go:build linux

package kernel

// described holds the bytes of a Happening that describe has filled.
type described struct {
	name, path, args []byte
}

// describe reads what /proc has about an Exec: first what is gone as soon as the
// process ends. The bytes of h are valid until the next call.
func (p *procDir) describe(h *Happening) {
	d := &p.last
	d.args, d.path, d.name = d.args[:0], d.path[:0], d.name[:0]
	if b, err := p.read(h.PID, "cmdline"); err == nil {
		b, h.ArgsCut = cutArgs(b)
		d.args = append(d.args, b...)
	}
	// Whatever runs has a name at least in its arguments.
	h.ArgsMissing = len(d.args) == 0
	if b, err := p.readlink(h.PID, "exe"); err == nil {
		b, _ = trimDeleted(b)
		d.path = append(d.path, b...)
	}
	if b, err := p.read(h.PID, "status"); err == nil {
		if s, err := parseStatus(b); err == nil {
			h.ParentPID, h.UID, h.HasUID = s.ppid, s.uid, true
			d.name = append(d.name, s.name...)
		}
	}
	h.Args, h.Path, h.Name = d.args, d.path, d.name
}

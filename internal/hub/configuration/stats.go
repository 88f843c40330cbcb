package configuration

import "sync/atomic"

// counts are what the service counts of its work.
type counts struct {
	looked, written, damaged, undone, stopped atomic.Int64
	// followed is the last change of the journal that was looked at.
	followed atomic.Uint64
}

// Stats are figures of the service's work since the hub began.
type Stats struct {
	// Configurations is how many there are.
	Configurations int64
	// Looked is how many twins were compared with what they are to have, Written
	// how many of them were written to, and Damaged how many cannot be read.
	Looked, Written, Damaged int64
	// Undone counts the times that a twin had lost what was written to it, and
	// Damped is how many pairs of a configuration and a twin are kept apart now
	// because of that. Forgotten counts windows in which it happened more often
	// than is counted.
	Undone, Damped, Forgotten int64
	// Stopped counts rollouts that stopped by themselves.
	Stopped int64
	// Lag is how many changes of the journal have not been looked at.
	Lag int64
}

// Stats returns the figures of the service.
func (s *Service) Stats() Stats {
	out := Stats{
		Configurations: int64(len(s.table.Load().byID)),
		Looked:         s.counts.looked.Load(), Written: s.counts.written.Load(), Damaged: s.counts.damaged.Load(),
		Undone: s.counts.undone.Load(), Damped: s.damper.kept(""), Forgotten: s.damper.lost(), Stopped: s.counts.stopped.Load(),
	}
	if head, followed := s.opt.Journal.Head(), s.counts.followed.Load(); head > followed {
		out.Lag = int64(head - followed)
	}
	return out
}

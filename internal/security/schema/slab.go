package schema

import "github.com/tvilling/tvilling/internal/security/event"

// slab hands out values that are allocated many at a time.
type slab[T any] struct {
	free []T
	size int
}

func (s *slab[T]) next(first int) *T {
	const most = 64
	if len(s.free) == 0 {
		s.size = min(max(first, 2*s.size), most)
		s.free = make([]T, s.size)
	}
	v := &s.free[0]
	s.free = s.free[1:]
	return v
}

// slabs has the slabs of the kinds that come in numbers.
type slabs struct {
	// first is how many items are allocated the first time.
	first            int
	processCreate    slab[event.ProcessCreate]
	processTerminate slab[event.ProcessTerminate]
	connectionCreate slab[event.ConnectionCreate]
	login            slab[event.Login]
	listeningPorts   slab[event.ListeningPorts]
	firewall         slab[event.FirewallConfiguration]
	localUsers       slab[event.LocalUsers]
	baseline         slab[event.OSBaseline]
}

// item returns a new item of a kind that has items.
func (s *slabs) item(k event.Kind) event.Item {
	switch k {
	case event.ProcessCreateKind:
		return s.processCreate.next(s.first)
	case event.ProcessTerminateKind:
		return s.processTerminate.next(s.first)
	case event.ConnectionCreateKind:
		return s.connectionCreate.next(s.first)
	case event.LoginKind:
		return s.login.next(s.first)
	case event.ListeningPortsKind:
		return s.listeningPorts.next(s.first)
	case event.FirewallConfigurationKind:
		it := s.firewall.next(s.first)
		// A rule that does not say whether it is in force counts as in force:
		// else a device could hide a hole by leaving the member out.
		it.Enabled = true
		return it
	case event.LocalUsersKind:
		return s.localUsers.next(s.first)
	case event.ConnectedHardwareKind:
		return &event.ConnectedHardware{}
	case event.OSBaselineKind:
		return s.baseline.next(s.first)
	case event.SystemInformationKind:
		return &event.SystemInformation{}
	case event.ConfigurationErrorKind:
		return &event.ConfigurationError{}
	case event.DroppedEventsStatisticsKind:
		return &event.DroppedEventsStatistics{}
	case event.MessageStatisticsKind:
		return &event.MessageStatistics{}
	case event.DiagnosticKind:
		return &event.Diagnostic{}
	default:
		return &event.HubAuthentication{}
	}
}

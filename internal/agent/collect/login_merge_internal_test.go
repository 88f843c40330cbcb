package collect

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// said is a sighting after a time.
type said struct {
	after time.Duration
	sighting
}

func sight(source loginSource, sort loginSort, wait time.Duration, user, addr, port, result string) sighting {
	return sighting{source: source, sort: sort, wait: wait, login: event.Login{UserName: user, RemoteAddress: addr, RemotePort: port, Result: result, Executable: fmt.Sprint(source, sort)}}
}

// merged plays sightings and returns what was told, "after user port" each.
func merged(instantly bool, all ...said) (told []string) {
	begin := time.Unix(1700000000, 0)
	now := begin
	m := newMerger(func(s sighting) {
		told = append(told, fmt.Sprintf("%v %s %s", now.Sub(begin), s.login.UserName, s.login.RemotePort))
	})
	m.instantly = instantly
	to := func(until time.Time) {
		for next := m.ripe(now); !next.IsZero() && !next.After(until); next = m.ripe(now) {
			now = next
		}
		now = until
	}
	for _, s := range all {
		to(begin.Add(s.after))
		m.add(s.sighting, now)
	}
	to(now.Add(time.Minute))
	return told
}

func TestMerge(t *testing.T) {
	t.Parallel()
	const a = "192.0.2.1"
	const long = "a234567890123456789012345678901234567890"
	log := func(user string) sighting { return sight(sourceLog, sortPlain, 0, user, a, "4022", "Fail") }
	journal := func(user string) sighting { return sight(sourceJournal, sortPlain, 0, user, a, "4022", "Fail") }
	btmp := func(user string) sighting { return sight(sourceUtmp, sortPlain, waitBetter, user, a, "", "Fail") }
	pam := func(user string) sighting { return sight(sourceLog, sortPAM, waitPAM, user, a, "", "Fail") }
	visit := sight(sourceLog, sortVisit, waitPAM, "bob", a, "4022", "Fail")
	probe := sight(sourceAuditLogin, sortPlain, waitBetter, "pi", a, "", "Fail")
	probe.probe = true
	success := sight(sourceAuditAuth, sortPlain, 0, "pi", a, "", "Success")
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		instantly bool
		said      []said
		told      []string
	}{
		"three sources":                  {false, []said{{0, btmp("pi")}, {ms, log("pi")}, {2 * ms, journal("pi")}}, []string{"1ms pi 4022"}},
		"two attempts, two sources":      {false, []said{{0, log("pi")}, {0, log("pi")}, {ms, btmp("pi")}, {ms, btmp("pi")}}, []string{"0s pi 4022", "0s pi 4022"}},
		"one that a source has not":      {false, []said{{0, log("pi")}, {ms, btmp("pi")}, {2 * ms, btmp("pi")}}, []string{"0s pi 4022", "502ms pi "}},
		"btmp alone":                     {true, []said{{0, btmp("pi")}}, []string{"0s pi "}},
		"PAM first, then the program":    {false, []said{{0, pam("pi")}, {2000 * ms, log("pi")}}, []string{"2s pi 4022"}},
		"PAM of nobody known":            {false, []said{{0, pam("")}, {2000 * ms, log("bob")}}, []string{"2s bob 4022"}},
		"PAM alone":                      {false, []said{{0, pam("pi")}}, []string{"3s pi "}},
		"a visit with an attempt":        {false, []said{{0, visit}, {500 * ms, log("bob")}}, []string{"500ms bob 4022"}},
		"a visit with a late attempt":    {false, []said{{0, visit}, {5000 * ms, log("bob")}, {5001 * ms, log("bob")}}, []string{"3s bob 4022", "5.001s bob 4022"}},
		"a probe before a login":         {false, []said{{0, probe}, {100 * ms, success}}, []string{"100ms pi "}},
		"a probe alone":                  {false, []said{{0, probe}}, []string{"500ms pi "}},
		"long after":                     {false, []said{{0, log("pi")}, {21 * time.Second, btmp("pi")}}, []string{"0s pi 4022", "21.5s pi "}},
		"a session after a login":        {false, []said{{0, sight(sourceLog, sortPlain, 0, "pi", a, "1", "Success")}, {ms, sight(sourceLog, sortSession, waitSession, "pi", "", "", "Success")}}, []string{"0s pi 1"}},
		"at the device and from outside": {false, []said{{0, log("root")}, {ms, sight(sourceUtmp, sortPlain, waitBetter, "root", "", "", "Fail")}}, []string{"0s root 4022", "501ms root "}},
		"a long name, which utmp cuts":   {false, []said{{0, log(long)}, {ms, btmp(long[:32])}}, []string{"0s " + long + " 4022"}},
	} {
		if got := merged(c.instantly, c.said...); !slices.Equal(got, c.told) {
			t.Errorf("%s: told %q, expected %q", name, got, c.told)
		}
	}
}

func TestMergeIsBoundedInAFlood(t *testing.T) {
	t.Parallel()
	told := 0
	m := newMerger(func(sighting) { told++ })
	now := time.Unix(1700000000, 0)
	const n = 20000
	for i := range n {
		user := fmt.Sprint("user", i)
		m.add(sight(sourceUtmp, sortPlain, waitBetter, user, "192.0.2.1", "", "Fail"), now)
		m.add(sight(sourceLog, sortPlain, 0, user, "192.0.2.1", "1", "Fail"), now)
		if keys := len(m.new) + len(m.old); keys > 2*maxMerge+8 || len(m.pending) > maxPending {
			t.Fatalf("%d keys and %d sightings are kept", keys, len(m.pending))
		}
		now = now.Add(100 * time.Microsecond)
	}
	m.flush()
	if told < n || told > n+n/50 {
		t.Errorf("%d events of %d attempts", told, n)
	}
}

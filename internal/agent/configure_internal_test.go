//go:build linux

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/security/event"
)

const object = `"ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration"`

// taken says what came of a section, in one line.
func taken(c *configuration, section string) string {
	var b []byte
	if section != "" {
		b = []byte(section)
	}
	changed := c.take(b, time.Now())
	var names []string
	for _, it := range c.complaint() {
		e := it.(*event.ConfigurationError)
		names = append(names, e.ConfigurationName+" "+e.ErrorType)
	}
	return fmt.Sprintf("%s %t %v %v [%s]", c.state, changed, c.current.Snapshot, c.version, strings.Join(names, ", "))
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	const (
		good    = `{` + object + `:{"snapshotFrequency":{"value":"PT1H"}},"$version":2}`
		two     = `{` + object + `:{"snapshotFrequency":{"value":"PT2H"},"eventPriorityLogin":{"value":"Mid"},"maxMessageSizeInBytes":{"value":"big"}},"tvillingAgent":{"memoryLimitInBytes":1},"$version":3}`
		broken  = `[]`
		unwise  = `{` + object + `:{"snapshotFrequency":{"value":"PT3H"},"highPriorityMessageFrequency":{"value":"PT9H"},"other":{"value":1}},"$version":5}`
		micro   = `{"CollectorsCore_PriorityIntervals":"1,2,3","$version":2}`
		badPart = `{"CollectorsCore_PriorityIntervals":"1,2,180","Process_Mode":9,"Login_Disabled":7,"$version":4}`
	)
	steps := []struct {
		name    string
		dialect settings.Dialect
		steps   []string // sections and what comes of each
	}{
		{"taken, refused, taken", settings.ASC, []string{
			good, `applied true 1h0m0s 2 []`,
			two, `refused false 1h0m0s 3 [maxMessageSizeInBytes TypeMismatch, eventPriorityLogin TypeMismatch, tvillingAgent.memoryLimitInBytes TypeMismatch]`,
			two, `refused false 1h0m0s 3 []`, // it was said
			broken, `refused false 1h0m0s 0 [RemoteConfiguration TypeMismatch]`,
			good, `applied true 1h0m0s 2 []`,
			two, `refused false 1h0m0s 3 [maxMessageSizeInBytes TypeMismatch, eventPriorityLogin TypeMismatch, tvillingAgent.memoryLimitInBytes TypeMismatch]`,
		}},
		{"refused at the start", settings.ASC, []string{
			two, `defaults false 13h0m0s 3 [maxMessageSizeInBytes TypeMismatch, eventPriorityLogin TypeMismatch, tvillingAgent.memoryLimitInBytes TypeMismatch]`,
			broken, `defaults false 13h0m0s 0 [RemoteConfiguration TypeMismatch]`,
			good, `applied true 1h0m0s 2 []`,
		}},
		{"none at the start", settings.ASC, []string{
			"", `defaults true 13h0m0s 0 []`,
			two, `defaults false 13h0m0s 3 [maxMessageSizeInBytes TypeMismatch, eventPriorityLogin TypeMismatch, tvillingAgent.memoryLimitInBytes TypeMismatch]`,
			`{"$version":1}`, `applied true 13h0m0s 1 []`,
		}},
		{"unwise", settings.ASC, []string{
			unwise, `applied true 3h0m0s 5 [highPriorityMessageFrequency Conflict]`,
		}},
		{"micro agent", settings.MicroAgent, []string{
			micro, `applied true 3m0s 2 []`,
			badPart, `refused false 3m0s 4 [Login_Disabled TypeMismatch, Process_Mode TypeMismatch]`,
			`{}`, `applied true 24h0m0s 0 []`,
		}},
	}
	for _, tt := range steps {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &configuration{dialect: tt.dialect, current: settings.Default(tt.dialect), state: settings.StateDefaults}
			for i := 0; i < len(tt.steps); i += 2 {
				if got := taken(c, tt.steps[i]); got != tt.steps[i+1] {
					t.Errorf("step %d, %s:\ngot  %s\nwant %s", i/2, tt.steps[i], got, tt.steps[i+1])
				}
			}
		})
	}
}

// TestComplaint: what is told of a refused section is an event that the hub
// reads, with what is used instead, and bounded.
func TestComplaint(t *testing.T) {
	t.Parallel()
	members := make([]string, 0, 30)
	for _, k := range []string{"ProcessCreate", "ProcessTerminate", "ListeningPorts", "SystemInformation", "LocalUsers", "Login", "ConnectionCreate", "FirewallConfiguration", "ConnectedHardware", "OSBaseline", "Diagnostic", "Operational"} {
		members = append(members, `"eventPriority`+k+`":{"value":"Mid"}`, `"aggregationInterval`+k+`":{"value":"x"}`)
	}
	for _, k := range []string{"snapshotFrequency", "maxMessageSizeInBytes", "maxLocalCacheSizeInBytes", "highPriorityMessageFrequency", "lowPriorityMessageFrequency"} {
		members = append(members, `"`+k+`":{"value":true}`)
	}
	c := &configuration{current: settings.Default(settings.ASC), state: settings.StateDefaults}
	c.take([]byte(`{`+object+`:{`+strings.Join(members, ",")+`},"tvillingAgent":{"heartbeatFrequency":3,"processSource":1}}`), time.Now())
	items := c.complaint()
	if len(items) != maxComplaints {
		t.Errorf("%d items, want %d", len(items), maxComplaints)
	}
	s := inMemory(t, 1<<20)
	in := newIntake(s, defaults(nil))
	in.complain(time.Now(), items)
	all := waiting(t, s)
	got := slices.Concat(all[:]...)
	if len(got) != 1 || len(got[0].Items) != len(items) {
		t.Fatalf("got %+v", got)
	}
	used := got[0].Items[0].(*event.ConfigurationError).UsedConfiguration
	if !json.Valid([]byte(used)) || !strings.Contains(used, `"snapshotFrequency":{"value":"PT13H"}`) {
		t.Errorf("used is %s", used)
	}
}

// fakeTwin has reported properties.
type fakeTwin struct {
	patches []string
	doc     map[string]any
	fail    error // of the next reports
	takes   bool  // although they fail
}

// reporting is a reporter that runs, of properties that a test sets.
type reporting struct {
	*reporter
	mu   sync.Mutex // for what follows
	now  map[string]string
	twin *fakeTwin
	away bool
	made bool
	errs int
}

func reports(t *testing.T) *reporting {
	t.Helper()
	w := &reporting{now: map[string]string{"a": "1"}, twin: &fakeTwin{doc: map[string]any{}}}
	w.reporter = &reporter{
		connected: func() bool { w.mu.Lock(); defer w.mu.Unlock(); return !w.away },
		build: func() map[string]any {
			w.mu.Lock()
			defer w.mu.Unlock()
			m := map[string]any{}
			for k, v := range w.now {
				m[k] = json.RawMessage(v)
			}
			return m
		},
		anew:   func() bool { was := w.made; w.made = false; return was },
		failed: func(error) { w.mu.Lock(); defer w.mu.Unlock(); w.errs++ },
		wake:   make(chan struct{}, 1),
		report: func(_ context.Context, patch []byte) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.twin.patches = append(w.twin.patches, string(patch))
			if w.twin.fail == nil || w.twin.takes {
				var p map[string]any
				if err := json.Unmarshal(patch, &p); err != nil {
					t.Errorf("report %s: %v", patch, err)
				}
				for k, v := range p {
					if w.twin.doc[k] = v; v == nil {
						delete(w.twin.doc, k)
					}
				}
			}
			return w.twin.fail
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

// set changes what is to be reported.
func (w *reporting) set(k, v string) {
	w.change(func() { w.now[k] = v })
	kick(w.wake)
	synctest.Wait()
}

// change changes something, or looks at it.
func (w *reporting) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *reporting) want(t *testing.T, patches ...string) {
	t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.twin.patches, patches) {
		t.Fatalf("got  %v\nwant %v", w.twin.patches, patches)
	}
	w.twin.patches = nil
}

func TestReporterPatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := reports(t)
		w.set("b", "2")
		w.want(t, `{"a":1,"b":2}`)
		kick(w.wake) // nothing is new
		<-time.After(time.Minute)
		w.want(t)
		w.set("b", "3")
		w.want(t, `{"b":3}`)
		<-time.After(time.Minute)
		w.change(func() { delete(w.now, "b") })
		w.set("a", "4")
		w.want(t, `{"a":4,"b":null}`)
		<-time.After(time.Minute)
		w.change(func() { w.made = true })
		w.set("a", "4")
		w.want(t, `{"a":4}`)
	})
}

// TestReporterCoalesces changes something each millisecond for ten minutes.
func TestReporterCoalesces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := reports(t)
		last := ""
		for n := range int(10 * time.Minute / time.Millisecond) {
			last = fmt.Sprint(n)
			w.change(func() { w.now["a"] = last })
			kick(w.wake)
			<-time.After(time.Millisecond)
		}
		<-time.After(longestReportGap)
		synctest.Wait()
		if got := fmt.Sprint(w.twin.doc["a"]); got != last {
			t.Errorf("the twin has %s, want the last one, %s", got, last)
		}
		if n := len(w.twin.patches); n > 20 {
			t.Errorf("%d reports in ten minutes", n)
		}
		// When it is quiet again, so is the reporter, and as quick as before.
		<-time.After(time.Minute)
		w.change(func() { w.twin.patches = nil })
		w.set("a", "-1")
		<-time.After(firstReportGap)
		w.set("a", "-2")
		w.want(t, `{"a":-1}`, `{"a":-2}`)
	})
}

func TestReporterFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := reports(t)
		w.set("b", "1")
		<-time.After(time.Minute)
		w.change(func() { w.twin.patches = nil })
		// The hub takes it, but the answer is lost; then it is as it was before.
		w.change(func() { w.twin.fail, w.twin.takes = errors.New("the connection is lost"), true })
		w.set("b", "2")
		w.change(func() { w.twin.fail, w.twin.takes = nil, false })
		w.set("b", "1")
		<-time.After(time.Minute)
		synctest.Wait()
		if got := fmt.Sprint(w.twin.doc); got != "map[a:1 b:1]" {
			t.Fatalf("the twin has %s after %v", got, w.twin.patches)
		}
		// It fails for an hour: tries are rare, and in the end it is there.
		w.change(func() { w.twin.patches, w.twin.fail, w.errs = nil, errors.New("too many requests"), 0 })
		w.set("b", "5")
		<-time.After(time.Hour)
		synctest.Wait()
		if n := len(w.twin.patches); n < 60 || n > 75 || n != w.errs {
			t.Errorf("%d tries in an hour, %d of them told", n, w.errs)
		}
		w.change(func() { w.twin.fail = nil })
		<-time.After(2 * longestReportGap)
		synctest.Wait()
		if got := fmt.Sprint(w.twin.doc); got != "map[a:1 b:5]" {
			t.Errorf("the twin has %s", got)
		}
	})
}

func TestReporterOffline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := reports(t)
		w.change(func() { w.away = true })
		w.set("a", "2")
		<-time.After(time.Hour)
		w.want(t)
		w.change(func() { w.away = false })
		kick(w.wake) // as a connection does
		w.want(t, `{"a":2}`)
	})
}

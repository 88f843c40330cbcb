package detection_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/event"
)

// day is when the times of the test files are.
var day = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// scope is a device under test. Its memory is copied in and out, as a store
// would.
type scope struct {
	message  *event.Message
	received time.Time
	last     time.Time
	started  time.Time
	memory   []byte
	wake     time.Time
	found    []detect.Finding
	largest  int
}

func (s *scope) Device() tvilling.DeviceID { return "d" }
func (s *scope) Message() *event.Message   { return s.message }
func (s *scope) Received() time.Time       { return s.received }
func (s *scope) LastSeen() time.Time       { return s.last }
func (s *scope) Started() time.Time        { return s.started }
func (s *scope) Memory() []byte            { return slices.Clone(s.memory) }
func (s *scope) Wake(at time.Time)         { s.wake = at }
func (s *scope) Report(f detect.Finding)   { s.found = append(s.found, f) }
func (s *scope) Remember(b []byte) {
	s.memory = slices.Clone(b)
	s.largest = max(s.largest, len(b))
}

func defaults(d detect.Stateful, changed map[string]int64) detect.Values {
	return func(name string) int64 {
		if v, ok := changed[name]; ok {
			return v
		}
		for _, p := range d.Info().Parameters {
			if p.Name == name {
				return p.Default
			}
		}
		panic(d.Info().ID + " asks for a parameter that it does not have: " + name)
	}
}

// step is a line of a test case.
type step struct {
	line    int
	tick    time.Time
	restart time.Time
	message *event.Message
	want    []string
}

// example is one case of a test file.
type example struct {
	name     string
	positive bool
	// misjudged says why a held-out case is known to be judged wrong.
	misjudged string
	values    map[string]int64
	steps     []step
}

// run gives the findings after each step. Before step fresh, and before all
// later ones if fresh is negative, the detection is made anew.
func (x *example) run(id string, fresh int) (found [][]detect.Finding, s *scope) {
	s = &scope{started: day.Add(-1000 * time.Hour)}
	d := byID(id)
	p := defaults(d, x.values)
	for n, st := range x.steps {
		if fresh < 0 || n == fresh {
			d = byID(id)
		}
		s.found = nil
		switch {
		case !st.restart.IsZero():
			s.started = st.restart
		case !st.tick.IsZero():
			if !s.wake.IsZero() && !s.wake.After(st.tick) {
				s.message, s.received, s.wake = nil, st.tick, time.Time{}
				d.(detect.Timed).Tick(s, st.tick, p)
			}
		default:
			observe(d, s, st.message, p)
		}
		found = append(found, s.found)
	}
	return found, s
}

// observe does as the engine does.
func observe(d detect.Stateful, s *scope, m *event.Message, p detect.Values) {
	s.message, s.received = m, m.Received
	if timed, ok := d.(detect.Timed); ok && !m.Hub {
		timed.Heard(s, p)
	}
	for i := range m.Events {
		if slices.Contains(d.Kinds(), m.Events[i].Kind) {
			d.Observe(s, &m.Events[i], p)
		}
	}
	if !m.Hub {
		s.last = m.Received
	}
}

func byID(id string) detect.Stateful {
	for _, d := range detection.All() {
		if d.Info().ID == id {
			return d
		}
	}
	panic("no detection " + id)
}

// read reads a test file:
//
//	positive|near miss: what it is
//	misjudged: why                the held-out case is known to be judged wrong
//	set attempts=20               a parameter
//	12:00:00 Login UserName=root  a message with one event with one item
//	12:00 Login UserName=a *3/5s  three of them, five seconds apart
//	& UserName=b                  one more item of the same event
//	+ 12:00 Login UserName=b      one more event in the same message
//	12:00 LocalUsers empty        an event without items
//	12:00 Login Result=Fail @13:00  received later than it happened
//	tick 2d                       time goes by, from midnight on
//	restart 2d                    the hub starts then
//	=> address 192.0.2.1 x10      the line above is found, with a cause and hits
func read(t *testing.T, path string) []example {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []example
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := readLine(&list, line, n); err != nil {
			t.Fatalf("%s:%d: %v", path, n, err)
		}
	}
	return list
}

func readLine(list *[]example, line string, n int) error {
	if name, ok := strings.CutPrefix(line, "positive: "); ok {
		*list = append(*list, example{name: name, positive: true})
		return nil
	}
	if name, ok := strings.CutPrefix(line, "near miss: "); ok {
		*list = append(*list, example{name: name})
		return nil
	}
	if len(*list) == 0 {
		return fmt.Errorf("%q stands before any case", line)
	}
	x := &(*list)[len(*list)-1]
	if why, ok := strings.CutPrefix(line, "misjudged: "); ok {
		x.misjudged = why
		return nil
	}
	words := split(line)
	switch words[0] {
	case "set":
		name, value, _ := strings.Cut(words[1], "=")
		v, err := strconv.ParseInt(value, 10, 64)
		if x.values == nil {
			x.values = make(map[string]int64)
		}
		x.values[name] = v
		return err
	case "tick", "restart":
		at, err := clock(words[1])
		st := step{line: n, tick: at}
		if words[0] == "restart" {
			st = step{line: n, restart: at}
		}
		x.steps = append(x.steps, st)
		return err
	case "=>":
		last := &x.steps[len(x.steps)-1]
		last.want = append(last.want, strings.TrimSpace(strings.TrimPrefix(line, "=>")))
		return nil
	case "&":
		m := x.steps[len(x.steps)-1].message
		e := &m.Events[len(m.Events)-1]
		it, err := item(e.Kind, words[1:])
		e.Items = append(e.Items, it)
		return err
	case "+":
		m := x.steps[len(x.steps)-1].message
		e, _, err := oneEvent(words[1:], len(m.Events))
		m.Events = append(m.Events, e)
		return err
	}
	return x.messages(words, n)
}

// messages adds the message of a line, as often as it says.
func (x *example) messages(words []string, n int) error {
	times, apart := 1, time.Duration(0)
	if last := words[len(words)-1]; strings.HasPrefix(last, "*") {
		count, gap, _ := strings.Cut(last[1:], "/")
		var err error
		if times, err = strconv.Atoi(count); err != nil {
			return err
		}
		if gap != "" {
			if apart, err = time.ParseDuration(gap); err != nil {
				return err
			}
		}
		words = words[:len(words)-1]
	}
	for i := range times {
		e, received, err := oneEvent(words, i)
		if err != nil {
			return err
		}
		e.Time, e.Stated = e.Time.Add(time.Duration(i)*apart), e.Stated.Add(time.Duration(i)*apart)
		received = received.Add(time.Duration(i) * apart)
		x.steps = append(x.steps, step{line: n, message: &event.Message{From: tvilling.Device("d"), Received: received, Events: []event.Event{e}}})
	}
	return nil
}

func oneEvent(words []string, n int) (event.Event, time.Time, error) {
	at, err := clock(words[0])
	if err != nil {
		return event.Event{}, at, err
	}
	received := at
	if last := words[len(words)-1]; strings.HasPrefix(last, "@") {
		if received, err = clock(last[1:]); err != nil {
			return event.Event{}, at, err
		}
		words = words[:len(words)-1]
	}
	e := event.Event{ID: fmt.Sprintf("%s-%d-%d", words[0], n, at.Unix()), Kind: event.KindOf(words[1]), Name: words[1], Type: event.Security, Time: at, Stated: at}
	if e.Kind == event.Unknown {
		return e, received, fmt.Errorf("no event %q", words[1])
	}
	switch {
	case len(words) > 2 && words[2] == "empty":
		e.Empty = true
	case len(words) > 2 && words[2] != "unreadable":
		it, err := item(e.Kind, words[2:])
		if err != nil {
			return e, received, err
		}
		e.Items = []event.Item{it}
	}
	return e, received, nil
}

// clock reads 12:00, 12:00:05, 3d, 3d12:00 and -2h.
func clock(s string) (time.Time, error) {
	at := day
	if days, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil {
			return at, err
		}
		if at, s = at.AddDate(0, 0, n), rest; s == "" {
			return at, nil
		}
	}
	form := "15:04"
	if strings.Count(s, ":") == 2 {
		form = "15:04:05"
	}
	t, err := time.Parse(form, s)
	return at.Add(t.Sub(t.Truncate(24 * time.Hour))), err
}

// split cuts a line at blanks; a value may stand in back quotes.
func split(line string) []string {
	var list []string
	var b strings.Builder
	quoted := false
	for _, r := range line {
		switch {
		case r == '`':
			quoted = !quoted
		case r == ' ' && !quoted:
			if b.Len() > 0 {
				list = append(list, b.String())
				b.Reset()
			}
		default:
			b.WriteRune(r)
		}
	}
	return append(list, b.String())
}

func describe(f detect.Finding) string {
	s := f.Cause
	if f.Hits != 1 {
		s += " x" + strconv.FormatInt(f.Hits, 10)
	}
	return strings.TrimSpace(s)
}

func files(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(list) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	return list
}

package twin_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/store/memory"
)

// own runs one change of an owned member to its end; "" removes it.
func own(t *testing.T, c *hubtest.Core, id tvilling.Identity, member, value string) error {
	t.Helper()
	var b []byte
	if value != "" {
		b = []byte(value)
	}
	done := make(chan error, 1)
	c.Twins.Own(id, member, b, "hub:posture", func(err error) { done <- err })
	return <-done
}

func mustOwn(t *testing.T, c *hubtest.Core, member, value string) {
	t.Helper()
	if err := own(t, c, id, member, value); err != nil {
		t.Fatalf("own %s: %v", member, err)
	}
}

// owned writes the owned members of id.
func owned(t *testing.T, c *hubtest.Core) string {
	t.Helper()
	var b []byte
	for _, m := range get(t, c).Owned {
		b = append(append(b, m.Name...), ' ')
		b = append(m.Value.AppendJSON(b, doc.Form{}), '\n')
	}
	return string(b)
}

func TestOwn(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	s, client, _ := c.Connect(t, id, true)
	if err := s.Subscribe(t.Context(), state.TwinDesired, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Twins.Patch(t.Context(), id, twin.Update{
		Tags: hubtest.Patch(t, doc.Tags, `{"a":1}`), Desired: hubtest.Patch(t, doc.Desired, `{"b":2}`),
	}, tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
	told := len(client.Patches())
	was := get(t, c)

	mustOwn(t, c, "security", `{"state":"healthy", "gone":null, "score":100, "alerts":{"high":0}}`)
	mustOwn(t, c, "zone", `{}`)
	if got, want := owned(t, c), "security {\"state\":\"healthy\",\"score\":100,\"alerts\":{\"high\":0}}\nzone {}\n"; got != want {
		t.Errorf("owned members are %q, want %q", got, want)
	}
	// A new value is the whole member.
	mustOwn(t, c, "security", `{"state":"unhealthy"}`)
	mustOwn(t, c, "zone", "")
	if got, want := owned(t, c), "security {\"state\":\"unhealthy\"}\n"; got != want {
		t.Errorf("owned members are %q, want %q", got, want)
	}

	is := get(t, c)
	if is.Version != was.Version || is.ETag() != was.ETag() || is.Desired.Version() != was.Desired.Version() ||
		is.Reported.Version() != was.Reported.Version() || string(is.Tags) != string(was.Tags) || !cmp.Equal(is.Identity, was.Identity) {
		t.Errorf("an owned member changed the twin from %+v to %+v", was, is)
	}
	if got := len(client.Patches()); got != told {
		t.Errorf("the device was told of %v", client.Patches()[told:])
	}
	body, err := c.Twins.Device(t.Context(), id)
	if err != nil || strings.Contains(string(body), "security") {
		t.Errorf("the device reads %s, %v", body, err)
	}
	// An update by a service leaves it, and an etag from before still counts.
	if _, err := c.Twins.Replace(t.Context(), id, twin.Update{}, tvilling.ParseMatch(string(was.ETag())), "test"); err != nil {
		t.Fatal(err)
	}
	if got, want := owned(t, c), "security {\"state\":\"unhealthy\"}\n"; got != want {
		t.Errorf("after a replacement: %q, want %q", got, want)
	}
}

func TestOwnKeepsCompanionPristine(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	module := tvilling.Identity{Device: id.Device, Module: tvilling.SecurityModule}
	if err := own(t, c, module, "security", `{"state":"unknown"}`); err != nil {
		t.Fatal(err)
	}
	c.Register(t, module) // a create still finds it as nobody's
	v, err := c.Twins.Get(t.Context(), module)
	if err != nil || len(v.Owned) != 1 {
		t.Errorf("after the create the owned members are %v, %v", v.Owned, err)
	}
}

func TestOwnJournal(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	from, _ := c.Store.Head()
	for _, step := range []struct{ member, value string }{
		{"security", `{"state":"healthy"}`},
		{"security", ` { "state" : "healthy" } `}, // the same
		{"security", `{"state":"unhealthy","n":1}`},
		{"security", ""},
		{"security", ""}, // it is not there
	} {
		mustOwn(t, c, step.member, step.value)
	}
	var got []string
	for change, err := range c.Journal.Read(t.Context(), from, false) {
		if err != nil {
			t.Fatal(err)
		}
		if change.Version != 0 || change.Desired != 0 || change.Reported != 0 || change.ID != id {
			t.Errorf("change %+v has versions", change)
		}
		got = append(got, string(change.Op)+" "+change.Actor+" "+string(change.Body))
	}
	want := []string{
		`updateOwned hub:posture {"security":{"state":"healthy"}}`,
		`updateOwned hub:posture {"security":{"state":"unhealthy","n":1}}`,
		`updateOwned hub:posture {"security":null}`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("journal = %s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if v := get(t, c); v.Owned != nil {
		t.Errorf("after its removal: %v", v.Owned)
	}
}

// TestOwnCountsToNoLimit demands that sections and owned members leave each
// other their room.
func TestOwnCountsToNoLimit(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	fill := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"k0":"` + strings.Repeat("x", 4000) + `"`)
		for i := 1; i < n; i++ {
			b.WriteString(`,"k` + string(rune('0'+i)) + `":"` + strings.Repeat("x", 4000) + `"`)
		}
		return b.String() + "}"
	}
	mustOwn(t, c, "security", fill(4)) // of at most 16 KiB
	if version, err := report(t, c, fill(8), -1); err != nil || version != 2 {
		t.Errorf("report of 32 KiB = %d, %v", version, err)
	}
}

func TestOwnRefusals(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	for i := range 7 {
		mustOwn(t, c, "other"+string(rune('0'+i)), `{}`)
	}
	mustOwn(t, c, "security", `{"state":"healthy"}`)
	deep := strings.Repeat(`{"a":`, 11) + `{}` + strings.Repeat(`}`, 11)
	large := `{"a":"` + strings.Repeat("x", 4096) + `","b":"` + strings.Repeat("x", 4096) + `","c":"` + strings.Repeat("x", 4096) + `","d":"` + strings.Repeat("x", 4096) + `"}`
	for _, tt := range []struct {
		name, member, value string
		id                  tvilling.Identity
		want                tvilling.Code
		path                string
	}{
		{"no JSON", "security", `{"a":`, id, tvilling.InvalidArgument, "security.a"},
		{"no object", "security", `[1]`, id, tvilling.InvalidArgument, "security"},
		{"empty", "security", ` `, id, tvilling.InvalidArgument, "security"},
		{"bad key", "security", `{"a":{"b c":1}}`, id, tvilling.InvalidArgument, "security.a.b c"},
		{"too deep", "security", deep, id, tvilling.InvalidArgument, "security.a.a.a.a.a.a.a.a.a.a.a"},
		{"too large", "security", large, id, tvilling.InvalidArgument, "security"},
		{"one too many", "zone", `{}`, id, tvilling.InvalidArgument, ""},
		{"absent device", "security", `{}`, tvilling.Device("absent"), tvilling.DeviceNotFound, ""},
		{"absent module", "security", `{}`, tvilling.Identity{Device: "d", Module: "absent"}, tvilling.ModuleNotFound, ""},
		{"removal of an absent device", "security", "", tvilling.Device("absent"), tvilling.DeviceNotFound, ""},
		{"name of a section", "tags", `{}`, id, tvilling.InvalidArgument, ""},
		{"name of the twin's in lower case", "deviceid", `{}`, id, tvilling.InvalidArgument, ""},
		{"removal of the twin's own", "properties", "", id, tvilling.InvalidArgument, ""},
		{"name of a query's", "id", `{}`, id, tvilling.InvalidArgument, ""},
		{"name of a collection", "devices", `{}`, id, tvilling.InvalidArgument, ""},
		{"name with a dot", "a.b", `{}`, id, tvilling.InvalidArgument, ""},
		{"name in upper case", "Security", `{}`, id, tvilling.InvalidArgument, ""},
		{"name with a quotation mark", `a"b`, `{}`, id, tvilling.InvalidArgument, ""},
		{"no name", "", `{}`, id, tvilling.InvalidArgument, ""},
		{"long name", strings.Repeat("a", 33), `{}`, id, tvilling.InvalidArgument, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, _ := c.Store.Head()
			was := get(t, c)
			err := own(t, c, tt.id, tt.member, tt.value)
			e, ok := err.(*tvilling.Error) //nolint:errorlint // the error itself is what is looked at
			if !ok || e.Code != tt.want || e.Path != tt.path || e.Subject != tt.id.String() || e.Op == "" || e.Message == "" {
				t.Errorf("got %v, want %s at %q of %s", err, tt.want, tt.path, tt.id)
			}
			if after, _ := c.Store.Head(); after != before || get(t, c).Twin != was.Twin {
				t.Error("a refusal changed something")
			}
		})
	}
}

// TestOwnEndsWithTheTwin demands that nothing is left for the next life of an id.
func TestOwnEndsWithTheTwin(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	mustOwn(t, c, "security", `{"state":"unhealthy"}`)
	if err := c.Registry.Delete(t.Context(), id, tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
	c.Register(t, id)
	if v := get(t, c); v.Owned != nil {
		t.Errorf("the new twin has %v", v.Owned)
	}
}

// TestOwnOrder demands that a change of the same twin behind it in the queue
// keeps the owned member, and the other way round.
func TestOwnOrder(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	done := make(chan error, 3)
	c.Twins.Own(id, "security", []byte(`{"n":1}`), "hub:posture", func(err error) { done <- err })
	c.Twins.Report(id, "device:d", []byte(`{"r":1}`), -1, func(_ int64, err error) { done <- err })
	c.Twins.Own(id, "security", []byte(`{"n":2}`), "hub:posture", func(err error) { done <- err })
	for range 3 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	v := get(t, c)
	if got := owned(t, c); got != "security {\"n\":2}\n" || v.Reported.Version() != 2 {
		t.Errorf("owned %q, reported version %d", got, v.Reported.Version())
	}
}

func BenchmarkOwn(b *testing.B) {
	c := hubtest.Over(b, memory.New())
	c.Register(b, id)
	done := make(chan error, 1)
	values := [2][]byte{
		[]byte(`{"state":"healthy","score":100,"openAlerts":{"high":0,"medium":0,"low":0},"recommendations":3,"agentVersion":"0.0.5"}`),
		[]byte(`{"state":"unhealthy","score":40,"openAlerts":{"high":1,"medium":0,"low":0},"recommendations":3,"agentVersion":"0.0.5"}`),
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.Twins.Own(id, "security", values[i%2], "hub:posture", func(err error) { done <- err })
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

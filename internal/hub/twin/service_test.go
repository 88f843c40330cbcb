package twin_test

import (
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

var id = tvilling.Device("d")

// report runs one report to its end.
func report(t *testing.T, c *hubtest.Core, body string, base int64) (int64, error) {
	t.Helper()
	type result struct {
		version int64
		err     error
	}
	done := make(chan result, 1)
	c.Twins.Report(id, "device:d", []byte(body), base, func(version int64, err error) { done <- result{version, err} })
	r := <-done
	return r.version, r.err
}

func get(t *testing.T, c *hubtest.Core) twin.View {
	t.Helper()
	v, err := c.Twins.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVersions(t *testing.T) {
	ctx := t.Context()
	c := hubtest.New(t)
	c.Register(t, id)
	check := func(step string, version, desired, reported int64, etag string) {
		t.Helper()
		v := get(t, c)
		if v.Version != version || v.Desired.Version() != desired || v.Reported.Version() != reported || string(v.ETag()) != etag {
			t.Errorf("%s: version %d, desired %d, reported %d, etag %s; want %d, %d, %d, %s", step,
				v.Version, v.Desired.Version(), v.Reported.Version(), v.ETag(), version, desired, reported, etag)
		}
	}
	patch := func(u twin.Update) {
		t.Helper()
		if _, err := c.Twins.Patch(ctx, id, u, tvilling.Match{}, "test"); err != nil {
			t.Fatal(err)
		}
	}
	check("fresh", 2, 1, 1, "AAAAAAAAAAE=")
	patch(twin.Update{Desired: hubtest.Patch(t, doc.Desired, `{"a":1}`)})
	check("desired", 3, 2, 1, "AAAAAAAAAAI=")
	patch(twin.Update{Tags: hubtest.Patch(t, doc.Tags, `{"a":1}`)})
	check("tags", 4, 2, 1, "AAAAAAAAAAM=")
	patch(twin.Update{Tags: hubtest.Patch(t, doc.Tags, `{"a":1}`), Desired: hubtest.Patch(t, doc.Desired, `{"a":1}`)})
	check("both, without a difference", 5, 3, 1, "AAAAAAAAAAQ=")
	if version, err := report(t, c, `{"r":1}`, -1); err != nil || version != 2 {
		t.Errorf("report = %d, %v; want 2", version, err)
	}
	check("reported", 5, 3, 2, "AAAAAAAAAAQ=")
	if _, err := c.Twins.Replace(ctx, id, twin.Update{}, tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
	check("replaced by nothing", 6, 4, 2, "AAAAAAAAAAU=")
	v := get(t, c)
	if got := string(v.Tags.AppendJSON(nil, doc.Form{})) + string(v.Desired.AppendJSON(nil, doc.Form{})) + string(v.Reported.AppendJSON(nil, doc.Form{})); got != `{}{}{"r":1}` {
		t.Errorf("after replace: %s", got)
	}
}

func TestRefusalsChangeNothing(t *testing.T) {
	ctx := t.Context()
	c := hubtest.New(t)
	c.Register(t, id)
	var large strings.Builder
	large.WriteString(`{"a":"` + strings.Repeat("x", 4096) + `"`)
	for i := range 7 {
		large.WriteString(`,"b` + string(rune('0'+i)) + `":"` + strings.Repeat("x", 4096) + `"`)
	}
	large.WriteString(`}`) // eight values of 4 KiB, and their keys
	stale := tvilling.ParseMatch("AAAAAAAAAAk=")
	tests := []struct {
		name string
		do   func() error
		want tvilling.Code
	}{
		{"malformed report", func() error { _, err := report(t, c, `{"a":`, -1); return err }, tvilling.InvalidArgument},
		{"report over the size", func() error { _, err := report(t, c, large.String(), -1); return err }, tvilling.InvalidArgument},
		{"report on a wrong base", func() error { _, err := report(t, c, `{"a":1}`, 7); return err }, tvilling.PreconditionFailed},
		{"patch with a stale etag", func() error {
			_, err := c.Twins.Patch(ctx, id, twin.Update{Desired: hubtest.Patch(t, doc.Desired, `{"a":1}`)}, stale, "test")
			return err
		}, tvilling.PreconditionFailed},
		{"tags fit but desired do not", func() error {
			_, err := c.Twins.Patch(ctx, id, twin.Update{Tags: hubtest.Patch(t, doc.Tags, `{"a":1}`), Desired: hubtest.Patch(t, doc.Desired, large.String())}, tvilling.Match{}, "test")
			return err
		}, tvilling.InvalidArgument},
		{"replace of an absent twin", func() error {
			_, err := c.Twins.Replace(ctx, tvilling.Device("absent"), twin.Update{}, tvilling.Match{}, "test")
			return err
		}, tvilling.DeviceNotFound},
		{"read of an absent module", func() error {
			_, err := c.Twins.Device(ctx, tvilling.Identity{Device: "d", Module: "absent"})
			return err
		}, tvilling.ModuleNotFound},
	}
	before, _ := c.Store.Head()
	was := get(t, c)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tvilling.CodeOf(tt.do()); got != tt.want {
				t.Errorf("code = %q, want %q", got, tt.want)
			}
			v := get(t, c)
			if after, _ := c.Store.Head(); after != before || v.Twin != was.Twin {
				t.Error("a refusal changed the twin")
			}
		})
	}
}

func TestReportOnItsBase(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	for base := int64(1); base < 4; base++ {
		if version, err := report(t, c, `{"n":1}`, base); err != nil || version != base+1 {
			t.Errorf("report on %d = %d, %v", base, version, err)
		}
	}
}

func TestDeviceDocument(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	if _, err := c.Twins.Patch(t.Context(), id, twin.Update{
		Tags: hubtest.Patch(t, doc.Tags, `{"secret":"of the operator"}`), Desired: hubtest.Patch(t, doc.Desired, `{"fps":30}`),
	}, tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
	var body []byte
	done := make(chan error, 1)
	// The report is not waited for: the read behind it must show it.
	c.Twins.Report(id, "device:d", []byte(`{"state":"on"}`), -1, func(int64, error) {})
	c.Twins.DeviceInOrder(id, func(b []byte, err error) { body = b; done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if want := `{"desired":{"fps":30,"$version":2},"reported":{"state":"on","$version":2}}`; string(body) != want {
		t.Errorf("document = %s, want %s", body, want)
	}
}

func TestReplaceSendsTheWholeSection(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	s, client, _ := c.Connect(t, id, true)
	if err := s.Subscribe(t.Context(), state.TwinDesired, 0); err != nil {
		t.Fatal(err)
	}
	for _, u := range []twin.Update{
		{Desired: hubtest.Patch(t, doc.Desired, `{"a":1,"b":{"c":null}}`)},
		{},
	} {
		if _, err := c.Twins.Replace(t.Context(), id, u, tvilling.Match{}, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Twins.Patch(t.Context(), id, twin.Update{ClearDesired: true}, tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
	want := []string{`{"a":1,"b":{},"$version":2}`, `{"$version":3}`, `{"$version":4}`}
	if got := client.Patches(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("patches = %v, want %v", got, want)
	}
}

func TestJournalHasTheChange(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	from, _ := c.Store.Head()
	if _, err := c.Twins.Patch(t.Context(), id, twin.Update{
		Tags: hubtest.Patch(t, doc.Tags, `{"site":"a"}`), Desired: hubtest.Patch(t, doc.Desired, `{"x":null,"y":2}`),
	}, tvilling.Match{}, "policy:owner"); err != nil {
		t.Fatal(err)
	}
	if _, err := report(t, c, `{"r":1}`, -1); err != nil {
		t.Fatal(err)
	}
	for _, u := range []twin.Update{{ClearTags: true, ClearDesired: true, Cause: "why"}, {Tags: hubtest.Patch(t, doc.Tags, `{}`)}} {
		if _, err := c.Twins.Patch(t.Context(), id, u, tvilling.Match{}, "policy:owner"); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for change, err := range c.Journal.Read(t.Context(), from, false) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.TrimSpace(string(change.Op)+" "+change.Actor+" "+string(change.Body)+" "+change.Cause))
	}
	want := []string{
		`updateTwin policy:owner {"version":3,"tags":{"site":"a"},"properties":{"desired":{"x":null,"y":2,"$version":2}}}`,
		`reportTwin device:d {"properties":{"reported":{"r":1,"$version":2}}}`,
		`updateTwin policy:owner {"version":4,"tags":null,"properties":{"desired":null}} why`,
		`updateTwin policy:owner {"version":5,"tags":{}}`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("journal = %s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

package twin_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// configure runs one arrangement to its end.
func configure(c *hubtest.Core, id tvilling.Identity, decide func(*state.Twin) (twin.Arrangement, error)) error {
	done := make(chan error, 1)
	c.Twins.Configure(id, []string{"agent"}, decide, func(err error) { done <- err })
	return <-done
}

// TestConfigure: each write has a version of its own, and all of them with the
// marks are one change of the twin.
func TestConfigure(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	s, client, _ := c.Connect(t, id, true)
	if err := s.Subscribe(t.Context(), state.TwinDesired, 0); err != nil {
		t.Fatal(err)
	}
	was := get(t, c)
	from, _ := c.Store.Head()
	a, b := doc.ConfigurationActor("a", "1"), doc.ConfigurationActor("b", "2")
	err := configure(c, id, func(now *state.Twin) (twin.Arrangement, error) {
		if now.Desired.Version() != 1 {
			t.Errorf("the twin has version %d", now.Desired.Version())
		}
		return twin.Arrangement{
			Writes: []twin.Write{
				{Actor: a, Cause: "why a", Desired: hubtest.Patch(t, doc.Desired, `{"agent":{"x":1}}`)},
				{Actor: b, Cause: "why b", Desired: hubtest.Patch(t, doc.Desired, `{"agent":{"y":2},"z":3}`)},
			},
			Marks: hubtest.Patch(t, doc.Owned, `{"a":{"status":"Applied"},"b.1":{"status":"Targeted"}}`),
		}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	is := get(t, c)
	if is.Version != was.Version+2 || is.Revision != was.Revision+2 || is.Desired.Version() != was.Desired.Version()+2 {
		t.Errorf("versions %d, %d, %d after %d, %d, %d", is.Version, is.Revision, is.Desired.Version(), was.Version, was.Revision, was.Desired.Version())
	}
	if got, want := owned(t, c), "configurations {\"a\":{\"status\":\"Applied\"},\"b.1\":{\"status\":\"Targeted\"}}\n"; got != want {
		t.Errorf("marks are %q, want %q", got, want)
	}
	if got, want := strings.Join(client.Patches(), "\n"), `{"agent":{"x":1},"$version":2}`+"\n"+`{"agent":{"x":1,"y":2},"z":3,"$version":3}`; got != want {
		t.Errorf("the device was told\n%s\nwant\n%s", got, want)
	}
	// Marks alone change no version.
	if err := configure(c, id, func(*state.Twin) (twin.Arrangement, error) {
		return twin.Arrangement{Marks: hubtest.Patch(t, doc.Owned, `{}`), Actor: "hub:configurations", Cause: "deleted"}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if now := get(t, c); now.Version != is.Version || now.Owned != nil {
		t.Errorf("after the marks went: version %d, %v", now.Version, now.Owned)
	}
	var got []string
	for change, err := range c.Journal.Read(t.Context(), from, false) {
		if err != nil {
			t.Fatal(err)
		}
		if change.Op == state.Connected {
			continue // it may be noted late
		}
		got = append(got, strings.Join([]string{string(change.Op), change.Actor, change.Cause, string(change.Body)}, "|"))
	}
	want := []string{
		`updateTwin|` + a + `|why a|{"version":3,"properties":{"desired":{"agent":{"x":1},"$version":2}}}`,
		`updateTwin|` + b + `|why b|{"version":4,"properties":{"desired":{"agent":{"y":2},"z":3,"$version":3}},"configurations":{"a":{"status":"Applied"},"b.1":{"status":"Targeted"}}}`,
		`updateOwned|hub:configurations|deleted|{"configurations":null}`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("journal:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestConfigureRefusals: what cannot be done wholly is not done at all.
func TestConfigureRefusals(t *testing.T) {
	c := hubtest.New(t)
	c.Register(t, id)
	write := func(text string) twin.Write {
		return twin.Write{Actor: doc.ConfigurationActor("a", "1"), Desired: hubtest.Patch(t, doc.Desired, text)}
	}
	var full strings.Builder
	full.WriteString(`{"k0":"` + strings.Repeat("x", 4000) + `"`)
	for i := range 8 {
		full.WriteString(`,"l` + string(rune('0'+i)) + `":"` + strings.Repeat("x", 4000) + `"`)
	}
	failure := errors.New("no")
	for _, tt := range []struct {
		name   string
		id     tvilling.Identity
		decide func(*state.Twin) (twin.Arrangement, error)
		want   tvilling.Code
	}{
		{"absent", tvilling.Device("absent"), nil, tvilling.DeviceNotFound},
		{"undecided", id, func(*state.Twin) (twin.Arrangement, error) { return twin.Arrangement{}, failure }, tvilling.Internal},
		{"no room for the second", id, func(*state.Twin) (twin.Arrangement, error) {
			return twin.Arrangement{Writes: []twin.Write{write(`{"a":1}`), write(full.String() + "}")}}, nil
		}, tvilling.InvalidArgument},
		{"nothing", id, func(*state.Twin) (twin.Arrangement, error) { return twin.Arrangement{}, nil }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, _ := c.Store.Head()
			was := get(t, c)
			if err := configure(c, tt.id, tt.decide); tvilling.CodeOf(err) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if after, _ := c.Store.Head(); after != before || get(t, c).Twin != was.Twin {
				t.Error("something was changed")
			}
		})
	}
}

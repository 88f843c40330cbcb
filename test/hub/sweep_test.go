package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
)

// count is the only number that a query gives.
func count(t testing.TB, c *client.Client, text string) int64 {
	t.Helper()
	p, err := c.QueryPage(t.Context(), text, 0, "")
	if err != nil || len(p.Items) != 1 {
		t.Fatalf("%s: %v, %v", text, p, err)
	}
	var row struct{ Count int64 }
	if err := json.Unmarshal(p.Items[0], &row); err != nil {
		t.Fatal(err)
	}
	return row.Count
}

// A disk that fills up while a configuration is applied stops it, not the hub;
// with room again it goes on where it was.
func TestDiskFullDuringConfiguration(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T) disk{"small": small, "simulated": simulated} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fullDiskDuringConfiguration(t, prepare(t))
		})
	}
}

func fullDiskDuringConfiguration(t *testing.T, d disk) {
	h := apptest.Start(t, func(o *app.Options) { o.Data, o.Tuning = d.dir, d.tuning })
	h.Data = d.dir
	c := h.Client()
	const devices = 300
	registerMany(t, c, devices)
	d.fill()
	content := json.RawMessage(`{"deviceContent":{"properties.desired.large":"` + strings.Repeat("x", 3500) + `"}}`)
	spec := client.ConfigurationSpec{ID: "large", TargetCondition: "*", Content: content}
	// Some space is set aside; it is used up before anything is refused.
	made := 0
	for ; made < 100; made++ {
		spec.ID = fmt.Sprint("large-", made)
		if _, err := c.PutConfiguration(t.Context(), spec, tvilling.Match{}); err != nil {
			wantCode(t, "create a configuration", err, tvilling.Unavailable)
			break
		}
	}
	if made == 0 || made == 100 {
		t.Fatalf("%d configurations were made on a full disk", made)
	}
	t.Logf("%d configurations were taken", made)
	list, err := c.Configurations(t.Context())
	if err != nil || len(list) != made {
		t.Fatalf("%d configurations are there (%v), want %d", len(list), err, made)
	}
	const first = "large-0"
	eventually(t, "the work stops", func() (bool, any) {
		p, err := c.ConfigurationProgress(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(p.Reason, "space") || p.State == "applied", string(p.Raw)
	})
	done := count(t, c, "SELECT COUNT() AS count FROM devices WHERE configurations.[["+first+"]].status = 'Applied'")
	t.Logf("%d twins of %d have the first", done, devices)
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	d.empty()
	// What has the highest priority, that is what was made last, has the value.
	last := fmt.Sprint("large-", made-1)
	eventually(t, "all is done with space again", func() (bool, any) {
		n := count(t, c, "SELECT COUNT() AS count FROM devices WHERE configurations.[["+last+"]].status = 'Applied'")
		return n == devices, n
	})
	if e := effectiveOf(t, c, device("d0000")); e.version > int64(made)+1 || e.desired["large"] == nil {
		t.Errorf("the twin took %d versions for %d configurations", e.version, made)
	}
}

// Among the twins of a configuration one is damaged: it is told of, the others
// get what they are to have, and whoever follows a query goes on.
func TestDamagedTwinAmongTheConfigured(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, nil)
	c := h.Client()
	registerMany(t, c, 20)
	bad := device("d0007")
	patchDesired(t, c, bad, `{"x":"before"}`)
	patchDesired(t, c, bad, `{"x":"`+mark+`"}`)
	h.Stop()
	flip(t, h.Data+"/hub.db", mark)
	h.Restart()
	c = h.Client()

	f := &follower{text: "SELECT deviceId, properties.desired.y FROM devices WHERE IS_DEFINED(properties.desired.y)"}
	ctx, stop := context.WithCancel(t.Context())
	var followers sync.WaitGroup
	followers.Go(func() {
		if err := f.follow(ctx, c); ctx.Err() == nil {
			t.Errorf("the live query ended: %v", err)
		}
	})
	spec := client.ConfigurationSpec{
		ID: "all", TargetCondition: "*", Content: json.RawMessage(`{"deviceContent":{"properties.desired.y":1}}`),
		Rollout: json.RawMessage(`{"steps":[{"count":5}]}`),
	}
	if _, err := c.PutConfiguration(t.Context(), spec, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
	// The rollout goes on only over what is well: the first step does not have
	// the damaged one, or it waits there.
	eventually(t, "the damage is told", func() (bool, any) {
		p, err := c.ConfigurationProgress(t.Context(), "all")
		if err != nil {
			t.Fatal(err)
		}
		return p.Blocked == 1, string(p.Raw)
	})
	if _, err := c.SteerConfiguration(t.Context(), "all", "advance"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the others have it", func() (bool, any) {
		n := count(t, c, "SELECT COUNT() AS count FROM devices WHERE configurations.all.status = 'Applied'")
		return n == 19, n
	})
	f.agree(t, c)
	if rows, _ := f.state(); len(rows) != 19 {
		t.Errorf("followed are %d rows, want 19", len(rows))
	}
	for _, text := range []string{
		"SELECT deviceId FROM devices", "SELECT deviceId FROM devices WHERE properties.desired.y = 1",
		"SELECT deviceId FROM devices ORDER BY properties.desired.y", "SELECT deviceId FROM devices WHERE deviceId LIKE 'd%7'",
	} {
		p, err := c.QueryPage(t.Context(), text, 0, "")
		if err != nil {
			t.Fatal(err)
		}
		if p.Damaged != 1 || strings.Contains(fmt.Sprintf("%s", p.Items), string(bad.Device)) {
			t.Errorf("%s finds %d twins and tells of %d that are damaged, want 1", text, len(p.Items), p.Damaged)
		}
	}
	_, err := c.Why(t.Context(), bad)
	wantCode(t, "explain the damaged twin", err, tvilling.Corrupt)
	// Its past is in the journal, and can be brought back.
	was, err := c.TwinAt(t.Context(), bad, client.TwinPoint{Version: 3})
	if err != nil || !strings.Contains(string(was.Properties.Desired), "before") {
		t.Errorf("the twin before the damage: %v, %v", was, err)
	}
	page, err := c.HistoryPage(t.Context(), bad, client.HistoryQuery{})
	if err != nil || len(page.Versions) < 3 {
		t.Errorf("the history of the damaged twin: %+v, %v", page, err)
	}
	was, err = c.TwinAt(t.Context(), bad, client.TwinPoint{Time: time.Now()})
	if err != nil || !strings.Contains(string(was.Properties.Desired), mark) {
		t.Errorf("the twin as it was before the bit flipped: %v, %v", was, err)
	}
	// Made anew, it is configured as any other.
	if err := c.Delete(t.Context(), bad, client.Any()); err != nil {
		t.Fatal(err)
	}
	h.Register(c, bad.Device)
	eventually(t, "the twin made anew", func() (bool, any) {
		e := effectiveOf(t, c, bad)
		return e.desired["y"] == float64(1) && e.marks["all"] == "Applied", e
	})
	f.agree(t, c)
	stop()
	followers.Wait()
}

// A configuration of which a record is damaged does not keep the hub from
// starting, nor others from their work: what it has written stays, and it can be
// deleted and made anew.
func TestFlippedBitInAConfiguration(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"definition": mark, "progress": `"everyone":true`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			damagedConfiguration(t, text)
		})
	}
}

func damagedConfiguration(t *testing.T, text string) {
	h := apptest.Start(t, nil)
	c := h.Client()
	h.Register(c, "d")
	spec := client.ConfigurationSpec{
		ID: "one", TargetCondition: "STARTSWITH(deviceId, 'd')", Priority: 1, Content: json.RawMessage(`{"deviceContent":{"properties.desired.x":"one"}}`),
		Labels: map[string]string{"label": mark},
	}
	if _, err := c.PutConfiguration(t.Context(), spec, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
	applied(t, c, "one")
	before := effectiveOf(t, c, device("d"))
	h.Stop()
	flip(t, h.Data+"/hub.db", text)
	h.Restart()
	c = h.Client()
	// Another one wants the place, and all twins are looked at.
	configuration(t, c, "rival", "*", 5, `{"properties.desired.x":"rival","properties.desired.z":"rival"}`)
	applied(t, c, "rival")
	h.Register(c, "other")
	eventually(t, "a new twin", func() (bool, any) {
		e := effectiveOf(t, c, device("other"))
		return e.desired["x"] == "rival", e
	})
	e := effectiveOf(t, c, device("d"))
	if e.desired["x"] != before.desired["x"] || e.marks["one"] != "Applied" || e.desired["z"] != "rival" {
		t.Errorf("the twin has %v, marks %v; what the damaged configuration had written was %v", e.desired, e.marks, before.desired)
	}
	p, err := c.ConfigurationProgress(t.Context(), "one")
	if err != nil || !strings.Contains(p.Reason, "damaged") {
		t.Errorf("the progress of the damaged one: %+v, %v", p, err)
	}
	_, err = c.PutConfiguration(t.Context(), spec, client.Any())
	wantCode(t, "update the damaged one", err, tvilling.Corrupt)
	wantCode(t, "delete the damaged one by an etag", c.DeleteConfiguration(t.Context(), "one", client.IfTag("MQ==")), tvilling.Corrupt)
	h.Restart() // it stays as it is
	c = h.Client()
	if err := c.DeleteConfiguration(t.Context(), "one", client.Any()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is left of it", func() (bool, any) {
		e := effectiveOf(t, c, device("d"))
		return e.desired["x"] == "rival" && e.marks["one"] == "", e
	})
	eventually(t, "it can be made anew", func() (bool, any) {
		_, err := c.PutConfiguration(t.Context(), spec, tvilling.Match{})
		return err == nil, err
	})
	applied(t, c, "one")
}

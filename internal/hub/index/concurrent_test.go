package index_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

func compile(tb testing.TB, text string) *query.Query {
	tb.Helper()
	q, err := query.Compile(text)
	if err != nil {
		tb.Fatal(err)
	}
	return q
}

// put returns what a round leaves that registers an identity, or changes its
// tags from those it had before.
func put(tb testing.TB, id tvilling.Identity, before *state.Twin, tags string) commit.Touched {
	tb.Helper()
	next := state.NewTwin(id)
	c := commit.Touched{ID: id, HasTwin: true, Twin: next, Before: before}
	if before == nil {
		c.HasIdentity, c.Identity = true, &state.Identity{ID: id, Auth: state.Authentication{Type: state.SAS}}
	} else {
		*next = *before
	}
	next.Tags = merged(tb, next.Tags, doc.Tags, tags, 0)
	return c
}

func gone(id tvilling.Identity) commit.Touched {
	return commit.Touched{ID: id, HasIdentity: true, HasTwin: true, HasSession: true}
}

// TestWhileChanging asks while one goroutine changes twins, and others come and
// go: every twin is seen as it was at one moment, and as it is once a change
// was told.
func TestWhileChanging(t *testing.T) {
	const devices, rounds = 1500, 15
	x := index.New(index.Options{})
	narrow := index.New(index.Options{})
	index.Narrow(narrow)
	twins := make([]*state.Twin, devices)
	for i := range twins {
		c := put(t, tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%04d", i))), nil, `{"a":0,"b":0}`)
		twins[i] = c.Twin
		x.Committed([]commit.Touched{c})
		narrow.Committed([]commit.Touched{c})
	}
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer func() { stop(); wg.Wait() }()
	for _, x := range []*index.Index{x, narrow} {
		wg.Go(func() { askWhileChanging(ctx, t, x, devices) })
	}
	for n := range rounds {
		i := n * 7919 % devices
		for j := range 20 {
			i := (i + j*37) % devices
			c := put(t, twins[i].ID, twins[i], fmt.Sprintf(`{"a":%d,"b":%d}`, n*10+j, n*10+j))
			twins[i] = c.Twin
			// It comes and goes among the others, each time at another place.
			id := tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%04dx", (n*20+j)*311%devices)))
			for _, x := range []*index.Index{x, narrow} {
				x.Committed([]commit.Touched{c, put(t, id, nil, `{"a":-1,"b":-1}`)})
				x.Committed([]commit.Touched{gone(id)})
				x.Moved(c.ID)
			}
		}
		q := compile(t, fmt.Sprintf("SELECT * FROM devices WHERE tags.a = %d AND deviceId = '%s'", n*10+19, twins[(i+19*37)%devices].ID.Device))
		for _, x := range []*index.Index{x, narrow} {
			f, err := x.Find(t.Context(), q, tvilling.Identity{}, 2)
			if err != nil || len(f.IDs) != 1 {
				t.Fatalf("after the change: %v, %v", f, err)
			}
		}
	}
	for _, x := range []*index.Index{x, narrow} {
		if wrong := index.Check(x); wrong != nil {
			t.Errorf("the index is not sound: %q", wrong)
		}
	}
}

// askWhileChanging asks what is so at every moment.
func askWhileChanging(ctx context.Context, t *testing.T, x *index.Index, devices int) {
	unlike := compile(t, "SELECT * FROM devices WHERE tags.a != tags.b OR NOT (tags.a = tags.b)")
	all := compile(t, "SELECT * FROM devices WHERE STARTSWITH(deviceId, 'd') AND tags.a >= 0")
	every := compile(t, "SELECT * FROM devices WHERE tags.a >= -1")
	groups := compile(t, "SELECT COUNT() AS n, MIN(tags.b) AS least FROM devices WHERE tags.a >= 0")
	last := compile(t, "SELECT * FROM devices WHERE tags.a >= 0 ORDER BY tags.b DESC")
	for ctx.Err() == nil {
		if n, err := x.Count(ctx, unlike); err == nil && n.Sure+n.Doubtful != 0 {
			t.Errorf("%d twins are seen half changed", n.Sure)
			return
		}
		if n, err := x.Count(ctx, all); err == nil && n.Sure+n.Doubtful != int64(devices) {
			t.Errorf("counted %d devices, want %d", n.Sure, devices)
			return
		}
		if n, err := x.Group(ctx, groups, groups.NewGroups()); err == nil && n.Sure != int64(devices) {
			t.Errorf("grouped %d devices, want %d", n.Sure, devices)
			return
		}
		if f, err := x.Top(ctx, last, query.Position{}, 10); err == nil && len(f.IDs) != 10 {
			t.Errorf("the last ones are %d, want 10", len(f.IDs))
			return
		}
		found, after := 0, tvilling.Identity{}
		for {
			f, err := x.Find(ctx, all, after, 700)
			if err != nil {
				return
			}
			if found += len(f.IDs); !f.More {
				break
			}
			after = f.IDs[len(f.IDs)-1]
		}
		if f, err := x.Find(ctx, every, tvilling.Identity{}, 2*devices); err == nil && !slices.IsSortedFunc(f.IDs, tvilling.Identity.Compare) {
			t.Error("the devices are found in another order than that of their ids")
			return
		}
		if found != devices {
			t.Errorf("found %d devices page by page, want %d", found, devices)
			return
		}
	}
}

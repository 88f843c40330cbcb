package configuration_test

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
)

// spoil makes records of configurations unreadable.
func (h *hub) spoil(names ...string) {
	h.t.Helper()
	err := h.Committer.Do(h.t.Context(), func(tx *commit.Tx) error {
		for _, name := range names {
			tx.PutSetting(name, []byte("{"))
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestLostCursor: when it is not known how far the changes of twins were
// followed, all twins are looked at.
func TestLostCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		h.Register(t, tvilling.Device("a"))
		h.put(devices("fw", `{"properties.desired.fw":5}`, "tags.site = 1"), "")
		h.expect(time.Minute, map[string]string{"a": `{}`})
		h.stop()
		h.tags("a", `{"site":1}`)
		h.spoil("configurations-cursor")
		start(t, h.Core).expect(time.Minute, map[string]string{"a": `{"fw":5}` + applied})
	})
}

// TestDamagedConfiguration: with one of its records, a configuration keeps what
// it has written and can be deleted; with neither, nobody knows what it was for,
// and the hub does not start.
func TestDamagedConfiguration(t *testing.T) {
	for _, name := range []string{"configuration/fw", "configuration-progress/fw"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, hubtest.New(t))
				h.Register(t, tvilling.Device("a"))
				h.put(devices("fw", `{"properties.desired.fw":{"v":5,"w":6}}`, "*"), "")
				h.expect(time.Second, map[string]string{"a": `{"fw":{"v":5,"w":6}}` + applied})
				h.stop()
				h.spoil(name)
				h = start(t, h.Core)
				h.put(devices("rival", `{"properties.desired.fw.v":7}`, "*"), "")
				h.desired("a", `{"fw":{"w":8}}`)
				const both = ` {"fw":{"status":"Applied"},"rival":{"status":"Targeted"}}`
				h.expect(time.Minute, map[string]string{"a": `{"fw":{"v":5,"w":8}}` + both})
				if err := h.service.Delete(t.Context(), "fw", tvilling.Match{}, "test"); err != nil {
					t.Fatal(err)
				}
				h.expect(time.Minute, map[string]string{"a": `{"fw":{"v":7,"w":8}} {"rival":{"status":"Applied"}}`})
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		h := start(t, hubtest.New(t))
		h.put(devices("fw", `{"properties.desired.fw":5}`, "*"), "")
		h.stop()
		h.spoil("configuration/fw", "configuration-progress/fw")
		_, err := configuration.New(t.Context(), configuration.Options{
			Committer: h.Committer, Store: h.Store, Sessions: h.Sessions, Twins: h.Twins, Journal: h.Journal, Search: h.search, Logger: slog.New(slog.DiscardHandler),
		})
		if tvilling.CodeOf(err) != tvilling.Corrupt {
			t.Errorf("the start gives %v, want code Corrupt", err)
		}
	})
}

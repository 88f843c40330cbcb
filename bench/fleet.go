package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/follow"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitydb"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// A fleet is many devices, each with a security module whose twin is in use:
// its agent is configured, has reported, and has a posture.

// fleetDevice makes the twin of the i-th device: tags as people set them, and
// a few properties.
func fleetDevice(i int) document {
	r := rand.New(rand.NewPCG(uint64(i), 5))
	return document{
		tags: fmt.Appendf(nil, `{"site":"s%03d","customer":"customer-%03d","tier":"%s","SecurityGroup":"%s"}`,
			r.IntN(400), r.IntN(300), pickOf(r, "gold", "silver", "bronze"), pickOf(r, "default", "cameras", "gateways", "meters")),
		desired: fmt.Appendf(nil, `{"interval":%d,"mode":"%s"}`, 10*(1+r.IntN(30)), pickOf(r, "eco", "normal", "boost")),
		reported: fmt.Appendf(nil, `{"firmware":{"version":"4.%d.%d","state":"applied"},"battery":{"level":%d,"charging":%t},"uptime":%d}`,
			r.IntN(20), r.IntN(9), r.IntN(101), r.IntN(2) == 0, r.IntN(1e7)),
	}
}

// fleetModule is the twin of a device's security module as JSON text, with the
// member that the hub keeps in it.
type fleetModule struct {
	document

	posture []byte
}

func (m fleetModule) whole() []byte {
	b := m.document.whole()
	return append(append(append(b[:len(b)-1], `,"security":`...), m.posture...), '}')
}

// agentObject is a configuration of the fleet's agents: what the operator sets,
// as it stands in desired properties, and the whole that agents report.
type agentObject struct{ set, whole []byte }

// agentObjects are the configurations that there are.
func agentObjects() ([]agentObject, error) {
	var list []agentObject
	for _, frequency := range []string{"PT13H", "PT6H", "PT1H", "PT24H"} {
		for _, size := range []int{204800, 131072, 65536} {
			whole, err := agentconfig.Whole(nil, map[string]any{"snapshotFrequency": frequency, "maxMessageSizeInBytes": size})
			if err != nil {
				return nil, err
			}
			list = append(list, agentObject{fmt.Appendf(nil, `{"snapshotFrequency":{"value":%q},"maxMessageSizeInBytes":{"value":%d}}`, frequency, size), whole})
		}
	}
	return list, nil
}

// makeFleetModule makes the security module twin of the i-th device: the agent's
// configuration, what it reports of itself and its machine (words, numbers, and
// things that differ on each device), and a posture.
func makeFleetModule(i int, objects []agentObject) fleetModule {
	r := rand.New(rand.NewPCG(uint64(i), 6))
	object := objects[r.IntN(len(objects))]
	hash := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return hex.EncodeToString(b)
	}
	var m fleetModule
	m.tags = fmt.Appendf(nil, `{"ring":%d,"owner":"team-%02d"}`, r.IntN(10), r.IntN(40))
	m.desired = fmt.Appendf(nil, `{%q:%s}`, agentconfig.Object, object.set)
	m.reported = fmt.Appendf(nil, `{%q:%s,"x":%d,"agent":{"version":"0.%d.%d","started":"2026-%02d-%02dT%02d:%02d:%02dZ","spooled":%d},"machine":{"os":"Linux","release":"6.1.%d","arch":"%s","memory":%d,"ip":"10.%d.%d.%d"},"baseline":{"passed":%d,"failed":%d},"ports":[22,%d],"fingerprint":"%s"}`,
		agentconfig.Object, object.whole, i%1000, r.IntN(4), r.IntN(9), 1+r.IntN(11), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(5000),
		r.IntN(120), pickOf(r, "x86_64", "aarch64", "armv7l"), 512<<r.IntN(5), r.IntN(255), r.IntN(255), r.IntN(255),
		150+r.IntN(80), r.IntN(30), 1024+r.IntN(40000), hash(32))
	state, score := "healthy", 100
	switch n := r.IntN(100); {
	case n < 1:
		state, score = "unhealthy", r.IntN(50)
	case n < 6:
		state, score = "atRisk", 50+r.IntN(40)
	case n < 10:
		state, score = "unknown", 100
	}
	m.posture = fmt.Appendf(nil, `{"state":%q,"score":%d,"parts":{"alerts":0,"recommendations":%d,"agent":0},"alerts":{"high":0,"medium":%d,"low":0,"informational":0},"recommendations":{"high":0,"medium":0,"low":%d,"informational":0},"agent":{"version":"0.%d.%d"},"configuration":"%s"}`,
		state, score, score-100, r.IntN(3), r.IntN(4), r.IntN(4), r.IntN(9), pickOf(r, "inSync", "inSync", "inSync", "differs"))
	return m
}

func pickOf(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }

// fleetData makes the data directory of a hub with the fleet, once: in the
// directory of the run, or in one that is kept for the next run.
func (b *bench) fleetData(ctx context.Context) (string, error) {
	data := filepath.Join(b.dir, "fleet")
	if b.fleet != "" {
		data = filepath.Join(b.fleet, fmt.Sprintf("fleet-%d", b.scale.Fleet))
	}
	done := data + ".filled"
	if _, err := os.Stat(done); err == nil {
		return data, followed(ctx, data)
	}
	h, err := b.startHub(ctx, data)
	if err != nil {
		return "", err
	}
	if err := h.stop(); err != nil {
		return "", err
	}
	start := time.Now()
	if err := b.addFleet(ctx, data); err != nil {
		return "", fmt.Errorf("fill the store: %w", err)
	}
	b.report.event(b.case_, "filled", fmt.Sprintf("%d devices with their security modules in %v", b.scale.Fleet, time.Since(start).Round(time.Second)))
	if err := followed(ctx, data); err != nil {
		return "", err
	}
	return data, os.WriteFile(done, nil, 0o600)
}

// followed makes the security plane of a hub that is down take the fleet for
// one that it has followed all along: it would look through all of it anew, and
// give every twin the posture of a device that has never sent anything.
func followed(ctx context.Context, data string) (err error) {
	hub, err := sqlite.Open(ctx, sqlite.Options{Dir: data})
	if err != nil {
		return err
	}
	head, _ := hub.Head()
	if err := hub.Close(); err != nil {
		return err
	}
	store, err := securitydb.Open(ctx, securitydb.Options{Dir: data, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return ledger.NewLedger(store).Do(ctx, func(tx *ledger.Tx) error {
		tx.SetCursor(follow.CursorName, head)
		return nil
	})
}

func (b *bench) addFleet(ctx context.Context, data string) (err error) {
	key, err := auth.LoadHubKey(filepath.Join(data, "hub.key"))
	if err != nil {
		return err
	}
	sealer, err := auth.NewSealer(key)
	if err != nil {
		return err
	}
	objects, err := agentObjects()
	if err != nil {
		return err
	}
	store, err := sqlite.Open(ctx, sqlite.Options{Dir: data})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	const atOnce = 500
	sequence, _ := store.Head()
	for from := 0; from < b.scale.Fleet; from += atOnce {
		to := min(from+atOnce, b.scale.Fleet)
		batch := &state.Batch{}
		for i := from; i < to; i++ {
			if err := addFleetDevice(batch, sealer, i, objects, &sequence); err != nil {
				return err
			}
		}
		batch.Writes = append(batch.Writes, state.Write{Counters: &state.Counters{Devices: int64(to), Modules: int64(to)}})
		if err := store.Commit(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func addFleetDevice(batch *state.Batch, sealer *auth.Sealer, i int, objects []agentObject, sequence *uint64) error {
	now := time.Now().UTC()
	device := tvilling.Device(deviceID(i))
	module := tvilling.Identity{Device: device.Device, Module: tvilling.SecurityModule}
	m := makeFleetModule(i, objects)
	for _, x := range []struct {
		id  tvilling.Identity
		op  state.Op
		doc document
	}{{device, state.CreateDevice, fleetDevice(i)}, {module, state.CreateModule, m.document}} {
		t, err := makeTwin(x.id, x.doc, now)
		if err != nil {
			return err
		}
		if x.id.IsModule() {
			p, err := doc.Parse(m.posture, doc.Owned)
			if err != nil {
				return err
			}
			s, err := doc.Section(nil).Replace(p, doc.Owned, doc.Stamp{Time: now, Actor: "hub:posture"})
			if err != nil {
				return err
			}
			t.Owned = []state.Owned{{Name: "security", Value: s}}
		}
		rec := &state.Identity{ID: x.id, Generation: strconv.Itoa(i + 1), Version: 1, Created: now, Companion: x.id.IsModule()}
		rec.Auth.Type = state.SAS
		rec.Auth.SealedPrimary, rec.Auth.SealedSecondary = sealer.SealPair(auth.IdentityOwner(x.id),
			auth.Pair{Primary: deviceKey(x.id.String()), Secondary: deviceKey(x.id.String() + "2")})
		*sequence++
		batch.Writes = append(batch.Writes, state.Write{ID: x.id, Identity: rec}, state.Write{ID: x.id, Twin: t})
		batch.Changes = append(batch.Changes, state.Change{Sequence: *sequence, Time: now, Op: x.op, ID: x.id, Actor: "policy:bench"})
	}
	return nil
}

// indexed waits until a hub's index serves, and returns how long after start.
func (h *hub) indexed(ctx context.Context, start time.Time) (time.Duration, error) {
	for ctx.Err() == nil {
		ready, err := h.metric("tvilling_index_ready") // of devices and of modules
		if err != nil {
			return 0, err
		}
		if ready == 2 {
			return time.Since(start), nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return 0, context.Cause(ctx)
}

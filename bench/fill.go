package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// documentSize is the size of each twin as JSON text: tags, desired and
// reported properties, without metadata.
const documentSize = 2048

func deviceID(i int) tvilling.DeviceID { return tvilling.DeviceID(fmt.Sprintf("bench-%06d", i)) }

// deviceKey derives the key of a device, so that nobody has to keep it.
func deviceKey(id string) string {
	mac := hmac.New(sha256.New, []byte("tvilling bench"))
	mac.Write([]byte(id))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// document is the twin of a device as JSON text, by section.
type document struct{ tags, desired, reported []byte }

// whole is the document as the peers store it.
func (d document) whole() []byte {
	b := append([]byte(`{"tags":`), d.tags...)
	b = append(append(b, `,"desired":`...), d.desired...)
	b = append(append(b, `,"reported":`...), d.reported...)
	return append(b, '}')
}

// makeDocument makes the twin of the i-th device: numbers, words and hashes as
// devices have them, filled up to documentSize.
func makeDocument(i int) document {
	r := rand.New(rand.NewPCG(uint64(i), 3))
	hash := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return hex.EncodeToString(b)
	}
	var d document
	d.tags = fmt.Appendf(nil, `{"site":"s%d","building":"b%02d","floor":%d,"room":"r-%04d","customer":"customer-%03d","tier":"%s","installed":"2024-%02d-%02dT08:00:00Z"}`,
		i%32, r.IntN(20), r.IntN(9), r.IntN(4000), r.IntN(300), []string{"gold", "silver", "bronze"}[r.IntN(3)], 1+r.IntN(12), 1+r.IntN(28))
	d.desired = fmt.Appendf(nil, `{"interval":%d,"mode":"%s","firmware":{"version":"4.%d.%d","sha256":"%s","window":{"from":"02:00","to":"04:30"}},"limits":{"temperature":{"low":%d,"high":%d},"humidity":{"low":20,"high":%d}},"features":{"local":true,"trace":false,"batch":%d}}`,
		10*(1+r.IntN(30)), []string{"eco", "normal", "boost"}[r.IntN(3)], r.IntN(20), r.IntN(9), hash(32), r.IntN(10), 30+r.IntN(20), 60+r.IntN(30), 1+r.IntN(64))
	reported := fmt.Appendf(nil, `{"x":%d,"temperature":%.3f,"humidity":%.2f,"uptime":%d,"net":{"rssi":-%d,"ssid":"plant-%d","ip":"10.%d.%d.%d","mac":"%s","up":%d},"battery":{"level":%d,"charging":%t,"cycles":%d},"firmware":{"version":"4.%d.%d","sha256":"%s","state":"applied"},"os":{"name":"Linux","release":"6.1.%d","machine":"aarch64"},"errors":{"count":%d,"last":"none"},"fingerprint":"`,
		i%1000, 15+10*r.Float64(), 100*r.Float64(), r.IntN(1e7), 40+r.IntN(50), r.IntN(9), r.IntN(255), r.IntN(255), r.IntN(255), hash(6), r.IntN(1e6),
		r.IntN(101), r.IntN(2) == 0, r.IntN(1000), r.IntN(20), r.IntN(9), hash(32), r.IntN(120), r.IntN(50))
	d.reported = reported
	missing := documentSize - len(d.whole()) - len(`"}`)
	d.reported = append(append(reported, hash(missing/2 + 1)[:missing]...), `"}`...)
	return d
}

// appendPatch appends the patch that every update applies: five properties.
func appendPatch(dst []byte, pick uint64) []byte {
	dst = append(dst, `{"temperature":`...)
	dst = strconv.AppendFloat(dst, float64(pick%40000)/1000, 'f', 3, 64)
	dst = append(dst, `,"humidity":`...)
	dst = strconv.AppendFloat(dst, float64(pick>>16%10000)/100, 'f', 2, 64)
	dst = append(dst, `,"uptime":`...)
	dst = strconv.AppendUint(dst, pick>>32%10000000, 10)
	dst = append(dst, `,"net":{"rssi":-`...)
	dst = strconv.AppendUint(dst, 40+pick>>24%50, 10)
	dst = append(dst, `,"up":`...)
	dst = strconv.AppendUint(dst, pick>>40%1000000, 10)
	return append(dst, `}}`...)
}

// fill makes a data directory of a hub with all devices of the scale: each
// with its twin, its security module, and its module's twin. The hub itself
// makes the directory; the records then go to its store while it is down.
func (b *bench) fill(ctx context.Context, data string) error {
	h, err := b.startHub(ctx, data)
	if err != nil {
		return err
	}
	if err := h.stop(); err != nil {
		return err
	}
	if err := b.addDevices(ctx, data); err != nil {
		return err
	}
	// A hub that finds devices it has not seen looks through them once, which
	// should be over before anything is measured.
	if h, err = b.startHub(ctx, data); err != nil {
		return err
	}
	return errors.Join(h.quiet(ctx), h.stop())
}

func (b *bench) addDevices(ctx context.Context, data string) (err error) {
	key, err := auth.LoadHubKey(filepath.Join(data, "hub.key"))
	if err != nil {
		return err
	}
	sealer, err := auth.NewSealer(key)
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
	for from := 0; from < b.scale.Devices; from += atOnce {
		to := min(from+atOnce, b.scale.Devices)
		batch := &state.Batch{}
		for i := from; i < to; i++ {
			if err := addDevice(batch, sealer, i, &sequence); err != nil {
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

func addDevice(batch *state.Batch, sealer *auth.Sealer, i int, sequence *uint64) error {
	now := time.Now().UTC()
	device := tvilling.Device(deviceID(i))
	module := tvilling.Identity{Device: device.Device, Module: tvilling.SecurityModule}
	t, err := makeTwin(device, makeDocument(i), now)
	if err != nil {
		return err
	}
	for _, id := range []tvilling.Identity{device, module} {
		rec := &state.Identity{ID: id, Generation: strconv.Itoa(i + 1), Version: 1, Created: now, Companion: id.IsModule(), Pristine: id.IsModule()}
		rec.Auth.Type = state.SAS
		rec.Auth.SealedPrimary, rec.Auth.SealedSecondary = sealer.SealPair(auth.IdentityOwner(id),
			auth.Pair{Primary: deviceKey(id.String()), Secondary: deviceKey(id.String() + "2")})
		*sequence++
		op := state.CreateDevice
		if id.IsModule() {
			op, t = state.CreateModule, state.NewTwin(id)
		}
		batch.Writes = append(batch.Writes, state.Write{ID: id, Identity: rec}, state.Write{ID: id, Twin: t})
		batch.Changes = append(batch.Changes, state.Change{Sequence: *sequence, Time: now, Op: op, ID: id, Actor: "policy:bench"})
	}
	return nil
}

func makeTwin(id tvilling.Identity, d document, now time.Time) (*state.Twin, error) {
	t := state.NewTwin(id)
	stamp := doc.Stamp{Time: now, Actor: "policy:bench"}
	for _, s := range []struct {
		section *doc.Section
		part    doc.Part
		text    []byte
	}{{&t.Tags, doc.Tags, d.tags}, {&t.Desired, doc.Desired, d.desired}, {&t.Reported, doc.Reported, d.reported}} {
		if s.part == doc.Reported {
			stamp.Actor = "device:" + id.String()
		}
		p, err := doc.Parse(s.text, s.part)
		if err != nil {
			return nil, err
		}
		if *s.section, err = s.section.Replace(p, s.part, stamp); err != nil {
			return nil, err
		}
	}
	t.Version, t.Revision = 3, 2
	return t, nil
}

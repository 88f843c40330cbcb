package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/indicator"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/rules"
	"github.com/tvilling/tvilling/internal/security/schema"
	"github.com/tvilling/tvilling/internal/security/sigma"
	"github.com/tvilling/tvilling/internal/store/eventdb"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// stage times one step of the pipeline over the same messages, in the
// generator's process and on one goroutine, and says what it cost.
func (b *bench) stage(name string, events int, f func() error) error {
	m := &meter{}
	m.begin()
	start := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	took := time.Since(start)
	m.end()
	b.figure(Figure{Metric: name, Value: us(m.generator) / float64(events), Unit: "µs/event", Less: true})
	b.figure(Figure{Metric: name + " throughput", Value: float64(events) / took.Seconds(), Unit: "events/s"})
	return nil
}

// parcels are messages as the log has them, bodies of the mix of all figures.
func (b *bench) parcels(seed uint64, n int) []*tvilling.Message {
	body := sampleBody(seed)
	now := time.Now().UTC()
	list := make([]*tvilling.Message, n)
	for i := range list {
		list[i] = &tvilling.Message{
			From: tvilling.Identity{Device: deviceID(b.spread(i, n)), Module: tvilling.SecurityModule}, Sequence: uint64(i + 1), Enqueued: now,
			Body: body(b.spread(i, n), now), System: []tvilling.Property{{Name: "iothub-interface-id", Value: tvilling.SecurityInterface}},
		}
	}
	return list
}

// plainMessage is what somebody would write who reads these messages with the
// standard library and leaves payload items as they come.
type plainMessage struct {
	AgentVersion, AgentID, MessageSchemaVersion string
	Events                                      []struct {
		ID                           string `json:"Id"`
		Name, Category, EventType    string
		TimestampLocal, TimestampUTC string
		PayloadSchemaVersion         string
		IsEmpty                      bool
		Payload                      []map[string]any
	}
}

func runSecurityStages(ctx context.Context, b *bench) error {
	list := b.parcels(7, b.scale.Devices/10)
	events := len(list) * perMessage
	decoded := make([]*event.Message, len(list))
	if err := b.stage("decode", events, func() error { return decodeAll(list, decoded) }); err != nil {
		return err
	}
	if err := b.stage("decode by encoding/json", events, func() error {
		for _, m := range list {
			var p plainMessage
			if err := json.Unmarshal(m.Body, &p); err != nil {
				return err
			}
			if len(p.Events) != perMessage {
				return fmt.Errorf("a message has %d events", len(p.Events))
			}
		}
		return nil
	}); err != nil {
		return err
	}
	engine, err := openEngine(ctx)
	if err != nil {
		return err
	}
	err = b.stage("detect", events, func() error {
		devices := make(map[tvilling.DeviceID]*ledger.Device)
		for _, m := range decoded {
			d := devices[m.From.Device]
			if d == nil {
				d = &ledger.Device{ID: m.From.Device}
				devices[d.ID] = d
			}
			if _, err := engine.Observe(d, m, nil, d.LastSeen, func(detect.Found) error { return nil }); err != nil {
				return err
			}
			d.LastSeen = m.Received
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := b.stageStore(ctx, decoded); err != nil {
		return err
	}
	return b.stageRows(decoded)
}

func decodeAll(list []*tvilling.Message, into []*event.Message) error {
	for i, m := range list {
		d, err := schema.Decode(m, m.Enqueued)
		if err != nil {
			return err
		}
		if len(d.Events) != perMessage {
			return fmt.Errorf("message %d has %d events", i, len(d.Events))
		}
		d.Sequence, d.Received = m.Sequence, m.Enqueued
		into[i] = d
	}
	return nil
}

// openEngine has all rules, lists and detections of a hub.
func openEngine(ctx context.Context) (*detect.Engine, error) {
	lists := make(map[string]sigma.List)
	files, err := fs.Glob(rules.Lists(), "*.txt")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		text, err := fs.ReadFile(rules.Lists(), name)
		if err != nil {
			return nil, err
		}
		short, _, _ := strings.Cut(name, ".")
		if lists[short], _, err = indicator.Read(bytes.NewReader(text)); err != nil {
			return nil, err
		}
	}
	engine, err := detect.New(ctx, detect.Options{
		Decode: rulefile.Parse, Builtin: rules.FS, Stateful: detection.All(), Ledger: ledger.NewLedger(securitymem.New()),
		Logger: slog.New(slog.DiscardHandler), List: func(name string) (sigma.List, bool) { l, ok := lists[name]; return l, ok },
	})
	if err != nil {
		return nil, err
	}
	for _, v := range engine.List() {
		if v.Error != "" {
			return nil, fmt.Errorf("the rule %s is not in force: %s", v.ID, v.Error)
		}
	}
	return engine, nil
}

// stageStore appends to an event store, as it is in a hub.
func (b *bench) stageStore(ctx context.Context, decoded []*event.Message) error {
	dir := filepath.Join(b.dir, "stage-events")
	db, err := eventdb.Open(ctx, eventdb.Options{Dir: dir})
	if err != nil {
		return err
	}
	events := len(decoded) * perMessage
	err = b.stage("store", events, func() error {
		for _, m := range decoded {
			if _, err := db.Append(ctx, m); err != nil {
				return err
			}
		}
		return db.Flush(ctx)
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	size, err := sizeOf(dir)
	b.figure(Figure{Metric: "store, disk each", Value: float64(size) / float64(events), Unit: "B/event", Less: true})
	return err
}

// The peer of the event store: a row for each event, found by device, name and
// time through three indexes, and told from one sent again by a fourth.
const rowSchema = `
CREATE TABLE events (
	received INTEGER NOT NULL, sequence INTEGER NOT NULL, device TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL,
	type TEXT NOT NULL, category TEXT NOT NULL, time INTEGER NOT NULL, payload TEXT NOT NULL
);
CREATE INDEX by_device ON events (device, time);
CREATE INDEX by_name ON events (name, time);
CREATE INDEX by_time ON events (time);
CREATE UNIQUE INDEX by_id ON events (device, id);
`

// stageRows does the same with rows, as many in a transaction as the event
// store writes at a time.
func (b *bench) stageRows(decoded []*event.Message) (err error) {
	dir := filepath.Join(b.dir, "stage-rows")
	path := filepath.Join(dir, "events.db")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	conn, err := sqlite.OpenConn(path)
	if err != nil {
		return err
	}
	for _, pragma := range []string{"PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"} {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			return errors.Join(err, conn.Close())
		}
	}
	if err := sqlitex.ExecuteScript(conn, rowSchema, nil); err != nil {
		return errors.Join(err, conn.Close())
	}
	events := len(decoded) * perMessage
	const together = 50 // messages
	err = b.stage("store as rows", events, func() error {
		for from := 0; from < len(decoded); from += together {
			if err := insertRows(conn, decoded[from:min(from+together, len(decoded))]); err != nil {
				return err
			}
		}
		return sqlitex.ExecuteTransient(conn, "PRAGMA wal_checkpoint(TRUNCATE)", nil)
	})
	if err = errors.Join(err, conn.Close()); err != nil {
		return err
	}
	size, err := sizeOf(dir)
	b.figure(Figure{Metric: "store as rows, disk each", Value: float64(size) / float64(events), Unit: "B/event", Less: true})
	return err
}

func insertRows(conn *sqlite.Conn, messages []*event.Message) (err error) {
	defer sqlitex.Transaction(conn)(&err)
	stmt, err := conn.Prepare("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	for _, m := range messages {
		for i := range m.Events {
			e := &m.Events[i]
			stmt.BindInt64(1, m.Received.UnixMilli())
			stmt.BindInt64(2, int64(m.Sequence)) //nolint:gosec // small
			stmt.BindText(3, string(m.From.Device))
			stmt.BindText(4, e.ID)
			stmt.BindText(5, e.Name)
			stmt.BindText(6, string(e.Type))
			stmt.BindText(7, string(e.Category))
			stmt.BindInt64(8, e.Time.UnixMilli())
			stmt.BindText(9, string(e.Payload))
			if _, err := stmt.Step(); err != nil {
				return err
			}
			if err := stmt.Reset(); err != nil {
				return err
			}
		}
	}
	return nil
}

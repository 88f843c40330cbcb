package securitydb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitydb"
)

const (
	benchDevices = 100_000
	benchAlerts  = 200_000
)

// benchDevice returns what a device leaves behind that a few detections watch.
func benchDevice(n, version int) *ledger.Device {
	return &ledger.Device{
		ID: tvilling.DeviceID(fmt.Sprintf("device-%08d", n)), LastSeen: at(version), AgentID: "8d3ac3f7-2a5c-4c6e-9a53-3b1f2d1c0e11", AgentVersion: "3.1.0",
		Sync: "inSync", Due: at(3600 * (1 + n%7)),
		Memory: map[string][]byte{
			"brute-force-failed": fmt.Append(nil, "12345678901234567890", version), "local-login": fmt.Append(nil, "0123456789", version), "wake:device-silent": {1, 2, 3, 4, 5},
		},
	}
}

// fleet opens a store that knows benchDevices devices.
func fleet(b *testing.B) (*securitydb.Store, string) {
	b.Helper()
	dir := b.TempDir()
	s := open(b, securitydb.Options{Dir: dir})
	for n := 0; n < benchDevices; n += 2000 {
		var batch ledger.Batch
		for i := n; i < n+2000; i++ {
			batch.Devices = append(batch.Devices, benchDevice(i, 0))
		}
		commit(b, s, &batch)
	}
	return s, dir
}

// benchAlert returns an alert with evidence of about 2 KB.
func benchAlert(n int) *ledger.Alert {
	a := &ledger.Alert{
		ID:    fmt.Sprintf("%08x-0000-8000-8000-%012x", n*2654435761%(1<<32), n),
		Key:   ledger.Key{Device: tvilling.DeviceID(fmt.Sprintf("device-%08d", n*7919%benchDevices)), Type: fmt.Sprint("IoT_AlertType", n%40), Cause: "/usr/bin/something"},
		Title: "Something suspicious", Severity: ledger.Severity(n % 4), Rule: "something", RuleVersion: "2026-01-02+0123abcd",
		Status: ledger.Resolved, Count: 1, First: at(n), Last: at(n), Created: at(n), Updated: at(n), Version: 1,
	}
	if n%100 == 0 {
		a.Status = ledger.New
	}
	for range 4 {
		a.Evidence = append(a.Evidence, ledger.Evidence{Sequence: uint64(n), Event: "e", Name: "ProcessCreate", Time: at(n), Received: at(n), Item: make([]byte, 450)})
	}
	return a
}

func benchFeed(sequence *uint64, a *ledger.Alert) ledger.Entry {
	*sequence++
	return ledger.Entry{Sequence: *sequence, Time: a.Updated, Subject: "alert", ID: a.ID, Device: a.Device, Action: "raised", Actor: "hub:detection", Body: make([]byte, 2500)}
}

// BenchmarkCommit commits batches of random devices of a fleet, some with as
// many new alerts, and tells the time for each record.
func BenchmarkCommit(b *testing.B) {
	for _, test := range []struct {
		name            string
		devices, alerts int
		due             bool
	}{
		{"devices=50", 50, 0, false},
		{"devices=1000", 1000, 0, false},
		{"devices=1000,due", 1000, 0, true},
		{"devices=1000,alerts=20", 1000, 20, false},
		{"alerts=1000", 0, 1000, false},
	} {
		b.Run(test.name, func(b *testing.B) {
			s, dir := fleet(b)
			r := rand.New(rand.NewPCG(1, 2))
			sequence, made := uint64(0), 0
			for version := 1; b.Loop(); version++ {
				b.StopTimer()
				batch := &ledger.Batch{Cursors: map[string]uint64{"intake": uint64(version)}}
				for range test.devices {
					d := benchDevice(r.IntN(benchDevices), version)
					if test.due {
						d.Due = at(version + r.IntN(60))
					}
					batch.Devices = append(batch.Devices, d)
				}
				for range test.alerts {
					a := benchAlert(made)
					made++
					batch.Alerts = append(batch.Alerts, a)
					batch.Feed = append(batch.Feed, benchFeed(&sequence, a))
					batch.Steps = append(batch.Steps, ledger.Step{Sequence: sequence, Alert: a.ID, Time: a.Created, Actor: "hub:detection", Action: "raised", To: ledger.New})
				}
				b.StartTimer()
				if err := s.Commit(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
			}
			records := float64((test.devices + 3*test.alerts) * b.N)
			b.ReportMetric(float64(b.Elapsed().Microseconds())/records, "µs/record")
			if info, err := os.Stat(filepath.Join(dir, "security.db-wal")); err == nil {
				b.ReportMetric(float64(info.Size())/(1<<20), "wal-MiB")
			}
			st := s.Stats()
			b.ReportMetric(float64(st.CheckpointTime.Milliseconds())/float64(max(1, st.Checkpoints)), "wait-ms/checkpoint")
		})
	}
}

func BenchmarkDevice(b *testing.B) {
	s, _ := fleet(b)
	r := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		if d, err := s.Device(context.Background(), tvilling.DeviceID(fmt.Sprintf("device-%08d", r.IntN(benchDevices)))); err != nil || d == nil {
			b.Fatal(d, err)
		}
	}
}

// manyAlerts opens a store with benchAlerts alerts.
func manyAlerts(b *testing.B) *securitydb.Store {
	b.Helper()
	s := open(b, securitydb.Options{})
	for n := 0; n < benchAlerts; n += 1000 {
		var batch ledger.Batch
		for i := n; i < n+1000; i++ {
			batch.Alerts = append(batch.Alerts, benchAlert(i))
		}
		commit(b, s, &batch)
	}
	return s
}

// BenchmarkAlerts reads pages of 100 out of many alerts, and summaries.
func BenchmarkAlerts(b *testing.B) {
	s := manyAlerts(b)
	middle := benchAlert(benchAlerts / 2).ID
	for _, test := range []struct {
		name  string
		f     ledger.AlertFilter
		after string
	}{
		{"all", ledger.AlertFilter{}, ""},
		{"middle", ledger.AlertFilter{}, middle},
		{"device", ledger.AlertFilter{Device: benchAlert(7).Device}, ""},
		{"open", ledger.AlertFilter{Status: []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress}}, middle},
		{"type", ledger.AlertFilter{Type: "IoT_AlertType7"}, middle},
		{"severity", ledger.AlertFilter{Severity: []ledger.Severity{ledger.High}}, middle},
		{"owner", ledger.AlertFilter{Owner: "nobody"}, ""},
		{"hour", ledger.AlertFilter{From: at(5000), To: at(8600)}, ""},
		{"late", ledger.AlertFilter{From: at(5000), To: at(50_000)}, ""},
		{"raised", ledger.AlertFilter{RaisedFrom: at(5000), RaisedTo: at(50_000)}, ""},
		{"raised and open", ledger.AlertFilter{RaisedFrom: at(5000), RaisedTo: at(50_000), Status: []ledger.Status{ledger.New}}, ""},
		{"nothing", ledger.AlertFilter{Type: "IoT_AlertType0", Status: []ledger.Status{ledger.Dismissed}}, ""},
	} {
		b.Run("page/"+test.name, func(b *testing.B) {
			for b.Loop() {
				n := 0
				for _, err := range s.Alerts(context.Background(), test.f, test.after) {
					if err != nil {
						b.Fatal(err)
					}
					if n++; n == 100 {
						break
					}
				}
			}
		})
	}
	open := ledger.AlertFilter{Status: []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress}}
	for _, test := range []struct {
		name string
		f    ledger.AlertFilter
		by   []string
	}{
		{"open by severity", open, []string{"severity"}},
		{"all by type", ledger.AlertFilter{}, []string{"type"}},
		{"all by day", ledger.AlertFilter{}, []string{"day", "severity"}},
		{"all by device", ledger.AlertFilter{}, []string{"device"}},
		{"last hour", ledger.AlertFilter{From: at(benchAlerts - 3600)}, []string{"type", "severity"}},
		{"raised", ledger.AlertFilter{RaisedFrom: at(0)}, []string{"raisedHour", "severity"}},
		{"raised lately", ledger.AlertFilter{RaisedFrom: at(benchAlerts - 7200)}, []string{"raisedHour", "severity"}},
		{"open by type", open, []string{"type", "severity"}},
	} {
		b.Run("groups/"+test.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.AlertGroups(context.Background(), test.f, test.by); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("fold", func(b *testing.B) {
		a := benchAlert(benchAlerts / 3)
		start := time.Now()
		for n := 1; b.Loop(); n++ {
			a.Count++
			a.Last = start.Add(time.Duration(n))
			if err := s.Commit(context.Background(), &ledger.Batch{Alerts: []*ledger.Alert{a}}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

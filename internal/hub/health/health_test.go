package health_test

import (
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/hub/health"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func well() health.Facts {
	return health.Facts{
		Time: now, Started: now.Add(-time.Hour), Disk: health.Disk{Free: 500 << 30, Total: 1000 << 30}, Index: health.Index{On: true, Ready: true},
		CertificateEnds: now.Add(60 * 24 * time.Hour), Readers: []health.Reader{{Name: "intake"}}, Sinks: []health.Sink{{Name: "siem", Behind: 3}},
		Stores: []health.Store{{Name: "telemetry"}}, Commit: health.Commit{Queue: 5, P99: 10},
	}
}

// TestFaults: a hub that is well has none, and each thing that goes wrong is
// said, with what to do.
func TestFaults(t *testing.T) {
	f := well()
	if got := f.Faults(); len(got) != 0 {
		t.Fatalf("a hub that is well has faults: %+v", got)
	}
	for _, tt := range []struct {
		name  string
		wrong func(*health.Facts)
		about string
		want  health.Gravity
	}{
		{"ledger lost", func(f *health.Facts) { f.Commit.Ledger = "disk error" }, "ledger", health.Severe},
		{"write-back", func(f *health.Facts) { f.Commit.WriteBack = "no space" }, "store", health.Severe},
		{"refused", func(f *health.Facts) { f.Commit.Refused = 1 }, "commit", health.Severe},
		{"slow", func(f *health.Facts) { f.Commit.P99, f.Commit.Writes = 1000, 200 }, "commit", health.Warning},
		{"queue", func(f *health.Facts) { f.Commit.Queue = 20_000 }, "commit", health.Warning},
		{"disk low", func(f *health.Facts) { f.Disk.Free = 100 << 20 }, "disk", health.Severe},
		{"disk share low", func(f *health.Facts) { f.Disk.Free = 20 << 30 }, "disk", health.Severe},
		{"disk fills", func(f *health.Facts) { f.Disk.Growth, f.Disk.Known = 400<<30, true }, "disk", health.Warning},
		{"held", func(f *health.Facts) { f.Stores[0].Held = 1 }, "storage", health.Warning},
		{"reader", func(f *health.Facts) { f.Readers[0].Behind = 20_000 }, "reader:intake", health.Warning},
		{"sink fails", func(f *health.Facts) { f.Sinks[0].Error = "refused" }, "sink:siem", health.Warning},
		{"sink behind", func(f *health.Facts) { f.Sinks[0].Behind = 2000 }, "sink:siem", health.Warning},
		{"sink missed", func(f *health.Facts) { f.Sinks[0].Missed = 1 }, "sink:siem", health.Severe},
		{"certificate over", func(f *health.Facts) { f.CertificateEnds = now.Add(-time.Hour) }, "certificate", health.Severe},
		{"certificate soon", func(f *health.Facts) { f.CertificateEnds = now.Add(24 * time.Hour) }, "certificate", health.Warning},
		{"damage", func(f *health.Facts) { f.Corrupt = 1 }, "damage", health.Severe},
		{"index", func(f *health.Facts) { f.Index.Ready = false }, "index", health.Warning},
		{"index small", func(f *health.Facts) { f.Index.Left = 2 }, "index", health.Warning},
		{"rules", func(f *health.Facts) { f.BrokenDetections = 1 }, "detections", health.Warning},
		{"letters", func(f *health.Facts) { f.DeadLettersShed = 1 }, "deadletters", health.Warning},
		{"postures", func(f *health.Facts) { f.PosturesFailing = 1 }, "posture", health.Warning},
		{"adoption", func(f *health.Facts) { f.AdoptionFailed = 1 }, "adoption", health.Warning},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := well()
			tt.wrong(&f)
			got := f.Faults()
			if len(got) != 1 || got[0].About != tt.about || got[0].Gravity != tt.want {
				t.Fatalf("faults = %+v, want one about %s, %s", got, tt.about, tt.want)
			}
			if got[0].Short == "" || got[0].What == "" || got[0].Do == "" {
				t.Errorf("fault says too little: %+v", got[0])
			}
		})
	}
	f = well()
	f.Index.Ready, f.Started = false, now.Add(-time.Minute)
	if got := f.Faults(); len(got) != 0 {
		t.Errorf("an index that is being built at the start: %+v, want no fault", got)
	}
	f = well()
	f.Index.Left, f.Disk.Free = 1, 1
	if got := f.Faults(); len(got) != 2 || got[0].Gravity != health.Severe {
		t.Errorf("faults = %+v, want the severe one first", got)
	}
}

// TestFull: what grows has an end, what does not has none.
func TestFull(t *testing.T) {
	s := health.Store{Bytes: 1 << 30, MaxBytes: 3 << 30, Growth: 1 << 30, Known: true}
	if d, ok := s.Full(); !ok || d != 48*time.Hour {
		t.Errorf("full in %v, %v; want 48h", d, ok)
	}
	s.Growth = 0
	if _, ok := s.Full(); ok {
		t.Error("what does not grow is never full")
	}
}

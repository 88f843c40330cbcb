package sqlite_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// past returns the history of a device in short: "records 7", "change 7", or
// "damage".
func past(t testing.TB, s *sqlite.Store, i tvilling.Identity, until uint64) []string {
	t.Helper()
	out := []string{}
	for p, err := range s.History(context.Background(), i, until) {
		switch {
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			out = append(out, "damage")
		case err != nil:
			t.Fatalf("History(%s): %v", i, err)
		case p.Change != nil:
			if p.Change.ID != i || p.Sequence != p.Change.Sequence {
				t.Errorf("the history of %s has %+v", i, p.Change)
			}
			out = append(out, fmt.Sprint("change ", p.Sequence))
		default:
			if p.Twin != nil && p.Twin.ID != i {
				t.Errorf("the history of %s has the twin of %s", i, p.Twin.ID)
			}
			out = append(out, fmt.Sprint("records ", p.Sequence))
		}
	}
	return out
}

// pastOf is what history leaves of one of its five devices.
func pastOf(device, head int) (out []string) {
	for seq := head; seq > 0; seq-- {
		if (seq-1)%5 == device {
			out = append(out, fmt.Sprint("records ", seq), fmt.Sprint("change ", seq))
		}
	}
	return out
}

func historyFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "history", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// longPast fills a store with many segments and closes it.
func longPast(t *testing.T, dir string) sqlite.Options {
	t.Helper()
	o := sqlite.Options{Dir: dir, SegmentBytes: 4 << 10}
	s := open(t, o)
	history(t, s, 200)
	for d := range 5 {
		if got := past(t, s, id(fmt.Sprint("d", d), ""), 0); !slices.Equal(got, pastOf(d, 200)) {
			t.Fatalf("history of d%d: %s", d, cmp.Diff(pastOf(d, 200), got))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if files, segments := historyFiles(t, dir), segmentFiles(t, dir); len(files) < 10 || len(files) >= len(segments) {
		t.Fatalf("%d files of history for %d segments", len(files), len(segments))
	}
	return o
}

// TestHistoryFiles: what is missing, damaged or cut off among the files is
// made anew, what belongs to nothing is deleted, and the history is the same.
func TestHistoryFiles(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string, data []byte) error{
		"missing": func(path string, _ []byte) error { return os.Remove(path) },
		"cut off": func(path string, data []byte) error { return os.WriteFile(path, data[:len(data)/2], 0o600) },
		"empty":   func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
		"damaged": func(path string, data []byte) error {
			for at := range data {
				data[at] ^= byte(at%7 + 1)
			}
			return os.WriteFile(path, data, 0o600)
		},
		"renamed": func(path string, data []byte) error {
			return os.WriteFile(strings.Replace(path, "0-", "1-", 1), data, 0o600)
		},
		"unfinished": func(path string, data []byte) error { return os.WriteFile(path+".tmp", data, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			o := longPast(t, dir)
			before := historyFiles(t, dir)
			for _, path := range before {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := spoil(path, data); err != nil {
					t.Fatal(err)
				}
			}
			s := open(t, o)
			for d := range 5 {
				for _, until := range []uint64{0, 150, 7} {
					want := pastOf(d, min(200, int(until)))
					if until == 0 {
						want = pastOf(d, 200)
					}
					if got := past(t, s, id(fmt.Sprint("d", d), ""), until); !slices.Equal(got, want) {
						t.Errorf("history of d%d up to %d: %s", d, until, cmp.Diff(want, got))
					}
				}
			}
			if got := past(t, s, id("nobody", ""), 0); len(got) > 0 {
				t.Errorf("history of nobody: %v", got)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if after := historyFiles(t, dir); len(after) < len(before) || slices.ContainsFunc(after, func(p string) bool { return strings.HasSuffix(p, ".tmp") }) {
				t.Errorf("the files are %v, were %v", after, before)
			}
		})
	}
}

// TestHistoryFileBits flips bits of a file while the store is open: each time
// the history is whole.
func TestHistoryFileBits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := longPast(t, dir)
	o.Logger = slog.New(slog.DiscardHandler)
	s := open(t, o)
	s.AwaitHistory()
	path := historyFiles(t, dir)[3]
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for bit := 0; bit < 8*len(good); bit += 331 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := past(t, s, id("d2", ""), 0); !slices.Equal(got, pastOf(2, 200)) {
			t.Fatalf("bit %d: %s", bit, cmp.Diff(pastOf(2, 200), got))
		}
		if now, err := os.ReadFile(path); err != nil || bytes.Equal(now, bad) {
			// A flip that a look-up did not meet is met by another one's.
			continue
		} else if !bytes.Equal(now, good) {
			t.Fatalf("bit %d: the file was not made as it was", bit)
		}
	}
}

// TestHistoryDropped: the files go with their segments.
func TestHistoryDropped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := longPast(t, dir)
	s := open(t, o)
	o.HistoryBytes, o.HistoryAge = 20_000, time.Hour
	if err := s.Retain(o); err != nil {
		t.Fatal(err)
	}
	first, _ := span(t, s, 0)
	var want []string
	for _, line := range pastOf(1, 200) {
		var seq uint64
		if _, err := fmt.Sscan(line[strings.IndexByte(line, ' '):], &seq); err != nil {
			t.Fatal(err)
		}
		if seq >= first {
			want = append(want, line)
		}
	}
	if got := past(t, s, id("d1", ""), 0); !slices.Equal(got, want) || first < 50 {
		t.Errorf("history from change %d on: %s", first, cmp.Diff(want, got))
	}
	segments := make(map[string]bool)
	for _, path := range segmentFiles(t, dir) {
		segments[strings.TrimSuffix(filepath.Base(path), ".seg")] = true
	}
	for _, path := range historyFiles(t, dir) {
		if !segments[strings.TrimSuffix(filepath.Base(path), ".idx")] {
			t.Errorf("%s stays without its segment", path)
		}
	}
}

// TestHistoryDamage flips bits all over a segment of the journal, before its
// records are looked for and after: an identity's history lacks what is
// damaged and says so, and is whole otherwise.
func TestHistoryDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := longPast(t, dir)
	o.Logger = slog.New(slog.DiscardHandler)
	segmentPath := segmentFiles(t, dir)[3]
	good, err := os.ReadFile(segmentPath)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	s.AwaitHistory()
	for _, known := range []bool{false, true} {
		noticed := 0
		for at := 40; at < len(good); at += 41 {
			for _, path := range historyFiles(t, dir) {
				if !known {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
				}
			}
			bad := bytes.Clone(good)
			bad[at] ^= 1 << (at % 8)
			if err := os.WriteFile(segmentPath, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			lacking := 0
			for d := range 5 {
				got, want := past(t, s, id(fmt.Sprint("d", d), ""), 0), pastOf(d, 200)
				said := slices.Contains(got, "damage")
				got = slices.DeleteFunc(got, func(line string) bool { return line == "damage" })
				for _, line := range got {
					if !slices.Contains(want, line) {
						t.Fatalf("byte %d: the history of d%d has %q", at, d, line)
					}
				}
				if len(got) < len(want) {
					lacking++
				}
				if said {
					noticed++
				}
				if len(got) < len(want)-2 || len(got) < len(want) && !said {
					t.Fatalf("byte %d: the history of d%d says damage: %v, and is %s", at, d, said, cmp.Diff(want, got))
				}
			}
			if lacking > 1 {
				t.Errorf("byte %d: %d identities lack a part of their history", at, lacking)
			}
		}
		if noticed == 0 {
			t.Error("no flip was noticed")
		}
		if err := os.WriteFile(segmentPath, good, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, path := range historyFiles(t, dir) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		past(t, s, id("d0", ""), 0)
	}
}

// TestHistorySameHash: identities with the same hash do not see each other.
func TestHistorySameHash(t *testing.T) {
	t.Parallel()
	table := crc32.MakeTable(crc32.Castagnoli)
	seen := make(map[uint32]string)
	var pair [2]string
	r := rand.New(rand.NewPCG(1, 2))
	for pair[0] == "" {
		name := fmt.Sprintf("%x", r.Uint64())
		sum := crc32.Checksum([]byte(name+"\x00"), table)
		if other, ok := seen[sum]; ok {
			pair = [2]string{other, name}
		}
		seen[sum] = name
	}
	s := open(t, sqlite.Options{SegmentBytes: 4 << 10})
	for seq := uint64(1); seq <= 60; seq++ {
		name := pair[seq%2]
		commit(t, s, &state.Batch{Writes: device(name, int64(seq)), Changes: []state.Change{change(seq, id(name, ""))}})
	}
	for n, name := range pair {
		got := past(t, s, id(name, ""), 0)
		if len(got) != 60 || !strings.HasSuffix(got[0], fmt.Sprint(60-1+(n+1)%2)) {
			t.Errorf("history of %s: %v", name, got)
		}
	}
}

// FuzzHistoryFile looks in any bytes for places: nothing is found in what no
// store wrote, and nothing breaks.
func FuzzHistoryFile(f *testing.F) {
	f.Add([]byte{}, uint32(0))
	f.Add(sqlite.EncodeHistory([]uint32{1, 1 << 31, 1<<32 - 1}), uint32(1<<31))
	many := make([]uint32, 400)
	for i := range many {
		many[i] = uint32(i%50) << 24
	}
	f.Add(sqlite.EncodeHistory(many), uint32(7<<24))
	f.Fuzz(func(t *testing.T, data []byte, hash uint32) {
		places, err := sqlite.FindHistory(data, hash)
		if again, _ := sqlite.FindHistory(sqlite.ResealHistory(data), hash); err == nil && len(again) != len(places) {
			t.Fatalf("%d places, then %d", len(places), len(again))
		}
	})
}

// TestHistoryFileFinds finds each place of any hashes again.
func TestHistoryFileFinds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{0, 1, 340, 341, 342, 5000} {
		hashes := make([]uint32, n)
		count := make(map[uint32]int)
		for i := range hashes {
			hashes[i] = r.Uint32()
			switch i % 4 {
			case 0:
				hashes[i] = 1<<32 - 1
			case 1:
				hashes[i] = hashes[i] >> 23 << 23
			}
			count[hashes[i]]++
		}
		data := sqlite.EncodeHistory(hashes)
		count[12345] += 0
		for hash, want := range count {
			if got, err := sqlite.FindHistory(data, hash); err != nil || len(got) != want {
				t.Fatalf("%d places: hash %d has %d, %v; want %d", n, hash, len(got), err, want)
			}
		}
	}
}

var historySize = flag.Int64("history-size", 32<<20, "the journal of the history benchmark has this many `bytes`")

// BenchmarkHistory reads the history of one of 20,000 devices from a journal
// with a change of one at a time, all of it and its newest ten entries.
func BenchmarkHistory(b *testing.B) {
	o := sqlite.Options{Dir: b.TempDir(), HistoryBytes: 1 << 40}
	s, err := sqlite.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	const devices = 20_000
	r := rand.New(rand.NewPCG(1, 2))
	for sequence := uint64(0); s.Stats().JournalBytes < *historySize; {
		var batch state.Batch
		for range 100 {
			sequence++
			w := benchTwin(r.IntN(devices), int64(sequence))
			batch.Writes = append(batch.Writes, state.Write{ID: w.ID, Twin: w})
			batch.Changes = append(batch.Changes, change(sequence, w.ID))
		}
		if err := s.Commit(b.Context(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	start := time.Now()
	past(b, s, benchID(0), 0)
	first := time.Since(start)
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	for name, limit := range map[string]int{"all": 1 << 30, "newest=10": 10, "nobody": 0} {
		b.Run(name, func(b *testing.B) {
			total := 0
			for b.Loop() {
				i := benchID(r.IntN(devices))
				if limit == 0 {
					i = id("nobody", fmt.Sprint(r.Uint64()))
				}
				n := 0
				for _, err := range s.History(b.Context(), i, 0) {
					if err != nil {
						b.Fatal(err)
					}
					if n++; n == limit {
						break
					}
				}
				total += n
			}
			b.ReportMetric(float64(total)/float64(b.N), "entries/op")
			b.ReportMetric(float64(first.Milliseconds()), "first-ms")
			b.ReportMetric(float64(s.Stats().JournalBytes)/(1<<20), "journal-MiB")
		})
	}
}

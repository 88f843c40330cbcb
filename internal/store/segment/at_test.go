package segment_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/segment"
)

// place is where a record is, as Read tells.
type place struct {
	first uint64
	rec   segment.Record
}

// places returns the places of all records of a log.
func places(t *testing.T, l *segment.Log) (out []place) {
	t.Helper()
	for _, s := range l.Segments() {
		for r, err := range l.Read(s.First - 1) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Sequence > s.Last {
				break
			}
			out = append(out, place{s.First, r})
		}
	}
	return out
}

// TestAt finds every record again by its place, in ended files and in the
// active one, and nothing at any other place.
func TestAt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := mustOpen(t, segment.Options{Dir: dir, MaxBytes: 8 << 10})
	for n := range 60 {
		mustAppend(t, l, strings.Repeat("x", n*13%700), "second", strings.Repeat("z", n*101%5000))
	}
	all := places(t, l)
	if len(all) != 180 || len(l.Segments()) < 5 {
		t.Fatalf("%d records in %d files", len(all), len(l.Segments()))
	}
	for _, p := range all {
		got, err := l.At(p.first, p.rec.Offset)
		if err != nil || got.Sequence != p.rec.Sequence || got.Offset != p.rec.Offset || !bytes.Equal(got.Payload, p.rec.Payload) {
			t.Fatalf("At(%d, %d) = record %d, %v; want record %d", p.first, p.rec.Offset, got.Sequence, err, p.rec.Sequence)
		}
		for _, offset := range []int64{p.rec.Offset + 8, p.rec.Offset + 1, -8, 0, 1 << 40} {
			if _, err := l.At(p.first, offset); tvilling.CodeOf(err) != tvilling.Corrupt {
				t.Fatalf("At(%d, %d): %v, want code Corrupt", p.first, offset, err)
			}
		}
	}
	if _, err := l.At(all[0].first+1, all[0].rec.Offset); tvilling.CodeOf(err) != tvilling.NotFound {
		t.Errorf("a file that never was: %v, want code NotFound", err)
	}
	if err := l.Drop(l.Segments()[1].First); err != nil {
		t.Fatal(err)
	}
	if _, err := l.At(all[0].first, all[0].rec.Offset); tvilling.CodeOf(err) != tvilling.NotFound {
		t.Errorf("a file that was dropped: %v, want code NotFound", err)
	}
	last := all[len(all)-1]
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.At(last.first, last.rec.Offset); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("a closed log: %v, want code Unavailable", err)
	}
}

// TestPass demands that Pass yields what Read does, record by record.
func TestPass(t *testing.T) {
	t.Parallel()
	l := mustOpen(t, segment.Options{Dir: t.TempDir(), MaxBytes: 200 << 10})
	for n := range 60 {
		mustAppend(t, l, strings.Repeat("x", n*13%700), strings.Repeat("z", n*1013%20000))
	}
	all := places(t, l)
	for _, after := range []uint64{0, 1, 77, 120} {
		n := int(after)
		for got, err := range l.Pass(after) {
			want := all[n].rec
			if err != nil || got.Sequence != want.Sequence || got.Offset != want.Offset || !bytes.Equal(got.Payload, want.Payload) {
				t.Fatalf("Pass(%d): record %d, %v; want %d", after, got.Sequence, err, want.Sequence)
			}
			n++
		}
		if n != len(all) {
			t.Errorf("Pass(%d) ends at record %d of %d", after, n, len(all))
		}
	}
}

// TestAtDamage demands that a damaged record is refused, and its neighbours not.
func TestAtDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := mustOpen(t, segment.Options{Dir: dir})
	mustAppend(t, l, "first", "second", "third")
	all := places(t, l)
	file := filepath.Join(dir, l.Segments()[0].Name)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	size := all[2].rec.Offset - all[1].rec.Offset
	for bit := range (size - 2) * 8 { // two bytes of padding
		bad := bytes.Clone(good)
		bad[all[1].rec.Offset+bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		for n, p := range all {
			_, err := l.At(p.first, p.rec.Offset)
			if want := map[bool]tvilling.Code{true: tvilling.Corrupt}[n == 1]; tvilling.CodeOf(err) != want {
				t.Fatalf("bit %d, record %d: %v, want code %q", bit, n+1, err, want)
			}
		}
	}
}

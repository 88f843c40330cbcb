package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/segment"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// machine drives a log beside a model of what it has acknowledged.
type machine struct {
	fs   *faultfs.FS
	log  *segment.Log
	opts segment.Options
	// records[i] is the record with sequence i+1. Those below acked were
	// acknowledged; the rest is at most one append whose fate a crash decides.
	records [][]byte
	acked   int
	dropped uint64 // no record up to here need be there
}

func newMachine(t *rapid.T) *machine {
	fs := faultfs.New()
	m := &machine{fs: fs, opts: segment.Options{
		Dir: "log", FS: fs,
		MaxBytes: rapid.SampledFrom([]int64{600, 3000, 100_000}).Draw(t, "maxBytes"),
		Reserve:  rapid.SampledFrom([]int64{-1, 700, 6000, 40_000}).Draw(t, "reserve"),
	}}
	m.open(t)
	return m
}

func (m *machine) open(t *rapid.T) {
	l, err := segment.Open(m.opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	m.log = l
	if r := l.Recovery(); r.Damaged != 0 {
		t.Fatalf("Open after a crash reports damage: %+v", r)
	}
}

// drawBatch draws payloads that never end with a sector's worth of zeros by
// themselves, but do hold zeros.
func drawBatch(t *rapid.T) [][]byte {
	n := rapid.IntRange(1, 6).Draw(t, "records")
	out := make([][]byte, n)
	for i := range out {
		size := rapid.SampledFrom([]int{0, 1, 7, 8, 100, 488, 500, 2000, 5000}).Draw(t, "size")
		fill := byte(rapid.IntRange(0, 3).Draw(t, "fill"))
		out[i] = bytes.Repeat([]byte{fill}, size)
	}
	return out
}

func (m *machine) append(t *rapid.T) {
	b := drawBatch(t)
	first, err := m.log.Append(b)
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	if first != uint64(m.acked)+1 {
		t.Fatalf("Append = %d, want %d", first, m.acked+1)
	}
	m.records = append(m.records, b...)
	m.acked = len(m.records)
}

// appendCut appends with a fault and then cuts the power.
func (m *machine) appendCut(t *rapid.T) {
	b := drawBatch(t)
	switch rapid.IntRange(0, 2).Draw(t, "fault") {
	case 0:
		m.fs.FailSync(rapid.IntRange(0, 2).Draw(t, "syncs"), syscall.EIO)
	case 1:
		m.fs.FailWrite(rapid.IntRange(0, 1).Draw(t, "writes"), syscall.EIO)
	case 2:
		m.fs.FailSyncDir(0, syscall.EIO)
	}
	_, err := m.log.Append(b)
	m.records = append(m.records, b...)
	if err == nil {
		m.acked = len(m.records)
	} else if tvilling.CodeOf(err) != tvilling.Internal {
		t.Fatalf("Append with a fault = %v, want code Internal", err)
	}
	if rapid.Bool().Draw(t, "power cut") {
		m.crash(t)
		return
	}
	// The process alone ends. What the next one is shown must stay.
	m.fs.FailSync(0, nil)
	m.fs.FailWrite(0, nil)
	m.fs.FailSyncDir(0, nil)
	if err := m.log.Close(); err != nil {
		t.Fatalf("Close of a poisoned log: %v", err)
	}
	m.open(t)
	m.settle(t)
}

func (m *machine) full(t *rapid.T) {
	m.fs.SetSpace(int64(rapid.IntRange(0, 3000).Draw(t, "space")))
	b := drawBatch(t)
	_, err := m.log.Append(b)
	m.fs.SetSpace(-1)
	switch {
	case err == nil:
		m.records = append(m.records, b...)
		m.acked = len(m.records)
	case tvilling.CodeOf(err) != tvilling.Unavailable || !errors.Is(err, syscall.ENOSPC):
		t.Fatalf("Append on a full disk = %v, want code Unavailable for ENOSPC", err)
	}
}

func (m *machine) crash(t *rapid.T) {
	keep := rapid.SampledFrom([]string{"nothing", "everything", "some"}).Draw(t, "disk keeps")
	m.fs.Crash(func() bool {
		return keep == "everything" || keep == "some" && rapid.Bool().Draw(t, "keep")
	})
	m.open(t)
	m.settle(t)
}

// settle takes over what a log holds after it was opened anew: all that was
// acknowledged, and the append under way or not.
func (m *machine) settle(t *rapid.T) {
	head := int(m.log.Head())
	if head != m.acked && head != len(m.records) {
		t.Fatalf("Head = %d after opening anew, want %d, or %d with the append under way", head, m.acked, len(m.records))
	}
	m.records = m.records[:head]
	m.acked = head
}

func (m *machine) reopen(t *rapid.T) {
	if err := m.log.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	m.open(t)
	if r := m.log.Recovery(); r.TornBytes != 0 {
		t.Fatalf("Open after Close reports a torn tail: %+v", r)
	}
}

func (m *machine) drop(t *rapid.T) {
	before := uint64(rapid.IntRange(0, m.acked+2).Draw(t, "before"))
	if err := m.log.Drop(before); err != nil {
		t.Fatalf("Drop: %v", err)
	}
	m.dropped = max(m.dropped, min(before, uint64(m.acked)+1))
	if f := m.log.First(); f > m.dropped && f > 1 {
		t.Fatalf("First = %d after Drop(%d)", f, m.dropped)
	}
}

func (m *machine) rotate(t *rapid.T) {
	if err := m.log.Rotate(); err != nil {
		t.Fatalf("Rotate: %v", err)
	}
}

// check compares all that can be read with the model.
func (m *machine) check(t *rapid.T) {
	if got := m.log.Head(); got != uint64(m.acked) {
		t.Fatalf("Head = %d, want %d", got, m.acked)
	}
	after := uint64(rapid.IntRange(0, m.acked).Draw(t, "after"))
	want := max(after+1, m.log.First())
	for r, err := range m.log.Read(after) {
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		if r.Sequence != want {
			t.Fatalf("Read yields sequence %d, want %d", r.Sequence, want)
		}
		if !bytes.Equal(r.Payload, m.records[r.Sequence-1]) {
			t.Fatalf("record %d has %d bytes that are not its own", r.Sequence, len(r.Payload))
		}
		want++
	}
	if want != max(uint64(m.acked), after)+1 {
		t.Fatalf("Read ended before record %d of %d", want, m.acked)
	}
}

func TestCrashesLoseNothingAcknowledged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		t.Repeat(map[string]func(*rapid.T){
			"append":    m.append,
			"append2":   m.append,
			"appendCut": m.appendCut,
			"full":      m.full,
			"crash":     m.crash,
			"reopen":    m.reopen,
			"drop":      m.drop,
			"rotate":    m.rotate,
			"":          m.check,
		})
	})
}

// damageTest is a log with several files and the bytes of each.
type damageTest struct {
	fs    *faultfs.FS
	opts  segment.Options
	want  []string
	files []string
	used  int // of the last file
}

func newDamageTest(t *rapid.T) *damageTest {
	fs := faultfs.New()
	d := &damageTest{fs: fs, opts: segment.Options{
		Dir: "log", FS: fs, MaxBytes: 2500,
		Reserve: rapid.SampledFrom([]int64{-1, 900}).Draw(t, "reserve"),
	}}
	l, err := segment.Open(d.opts)
	if err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(1, 6).Draw(t, "appends") {
		var b [][]byte
		for range rapid.IntRange(1, 5).Draw(t, "records") {
			p := fmt.Sprintf("record %d ", len(d.want)+1)
			p += strings.Repeat("x", rapid.SampledFrom([]int{0, 3, 300, 700}).Draw(t, "size"))
			b = append(b, []byte(p))
			d.want = append(d.want, p)
		}
		if _, err := l.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	segments := l.Segments()
	d.used = int(segments[len(segments)-1].Bytes)
	if rapid.Bool().Draw(t, "crash") {
		fs.Crash(nil)
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	d.files = fs.Files()
	return d
}

// Whatever one bit of a file becomes, at most one record is lost, it is named,
// and everything else is read and can be appended to.
func TestOneFlippedBitLosesOneRecord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := newDamageTest(t)
		file := rapid.SampledFrom(d.files).Draw(t, "file")
		data := d.fs.Data(file)
		used := len(data)
		if file == d.files[len(d.files)-1] {
			used = d.used
		}
		bit := rapid.IntRange(0, used*8-1).Draw(t, "bit")
		data[bit/8] ^= 1 << (bit % 8)
		d.fs.SetData(file, data)

		for range 2 { // the second time it must be found the same
			l, err := segment.Open(d.opts)
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			lost := d.compare(t, l, file)
			if lost > 1 {
				t.Fatalf("one flipped bit lost %d records", lost)
			}
			if r := l.Recovery(); r.TornBytes != 0 {
				t.Fatalf("damage taken for a torn tail: %+v", r)
			}
			first, err := l.Append([][]byte{[]byte("after")})
			if err != nil || first != uint64(len(d.want))+1 {
				t.Fatalf("Append = %d, %v, want %d", first, err, len(d.want)+1)
			}
			d.want = append(d.want, "after")
			d.compare(t, l, file)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A file may lose any stretch: what is lost is named, and the rest is read.
func TestOverwrittenStretch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := newDamageTest(t)
		file := rapid.SampledFrom(d.files[:max(1, len(d.files)-1)]).Draw(t, "file")
		sealed := len(d.files) > 1
		data := d.fs.Data(file)
		from := rapid.IntRange(0, len(data)-1).Draw(t, "from")
		to := rapid.IntRange(from+1, len(data)).Draw(t, "to")
		fill := rapid.SampledFrom([]byte{0, 0xff}).Draw(t, "fill")
		copy(data[from:to], bytes.Repeat([]byte{fill}, to-from))
		d.fs.SetData(file, data)
		l, err := segment.Open(d.opts)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		if sealed {
			d.compare(t, l, file)
		} else {
			// In the newest file zeros may be taken for a torn append.
			for r, err := range l.Read(0) {
				if err == nil && string(r.Payload) != d.want[r.Sequence-1] {
					t.Fatalf("record %d = %q, want %q", r.Sequence, r.Payload, d.want[r.Sequence-1])
				}
			}
		}
	})
}

// compare reads l and returns how many records of d are lost. Each loss must
// be named, with the damaged file; nothing else may differ.
func (d *damageTest) compare(t *rapid.T, l *segment.Log, file string) int {
	lost := 0
	next := uint64(1)
	for r, err := range l.Read(0) {
		if err != nil {
			dmg, ok := errors.AsType[*segment.Damage](err)
			if !ok || tvilling.CodeOf(err) != tvilling.Corrupt {
				t.Fatalf("Read yields %v, want damage", err)
			}
			if dmg.File != file || dmg.First != next || dmg.Last != r.Sequence || !strings.Contains(err.Error(), file) {
				t.Fatalf("damage %+v at record %d, want file %s, sequences %d to %d", dmg, next, file, next, r.Sequence)
			}
			lost += int(dmg.Last - dmg.First + 1)
			next = r.Sequence + 1
			continue
		}
		if r.Sequence != next || string(r.Payload) != d.want[r.Sequence-1] {
			t.Fatalf("record %d = %q, want %d = %q", r.Sequence, r.Payload, next, d.want[next-1])
		}
		next++
	}
	if next != uint64(len(d.want))+1 {
		t.Fatalf("read up to %d of %d records", next-1, len(d.want))
	}
	return lost
}

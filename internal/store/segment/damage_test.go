package segment_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/segment"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// Sizes of the file format, which these tests know on purpose: a change of
// the format must break them.
const (
	fileHeader   = 32
	recordHeader = 24
)

// threeRecords makes a log of three records of 40 bytes in one file, closed.
func threeRecords(t *testing.T) (*faultfs.FS, string) {
	t.Helper()
	fs := faultfs.New()
	l, err := segment.Open(segment.Options{Dir: "log", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"a", "b", "c"} {
		mustAppend(t, l, strings.Repeat(s, 40))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return fs, fs.Files()[0]
}

// record returns the offset of the i-th record of threeRecords, from 0.
func record(i int) int { return fileHeader + i*(recordHeader+40) }

// What is at the end of the newest file decides between a torn tail, which
// goes, and damage, which stays.
func TestOpenTellsTornFromDamaged(t *testing.T) {
	t.Parallel()
	a, b, c := "1:"+strings.Repeat("a", 40), "2:"+strings.Repeat("b", 40), "3:"+strings.Repeat("c", 40)
	flip := func(off int) func([]byte) []byte {
		return func(d []byte) []byte { d[off] ^= 4; return d }
	}
	for name, tt := range map[string]struct {
		change func([]byte) []byte
		want   []string
		torn   bool
		next   uint64
	}{
		"nothing":                 {func(d []byte) []byte { return d }, []string{a, b, c}, false, 4},
		"zeros behind":            {func(d []byte) []byte { return append(d, make([]byte, 9999)...) }, []string{a, b, c}, false, 4},
		"cut in the last payload": {func(d []byte) []byte { return d[:len(d)-1] }, []string{a, b}, true, 3},
		"cut in the last header":  {func(d []byte) []byte { return d[:record(2)+3] }, []string{a, b}, true, 3},
		"cut at the last record":  {func(d []byte) []byte { return d[:record(2)] }, []string{a, b}, false, 3},
		"few bytes behind":        {func(d []byte) []byte { return append(d, 1, 2, 3) }, []string{a, b, c}, true, 4},
		"header never written": {
			func(d []byte) []byte { clear(d[record(2) : record(2)+recordHeader]); return d },
			[]string{a, b},
			true, 3,
		},
		"first payload":       {flip(record(0) + recordHeader), []string{"1!", b, c}, false, 4},
		"first header":        {flip(record(0) + 1), []string{"1!", b, c}, false, 4},
		"middle header":       {flip(record(1) + 9), []string{a, "2!", c}, false, 4},
		"last payload":        {flip(record(2) + recordHeader + 39), []string{a, b, "3!"}, false, 4},
		"last header":         {flip(record(2) + 22), []string{a, b, "3!"}, false, 4},
		"last header, length": {flip(record(2) + 2), []string{a, b, "3!"}, false, 4},
		"file header":         {flip(10), []string{a, b, c}, false, 4},
		"two headers":         {func(d []byte) []byte { return flip(record(0))(flip(record(1))(d)) }, []string{"2!", c}, false, 4},
		"first and last":      {func(d []byte) []byte { return flip(record(0))(flip(record(2))(d)) }, []string{"1!", b, "3!"}, false, 4},
		"garbage behind": {
			func(d []byte) []byte { return append(d, bytes.Repeat([]byte{7}, 100)...) },
			[]string{a, b, c, "4!"},
			false, 5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs, path := threeRecords(t)
			fs.SetData(path, tt.change(fs.Data(path)))
			o := segment.Options{Dir: "log", FS: fs}
			l := mustOpen(t, o)
			if r := l.Recovery(); (r.TornBytes > 0) != tt.torn {
				t.Errorf("Recovery = %+v, want torn %v", r, tt.torn)
			}
			wantContents(t, l, 0, tt.want...)
			if got := mustAppend(t, l, "next"); got != tt.next {
				t.Errorf("Append = %d, want %d", got, tt.next)
			}
			want := append(slices.Clone(tt.want), fmt.Sprintf("%d:next", tt.next))
			wantContents(t, l, 0, want...)
			fs.Crash(nil)
			l = mustOpen(t, o)
			wantContents(t, l, 0, want...)
			if r := l.Recovery(); r.TornBytes > 0 {
				t.Errorf("Recovery the second time = %+v, want nothing torn", r)
			}
		})
	}
}

// A whole sector that reads as zeros behind acknowledged records is damage in
// the middle of a file, whatever it looks like.
func TestLostSector(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	l := mustOpen(t, segment.Options{Dir: "log", FS: fs})
	var want []string
	for i := range 40 {
		s := strings.Repeat(string(rune('A'+i)), 100)
		mustAppend(t, l, s)
		want = append(want, fmt.Sprintf("%d:%s", i+1, s))
	}
	path := fs.Files()[0]
	data := fs.Data(path)
	clear(data[1024:1536]) // the end of record 8, 9 to 11, the start of 12
	fs.SetData(path, data)
	fs.Crash(nil)
	l = mustOpen(t, segment.Options{Dir: "log", FS: fs})
	wantContents(t, l, 0, append(append(want[:7:7], "8!", "12!"), want[12:]...)...)
	r := l.Recovery()
	if r.Damaged != 2 || r.Damage[1].First != 9 || r.Damage[1].Last != 12 || r.Damage[1].Offset != fileHeader+8*128 {
		t.Errorf("Recovery = %+v, want record 8, and 9 to 12 at offset 1056", r)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	fixHeader := func(d []byte) []byte {
		binary.LittleEndian.PutUint32(d[28:], crc32.Checksum(d[:28], crc32.MakeTable(crc32.Castagnoli)))
		return d
	}
	for name, tt := range map[string]struct {
		change func(fs *faultfs.FS, path string)
		code   tvilling.Code
		text   string
	}{
		"later version": {func(fs *faultfs.FS, path string) {
			d := fs.Data(path)
			d[8] = 2
			fs.SetData(path, fixHeader(d))
		}, tvilling.Unsupported, "version 2"},
		"renamed": {func(fs *faultfs.FS, path string) {
			other := strings.Replace(path, "0001-", "0009-", 1)
			fs.SetData(other, fs.Data(path))
		}, tvilling.Corrupt, "renamed"},
		"two of the same": {func(fs *faultfs.FS, path string) {
			fs.SetData("log/00000000000000000001-00000000.seg", fs.Data(path))
		}, tvilling.Corrupt, "claim the same records"},
		"unreadable directory": {func(fs *faultfs.FS, _ string) {
			fs.Fail("names", syscall.EACCES)
		}, tvilling.Unavailable, "permission denied"},
		"unreadable file": {func(fs *faultfs.FS, _ string) {
			fs.Fail("open", syscall.EACCES)
		}, tvilling.Unavailable, "permission denied"},
		"broken file": {func(fs *faultfs.FS, _ string) {
			fs.Fail("read", syscall.EIO)
		}, tvilling.Unavailable, "input/output error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs, path := threeRecords(t)
			tt.change(fs, path)
			_, err := segment.Open(segment.Options{Dir: "log", FS: fs})
			if tvilling.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("Open = %v, want code %s and %q", err, tt.code, tt.text)
			}
			if lock, err := fs.Lock("log"); err != nil {
				t.Errorf("Open that failed keeps the lock: %v", err)
			} else if err := lock.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := segment.Open(segment.Options{}); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("Open without a directory = %v, want code InvalidArgument", err)
	}
}

// A crash may leave a file that was not finished being made.
func TestUnfinishedFileIsTakenOver(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{"empty": nil, "short": {1, 2, 3}, "zeros": make([]byte, fileHeader)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs, _ := threeRecords(t)
			fs.SetData("log/00000000000000000004-0badcafe.seg", data)
			l := mustOpen(t, segment.Options{Dir: "log", FS: fs})
			if r := l.Recovery(); r.Damaged != 0 || l.Head() != 3 {
				t.Errorf("Head %d Recovery %+v, want 3 and nothing", l.Head(), r)
			}
			mustAppend(t, l, "d")
			fs.Crash(nil)
			l = mustOpen(t, segment.Options{Dir: "log", FS: fs})
			wantContents(t, l, 2, "3:"+strings.Repeat("c", 40), "4:d")
		})
	}
}

func TestReadWithoutAFile(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	l := mustOpen(t, segment.Options{Dir: "log", FS: fs, MaxBytes: 64})
	for i := range 4 {
		mustAppend(t, l, fmt.Sprint(i+1))
	}
	if err := fs.Remove(fs.Files()[1]); err != nil {
		t.Fatal(err)
	}
	wantContents(t, l, 0, "1:1", "2!", "3:3", "4:4")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// Opened anew, the log sees that the file before ends too early.
	l = mustOpen(t, segment.Options{Dir: "log", FS: fs, MaxBytes: 64})
	wantContents(t, l, 0, "1:1", "2!", "3:3", "4:4")

	fs.Fail("open", syscall.EMFILE)
	for r, err := range l.Read(0) {
		if tvilling.CodeOf(err) != tvilling.Unavailable || r.Sequence != 0 {
			t.Errorf("Read without a file handle yields %v, %v, want code Unavailable", r, err)
		}
	}
}

func TestReadErrorsAreDamage(t *testing.T) {
	t.Parallel()
	fs, path := threeRecords(t)
	l := mustOpen(t, segment.Options{Dir: "log", FS: fs})
	fs.Fail("read", syscall.EIO)
	n := 0
	for r, err := range l.Read(0) {
		n++
		d, ok := errors.AsType[*segment.Damage](err)
		if !ok || r.Sequence != 3 || d.First != 1 || d.Last != 3 || d.File != path || !errors.Is(err, syscall.EIO) {
			t.Errorf("Read yields %v, %v, want damage of 1 to 3 by EIO", r, err)
		}
	}
	if n != 1 {
		t.Errorf("Read yielded %d times, want once", n)
	}
	fs.Fail("read", nil)
	if got := len(contents(t, l, 0)); got != 3 {
		t.Errorf("read %d records afterwards, want 3", got)
	}
}

// A payload that is a copy of a log must not pass for records of one, not even
// when the header before it is damaged.
func TestPayloadCannotForgeRecords(t *testing.T) {
	t.Parallel()
	fs, path := threeRecords(t)
	forged := fs.Data(path)[fileHeader:]
	fs = faultfs.New()
	l := mustOpen(t, segment.Options{Dir: "log", FS: fs})
	mustAppend(t, l, string(forged))
	mustAppend(t, l, "after")
	path = fs.Files()[0]
	data := fs.Data(path)
	data[fileHeader+16] ^= 1
	fs.SetData(path, data)
	fs.Crash(nil)
	l = mustOpen(t, segment.Options{Dir: "log", FS: fs})
	wantContents(t, l, 0, "1!", "2:after")
}

func TestSeekInALargeFile(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	l := mustOpen(t, segment.Options{Dir: "log", FS: fs, Reserve: -1})
	var b [][]byte
	for i := range 4000 {
		b = append(b, bytes.Repeat([]byte{byte(i)}, i%1500))
	}
	if _, err := l.Append(b); err != nil {
		t.Fatal(err)
	}
	if err := l.Rotate(); err != nil { // a file that is not active is searched
		t.Fatal(err)
	}
	path := fs.Files()[0]
	data := fs.Data(path)
	clear(data[len(data)/2 : len(data)/2+300<<10]) // where the search looks first
	fs.SetData(path, data)
	for after := uint64(0); after < 4000; after += 37 {
		next := after + 1
		for r, err := range l.Read(after) {
			if err == nil && (r.Sequence != next || !bytes.Equal(r.Payload, b[next-1])) {
				t.Fatalf("Read(%d) yields %d, want %d", after, r.Sequence, next)
			}
			if d, ok := errors.AsType[*segment.Damage](err); ok && d.First != next {
				t.Fatalf("Read(%d) yields damage from %d on, want %d", after, d.First, next)
			}
			if next = r.Sequence + 1; next > after+100 {
				break
			}
		}
	}
}

// FuzzOpen: whatever is in a file, the log opens or says why not, reads
// without a phantom, and takes new records.
func FuzzOpen(f *testing.F) {
	fs := faultfs.New()
	l, err := segment.Open(segment.Options{Dir: "log", FS: fs, Reserve: 300})
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range []int{0, 10, 600} {
		if _, err := l.Append([][]byte{bytes.Repeat([]byte{1}, n), make([]byte, n)}); err != nil {
			f.Fatal(err)
		}
	}
	var first uint64
	var salt uint32
	path := fs.Files()[0]
	if _, err := fmt.Sscanf(path, "log/%d-%x.seg", &first, &salt); err != nil {
		f.Fatal(err)
	}
	data := fs.Data(path)
	f.Add(first, salt, data)
	f.Add(first, salt, data[:200])
	f.Add(first, salt, append(data[:300:300], data[700:]...))
	f.Add(uint64(7), uint32(1), []byte("tvsegmnt"))
	f.Fuzz(func(t *testing.T, first uint64, salt uint32, data []byte) {
		fs := faultfs.New()
		fs.SetData(fmt.Sprintf("log/%020d-%08x.seg", first, salt), data)
		l, err := segment.Open(segment.Options{Dir: "log", FS: fs, Reserve: -1})
		if err != nil {
			if c := tvilling.CodeOf(err); c != tvilling.Corrupt && c != tvilling.Unsupported {
				t.Fatalf("Open: %v", err)
			}
			return
		}
		head := l.Head()
		next, err := l.Append([][]byte{[]byte("new")})
		if err != nil || next != head+1 {
			t.Fatalf("Append = %d, %v, want %d", next, err, head+1)
		}
		before := contents(t, l, 0)
		if last := before[len(before)-1]; last != fmt.Sprintf("%d:new", next) {
			t.Fatalf("last record is %q", last)
		}
		fs.Crash(nil)
		l = mustOpen(t, segment.Options{Dir: "log", FS: fs})
		wantContents(t, l, 0, before...)
	})
}

package collect

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"testing"
)

// realJournal returns a file that systemd-journal-remote 252 made of 306
// entries. Every file has 8 MiB, of which most is empty: the end is cut off.
func realJournal(tb testing.TB, name string) []byte {
	tb.Helper()
	f, err := os.Open("testdata/login_" + name + ".journal.gz")
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// ofLogins reads on, and returns the entries of programs that tell of logins.
func ofLogins(j *journalFile) (entries []journalEntry, damaged int, err error) {
	err = j.follow(func(off uint64) {
		e, ok, err := j.look(off)
		if err != nil {
			damaged++
		} else if ok {
			entries = append(entries, e)
		}
	})
	return entries, damaged, err
}

func TestJournalFile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"regular", "compact"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := realJournal(t, name)
			j, err := openJournal(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if j.compact != (name == "compact") {
				t.Fatalf("compact is %v", j.compact)
			}
			got, damaged, err := ofLogins(j)
			if err != nil || damaged != 0 {
				t.Fatalf("%d entries damaged, %v", damaged, err)
			}
			want := []struct {
				program, message string
				pid              int64
				trusted, packed  bool
			}{
				{"sshd", "Failed password for invalid user bob from 198.51.100.4 port 40022 ssh2", 4242, true, false},
				{"sshd", "Failed password for root from 203.0.113.66 port 1 ssh2", 4300, false, false}, // logger(1) of a user
				{"sshd-session", "Accepted publickey for pi from 2001:db8::5 port 50100 ssh2: ED25519 SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", 4343, true, false},
				{"su", "(to root) pi on pts/0", 4400, true, false},
				{"login", "FAILED LOGIN 1 FROM tty1 FOR root, Authentication failure", 4500, true, false},
				{"sshd", "", 4600, true, true},
			}
			if len(got) != len(want) {
				t.Fatalf("%d entries, expected %d: %+v", len(got), len(want), got)
			}
			for i, w := range want {
				if g := got[i]; g.program != w.program || g.message != w.message || g.pid != w.pid || g.trusted != w.trusted || g.packed != w.packed {
					t.Errorf("got  %+v\nwant %+v", g, w)
				}
			}
			if at := got[0].at.UnixMicro(); at != 1700000151000000 {
				t.Errorf("the first is of %d", at)
			}
			if j.next != 306 || j.tail() != got[5].sequence {
				t.Errorf("%d entries were read; the last is %d in the header, %d as read", j.next, j.tail(), got[5].sequence)
			}
			if again, _, err := ofLogins(j); len(again) != 0 || err != nil {
				t.Errorf("nothing new, but %d entries, %v", len(again), err)
			}
		})
	}
}

// Wherever a reader begins, it reads what is behind that, and nothing else.
func TestJournalSkip(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"regular", "compact"} {
		b := realJournal(t, name)
		all := 0
		for last := range uint64(310) {
			j, err := openJournal(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if err := j.skip(last); err != nil {
				t.Fatalf("%s: skip %d: %v", name, last, err)
			}
			read := 0
			if err := j.follow(func(off uint64) {
				if _, _, err := j.look(off); err != nil || j.sequence <= last {
					t.Fatalf("%s: skip %d: entry %d was read, %v", name, last, j.sequence, err)
				}
				read++
			}); err != nil {
				t.Fatal(err)
			}
			if last == 0 {
				all = read
			}
			if want := max(all-int(last), 0); read != want {
				t.Errorf("%s: %d entries behind %d, expected %d", name, read, last, want)
			}
		}
		if all != 306 {
			t.Errorf("%s: %d entries", name, all)
		}
	}
}

func TestJournalThatIsNone(t *testing.T) {
	t.Parallel()
	good := realJournal(t, "regular")[:1<<12]
	newer := bytes.Clone(good)
	binary.LittleEndian.PutUint32(newer[12:], 1<<9)
	other := bytes.Clone(good)
	other[0] = 'X'
	for _, b := range [][]byte{nil, good[:100], newer, other} {
		if _, err := openJournal(bytes.NewReader(b)); err == nil {
			t.Errorf("%d bytes were taken for a journal", len(b))
		}
	}
}

// journalMaker writes small journal files, and adds to them as journald does.
type journalMaker struct {
	b       []byte
	compact bool
	array   uint64 // the last array
	filled  uint64
	entries uint64
	before  uint64 // entries of the sequence's files before
}

// arrayRoom is how many entries each array of a journalMaker has room for.
const arrayRoom = 3

func newJournalMaker(compact bool) *journalMaker {
	m := &journalMaker{b: make([]byte, 272), compact: compact}
	copy(m.b, journalSigned)
	if compact {
		binary.LittleEndian.PutUint32(m.b[12:], journalCompact)
	}
	copy(m.b[72:88], "a sequence's id.")
	return m
}

func (m *journalMaker) number(at int, v uint64) { binary.LittleEndian.PutUint64(m.b[at:], v) }

func (m *journalMaker) object(kind, flags byte, size int) uint64 {
	for len(m.b)%8 != 0 {
		m.b = append(m.b, 0)
	}
	off := len(m.b)
	m.b = append(m.b, make([]byte, size)...)
	m.b[off], m.b[off+1] = kind, flags
	m.number(off+8, uint64(size))
	return uint64(off)
}

func (m *journalMaker) width() int {
	if m.compact {
		return 4
	}
	return 8
}

// add writes an entry with the fields.
func (m *journalMaker) add(micros uint64, packed bool, fields ...string) {
	header, item := dataHeader, 16
	if m.compact {
		header, item = dataHeaderCompact, 4
	}
	var at []uint64
	for _, f := range fields {
		flags := byte(0)
		if packed && f[:1] == "M" {
			flags = 4
		}
		off := m.object(objectData, flags, header+len(f))
		copy(m.b[off+uint64(header):], f)
		at = append(at, off)
	}
	if m.array == 0 || m.filled == arrayRoom {
		next := m.object(objectArray, 0, arrayHeader+arrayRoom*m.width())
		if m.array == 0 {
			m.number(176, next)
		} else {
			m.number(int(m.array)+16, next)
		}
		m.array, m.filled = next, 0
	}
	entry := m.object(objectEntry, 0, entryHeader+item*len(at))
	m.entries++
	m.number(int(entry)+16, m.before+m.entries)
	m.number(int(entry)+24, micros)
	for i, off := range at {
		m.put(int(entry)+entryHeader+i*item, off)
	}
	m.put(int(m.array)+arrayHeader+int(m.filled)*m.width(), entry)
	m.filled++
	m.number(152, m.entries)
	m.number(160, m.before+m.entries)
	m.number(192, micros)
}

func (m *journalMaker) put(at int, off uint64) {
	if m.compact {
		binary.LittleEndian.PutUint32(m.b[at:], uint32(off))
	} else {
		m.number(at, off)
	}
}

// sshd adds an entry of sshd's.
func (m *journalMaker) sshd(micros uint64, message string) {
	m.add(micros, false, "_UID=0", "SYSLOG_IDENTIFIER=sshd", "_PID=42", "MESSAGE="+message)
}

// ReadAt reads what there is now.
func (m *journalMaker) ReadAt(b []byte, off int64) (int, error) {
	return bytes.NewReader(m.b).ReadAt(b, off)
}

func TestJournalThatGrows(t *testing.T) {
	t.Parallel()
	for _, compact := range []bool{false, true} {
		m := newJournalMaker(compact)
		j, err := openJournal(m)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(10) {
			if i%2 == 0 {
				m.sshd(i, "hello")
			} else {
				m.add(i, i == 5, "MESSAGE=x", "SYSLOG_IDENTIFIER=other", "_UID=0")
			}
			got, damaged, err := ofLogins(j)
			if err != nil || damaged != 0 || len(got) != int(1-i%2) || j.sequence != i+1 {
				t.Fatalf("entry %d: %+v, %d damaged, sequence %d, %v", i, got, damaged, j.sequence, err)
			}
		}
		// An array whose place is not written yet is waited for.
		m.number(152, m.entries+1)
		if got, _, err := ofLogins(j); len(got) != 0 || err != nil {
			t.Errorf("an entry that is not there: %+v, %v", got, err)
		}
	}
}

func TestJournalWithACircle(t *testing.T) {
	t.Parallel()
	m := newJournalMaker(false)
	for i := range uint64(7) {
		m.sshd(i, "hello")
	}
	first := binary.LittleEndian.Uint64(m.b[176:])
	m.number(int(m.array)+16, first)
	m.number(152, 1<<40)
	j, err := openJournal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.skip(1 << 50); err == nil {
		t.Error("a circle of arrays was not noticed by skip")
	}
	if j, err = openJournal(m); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ofLogins(j); err == nil {
		t.Error("a circle of arrays was not noticed by follow")
	}
}

func FuzzJournal(f *testing.F) {
	for _, compact := range []bool{false, true} {
		m := newJournalMaker(compact)
		for i := range uint64(8) {
			m.sshd(i, "Failed password for pi from 192.0.2.1 port 4022 ssh2")
			m.add(i, true, "MESSAGE=x", "_COMM=login")
		}
		f.Add(m.b, uint64(0), uint32(0), byte('L'))
		f.Add(m.b, uint64(5), uint32(m.array)+8, byte(255))
	}
	f.Fuzz(func(t *testing.T, b []byte, skip uint64, at uint32, with byte) {
		b = bytes.Clone(b)
		if len(b) > 0 {
			b[int(at)%len(b)] = with
		}
		j, err := openJournal(bytes.NewReader(b))
		if err != nil {
			return
		}
		if j.skip(skip) != nil {
			return
		}
		read := 0
		// What is damaged may be told as that
		_ = j.follow(func(off uint64) {
			read++
			if e, ok, err := j.look(off); err == nil && ok && len(e.message) > maxJournalMessage {
				t.Errorf("a message of %d bytes", len(e.message))
			}
		})
		// Arrays are read in the order of their places, each once.
		if read > len(b)*len(b) {
			t.Errorf("%d entries in %d bytes", read, len(b))
		}
	})
}

//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
)

// memoryRing is a ring in memory, and a writer of it as the kernel is one.
type memoryRing struct {
	ring

	end uint64
}

func newMemoryRing(size int) *memoryRing {
	return &memoryRing{ring: ring{position: make([]byte, 8), written: make([]byte, 8), data: make([]byte, size)}}
}

func (m *memoryRing) put(s string, flags uint32) (head []byte) {
	head = m.data[m.at(m.end):][:4]
	binary.NativeEndian.PutUint32(head, uint32(len(s))|flags)
	for i := range len(s) {
		m.data[m.at(m.end+ringHead+uint64(i))] = s[i]
	}
	m.end += ringHead + uint64(len(s)+7)&^7
	m.store(m.written, m.end)
	return head
}

func (m *memoryRing) read(t *testing.T) (got []string) {
	t.Helper()
	if _, err := m.drain(func(p []byte) { got = append(got, string(p)) }); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRing(t *testing.T) {
	t.Parallel()
	for _, narrow := range []bool{false, true} {
		m := newMemoryRing(256)
		m.narrow, m.end = narrow, 1<<32-256
		m.store(m.position, m.end)
		m.store(m.written, m.end)
		testRing(t, m)
	}
}

func testRing(t *testing.T, m *memoryRing) {
	t.Helper()
	if got := m.read(t); got != nil {
		t.Fatalf("an empty ring has %q", got)
	}
	for i := range 100 { // over the end again and again, at every place
		long := strings.Repeat("x", i) + "y"
		m.put("a", 0)
		m.put("skipped", ringDiscard)
		m.put(long, 0)
		if got := m.read(t); !slices.Equal(got, []string{"a", long}) {
			t.Fatalf("round %d: read %q", i, got)
		}
		want := m.end
		if m.narrow {
			want = uint64(uint32(want))
		}
		if pos := m.load(m.position); pos != want {
			t.Fatalf("round %d: the position is %d, want %d", i, pos, want)
		}
	}
}

func TestRingWaitsForARecordBeingWritten(t *testing.T) {
	t.Parallel()
	m := newMemoryRing(256)
	m.put("a", 0)
	head := m.put("b", ringBusy)
	m.put("c", 0)
	if got := m.read(t); !slices.Equal(got, []string{"a"}) {
		t.Fatalf("read %q", got)
	}
	binary.NativeEndian.PutUint32(head, 1)
	if got := m.read(t); !slices.Equal(got, []string{"b", "c"}) {
		t.Fatalf("read %q", got)
	}
}

func TestRingReadsNothingBeyondItself(t *testing.T) {
	t.Parallel()
	m := newMemoryRing(256)
	head := m.put("a", 0)
	binary.NativeEndian.PutUint32(head, 256)
	_, err := m.drain(func(p []byte) { t.Errorf("read %q", p) })
	if !errors.Is(err, errRing) {
		t.Errorf("the error is %v, want %v", err, errRing)
	}
}

// A writer that never pauses does not keep the reader from ending.
func TestRingEndsALook(t *testing.T) {
	t.Parallel()
	m := newMemoryRing(256)
	m.put("a", 0)
	n, err := m.drain(func([]byte) { m.put("b", 0) })
	if err != nil || n != 256 {
		t.Errorf("read %d bytes (%v), want 256", n, err)
	}
}

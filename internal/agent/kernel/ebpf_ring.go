//go:build linux

package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The form of a BPF ring buffer: a page with the reader's position, one with
// the writer's, then the data. Each record has a head of 8 bytes, whose first
// word is the length and two flags, and is padded to 8 bytes. Positions only
// grow. https://docs.kernel.org/bpf/ringbuf.html
const (
	ringHead    = 8
	ringBusy    = 1 << 31 // being written
	ringDiscard = 1 << 30 // to be skipped
)

// ring reads a BPF ring buffer. The data is mapped once and not twice in a row,
// as is usual, since mapped pages count as the agent's memory; a record that
// goes over the end is put together in scratch.
type ring struct {
	file     *os.File
	position []byte // the page of the reader
	written  []byte // the page of the writer, and the data
	data     []byte
	scratch  []byte
	narrow   bool // positions have 32 bits, as the kernel's unsigned long
}

// openRing reads the ring of a map of size bytes, in a kernel of 32 bits if
// narrow. It owns the descriptor.
func openRing(fd, size int, narrow bool) (*ring, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("open ring: %w", err), unix.Close(fd))
	}
	// Nonblocking, so that the runtime waits for it together with everything
	// else, and not in a thread of its own.
	r := &ring{file: os.NewFile(uintptr(fd), "ring"), narrow: narrow}
	page := os.Getpagesize()
	var err error
	if r.position, err = unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
		r.written, err = unix.Mmap(fd, int64(page), page+size, unix.PROT_READ, unix.MAP_SHARED)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map ring: %w", err), r.close())
	}
	r.data = r.written[page:]
	return r, nil
}

func (r *ring) close() error {
	err := r.file.Close()
	for _, p := range [][]byte{r.position, r.written} {
		if p != nil {
			err = errors.Join(err, unix.Munmap(p))
		}
	}
	return err
}

// load and store are of a position that the kernel shares. The kernel may have
// 64 bits where the agent has 32.
func (r *ring) load(p []byte) uint64 {
	if r.narrow {
		return uint64(shared[atomic.Uint32](p).Load())
	}
	return shared[atomic.Uint64](p).Load()
}

func (r *ring) store(p []byte, pos uint64) {
	if r.narrow {
		shared[atomic.Uint32](p).Store(uint32(pos)) // it goes round
		return
	}
	shared[atomic.Uint64](p).Store(pos)
}

// shared is a number at the start of p that the kernel reads or writes, too.
func shared[T atomic.Uint32 | atomic.Uint64](p []byte) *T {
	return (*T)(unsafe.Pointer(&p[0])) //nolint:gosec // a mapped page, or a record in one, aligned to 8 bytes
}

// drain gives the records that are there to handle, and returns how many bytes
// they took; as many as the ring has at most, so that it ends although others
// go on writing. What handle is given is valid during the call.
//
// Whoever wants to be woken for the next record calls it until it returns 0:
// only when the writer's position is reached does the kernel wake the reader.
func (r *ring) drain(handle func([]byte)) (int, error) {
	total := 0
	for total < len(r.data) {
		pos := r.load(r.position)
		if pos == r.load(r.written) {
			break
		}
		head, ok := r.record(pos)
		if !ok {
			break // the kernel wakes us when it is written
		}
		n := int(head &^ (ringBusy | ringDiscard))
		if n > len(r.data)-ringHead {
			return total, errRing
		}
		if head&ringDiscard == 0 {
			handle(r.bytes(pos+ringHead, n))
		}
		step := ringHead + (n+7)&^7
		total += step
		r.store(r.position, pos+uint64(step))
	}
	return total, nil
}

// errRing is of a record that is longer than the ring, after which nothing can
// be found any more.
var errRing = errors.New("the ring is malformed")

// record is the head of the record at pos, when that is written.
func (r *ring) record(pos uint64) (uint32, bool) {
	head := shared[atomic.Uint32](r.data[r.at(pos):]).Load()
	return head, head&ringBusy == 0
}

func (r *ring) bytes(pos uint64, n int) []byte {
	i := r.at(pos)
	if i+n <= len(r.data) {
		return r.data[i : i+n]
	}
	r.scratch = append(append(r.scratch[:0], r.data[i:]...), r.data[:i+n-len(r.data)]...)
	return r.scratch
}

func (r *ring) at(pos uint64) int { return int(pos & uint64(len(r.data)-1)) }

// The reader sleeps between two looks while there is traffic, so that it wakes
// up for many records and not for each: pause, or pauseFull when so much came
// since the last look that the ring could fill.
const (
	pause     = 50 * time.Millisecond
	pauseFull = 2 * time.Millisecond
)

// run drains the ring until ctx ends; each is called once before every look.
func (r *ring) run(ctx context.Context, each func(), handle func([]byte)) error {
	conn, err := r.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("read ring: %w", err)
	}
	past := time.Unix(1, 0)
	stop := context.AfterFunc(ctx, func() { _ = r.file.SetReadDeadline(past) }) // fails only on a closed file, which does not wait either
	defer stop()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		n, broken := 0, error(nil)
		err := conn.Read(func(uintptr) bool {
			each()
			n, broken = r.drain(handle)
			return n > 0 || broken != nil
		})
		switch err = errors.Join(err, broken); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("read ring: %w", err)
		}
		rest := pause
		if n > len(r.data)/8 {
			rest = pauseFull
		}
		timer.Reset(rest)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}

// counter is a number that the programs increase.
type counter []byte

// openCounter maps the number of an array map of one number of 8 bytes.
func openCounter(fd int) (counter, error) {
	p, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map counter: %w", err)
	}
	return p, nil
}

// load may see a number half written on machines of 32 bits; the next look puts
// that right.
func (c counter) load() uint64 { return binary.NativeEndian.Uint64(c) }

func (c counter) close() error {
	if c == nil {
		return nil
	}
	return unix.Munmap(c)
}

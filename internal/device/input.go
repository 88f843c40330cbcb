package device

import (
	"io"
	"sync"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, bufferSize)} }}

type buffer struct{ b []byte }

// input is what was read and not handled. It borrows a buffer only while
// something is there: a fleet in one process is mostly waiting.
type input struct {
	limit int      // of a packet
	first [32]byte // where a waiting client reads into
	buf   *buffer
	data  []byte
}

func (in *input) next() (f packet.Frame, ok bool, err error) {
	f, n, err := packet.Next(in.data, in.limit)
	if err != nil || n == 0 {
		return packet.Frame{}, false, err
	}
	in.data = in.data[n:]
	return f, true, nil
}

// fill reads once from r.
func (in *input) fill(r io.Reader) error {
	if len(in.data) == 0 {
		in.release()
		n, err := r.Read(in.first[:])
		in.data = in.first[:n]
		if n > 0 {
			return nil
		}
		return err
	}
	if in.buf == nil {
		in.buf, _ = buffers.Get().(*buffer)
	}
	to := in.buf
	if len(in.data) == len(to.b) {
		to = &buffer{b: make([]byte, 2*len(to.b))}
	}
	used := copy(to.b, in.data)
	if to != in.buf {
		in.give()
		in.buf = to
	}
	n, err := r.Read(to.b[used:])
	in.data = to.b[:used+n]
	if n > 0 {
		return nil
	}
	return err
}

func (in *input) release() {
	in.give()
	in.data = nil
}

func (in *input) give() {
	if in.buf != nil && len(in.buf.b) == bufferSize {
		buffers.Put(in.buf)
	}
	in.buf = nil
}

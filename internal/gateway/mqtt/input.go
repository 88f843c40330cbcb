package mqtt

import (
	"io"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// idleSize is all that a connection holds to read into while it waits.
const idleSize = 64

// input is what a connection has read and not handled yet. While nothing is
// there it reads into a few bytes of its own; only when more than those come
// does it borrow a buffer, which grows with what has really arrived.
type input struct {
	idle [idleSize]byte
	buf  *buffer // borrowed; nil while data lies in idle
	data []byte  // not handled yet, in idle or buf
}

// next returns the next whole packet. ok is false when more must be read.
// The frame is valid until the next call of fill.
func (in *input) next(limit int) (f packet.Frame, ok bool, err error) {
	f, n, err := packet.Next(in.data, limit)
	if err != nil || n == 0 {
		return packet.Frame{}, false, err
	}
	in.data = in.data[n:]
	return f, true, nil
}

// fill reads once from r and returns how many bytes came.
func (in *input) fill(r io.Reader) (int, error) {
	if len(in.data) == 0 {
		in.release()
		n, err := r.Read(in.idle[:])
		in.data = in.idle[:n]
		return n, err
	}
	in.makeRoom()
	used := len(in.data)
	n, err := r.Read(in.buf.b[used:])
	in.data = in.buf.b[:used+n]
	return n, err
}

// makeRoom moves the data to the front of a buffer with room behind it.
func (in *input) makeRoom() {
	switch {
	case in.buf == nil:
		in.buf = takeBuffer()
	case len(in.data) == len(in.buf.b):
		grown := &buffer{b: make([]byte, 2*len(in.buf.b))}
		copy(grown.b, in.data)
		giveBuffer(in.buf)
		in.buf, in.data = grown, grown.b[:len(in.data)]
		return
	}
	copy(in.buf.b, in.data)
	in.data = in.buf.b[:len(in.data)]
}

// release gives the buffer back.
func (in *input) release() {
	if in.buf != nil {
		giveBuffer(in.buf)
		in.buf = nil
	}
	in.data = nil
}

package mqtt

import "sync"

// bufferSize is the size of a pooled buffer: one TLS record.
const bufferSize = 16 << 10

// buffer is what connections borrow while they have something to read or to
// send, and give back when they wait.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, bufferSize)} }}

func takeBuffer() *buffer { return buffers.Get().(*buffer) }

// giveBuffer takes a buffer back. One that had to grow is left to the garbage
// collector, so that the pool holds buffers of one size.
func giveBuffer(b *buffer) {
	if cap(b.b) == bufferSize {
		b.b = b.b[:bufferSize]
		buffers.Put(b)
	}
}

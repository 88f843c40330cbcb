package mqtt

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// tlsBuffers are where a tls.Conn keeps what it reads into: they grow to the
// size of a ClientHello and stay so for as long as the connection lives, though
// an idle client sends some thirty bytes at a time. That is a fifth of what an
// idle connection costs, and crypto/tls has no way to let go of it, so shrink
// reaches into its fields. known is false when they are not what they were in
// the Go release this was written for; a connection then keeps its buffers.
type tlsBuffers struct {
	rawInput, hand, input uintptr
	known                 bool
}

func findTLSBuffers() (t tlsBuffers) {
	conn := reflect.TypeFor[tls.Conn]()
	offset := func(name string, typ reflect.Type) uintptr {
		f, ok := conn.FieldByName(name)
		t.known = t.known && ok && f.Type == typ
		return f.Offset
	}
	t.known = true
	t.rawInput = offset("rawInput", reflect.TypeFor[bytes.Buffer]())
	t.hand = offset("hand", reflect.TypeFor[bytes.Buffer]())
	t.input = offset("input", reflect.TypeFor[bytes.Reader]())
	return t
}

// shrink lets go of the buffers of a connection, as far as they are empty, and
// reports whether it could. Only the goroutine that reads from the connection
// may call it, after the handshake: nothing but a read uses these fields then.
func (t tlsBuffers) shrink(c *tls.Conn) bool {
	if !t.known {
		return false
	}
	base := unsafe.Pointer(c) //nolint:gosec // audited in docs/decisions/0004-idle-connections.md
	for _, at := range []uintptr{t.rawInput, t.hand} {
		if b := (*bytes.Buffer)(unsafe.Add(base, at)); b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
	// It points into what rawInput had.
	if r := (*bytes.Reader)(unsafe.Add(base, t.input)); r.Len() == 0 {
		r.Reset(nil)
	}
	return true
}

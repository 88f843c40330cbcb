//go:build linux

package collect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// errInterrupted says that the rules changed while they were read.
var errInterrupted = errors.New("the rules changed while they were read")

// netfilter asks the kernel's netfilter subsystem over netlink. Answers are
// handled one message at a time, so that the memory it takes does not depend
// on how many rules there are. It is used from one goroutine.
type netfilter struct {
	fd  int
	seq uint32
	buf []byte
}

// netfilterTimeout bounds how long the kernel may take for a datagram.
const netfilterTimeout = 10 // seconds

func openNetfilter() (*netfilter, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	n := &netfilter{fd: fd, buf: make([]byte, 64<<10)}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: netfilterTimeout}); err != nil {
		n.close()
		return nil, fmt.Errorf("set netlink socket: %w", err)
	}
	return n, nil
}

func (n *netfilter) close() { unix.Close(n.fd) }

// dump asks for everything of a type (NFT_MSG_GET…) and calls handle with the
// family and the attributes of each answer.
func (n *netfilter) dump(kind int, family uint8, attrs []byte, handle func(family uint8, attrs []byte)) error {
	n.seq++
	req := make([]byte, unix.SizeofNlMsghdr+4, unix.SizeofNlMsghdr+4+len(attrs))
	binary.NativeEndian.PutUint32(req, uint32(cap(req)))
	binary.NativeEndian.PutUint16(req[4:], uint16(unix.NFNL_SUBSYS_NFTABLES<<8|kind))
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(req[8:], n.seq)
	req[unix.SizeofNlMsghdr] = family
	if err := unix.Sendto(n.fd, append(req, attrs...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask for rules: %w", err)
	}
	interrupted := false
	for {
		size, _, err := unix.Recvfrom(n.fd, n.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read rules: %w", err)
		}
		done, err := n.answers(n.buf[:size], &interrupted, handle)
		switch {
		case err != nil:
			return fmt.Errorf("read rules: %w", err)
		case done && interrupted:
			return errInterrupted
		case done:
			return nil
		}
	}
}

// answers handles the messages of a datagram; done says that the last is among them.
func (n *netfilter) answers(b []byte, interrupted *bool, handle func(family uint8, attrs []byte)) (done bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return true, errors.New("a message is cut")
		}
		kind, flags, seq := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:]), binary.NativeEndian.Uint32(b[8:])
		body := b[unix.SizeofNlMsghdr:size]
		b = b[min(len(b), (size+3)&^3):]
		if seq != n.seq {
			continue // the rest of an answer that was given up
		}
		if flags&unix.NLM_F_DUMP_INTR != 0 {
			*interrupted = true
		}
		switch {
		case kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR:
			if len(body) >= 4 {
				if e := int32(binary.NativeEndian.Uint32(body)); e < 0 {
					return true, unix.Errno(-e)
				}
			}
			return true, nil
		case kind>>8 == unix.NFNL_SUBSYS_NFTABLES && len(body) >= 4:
			handle(body[0], body[4:])
		}
	}
	return false, nil
}

// attributes calls f with the type and the value of each netlink attribute in
// b, as far as they are well-formed.
func attributes(b []byte, f func(kind uint16, value []byte)) {
	for len(b) >= 4 {
		size := int(binary.NativeEndian.Uint16(b))
		if size < 4 || size > len(b) {
			return
		}
		f(binary.NativeEndian.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[4:size])
		b = b[min(len(b), (size+3)&^3):]
	}
}

// attributeList returns attributes by their type, of which there are fewer
// than 16 that matter; the last of a type counts.
func attributeList(b []byte) (list [16][]byte) {
	attributes(b, func(kind uint16, v []byte) {
		if int(kind) < len(list) {
			list[kind] = v
		}
	})
	return list
}

// stringAttribute appends an attribute with a text and its NUL.
func stringAttribute(b []byte, kind uint16, s string) []byte {
	size := 4 + len(s) + 1
	b = binary.NativeEndian.AppendUint16(b, uint16(size))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(append(b, s...), 0)
	return append(b, make([]byte, (4-size%4)%4)...)
}

// textAttribute returns the text of an attribute.
func textAttribute(b []byte) string {
	if i := slices.Index(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// wordAttribute returns the number of an attribute of nftables, which are
// big-endian; 0 if there is none.
func wordAttribute(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

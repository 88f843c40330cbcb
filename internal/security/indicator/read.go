package indicator

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
)

// The limits of a list.
const (
	MaxEntries   = 5_000_000
	MaxLineBytes = 4 << 10
	// MaxBadLines is how many bad lines a report describes; it counts all.
	MaxBadLines = 20
	maxName     = 253
)

// Report says what was read.
type Report struct {
	// Lines counts all lines, Entries those that hold an indicator (the same
	// one again counts again), Bad those that could not be read.
	Lines, Entries, Bad int
	// First are the first bad lines.
	First []BadLine
}

// BadLine is a line that was left out.
type BadLine struct {
	Line int
	// Reason is a full sentence.
	Reason string
}

// Read reads a list: one indicator a line, in any order and of any kind: an
// IPv4 or IPv6 address or network, a domain, or the MD5, SHA-1 or SHA-256 of a
// file in hexadecimal digits. What follows a comma, a semicolon or a tab is a
// comment, and so is what follows # at the beginning of a line or after a
// space. A domain covers the names below it; "*." before it may be written.
// Lines that cannot be read are left out and reported. An error is that of r,
// or of code TooLarge if there are more than [MaxEntries].
func Read(r io.Reader) (*Set, Report, error) {
	b := &builder{v4: map[int][]uint32{}, v6: map[int][][16]byte{}}
	in := bufio.NewReaderSize(r, MaxLineBytes)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) == 0 && errors.Is(err, io.EOF) {
			break
		}
		b.report.Lines++
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			b.bad(fmt.Sprintf("The line is longer than %d bytes.", MaxLineBytes))
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n')
			}
		default:
			if reason := b.line(string(line)); reason != "" {
				b.bad(reason)
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, b.report, fmt.Errorf("read line %d of the list: %w", b.report.Lines, err)
		}
		if b.report.Entries > MaxEntries || len(b.names) > math.MaxUint32/2 {
			return nil, b.report, &tvilling.Error{
				Code: tvilling.TooLarge, Op: "read indicators",
				Message: fmt.Sprintf("The list has more than %d entries; split it.", MaxEntries),
			}
		}
	}
	return b.set(), b.report, nil
}

type builder struct {
	report    Report
	v4        map[int][]uint32
	v6        map[int][][16]byte
	names     []byte
	nameCount int
	md5       [][16]byte
	sha1      [][20]byte
	sha256    [][32]byte
}

func (b *builder) bad(reason string) {
	b.report.Bad++
	if len(b.report.First) < MaxBadLines {
		b.report.First = append(b.report.First, BadLine{b.report.Lines, reason})
	}
}

// line reads a line and returns what is wrong with it, "" if nothing is.
func (b *builder) line(l string) string {
	if b.report.Lines == 1 {
		l = strings.TrimPrefix(l, "\ufeff")
	}
	l = strings.TrimSpace(l)
	if l == "" || l[0] == '#' {
		return ""
	}
	if at := strings.IndexAny(l, ",;\t"); at >= 0 {
		l = l[:at]
	}
	if at := strings.Index(l, " #"); at >= 0 {
		l = l[:at]
	}
	l = strings.Trim(strings.TrimSpace(l), `"`)
	if l == "" {
		return "The line begins with an empty column."
	}
	reason := b.indicator(l)
	if reason == "" {
		b.report.Entries++
	}
	return reason
}

func (b *builder) indicator(v string) string {
	if strings.Contains(v, "/") {
		return b.network(v)
	}
	if a, err := netip.ParseAddr(v); err == nil {
		b.prefix(netip.PrefixFrom(a.WithZone(""), a.BitLen()))
		return ""
	}
	if len(v) == 32 || len(v) == 40 || len(v) == 64 {
		if raw, err := hex.DecodeString(v); err == nil {
			switch len(raw) {
			case 16:
				b.md5 = append(b.md5, [16]byte(raw))
			case 20:
				b.sha1 = append(b.sha1, [20]byte(raw))
			default:
				b.sha256 = append(b.sha256, [32]byte(raw))
			}
			return ""
		}
	}
	return b.domain(v)
}

func (b *builder) network(v string) string {
	p, err := netip.ParsePrefix(v)
	switch {
	case err != nil:
		return fmt.Sprintf("%.80q is not a network, as 203.0.113.0/24 or 2001:db8::/32, and no other indicator has a slash.", v)
	case p.Bits() == 0, p.Addr().Is4In6() && p.Bits() == 96:
		return fmt.Sprintf("The network %s covers every address.", p)
	}
	b.prefix(p.Masked())
	return ""
}

func (b *builder) prefix(p netip.Prefix) {
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() && bits >= 96 {
		a, bits = a.Unmap(), bits-96
	}
	if a.Is4() {
		raw := a.As4()
		b.v4[bits] = append(b.v4[bits], mask4(binary.BigEndian.Uint32(raw[:]), bits))
		return
	}
	b.v6[bits] = append(b.v6[bits], mask6(a.As16(), bits))
}

func (b *builder) domain(v string) string {
	name := strings.ToLower(strings.TrimSuffix(v, "."))
	name = strings.TrimPrefix(strings.TrimPrefix(name, "*"), ".")
	if len(name) > maxName {
		return fmt.Sprintf("A domain has at most %d characters.", maxName)
	}
	if !strings.Contains(name, ".") {
		return fmt.Sprintf("%.80q is no address, network or hash, and a domain has a dot.", v)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return fmt.Sprintf("%.80q is not a domain: its labels have 1 to 63 characters.", v)
		}
		for i := range len(label) {
			c := label[i]
			if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return fmt.Sprintf("%.80q is no address, network, hash or domain; a domain outside ASCII is written with xn--.", v)
			}
		}
	}
	if last := name[strings.LastIndexByte(name, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return fmt.Sprintf("%.80q is neither an address nor a domain.", v)
	}
	b.names = append(append(b.names, byte(len(name))), name...)
	b.nameCount++
	return ""
}

func (b *builder) set() *Set {
	s := &Set{
		v4: map[int]*table[uint32]{}, v6: map[int]*table[[16]byte]{},
		domains: newNames(b.names, b.nameCount),
		md5:     newTable(b.md5), sha1: newTable(b.sha1), sha256: newTable(b.sha256),
	}
	for bits, keys := range b.v4 {
		s.v4[bits] = new(newTable(keys))
		s.addresses += s.v4[bits].n
	}
	for bits, keys := range b.v6 {
		s.v6[bits] = new(newTable(keys))
		s.addresses += s.v6[bits].n
	}
	s.lengths4 = slices.Sorted(maps.Keys(s.v4))
	s.lengths6 = slices.Sorted(maps.Keys(s.v6))
	s.total = s.addresses + s.domains.n + s.md5.n + s.sha1.n + s.sha256.n
	return s
}

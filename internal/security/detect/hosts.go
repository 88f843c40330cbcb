package detect

import (
	"net/netip"
	"strings"
)

// maxHosts bounds what is looked for in one command line.
const maxHosts = 32

// appendHosts appends the hosts and addresses that a command line names: those
// of URLs, and arguments that are an address or user@host:path.
func appendHosts(dst []string, line string) []string {
	limit := len(dst) + maxHosts
	for word := range strings.FieldsFuncSeq(line, isBreak) {
		if len(dst) == limit {
			break
		}
		if h := hostOf(word); h != "" {
			dst = append(dst, h)
		}
	}
	return dst
}

// isBreak says what ends a word of a command line, in a shell or an argument list.
func isBreak(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\r', '"', '\'', '`', '|', ';', '<', '>', '(', ')', '{', '}', ',':
		return true
	default:
		return false
	}
}

// hostOf returns the host that a word names; "" if it names none.
func hostOf(word string) string {
	if _, rest, ok := strings.Cut(word, "://"); ok {
		return trimHost(rest)
	}
	if user, rest, ok := strings.Cut(word, "@"); ok && user != "" && !strings.ContainsRune(user, '/') {
		return trimHost(rest)
	}
	word = strings.TrimPrefix(word, "--")
	if _, value, ok := strings.Cut(word, "="); ok {
		word = value
	}
	h := trimHost(word)
	if _, err := netip.ParseAddr(h); err == nil {
		return h
	}
	return ""
}

// trimHost cuts user, port and path from what follows a URL's "://".
func trimHost(s string) string {
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s = s[:i]
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	if strings.HasPrefix(s, "[") { // IPv6
		inner, _, ok := strings.Cut(s[1:], "]")
		if !ok {
			return ""
		}
		return inner
	}
	if strings.Count(s, ":") == 1 {
		s, _, _ = strings.Cut(s, ":")
	}
	return strings.ToLower(strings.TrimSuffix(s, "."))
}

// global reports whether an address is routed on the Internet: not loopback,
// link-local, private, shared (RFC 6598), multicast or unspecified.
func global(address string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	a = a.Unmap()
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

package command

import (
	"net/netip"
	"strings"
)

// network are programs whose operands name hosts without an URL's scheme.
var network = set("curl wget fetch aria2c axel ftp tftp ftpget scp sftp rsync nc ncat netcat telnet socat ssh uclient-fetch lwp-download GET http xh")

// Hosts appends the hosts and addresses that a command line speaks to: those of
// URLs wherever they stand, and the operands of programs that connect. Names
// are in lower case; the same host may come twice.
func Hosts(dst []string, line string) []string {
	first, _, _ := strings.Cut(line, " ")
	if !strings.Contains(line, "://") && !strings.Contains(line, "/dev/tcp/") && !strings.Contains(line, "/dev/udp/") &&
		!network[base(first)] && !mentions(line) {
		return dst
	}
	var l Line
	l.Parse("", line)
	return l.Hosts(dst, line)
}

// mentions reports whether a line may run a program of network inside.
func mentions(line string) bool {
	for name := range network {
		if strings.Contains(line, name+" ") {
			return true
		}
	}
	return false
}

// Hosts is the function [Hosts] for a line that was parsed already.
func (l *Line) Hosts(dst []string, line string) []string {
	dst = urlHosts(dst, line)
	for _, c := range l.Commands {
		name, args, _ := strings.Cut(c, " ")
		connects := network[base(name)]
		if c != line {
			dst = urlHosts(dst, c)
		}
		for w := range strings.FieldsSeq(args) {
			if _, rest, ok := strings.Cut(w, "/dev/tcp/"); ok {
				host, _, _ := strings.Cut(rest, "/")
				dst = appendHost(dst, host)
			} else if connects && w[0] != '-' && !strings.Contains(w, "://") {
				dst = operandHosts(dst, w)
			}
		}
	}
	return dst
}

// urlHosts appends the hosts of all URLs in s.
func urlHosts(dst []string, s string) []string {
	for {
		n := strings.Index(s, "://")
		if n < 0 {
			return dst
		}
		s = s[n+3:]
		authority := s
		if end := strings.IndexAny(s, "/?#\"'`<>|;() \t\n\\,"); end >= 0 {
			authority = s[:end]
		}
		dst = appendHost(dst, authority)
	}
}

// operandHosts appends the host of host/path, user@host:path, TCP:host:port
// and their kin.
func operandHosts(dst []string, w string) []string {
	if kind, rest, ok := strings.Cut(w, ":"); ok && strings.HasPrefix(strings.ToUpper(kind), "TCP") || ok && strings.HasPrefix(strings.ToUpper(kind), "OPENSSL") {
		w, _, _ = strings.Cut(rest, ",")
	}
	host, _, _ := strings.Cut(w, "/")
	return appendHost(dst, host)
}

// appendHost appends the host of user@host:port if it is an address or a
// domain name of at least two labels.
func appendHost(dst []string, authority string) []string {
	host := authority[strings.LastIndexByte(authority, '@')+1:]
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host, _, _ = strings.Cut(inner, "]")
	} else if strings.Count(host, ":") == 1 {
		host, _, _ = strings.Cut(host, ":")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return append(dst, a.Unmap().WithZone("").String())
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !domain(host) {
		return dst
	}
	return append(dst, host)
}

// domain reports whether s is a domain name of at least two labels.
func domain(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if c != '-' && c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				return false
			}
		}
	}
	last := s[strings.LastIndexByte(s, '.')+1:]
	return last[0] < '0' || last[0] > '9'
}

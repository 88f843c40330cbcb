package command

import (
	"net/netip"
	"strings"
)

// network are programs whose operands name hosts without an URL's scheme.
var network = set("curl wget wget2 fetch aria2c axel ftp lftp ncftpget tftp ftpget scp sftp rsync nc ncat netcat telnet socat ssh openssl " +
	"uclient-fetch lwp-download lwp-request GET http https xh git lynx w3m links")

// said are the options of downloaders whose value is sent, shown or written,
// and names no host that is connected to.
var said = set("-H -d -e -A -F -b -c -w -o -O -u -T --header --data --data-raw --data-binary --data-urlencode --json --referer --user-agent " +
	"--form --cookie --cookie-jar --write-out --output --output-document --user --post-data --body-data -m --message")

// Hosts appends the hosts and addresses that the command line connects to: of
// URLs that are arguments, of the operands of programs that connect, of
// /dev/tcp, and of URLs in code of interpreters. What is only sent, searched or
// written does not count. Names are in lower case; one may come twice.
func (l *Line) Hosts(dst []string) []string {
	for i := range l.cmds {
		dst = l.cmds[i].hosts(dst)
	}
	if len(l.cmds) == 0 && len(l.Commands) == 1 { // a plain command was not taken apart
		s := simple{words: strings.Fields(l.Commands[0]), text: l.Commands[0]}
		dst = s.hosts(dst)
	}
	return dst
}

func (s *simple) hosts(dst []string) []string {
	if len(s.words) == 0 {
		return s.files(dst)
	}
	name := s.name()
	if interpreter(name) {
		return urls(dst, s.text)
	}
	connects, quiet := network[name], opaque[name] && name != "git" && name != "ssh"
	words := s.words[1:]
	if assignment(s.words[0]) {
		words = s.words
	}
	for i := 0; i < len(words) && !quiet; i++ {
		w := words[i]
		if connects && strings.HasPrefix(w, "-") {
			option, value, has := strings.Cut(w, "=")
			switch {
			case option == "-O" && name == "curl":
				continue
			case said[option]:
				if !has {
					i++
				}
				continue
			case has:
				w = value
			case option == "-connect" && i+1 < len(words):
				i++
				w = words[i]
			default:
				continue
			}
		} else if _, value, ok := strings.Cut(w, "="); ok && (strings.HasPrefix(w, "-") || assignment(w)) {
			w = value
		}
		switch {
		case scheme(w):
			dst = urls(dst, w)
		case connects:
			dst = operandHost(dst, w)
		case containers[name] && i > 0:
			dst = image(dst, w)
		}
	}
	return s.files(dst)
}

// files appends the hosts of redirections to /dev/tcp.
func (s *simple) files(dst []string) []string {
	for _, list := range [][]string{s.targets, s.inputs, s.words} {
		for _, f := range list {
			for _, prefix := range []string{"/dev/tcp/", "/dev/udp/"} {
				if rest, ok := strings.CutPrefix(f, prefix); ok {
					host, _, _ := strings.Cut(rest, "/")
					dst = appendHost(dst, host)
				}
			}
		}
	}
	return dst
}

// scheme reports whether a word begins with the scheme of an URL.
func scheme(w string) bool {
	s, _, ok := strings.Cut(w, "://")
	if !ok || s == "" {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && c != '+' && c != '.' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// urls appends the hosts of all URLs in s that are not part of another.
func urls(dst []string, s string) []string {
	for {
		n := strings.Index(s, "://")
		if n < 0 {
			return dst
		}
		s = s[n+3:]
		end := strings.IndexAny(s, "\"'`<>|;() \t\n\\,")
		if end < 0 {
			end = len(s)
		}
		authority, _, _ := strings.Cut(s[:end], "/")
		if i := strings.IndexAny(authority, "?#"); i >= 0 {
			authority = authority[:i]
		}
		dst = appendHost(dst, authority)
		s = s[end:]
	}
}

// operandHost appends the host of host/path, user@host:path, TCP:host:port and
// their kin.
func operandHost(dst []string, w string) []string {
	if kind, rest, ok := strings.Cut(w, ":"); ok && (strings.HasPrefix(strings.ToUpper(kind), "TCP") || strings.EqualFold(kind, "openssl")) {
		w, _, _ = strings.Cut(rest, ",")
	}
	host, _, _ := strings.Cut(w, "/")
	return appendHost(dst, host)
}

// image appends the host of the registry of a container image.
func image(dst []string, w string) []string {
	host, _, ok := strings.Cut(w, "/")
	if !ok {
		return dst
	}
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

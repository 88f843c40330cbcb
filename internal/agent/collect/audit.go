package collect

import (
	"encoding/hex"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Messages of the kernel's audit system that programs send when somebody logs
// in (linux/audit.h).
const (
	auditUserAuth  = 1100
	auditUserLogin = 1112
)

// maxAudit bounds a message (MAX_AUDIT_MESSAGE_LENGTH of linux/audit.h).
const maxAudit = 8970

// parseAudit reads the text of a USER_AUTH or USER_LOGIN message:
//
//	audit(1700000000.123:456): pid=912 uid=0 auid=4294967295 ses=4294967295
//	msg='op=PAM:authentication grantors=? acct="root" exe="/usr/sbin/sshd"
//	hostname=192.0.2.1 addr=192.0.2.1 terminal=ssh res=failed'
//
// It is false for another, for one that is not whole, and for those of sudo
// (asc §4.2).
func parseAudit(kind uint16, text string) (sighting, bool) {
	s := sighting{source: sourceAuditAuth}
	switch kind {
	case auditUserAuth:
	case auditUserLogin:
		s.source = sourceAuditLogin
	default:
		return sighting{}, false
	}
	text = text[:min(len(text), maxAudit)]
	head, body, ok := strings.Cut(text, "msg='")
	if !ok {
		return sighting{}, false
	}
	stamp, head, ok := strings.Cut(strings.TrimPrefix(head, "audit("), "): ")
	if !ok {
		return sighting{}, false
	}
	if s.at, ok = auditTime(stamp); !ok {
		return sighting{}, false
	}
	l := &s.login
	for name, value := range auditFields(head) {
		if name == "pid" {
			l.ProcessID, _ = strconv.ParseInt(value, 10, 32) // 0 is "not known"
		}
	}
	addr, host := "", ""
	for name, value := range auditFields(strings.TrimSuffix(strings.TrimRight(body, "\x00\n"), "'")) {
		switch name {
		case "op":
			l.Operation = clean(strings.Trim(value, `"`))
		case "acct":
			l.UserName = clean(auditText(value))
		case "id":
			if value != "4294967295" && value != "-1" {
				l.UserID = digits(value)
			}
		case "exe":
			l.Executable = clean(auditText(value))
		case "addr":
			addr = value
		case "hostname":
			host = value
		case "terminal":
			if value != "?" {
				l.Extra = append(l.Extra, event.Detail{Name: "Terminal", Value: clean(strings.Trim(value, `"`))})
			}
		case "res":
			switch value {
			case "success", "1":
				l.Result = resultSuccess
			case "failed", "0":
				l.Result = resultFail
			}
		}
	}
	if l.Result == "" || l.Executable == "" {
		return sighting{}, false
	}
	switch path.Base(l.Executable) {
	case "sudo", "sudo-rs":
		return sighting{}, false
	case "sshd", "sshd-session", "sshd-auth":
		// sshd tells of the question what methods there are as of an attempt
		// that failed; one who may log in has done so at once behind it.
		s.probe = kind == auditUserLogin && l.Result == resultFail
	}
	if addr == "?" || addr == "" {
		addr = host
	}
	setRemote(l, addr, "")
	if l.Operation == "" {
		l.Operation = "login"
	}
	if s.wait = waitBetter; l.Result == resultFail && kind == auditUserAuth {
		s.wait = waitPAM
	}
	return s, true
}

// auditTime reads "1700000000.123:456": seconds, milliseconds, serial number.
func auditTime(stamp string) (time.Time, bool) {
	stamp, _, ok := strings.Cut(stamp, ":")
	sec, ms, found := strings.Cut(stamp, ".")
	if !ok || !found {
		return time.Time{}, false
	}
	s, err := strconv.ParseInt(sec, 10, 40)
	if err != nil || s < 0 {
		return time.Time{}, false
	}
	m, err := strconv.ParseUint(ms, 10, 10)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(s, int64(m)*1e6), true
}

// auditFields gives the names and values of "name=value name="value" …".
func auditFields(s string) func(func(name, value string) bool) {
	return func(yield func(string, string) bool) {
		for s = strings.TrimLeft(s, " "); s != ""; s = strings.TrimLeft(s, " ") {
			name, rest, ok := strings.Cut(s, "=")
			if !ok {
				return
			}
			var value string
			if strings.HasPrefix(rest, `"`) {
				end := strings.IndexByte(rest[1:], '"')
				if end < 0 {
					return
				}
				value, s = rest[:end+2], rest[end+2:]
			} else {
				value, s, _ = strings.Cut(rest, " ")
			}
			if !yield(name, value) {
				return
			}
		}
	}
}

// auditText reads what programs put in quotes, or in hexadecimal digits if it
// has a space, a quote or a control character in it.
func auditText(v string) string {
	if len(v) >= 2 && v[0] == '"' {
		return v[1 : len(v)-1]
	}
	if len(v) >= 2 && len(v)%2 == 0 {
		if b, err := hex.DecodeString(v); err == nil && strings.ToUpper(v) == v {
			return strings.TrimRight(string(b), "\x00")
		}
	}
	return v
}

package collect

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// maxLine is as much of a line as is looked at.
const maxLine = 8 << 10

// logLine is a line of a log file of syslog.
type logLine struct {
	at      time.Time
	program string // the tag without the process: "sshd"
	pid     int64  // 0 if not told
	message string
}

// parseLogLine reads a line as syslog daemons write it:
//
//	Nov 28 16:54:01 host sshd[123]: message                          RFC 3164
//	2026-11-28T16:54:01.123456+00:00 host sshd[123]: message         RFC 3339 time
//	Nov 28 16:54:01 host auth.info sshd[123]: message                BusyBox
//	Nov 28 16:54:01 sshd[123]: message                               BusyBox -S
//
// A time without a year is of this year or the last, in the zone of now; one in
// the future is now.
func parseLogLine(line string, now time.Time) (logLine, bool) {
	at, rest, ok := parseLogTime(line, now)
	if !ok {
		return logLine{}, false
	}
	if at.After(now) {
		at = now
	}
	// Behind the time there are at most a host and a priority before the tag,
	// which is the first word with a colon at its end.
	for range 3 {
		word, after, _ := strings.Cut(rest, " ")
		if tag, ok := strings.CutSuffix(word, ":"); ok && tag != "" {
			l := logLine{at: at, program: tag, message: strings.TrimSpace(after)}
			if name, pid, ok := strings.Cut(tag, "["); ok {
				l.program = name
				l.pid, _ = strconv.ParseInt(strings.TrimSuffix(pid, "]"), 10, 32) // not told, then
			}
			return l, true
		}
		rest = after
	}
	return logLine{}, false
}

func parseLogTime(line string, now time.Time) (at time.Time, rest string, ok bool) {
	if word, after, _ := strings.Cut(line, " "); len(word) >= len("2006-01-02T15:04:05") && word[4] == '-' {
		at, err := time.Parse(time.RFC3339Nano, word)
		return at, after, err == nil
	}
	const form = "Jan _2 15:04:05"
	if len(line) <= len(form) || line[len(form)] != ' ' {
		return time.Time{}, "", false
	}
	t, err := time.ParseInLocation(form, line[:len(form)], now.Location())
	if err != nil {
		return time.Time{}, "", false
	}
	at = time.Date(now.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location())
	if at.After(now.Add(24 * time.Hour)) {
		at = at.AddDate(-1, 0, 0)
	}
	return at, line[len(form)+1:], true
}

// lineReader takes the lines of a log file.
type lineReader struct {
	words wordings
	tell  func(sighting)
	now   func() time.Time
	// within says that the beginning of the line was read already, because it
	// is longer than what is read at a time.
	within bool
}

func (r *lineReader) begin(_ []byte, off int64) int64 {
	r.within = false
	return off
}

// take reads the whole lines at the beginning of b and returns their length. A
// line that fills all of b is read as far as it goes, and the rest of it skipped.
func (r *lineReader) take(b []byte) int {
	used := 0
	for {
		line, _, whole := bytes.Cut(b[used:], []byte("\n"))
		if !whole {
			break
		}
		if !r.within {
			r.line(line)
		}
		r.within = false
		used += len(line) + 1
	}
	if used == 0 && len(b) == tailBuffer {
		if !r.within {
			r.line(b)
		}
		r.within = true
		return len(b)
	}
	return used
}

// hints are words of which every line that tells of a login has one; most lines
// of a log have none, and cost no more than looking for them.
var hints = [][]byte{
	[]byte("sshd"), []byte("login"), []byte("dropbear"), []byte("su:"), []byte("su["), []byte("pam_unix("),
}

func (r *lineReader) line(b []byte) {
	b = b[:min(len(b), maxLine)]
	found := false
	for _, h := range hints {
		if found = bytes.Contains(b, h); found {
			break
		}
	}
	if !found {
		return
	}
	l, ok := parseLogLine(string(b), r.now())
	if !ok {
		return
	}
	message, times := repeated(l.message)
	s, ok := r.words.read(l.program, l.pid, message)
	if !ok {
		return
	}
	s.at, s.source, s.times = l.at, sourceLog, times
	r.tell(s)
}

// maxRepeats bounds the attempts that one line may stand for.
const maxRepeats = 100

// repeated reads rsyslog's "message repeated 3 times: [ message]".
func repeated(message string) (string, int) {
	rest, ok := strings.CutPrefix(message, "message repeated ")
	if !ok {
		return message, 1
	}
	count, rest, ok := strings.Cut(rest, " times: [")
	if !ok {
		return message, 1
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 {
		return message, 1
	}
	return strings.TrimSpace(strings.TrimSuffix(rest, "]")), min(n, maxRepeats)
}

package twins

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
)

// problem is what the hub refuses in a text, and where.
type problem struct {
	Message, Code, Path string
	// Line counts from 1; 0 if the place is not known.
	Line int
	// Before, At and After are the line, with the place in the middle.
	Before, At, After string
}

// atByte is where a text stops being JSON.
var atByte = regexp.MustCompile(` at byte (\d+)$`)

// problemOf says what is wrong with a text.
func problemOf(err error, text string) *problem {
	p := &problem{Code: string(tvilling.CodeOf(err)), Message: "The hub failed to do this; its log has the reason."}
	e, ok := errors.AsType[*tvilling.Error](err)
	if !ok || e.Message == "" {
		return p
	}
	p.Message, p.Path = e.Message, e.Path
	var at int
	if m := atByte.FindStringSubmatch(e.Message); m != nil {
		at, _ = strconv.Atoi(m[1]) // digits
		p.Message = strings.TrimSuffix(e.Message, m[0])
	} else {
		at = locate(text, strings.TrimPrefix(strings.TrimPrefix(e.Path, "properties.desired"), "tags"))
	}
	if at >= 0 && at <= len(text) {
		p.place(text, at)
	}
	return p
}

// place fills in the line that has a byte.
func (p *problem) place(text string, at int) {
	p.Line = 1 + strings.Count(text[:at], "\n")
	begin := strings.LastIndexByte(text[:at], '\n') + 1
	end := len(text)
	if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
		end = at + i
	}
	stop := at
	for stop < end && stop-at < 24 && !strings.ContainsRune(" ,:}]", rune(text[stop])) {
		stop++
	}
	p.Before, p.At, p.After = text[begin:at], text[at:stop], text[stop:end]
	if p.At == "" {
		p.At = " "
	}
}

// locate returns where the member at a path ("a.b", with a dot in front or
// none) begins in a JSON object, the last of that name; -1 if it is not there.
func locate(text, path string) int {
	path = strings.TrimPrefix(path, ".")
	if path == "" {
		return -1
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	found := -1
	var keys []string
	var object func() bool
	value := func() bool {
		t, err := d.Token()
		if err != nil {
			return false
		}
		switch t {
		case json.Delim('{'):
			return object()
		case json.Delim('['):
			return skip(d)
		}
		return true
	}
	object = func() bool {
		for d.More() {
			before := int(d.InputOffset())
			t, err := d.Token()
			key, ok := t.(string)
			if err != nil || !ok {
				return false
			}
			keys = append(keys, key)
			if strings.Join(keys, ".") == path {
				found = before + strings.IndexByte(text[before:], '"')
			}
			if !value() {
				return false
			}
			keys = keys[:len(keys)-1]
		}
		_, err := d.Token()
		return err == nil
	}
	value()
	return found
}

// skip reads to the end of an array.
func skip(d *json.Decoder) bool {
	for depth := 1; depth > 0; {
		t, err := d.Token()
		if err != nil {
			return false
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
	}
	return true
}

// lines has line feeds alone: a browser sends forms with carriage returns.
func lines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

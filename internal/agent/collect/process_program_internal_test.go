//go:build linux

package collect

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestInterpreterOf(t *testing.T) {
	for head, want := range map[string]string{
		"#!/bin/sh":                  "/bin/sh",
		"#! \t/usr/bin/env python\n": "/usr/bin/env",
		"#!/bin/sh\n#!/bin/no":       "/bin/sh",
		"#!sh\n":                     "",
		"#!\n/bin/sh":                "",
		"\x7fELF":                    "",
		"":                           "",
	} {
		if got := interpreterOf([]byte(head)); got != want {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
	}
}

func FuzzInterpreterOf(f *testing.F) {
	f.Add([]byte("#! /bin/sh -e\n"))
	f.Add([]byte("#!/\xff\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if p := interpreterOf(head); p != "" && (!strings.HasPrefix(p, "/") || !utf8.ValidString(p)) {
			t.Errorf("%q", p)
		}
	})
}

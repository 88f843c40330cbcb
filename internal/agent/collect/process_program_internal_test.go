//go:build linux

package collect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// TestOpenWithin: opening a device can start it, so nothing but a regular file
// is ever opened.
func TestOpenWithin(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"link": "/file", "out": "../../../file", "device": "/dev/null"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"/file": true, "/link": true, "/out": true, "/pipe": false, "/device": false, "/": false, "/none": false} {
		f := openWithin(root, name)
		if (f != nil) != want {
			t.Errorf("%s: opened %t, want %t", name, f != nil, want)
		}
		if f != nil {
			f.Close()
		}
	}
	if f := openWithin("/", "/dev/null"); f != nil {
		t.Error("a device was opened")
		f.Close()
	}
}

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

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
)

// TestFollowQuery: a live query goes on by itself when the hub was started anew,
// and a later one from the cursor that it told.
func TestFollowQuery(t *testing.T) {
	address := freeAddress(t)
	hub := apptest.Start(t, func(o *app.Options) { o.HTTPS = []string{address} })
	do := func(text string) { t.Helper(); mustRun(t, line{"query", "tvilling " + text, true}, hub.Data) }
	do(`device create d1`)
	do(`device create d2`)
	do(`twin patch d1 --tags '{"site":"lab"}'`)
	const text = "SELECT deviceId FROM devices WHERE tags.site = 'lab'"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, w := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"query", text, "--follow", "--data", hub.Data}, strings.NewReader(""), w, &stderr)
		_ = w.Close()
	}()
	lines := bufio.NewScanner(r)
	awaitLine(t, lines, "+ d1")
	do(`twin patch d2 --tags '{"site":"lab"}'`)
	awaitLine(t, lines, "+ d2")
	hub.Restart()
	do(`twin patch d1 --tags '{"site":"roof"}'`)
	if read := awaitLine(t, lines, "- d1"); len(read) != 1 {
		t.Errorf("after the start came %q", read)
	}
	cancel()
	_, _ = io.Copy(io.Discard, r)
	if status := <-ended; status != exitOK {
		t.Fatalf("exit status %d: %s", status, stderr.String())
	}
	_, cursor, ok := strings.Cut(stderr.String(), "To go on from here: --cursor ")
	if !ok || !strings.Contains(stderr.String(), "Going on in 500ms") {
		t.Fatalf("told %s", stderr.String())
	}
	do(`twin patch d2 --tags '{"floor":1}'`)
	do(`twin patch d2 --tags '{"site":"roof"}'`)
	var stdout bytes.Buffer
	status := run(t.Context(), []string{"query", text, "--follow", "--limit", "1", "--cursor", strings.TrimSpace(cursor), "--data", hub.Data}, strings.NewReader(""), &stdout, &stderr)
	if status != exitOK || stdout.String() != "- d2\n" {
		t.Errorf("from the cursor: %d, %q, %s", status, stdout.String(), stderr.String())
	}
}

// freeAddress returns an address that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestRowTable: the columns are those of the first page, in the order of its
// rows; what comes later is named.
func TestRowTable(t *testing.T) {
	var b bytes.Buffer
	table := rowTable{w: &b}
	for _, page := range [][]string{
		{`{"a":"x","c":1}`, `{"a":"y\nz","b":[1,"two"],"c":null}`, `{}`},
		{`{"b":true,"d":2.5}`},
	} {
		rows := make([]json.RawMessage, len(page))
		for i, row := range page {
			rows[i] = json.RawMessage(row)
		}
		if err := table.add(rows); err != nil {
			t.Fatal(err)
		}
	}
	want := "A    B          C\nx    -          1\ny z  [1,\"two\"]  null\n-    -          -\n-  true  -  d=2.5\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

// TestPointOut: the place that an error names is shown.
func TestPointOut(t *testing.T) {
	long := "SELECT a FROM devices WHERE " + strings.Repeat("a = 1 AND ", 20) + "b ==\n 'x'"
	for _, tt := range []struct{ text, message, want string }{
		{"SELECT\n  a FRM x", "wrong at line 2, column 5: no.", "wrong at line 2, column 5: no.\n    a FRM x\n      ^"},
		{long, "at line 1, column 231: no.", "at line 1, column 231: no.\n  …" + strings.Repeat("a = 1 AND ", 20)[142:] + "b ==\n" + strings.Repeat(" ", 63) + "^"},
		{"SELECT", "at line 1, column 7: the end.", "at line 1, column 7: the end.\n  SELECT\n        ^"},
		{"SELECT", "at line 3, column 1: of another text.", "at line 3, column 1: of another text."},
		{"SELECT", "no place", "no place"},
	} {
		err := pointOut(tt.text, tvilling.Errorf(tvilling.InvalidArgument, "%s", tt.message))
		if diff := cmp.Diff(tt.want, tvilling.MessageOf(err)); diff != "" {
			t.Error(diff)
		}
		if tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("the code is %s", tvilling.CodeOf(err))
		}
	}
	if pointOut("SELECT", nil) != nil {
		t.Error("an error without one")
	}
}

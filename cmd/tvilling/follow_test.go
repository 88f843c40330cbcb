package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/app/apptest"
)

// started runs a command that goes on until it is stopped, and returns its
// lines and what stops it.
func started(t *testing.T, args ...string) (lines *bufio.Scanner, stop func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	r, w := io.Pipe()
	ended := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		status := run(ctx, args, strings.NewReader(""), w, &stderr)
		_ = w.Close()
		ended <- status
	}()
	stop = func() {
		cancel()
		_, _ = io.Copy(io.Discard, r) // what it still had to say
		if status := <-ended; status != exitOK {
			t.Errorf("%s: exit status %d: %s", strings.Join(args, " "), status, stderr.String())
		}
	}
	return bufio.NewScanner(r), stop
}

// awaitLine reads lines until one has all of the words, and returns all it read.
func awaitLine(t *testing.T, lines *bufio.Scanner, words ...string) (read []string) {
	t.Helper()
next:
	for lines.Scan() {
		read = append(read, lines.Text())
		for _, w := range words {
			if !strings.Contains(lines.Text(), w) {
				continue next
			}
		}
		return read
	}
	t.Fatalf("no line with %q came, only %q", words, read)
	return nil
}

func rehearse(t *testing.T, data, name, dev string) {
	t.Helper()
	mustRun(t, line{"rehearsal", "tvilling simulate attack " + name + " --wait --device " + dev, true}, data)
}

// TestFollowSecurityEvents: first what there is, as far as it is wanted, then
// what comes; of what fits, none twice and none left out.
func TestFollowSecurityEvents(t *testing.T) {
	hub := apptest.Start(t, nil)
	rehearse(t, hub.Data, "crypto-miner", "old")
	for _, tt := range []struct {
		name, filter, from string
		// before is in an event that is there already, "" if none is.
		before string
	}{
		{"the newest", "--device old --name ProcessCreate", "--top 2", "cpuminer"},
		{"all", "--device old", "--top 0", "cpuminer"},
		{"after a message", "--device old", "--after 1", ""},
		{"of a device that sent nothing", "--device new", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := strings.Fields("events --security --json --data " + hub.Data + " " + tt.filter)
			lines, stop := started(t, append(args, strings.Fields("--follow "+tt.from)...)...)
			var got []string
			if tt.before != "" {
				got = awaitLine(t, lines, tt.before)
			}
			_, device, _ := strings.Cut(tt.filter, "--device ")
			rehearse(t, hub.Data, "disabled-firewall", strings.Fields(device)[0])
			got = append(got, awaitLine(t, lines, "ufw")...)
			stop()
			var stdout, stderr bytes.Buffer
			if status := run(t.Context(), append(args, "--top", "0"), strings.NewReader(""), &stdout, &stderr); status != exitOK {
				t.Fatalf("exit status %d: %s", status, stderr.String())
			}
			all := strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
			at, end := slices.Index(all, got[0]), slices.Index(all, got[len(got)-1])
			if at < 0 || end < 0 || !slices.Equal(all[at:end+1], got) {
				t.Errorf("followed\n%s\nwhere there are\n%s", strings.Join(got, "\n"), strings.Join(all, "\n"))
			}
		})
	}
}

func TestAlertWatchFollows(t *testing.T) {
	hub := apptest.Start(t, nil)
	lines, stop := started(t, "alert", "watch", "--after", "0", "--data", hub.Data)
	rehearse(t, hub.Data, "crypto-miner", "d1")
	awaitLine(t, lines, " raised ", "IoT_CryptoMiner on d1 (new)", "hub:detection")
	rehearse(t, hub.Data, "crypto-miner", "d1")
	awaitLine(t, lines, " folded ", "IoT_CryptoMiner on d1 (new, 2 times)")
	stop()
}

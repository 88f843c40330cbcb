//go:build linux

package agent

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
)

// serving serves a status until the test ends, and returns where, and what the
// end of it was.
func serving(t *testing.T, path string) (ended <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- serveStatus(ctx, path, func() Status { return Status{Version: "1.2", Connected: true} })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the end: %v", err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Error("the socket stays")
		}
	})
	return done
}

// answers asks until somebody answers.
func answers(t *testing.T, path string) Status {
	t.Helper()
	end := time.Now().Add(10 * time.Second)
	for {
		s, err := AskStatus(t.Context(), path)
		if err == nil {
			return s
		}
		if tvilling.CodeOf(err) != tvilling.Unavailable || time.Now().After(end) {
			t.Fatal(err)
		}
		<-time.After(time.Millisecond)
	}
}

func TestStatusSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "run", "status")
	if _, err := AskStatus(t.Context(), path); tvilling.CodeOf(err) != tvilling.Unavailable || tvilling.MessageOf(err) == "" {
		t.Errorf("nobody is there: %v", err)
	}
	serving(t, path)
	if s := answers(t, path); s.Version != "1.2" || !s.Connected {
		t.Errorf("got %+v", s)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	// Somebody who asks and does not listen does not keep others from asking.
	rude, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer rude.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if s, err := AskStatus(t.Context(), path); err != nil || s.Version != "1.2" {
				t.Errorf("got %+v, %v", s, err)
			}
		})
	}
	wg.Wait()
}

// TestStatusSocketIsStale: a socket of an agent that was killed is replaced.
func TestStatusSocketIsStale(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	serving(t, path)
	answers(t, path)
}

// TestStatusSocketIsNone: a file that is no socket is left alone.
func TestStatusSocketIsNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := serveStatus(t.Context(), path, func() Status { return Status{} }); err == nil {
		t.Error("it is served there")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("got %q, %v", b, err)
	}
}

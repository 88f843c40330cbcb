package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestProxyCounts(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				b := make([]byte, 5)
				if _, err := io.ReadFull(c, b); err == nil {
					_, _ = c.Write([]byte("ok"))
				}
			}()
		}
	}()
	p, err := newProxy(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", p.addr().String()) //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	p.cut()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is not cut")
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if got, want := p.bytes(), (traffic{up: 5, down: 2}); got != want || p.accepted.Load() != 1 {
		t.Errorf("counted %+v of %d connections, want %+v of 1", got, p.accepted.Load(), want)
	}
}

func TestLosses(t *testing.T) {
	var before, after agentStatus
	before.Lost = map[string]int64{"ProcessCreate: arguments gone": 2, "ProcessCreate: same": 3}
	after.Lost = map[string]int64{"ProcessCreate: arguments gone": 7, "ProcessCreate: same": 3, "ProcessCreate: new": 1, "Login: other": 9}
	got := losses(&before, &after)
	if len(got) != 2 || got["arguments gone"] != 5 || got["new"] != 1 {
		t.Errorf("losses are %v", got)
	}
}

func TestAuditRecords(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "audit.log")
	for name, text := range map[string]string{
		log:        "type=SYSCALL a=1 marker-1\ntype=EXECVE a1=\"marker-1\"\ntype=EXECVE a1=\"other\"\n",
		log + ".1": "type=EXECVE a1=\"marker-0\"",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := recordsOf(log, "marker-"); err != nil || n != 2 {
		t.Errorf("%d records, %v; want 2", n, err)
	}
}

func TestMiddle(t *testing.T) {
	if median, largest := middle([]int64{9, 1, 5}); median != 5 || largest != 9 {
		t.Errorf("median %d, largest %d", median, largest)
	}
	if median, largest := middle(nil); median != 0 || largest != 0 {
		t.Errorf("of nothing: %d, %d", median, largest)
	}
}

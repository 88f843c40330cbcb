package securitydb_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitydb"
)

// count returns how many rows the store's tables have, and the cursor.
func count(t *testing.T, s *securitydb.Store) (n int) {
	t.Helper()
	for _, err := range s.Alerts(t.Context(), ledger.AlertFilter{}, "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	feed := 0
	for _, err := range s.Feed(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		feed++
	}
	cursor, err := s.Cursor(t.Context(), "intake")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		d, err := s.Device(t.Context(), tvilling.DeviceID(fmt.Sprintf("device-%06d", i)))
		if err != nil || d == nil {
			t.Errorf("device %d: %v, %v", i, d, err)
		}
	}
	if feed != n || s.FeedHead() != uint64(n) || n > 0 && cursor != uint64(n-1) {
		t.Errorf("%d alerts, %d feed entries, head %d, cursor %d: a batch is not whole", n, feed, s.FeedHead(), cursor)
	}
	return n
}

// TestFull lets the database file grow no more: a batch is refused whole, the
// store goes on once there is room.
func TestFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, securitydb.Options{Dir: dir})
	commit(t, s, records(0))
	pages, err := s.Pages()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.LimitPages(int(pages) + 4); err != nil {
		t.Fatal(err)
	}
	n := 1
	for ; err == nil && n < 10_000; n++ {
		err = s.Commit(t.Context(), records(n))
	}
	n-- // the last one was refused
	wantCode(t, "commit on a full disk", err, tvilling.Unavailable)
	if !strings.Contains(tvilling.MessageOf(err), "space") {
		t.Errorf("the refusal does not say what is wrong: %v", err)
	}
	big := records(n)
	big.Values["rules"] = make([]byte, 1<<20)
	wantCode(t, "large commit on a full disk", s.Commit(t.Context(), big), tvilling.Unavailable)
	if got := count(t, s); got != n {
		t.Errorf("%d batches are kept, want %d", got, n)
	}
	if st := s.Stats(); st.Refused != 2 || st.Lost != nil {
		t.Errorf("Stats = %+v, want 2 refused and nothing lost", st)
	}
	if err := s.LimitPages(0); err != nil {
		t.Fatal(err)
	}
	commit(t, s, records(n))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := count(t, open(t, securitydb.Options{Dir: dir})); got != n+1 {
		t.Errorf("%d batches are kept after a restart, want %d", got, n+1)
	}
}

// TestLost makes a write fail for a reason that does not pass: nothing of the
// batch is kept, no further one is taken, what there was is served.
func TestLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, securitydb.Options{Dir: dir})
	commit(t, s, records(0))
	fail := func(sql string) {
		database(t, dir, func(conn *sqlite.Conn) error { return sqlitex.ExecuteScript(conn, sql, nil) })
	}
	fail("CREATE TRIGGER broken BEFORE INSERT ON credential BEGIN SELECT RAISE(ABORT, 'broken disk'); END")
	wantCode(t, "commit that fails", s.Commit(t.Context(), records(1)), tvilling.Internal)
	fail("DROP TRIGGER broken")
	err := s.Commit(t.Context(), records(1))
	wantCode(t, "commit after one failed", err, tvilling.Internal)
	if !strings.Contains(err.Error(), "broken disk") || !strings.Contains(err.Error(), "restart") {
		t.Errorf("the refusal tells neither the cause nor what to do: %v", err)
	}
	_, err = s.Trim(t.Context(), 1, at(0))
	wantCode(t, "trim after a commit failed", err, tvilling.Internal)
	if got := count(t, s); got != 1 {
		t.Errorf("%d batches are kept, want 1", got)
	}
	if s.Stats().Lost == nil {
		t.Error("Stats do not tell that the store is lost")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, securitydb.Options{Dir: dir})
	commit(t, again, records(1))
	if got := count(t, again); got != 2 {
		t.Errorf("%d batches after a restart, want 2", got)
	}
}

// TestLogIsBounded demands that the log is begun anew once it was moved into
// the database file.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, securitydb.Options{Dir: dir, CheckpointPages: 1 << 30}) // by hand
	longest := int64(0)
	for n := range 400 {
		commit(t, s, records(n))
		if n%20 != 19 {
			continue
		}
		if err := s.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, "security.db-wal"))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case n == 19:
			longest = info.Size()
		case info.Size() > 4*longest:
			t.Fatalf("after %d batches the log has %d bytes, after 20 it had %d: it is not begun anew", n+1, info.Size(), longest)
		}
	}
	if got := count(t, s); got != 400 {
		t.Errorf("%d batches, want 400", got)
	}
	if got := s.Stats().Checkpoints; got != 20 {
		t.Errorf("Stats count %d checkpoints, want 20", got)
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, securitydb.Options{Dir: dir})
	_, err := securitydb.Open(t.Context(), securitydb.Options{Dir: dir})
	wantCode(t, "a second opening", err, tvilling.Unavailable)
	if !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("the refusal does not name the process: %v", err)
	}
}

func TestFileModes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, securitydb.Options{Dir: dir})
	commit(t, s, records(0))
	for _, name := range []string{"", "security.lock", "security.db", "security.db-wal", "security.db-shm"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, want it for its owner alone", name, info.Mode())
		}
	}
}

const crashDirEnv = "TVILLING_SECURITYDB_CRASH_DIR"

// TestKill ends a process that commits with SIGKILL and demands every batch
// that it said was committed, whole, and no part of another.
func TestKill(t *testing.T) {
	if dir := os.Getenv(crashDirEnv); dir != "" {
		commitUntilKilled(t, dir)
		return
	}
	// Not parallel: a process that is being started shares the locks of others.
	dir := t.TempDir()
	for round := range 3 {
		acknowledged := killed(t, dir, 150*(round+1))
		s := open(t, securitydb.Options{Dir: dir})
		if got := count(t, s); got != acknowledged && got != acknowledged+1 {
			t.Errorf("%d batches are kept, %d were acknowledged", got, acknowledged)
		}
		n := count(t, s) - 1
		a, err := s.Alert(t.Context(), records(n).Alerts[0].ID)
		if d := cmp.Diff(records(n).Alerts[0], a); err != nil || d != "" {
			t.Errorf("the newest alert: %v; -want +got:\n%s", err, d)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killed has another process commit, kills it after some batches and returns
// how many batches it said were committed.
func killed(t *testing.T, dir string, after int) (acknowledged int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), crashDirEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); {
		v, ok := strings.CutPrefix(lines.Text(), "committed ")
		if !ok {
			continue
		}
		if acknowledged, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
		// What it said before it ended counts, too.
		if n++; n == after {
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the process ended by itself")
	}
	return acknowledged
}

func commitUntilKilled(t *testing.T, dir string) {
	t.Helper()
	s, err := securitydb.Open(context.Background(), securitydb.Options{Dir: dir, CheckpointPages: 200})
	if err != nil {
		t.Fatal(err)
	}
	for n := int(s.FeedHead()); ; n++ {
		if err := s.Commit(context.Background(), records(n)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintln(os.Stdout, "committed", n+1); err != nil {
			t.Fatal(err)
		}
	}
}

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pgClients is how many connections share the updates in flight: more than a
// few dozen make PostgreSQL slower.
const pgClients = 64

// patchSQL does the work of the hub's merge in one statement, without its
// metadata, versions and journal: in PostgreSQL's favour.
const patchSQL = `UPDATE twins SET doc = jsonb_set(doc, '{reported}', (doc->'reported') || p.patch, false), version = version + 1
FROM (SELECT unnest($1::bytea[]) AS id, unnest($2::jsonb[]) AS patch) AS p WHERE twins.id = p.id`

// runPostgres measures PostgreSQL over a Unix socket, without TLS: each update
// as its own transaction, and many updates in one as a careful program would.
func runPostgres(ctx context.Context, b *bench) (err error) {
	pg, err := b.startPostgres(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.stop(syscall.SIGINT)) }()
	conf, err := pgxpool.ParseConfig(fmt.Sprintf("host=%s port=5433 user=bench dbname=postgres sslmode=disable pool_max_conns=%d", filepath.Join(b.dir, "postgres"), pgClients))
	if err != nil {
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := b.fillPostgres(ctx, pool); err != nil {
		return err
	}
	one := func(ctx context.Context, i int, pick uint64) error {
		return patchPostgres(ctx, pool, [][]byte{pgKey(i)}, []string{string(appendPatch(nil, pick))})
	}
	measure := func(suffix string, n int, d time.Duration, update func(context.Context, int, uint64) error) error {
		m := pg.meter()
		r, err := b.callers(ctx, n, d, update, m)
		if err != nil {
			return err
		}
		b.measured(r, m, suffix, Figure{}, Figure{})
		return nil
	}
	if err := measure("", inFlight, b.scale.Measure*2/3, one); err != nil {
		return err
	}
	if err := measure(", one client", 1, b.scale.Measure/3, one); err != nil {
		return err
	}
	batches, stop := batchPostgres(ctx, pool)
	defer stop()
	return measure(", batched", inFlight, b.scale.Measure*2/3, batches)
}

func pgKey(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)) }

func patchPostgres(ctx context.Context, pool *pgxpool.Pool, ids [][]byte, texts []string) error {
	tag, err := pool.Exec(ctx, patchSQL, ids, texts)
	if err == nil && tag.RowsAffected() == 0 {
		err = errors.New("an update found no row")
	}
	return err
}

// batchPostgres returns an update whose calls are gathered: whoever waits while
// a transaction runs goes into the next one. Two run at a time.
func batchPostgres(ctx context.Context, pool *pgxpool.Pool) (update func(context.Context, int, uint64) error, stop func()) {
	type call struct {
		i    int
		text string
		done chan error
	}
	calls := make(chan call, inFlight)
	var wg sync.WaitGroup
	var locks sync.Mutex // rows in one order at a time, or the two would deadlock
	for range 2 {
		wg.Go(func() {
			for first := range calls {
				round := []call{first}
				for len(calls) > 0 {
					round = append(round, <-calls)
				}
				// A statement changes a row once, so of two patches the last counts.
				byID := make(map[int]string, len(round))
				for _, c := range round {
					byID[c.i] = c.text
				}
				var ids [][]byte
				var texts []string
				for i, text := range byID {
					ids, texts = append(ids, pgKey(i)), append(texts, text)
				}
				locks.Lock()
				err := patchPostgres(ctx, pool, ids, texts)
				locks.Unlock()
				for _, c := range round {
					c.done <- err
				}
			}
		})
	}
	update = func(_ context.Context, i int, pick uint64) error {
		c := call{i, string(appendPatch(nil, pick)), make(chan error, 1)}
		calls <- c
		return <-c.done
	}
	return update, func() { close(calls); wg.Wait() }
}

func (b *bench) fillPostgres(ctx context.Context, pool *pgxpool.Pool) error {
	for _, s := range []string{
		`CREATE TABLE twins (id bytea PRIMARY KEY, version bigint NOT NULL, doc jsonb NOT NULL)`,
	} {
		if _, err := pool.Exec(ctx, s); err != nil {
			return err
		}
	}
	i := 0
	_, err := pool.CopyFrom(ctx, pgx.Identifier{"twins"}, []string{"id", "version", "doc"}, pgx.CopyFromFunc(func() ([]any, error) {
		if i == b.scale.Devices {
			return nil, nil
		}
		i++
		return []any{pgKey(i - 1), int64(1), string(makeDocument(i - 1).whole())}, nil
	}))
	if err != nil {
		return err
	}
	for _, s := range []string{`ANALYZE twins`, `CHECKPOINT`} {
		if _, err := pool.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// startPostgres makes and starts a database, with the settings that the
// PostgreSQL wiki recommends for the machine's memory; all that makes it
// durable is as it comes.
func (b *bench) startPostgres(ctx context.Context) (*process, error) {
	initdb, postgres := findPostgres("initdb"), findPostgres("postgres")
	if initdb == "" || postgres == "" {
		return nil, skip("PostgreSQL's initdb and postgres are not installed")
	}
	dir := filepath.Join(b.dir, "postgres")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	credential := func(*exec.Cmd) {}
	if os.Getuid() == 0 { // it refuses to run as root
		uid, gid, ok := someUser("postgres", "nobody")
		if !ok {
			return nil, skip("PostgreSQL does not run as root, and there is no user postgres or nobody")
		}
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
		credential = func(c *exec.Cmd) { as(c, uid, gid) }
	}
	data := filepath.Join(dir, "data")
	init := exec.CommandContext(ctx, initdb, "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C") //nolint:gosec // a fixed program
	init.Dir = dir
	credential(init)
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	cmd := exec.Command(postgres, "-D", data, "-k", dir, "-p", "5433", "-c", "listen_addresses=", //nolint:gosec,noctx // stopped by a signal
		"-c", "shared_buffers=1GB", "-c", "max_wal_size=4GB", "-c", "max_connections="+strconv.Itoa(pgClients+10),
		"-c", "fsync=on", "-c", "synchronous_commit=on")
	cmd.Dir = dir
	credential(cmd)
	p, err := startProcess(b.dir, cmd)
	if err != nil {
		return nil, err
	}
	p.discard()
	for range 100 {
		conn, err := pgx.Connect(ctx, "host="+dir+" port=5433 user=bench dbname=postgres sslmode=disable")
		if err == nil {
			return p, conn.Close(ctx)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, errors.Join(errors.New("PostgreSQL did not take connections within 10 s"), p.stop(syscall.SIGINT))
}

// findPostgres finds a program on the path or where Debian puts it.
func findPostgres(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) //nolint:errcheck // the pattern is sound
	slices.SortFunc(found, func(a, b string) int { return strings.Compare(b, a) })
	if len(found) == 0 {
		return ""
	}
	return found[0]
}

func someUser(names ...string) (uid, gid int, ok bool) {
	for _, n := range names {
		u, err := user.Lookup(n)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil {
			return uid, gid, true
		}
	}
	return 0, 0, false
}

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tvilling/tvilling/bench/load"
)

// What is asked of PostgreSQL in place of the hub's questions. The two first
// are given what an expert would give them: a GIN index on the whole document
// for what it can do, and beside that the plain scan.
const (
	pgCount  = `SELECT count(*) FROM fleet WHERE doc->'reported'->'machine'->>'arch' = 'armv7l' AND (doc->'reported'->>'x')::numeric > 990`
	pgGIN    = `SELECT count(*) FROM fleet WHERE doc @> '{"reported":{"machine":{"arch":"armv7l"}}}' AND (doc->'reported'->>'x')::numeric > 990`
	pgGroup  = `SELECT doc->'security'->>'state', count(*) FROM fleet GROUP BY 1`
	pgPage   = `SELECT doc FROM fleet WHERE doc @> '{"reported":{"baseline":{"failed":29}},"tags":{"ring":3}}' ORDER BY id LIMIT 100`
	pgUnread = `SELECT count(*) FROM fleet WHERE doc->'reported'->>'fingerprint' LIKE '%00ff'`
)

// runFleetPostgres asks PostgreSQL the same of the same documents.
func runFleetPostgres(ctx context.Context, b *bench) (err error) {
	pg, err := b.startPostgres(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.stop(syscall.SIGINT)) }()
	pool, err := pgxpool.New(ctx, fmt.Sprintf("host=%s port=5433 user=bench dbname=postgres sslmode=disable", filepath.Join(b.dir, "postgres")))
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := b.fillFleetPostgres(ctx, pool); err != nil {
		return err
	}
	for _, ask := range []struct {
		name, text string
		n          int
	}{
		{"two predicates, count, scan", pgCount, 5},
		{"groups by one path", pgGroup, 5},
		{"unindexed predicate, warm", pgUnread, 5},
	} {
		if err := b.askPostgres(ctx, pool, ask.name, ask.text, ask.n); err != nil {
			return err
		}
	}
	start := time.Now()
	if _, err := pool.Exec(ctx, `CREATE INDEX ON fleet USING gin (doc jsonb_path_ops)`); err != nil {
		return err
	}
	b.figure(Figure{Metric: "GIN index built", Value: time.Since(start).Seconds(), Unit: "s", Less: true})
	var bytes int64
	if err := pool.QueryRow(ctx, `SELECT pg_relation_size('fleet_doc_idx')`).Scan(&bytes); err != nil {
		return err
	}
	b.figure(Figure{Metric: "GIN index", Value: mib(bytes), Unit: "MiB", Less: true})
	if err := b.askPostgres(ctx, pool, "two predicates, count, GIN", pgGIN, 50); err != nil {
		return err
	}
	return b.askPostgres(ctx, pool, "first page of 100 documents, GIN", pgPage, 50)
}

func (b *bench) fillFleetPostgres(ctx context.Context, pool *pgxpool.Pool) error {
	objects, err := agentObjects()
	if err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, `CREATE TABLE fleet (id text PRIMARY KEY, doc jsonb NOT NULL)`); err != nil {
		return err
	}
	i := 0
	if _, err := pool.CopyFrom(ctx, pgx.Identifier{"fleet"}, []string{"id", "doc"}, pgx.CopyFromFunc(func() ([]any, error) {
		if i == b.scale.Fleet {
			return nil, nil
		}
		i++
		return []any{string(deviceID(i - 1)), string(makeFleetModule(i-1, objects).whole())}, nil
	})); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, `VACUUM ANALYZE fleet`)
	return err
}

func (b *bench) askPostgres(ctx context.Context, pool *pgxpool.Pool, name, text string, n int) error {
	var h load.Histogram
	for i := range n + 2 {
		start := time.Now()
		rows, err := pool.Query(ctx, text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		found := 0
		for rows.Next() {
			if _, err := rows.Values(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			found++
		}
		if err := rows.Err(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if found == 0 {
			return fmt.Errorf("%s: found nothing", name)
		}
		if i >= 2 {
			h.Add(time.Since(start))
		}
	}
	b.figure(Figure{Metric: name + ", p50", Value: ms(h.Quantile(0.5)), Unit: "ms", Less: true})
	b.figure(Figure{Metric: name + ", p99", Value: ms(h.Quantile(0.99)), Unit: "ms", Less: true})
	return nil
}

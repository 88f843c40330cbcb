package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"time"
)

func main() {
	long := flag.Duration("time", 3*time.Second, "how long each target runs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, *long, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

// run fuzzes every target of the packages that match patterns (all, if there
// are none) and writes one line about each, then the closing line.
func run(ctx context.Context, w io.Writer, long time.Duration, patterns []string) error {
	packages, err := list(ctx, patterns)
	if err != nil {
		return err
	}
	targets, err := find(packages)
	if err != nil {
		return err
	}
	var failed int
	for _, t := range targets {
		if err := ctx.Err(); err != nil {
			return err
		}
		began := time.Now()
		out, err := fuzz(ctx, t, long)
		if err != nil {
			failed++
			fmt.Fprintf(w, "FAIL\t%s.%s\n%s\n", t.Package, t.Name, out)
			continue
		}
		fmt.Fprintf(w, "ok\t%s.%s\t%.1fs\n", t.Package, t.Name, time.Since(began).Seconds())
	}
	fmt.Fprintf(w, "fuzz: %d passed, %d failed\n", len(targets)-failed, failed)
	if failed > 0 {
		return fmt.Errorf("%d of %d targets failed; their inputs are under testdata/fuzz", failed, len(targets))
	}
	return nil
}

// list asks the go command for the packages that match patterns.
func list(ctx context.Context, patterns []string) ([]Package, error) {
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	args := append([]string{"list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles", "--"}, patterns...)
	out, err := exec.CommandContext(ctx, "go", args...).Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, fmt.Errorf("go list: %w: %s", err, bytes.TrimSpace(e.Stderr))
		}
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []Package
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the answer of go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// fuzz runs one target and returns what go test printed.
func fuzz(ctx context.Context, t Target, long time.Duration) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-fuzz=^"+t.Name+"$", "-fuzztime="+long.String(), t.Package)
	out, err := cmd.CombinedOutput()
	if err != nil && endedByTime(out) {
		return out, nil
	}
	return out, err
}

// endedByTime reports whether a run failed only because its time was over: the
// go command sometimes takes its own deadline for a failure (golang/go#75804).
// A finding always comes with the input that makes it, and so does a hang.
func endedByTime(out []byte) bool {
	return bytes.Contains(out, []byte("context deadline exceeded")) &&
		!bytes.Contains(out, []byte("Failing input written")) &&
		!bytes.Contains(out, []byte("panic:")) && !bytes.Contains(out, []byte("failure while testing seed corpus"))
}

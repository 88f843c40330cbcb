package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tvilling/tvilling/internal/app/apptest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tvilling": program})
}

// program is the program itself, for scripts.
func program() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// TestScripts runs the scripts of testdata/script, each against a hub of its
// own whose data directory is in $HUB. Commands find it by --data $HUB.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			tb, ok := env.T().(testing.TB)
			if !ok {
				tb = t
			}
			h := apptest.Start(tb, nil)
			env.Setenv("HUB", h.Data)
			env.Setenv("MQTT", h.MQTT())
			env.Setenv("TZ", "UTC")
			return nil
		},
	})
}

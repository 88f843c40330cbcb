package main

import (
	"context"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
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
		Cmds:                map[string]func(ts *testscript.TestScript, neg bool, args []string){"await": await, "short": short},
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

// await follows the feed of alerts and recommendations of the hub from its
// beginning until a line of it matches a regular expression.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await PATTERN")
	}
	wanted := regexp.MustCompile(args[0])
	flags := hubFlags{data: ts.Getenv("HUB")}
	c, err := flags.open()
	ts.Check(err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for e, err := range c.Feed(ctx, client.StreamOptions{Follow: true}) {
		ts.Check(err)
		if wanted.Match(e.Raw) {
			return
		}
	}
	ts.Fatalf("the feed ended without %s", args[0])
}

// short puts the short id of the newest alert of a type into a variable: short
// MINER IoT_CryptoMiner sets $MINER, and $MINER_ID to the whole one.
func short(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: short NAME TYPE")
	}
	flags := hubFlags{data: ts.Getenv("HUB")}
	c, err := flags.open()
	ts.Check(err)
	defer c.Close()
	list, _, err := c.AlertPage(context.Background(), client.AlertFilter{Type: args[1]}, client.Paging{})
	ts.Check(err)
	if len(list) == 0 {
		ts.Fatalf("there is no alert of type %s", args[1])
	}
	ts.Setenv(args[0], shortID(list[0].ID))
	ts.Setenv(args[0]+"_ID", list[0].ID)
}

//go:build browser

// Package browser_test is the console as people use it: whole hubs, in a real
// Chromium.
package browser_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
)

// browser is the one browser of all tests; each test has tabs of its own in it.
var browser context.Context

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.IgnoreCertErrors,
		// Pictures that are compared are drawn alike everywhere.
		chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("disable-lcd-text", true), chromedp.Flag("hide-scrollbars", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "start Chromium (scripts/setup installs it):", err)
		return 1
	}
	browser = ctx
	code := m.Run()
	end, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Cancel(end); err != nil {
		fmt.Fprintln(os.Stderr, "stop Chromium:", err)
	}
	return code
}

// harness is a hub with a browser in front of it.
type harness struct {
	t   *testing.T
	Hub *apptest.Hub
}

// start runs a hub until the test ends. change, if not nil, changes its options.
func start(t *testing.T, change func(*app.Options)) *harness {
	t.Helper()
	return &harness{t: t, Hub: apptest.Start(t, change)}
}

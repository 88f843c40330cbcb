//go:build linux

package agent

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
)

func TestOnlyOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	first, err := onlyOne(dir)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	if _, err := onlyOne(dir); tvilling.CodeOf(err) != tvilling.Unavailable || !strings.Contains(err.Error(), "Another agent runs") {
		t.Error("a second one:", err)
	}
	if err := release(first); err != nil {
		t.Fatal(err)
	}
	second, err := onlyOne(dir)
	if err != nil {
		t.Fatal("after the first one:", err)
	}
	if err := release(second); err != nil {
		t.Error(err)
	}
	// A folder that cannot be had is no reason not to run.
	if f, err := onlyOne("/proc/self/nothing"); f != nil || err != nil {
		t.Error(f, err)
	}
}

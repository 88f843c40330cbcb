package app

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "write the generated documents anew")

// described is how a description prints, which is the only way to read it.
var described = regexp.MustCompile(`^Desc\{fqName: ("(?:[^"\\]|\\.)*"), help: ("(?:[^"\\]|\\.)*"), unit: "[^"]*", constLabels: \{(.*?)\}, variableLabels: \{(.*?)\}\}$`)

// TestMetricReference holds docs/reference/metrics.md to what the hub tells.
func TestMetricReference(t *testing.T) {
	const path = "../../docs/reference/metrics.md"
	a, err := New(t.Context(), Options{Data: t.TempDir(), MQTT: "127.0.0.1:0", HTTPS: []string{"127.0.0.1:0"}, Admin: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	descs := make(chan *prometheus.Desc)
	go func() {
		a.metrics.registry.Describe(descs)
		close(descs)
	}()
	type metric struct {
		name, help string
		labels     []string
	}
	byName := map[string]*metric{}
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("a description of another form: %s", d)
		}
		name, err1 := strconv.Unquote(m[1])
		help, err2 := strconv.Unquote(m[2])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if !strings.HasPrefix(name, "tvilling_") {
			continue // of the Go runtime and the process, which are described elsewhere
		}
		if byName[name] == nil {
			byName[name] = &metric{name: name, help: help}
		}
		for _, l := range strings.FieldsFunc(m[3]+","+m[4], func(r rune) bool { return r == ',' }) {
			l, _, _ = strings.Cut(strings.TrimPrefix(l, "c("), "=")
			l = "`" + strings.TrimSuffix(l, ")") + "`"
			if !slices.Contains(byName[name].labels, l) {
				byName[name].labels = append(byName[name].labels, l)
			}
		}
	}
	if len(byName) < 20 {
		t.Fatalf("%d metrics: this test looks at too little", len(byName))
	}
	var b strings.Builder
	b.WriteString("# Metrics\n\n<!-- Generated from the program by `go test ./internal/app -run TestMetricReference -update`; do not edit. -->\n\n")
	b.WriteString("`GET /metrics` on the admin address tells these to Prometheus, besides those of the Go runtime (`go_…`) and the process (`process_…`).\n")
	b.WriteString("Names that end in `_total` only grow; those in `_seconds`, `_changes` and `_messages` are histograms where they have no other meaning below.\n\n")
	b.WriteString("| metric | labels | what |\n| --- | --- | --- |\n")
	names := make([]string, 0, len(byName))
	for name := range byName {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		m := byName[name]
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.name, strings.Join(m.labels, ", "), m.help)
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("%s is not what the hub tells (run with -update):\n%s", path, diff)
	}
}

package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

const agentConfiguration = "../../docs/agent-configuration.md"

// TestAgentProperties holds the table of the configuration object against the
// properties that there are. "go test ./test/docs -update" writes it anew.
func TestAgentProperties(t *testing.T) {
	var table bytes.Buffer
	fmt.Fprintln(&table, "| property | type | default | limits | meaning |")
	fmt.Fprintln(&table, "| --- | --- | --- | --- | --- |")
	for _, p := range agentconfig.Properties() {
		limits := ""
		if p.Type == agentconfig.Size {
			limits = fmt.Sprintf("from %d to %d", p.Min, p.Max)
		}
		value := p.Default.String()
		if value == "" {
			value = `""`
		}
		fmt.Fprintf(&table, "| `%s` | %s | `%s` | %s | %s |\n", p.Name, p.Type, value, limits, p.Description)
	}
	generated(t, agentConfiguration, "properties", table.String())
}

// rows returns the cells of the first table behind a heading, by their first
// cell, which is in backquotes; the others are without them.
func rows(t *testing.T, path, heading string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\n"+heading+"\n")
	_, rest, also := strings.Cut(rest, "| --- |")
	_, rest, _ = strings.Cut(rest, "\n")
	if !ok || !also {
		t.Fatalf("%s has no table below %q", path, heading)
	}
	found := map[string][]string{}
	for line := range strings.Lines(rest) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "|")
		if !ok {
			break
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.TrimSuffix(line, "|"), "|") {
			cells = append(cells, strings.Trim(strings.TrimSpace(cell), "`"))
		}
		if _, twice := found[cells[0]]; twice {
			t.Errorf("%s: %s is there twice", path, cells[0])
		}
		found[cells[0]] = cells[1:]
	}
	return found
}

// TestAgentExtension holds the table of the extension against its defaults, and
// tries its limits.
func TestAgentExtension(t *testing.T) {
	t.Parallel()
	extension := agentconfig.DefaultExtension()
	got := map[string]string{}
	table := rows(t, agentConfiguration, "## The member `tvillingAgent`")
	for name, cells := range table {
		got[name] = cells[1]
	}
	want := map[string]string{}
	for name, v := range extension.Members() {
		want[name] = string(v)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s has other defaults (-code +document):\n%s", agentConfiguration, d)
	}
	try := func(name, value string, ok bool) {
		_, problems := agentconfig.ReadExtension([]byte(`{"` + name + `":` + value + `}`))
		if (len(problems) == 0) != ok {
			t.Errorf("%s of %s: the document says that it is taken: %v, the code: %v", name, value, ok, problems)
		}
	}
	tried := 0
	for name, cells := range table {
		var low, high float64
		switch n, err := fmt.Sscanf(cells[2], "from %g to %g", &low, &high); {
		case err == nil && n == 2:
			try(name, fmt.Sprintf("%.10g", low), true)
			try(name, fmt.Sprintf("%.13g", high), true)
			step := 1.0
			if cells[0] == "number" {
				step = 0.01
			}
			try(name, fmt.Sprintf("%.10g", low-step), false)
			try(name, fmt.Sprintf("%.13g", high+step), false)
			tried++
		case cells[0] == "text":
			for word := range strings.SplitSeq(cells[2], ", ") {
				try(name, `"`+strings.Trim(word, "`")+`"`, true)
			}
			try(name, `"other"`, false)
			tried++
		}
	}
	if tried < 4 {
		t.Errorf("%d limits tried: this test looks at nothing", tried)
	}
	try("heartbeatFrequency", `"PT1M"`, true)
	try("heartbeatFrequency", `"PT0S"`, true)
	try("heartbeatFrequency", `"PT59S"`, false)
}

// TestMicroAgentDialect holds the table of the flat properties against the
// defaults that are reported.
func TestMicroAgentDialect(t *testing.T) {
	t.Parallel()
	s := settings.Default(settings.MicroAgent)
	want := map[string]string{}
	for name, v := range s.Reported() {
		if raw, ok := v.(json.RawMessage); ok {
			want[name] = string(raw)
		}
	}
	got := map[string]string{}
	for name, cells := range rows(t, agentConfiguration, "## The dialect of the micro agent") {
		if cells[0] != "null" {
			got[name] = cells[0]
			continue
		}
		// What has no default is not reported: it is known if it can be set.
		one, problems, _ := settings.Read(settings.MicroAgent, []byte(`{"`+name+`":"x"}`))
		if _, ok := one.Reported()[name]; !ok || len(problems) > 0 {
			t.Errorf("%s is not taken: %v", name, problems)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s has other defaults (-code +document):\n%s", agentConfiguration, d)
	}
}

var desired = regexp.MustCompile(`--desired '([^']*)'`)

// TestAgentConfigurationExamples reads the examples as the agent would: all are
// in force without a word, but for those that show what is refused.
func TestAgentConfigurationExamples(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(agentConfiguration)
	if err != nil {
		t.Fatal(err)
	}
	good, bad, _ := strings.Cut(string(b), "\n## What is refused\n")
	for text, want := range map[string]bool{good: true, bad: false} {
		examples := desired.FindAllStringSubmatch(text, -1)
		if len(examples) == 0 {
			t.Fatal("no examples: this test looks at nothing")
		}
		for _, e := range examples {
			_, problems, ok := settings.Read(settings.ASC, []byte(e[1]))
			if ok != want || want && len(problems) > 0 {
				t.Errorf("%s: in force: %v, %v", e[1], ok, problems)
			}
			if want {
				continue
			}
			var told bytes.Buffer
			encoder := json.NewEncoder(&told)
			encoder.SetEscapeHTML(false)
			for _, p := range problems {
				if err := encoder.Encode(string(p.Kind) + ": " + p.Message); err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(bad, strings.TrimSpace(told.String())) {
					t.Errorf("the document does not show the problem %s", told.String())
				}
				told.Reset()
			}
		}
	}
}

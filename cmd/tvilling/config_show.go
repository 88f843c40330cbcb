package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newConfigShowCommand(hub *hubFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a configuration, and how far it is",
		Long: `Show an automatic configuration: what it sets and on which twins, how far it is,
and its metrics. With --json it is what "tvilling config create --file" reads.`,
		Example: `  tvilling config show lab-fps
  tvilling config show lab-fps --json > lab-fps.json`,
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			conf, err := c.Configuration(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), conf.Raw)
			}
			p, err := c.ConfigurationProgress(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return printConfiguration(cmd.OutOrStdout(), conf, p)
		}),
	}
	cmd.ValidArgsFunction = hub.completeConfigurations
	return cmd
}

func printConfiguration(w io.Writer, c *client.Configuration, p *client.ConfigurationProgress) error {
	fmt.Fprintf(w, "%s  priority %d, etag %s, made %s, changed %s\n", oneLine(c.ID), c.Priority, c.ETag, when(c.Created), when(c.Updated))
	target := c.TargetCondition
	if target == "" {
		target = "no twin (there is no condition)"
	}
	wrap(w, "for ", oneLine(target))
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		fmt.Fprintf(w, "%s: %s\n", oneLine(name), oneLine(c.Labels[name]))
	}
	if err := printContent(w, c.Content); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := printProgress(w, c, p); err != nil {
		return err
	}
	printNotices(w, c.Notices)
	if len(c.Metrics.Queries) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return printMetrics(w, c)
}

// printContent writes what a configuration sets, leaf by leaf.
func printContent(w io.Writer, content json.RawMessage) error {
	var kinds map[string]map[string]json.RawMessage
	if err := json.Unmarshal(content, &kinds); err != nil {
		return fmt.Errorf("read the content: %w", err)
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		what := map[string]string{"deviceContent": "device twins", "moduleContent": "module twins"}[kind]
		fmt.Fprintf(w, "\nsets in %s\n", dash(what))
		t := newPrinter(w, false)
		for _, path := range slices.Sorted(maps.Keys(kinds[kind])) {
			leaves, err := leavesOf(path, kinds[kind][path])
			if err != nil {
				return fmt.Errorf("read the content: %w", err)
			}
			if len(leaves) == 0 {
				leaves = []leaf{{path: path, value: string(kinds[kind][path])}}
			}
			for _, l := range leaves {
				if err := t.row(nil, "  "+l.path, shorten(l.value, 100)); err != nil {
					return err
				}
			}
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	return nil
}

// printProgress draws how far a configuration is.
func printProgress(w io.Writer, c *client.Configuration, p *client.ConfigurationProgress) error {
	fmt.Fprint(w, progressState(p))
	if !p.Updated.IsZero() && p.Updated.Year() > 1 {
		fmt.Fprintf(w, " since %s", when(p.Updated))
	}
	fmt.Fprintln(w)
	if p.Reason != "" {
		wrap(w, "  ", oneLine(p.Reason))
	}
	t := newPrinter(w, false)
	row := func(cells ...any) error { return t.row(nil, cells...) }
	if m := p.Metrics; m != nil {
		if err := row("  applied", fmt.Sprintf("%s of %s", thousands(m.Applied), thousands(m.Targeted)), gauge(m.Applied, m.Targeted)); err != nil {
			return err
		}
		if rest := m.Targeted - m.Applied - p.Blocked - p.Damped; p.State == "applied" && rest > 0 {
			if err := row("  without it", thousands(rest), "others of higher priority decide there, or they came to match just now; \"tvilling config why DEVICE\" says why"); err != nil {
				return err
			}
		}
		if p.Steps > 0 {
			if err := row("  step", fmt.Sprintf("%d of %d", p.Step, p.Steps), stepText(p)); err != nil {
				return err
			}
		}
	}
	if p.Watched > 0 || p.Unhealthy > 0 {
		limit := ""
		if r, err := rolloutOf(c); err == nil && r.Unhealthy != "" {
			limit = "at most " + shareText(r.Limit) + ", otherwise " + orElse(r.OnUnhealthy, "halt") + ": " + r.Unhealthy
		}
		if err := row("  unhealthy", fmt.Sprintf("%s of %s", thousands(p.Unhealthy), thousands(p.Watched)), limit); err != nil {
			return err
		}
	}
	for _, n := range []struct {
		name string
		n    int64
		text string
	}{
		{"blocked", p.Blocked, "could not be given what they should have when all were last gone through; \"tvilling config why DEVICE\" says why"},
		{"damped", p.Damped, "left alone for a while, as what is written is undone again and again, by somebody or since the target asks for it"},
	} {
		if n.n > 0 {
			if err := row("  "+n.name, thousands(n.n), n.text); err != nil {
				return err
			}
		}
	}
	return t.flush()
}

// progressState says where a configuration is. After the last step none comes, and
// what is waited for is the end of its time.
func progressState(p *client.ConfigurationProgress) string {
	if p.State == "waiting" && p.Step == p.Steps {
		return "watching the last step"
	}
	return stateText(p.State)
}

// nextText says what comes at the end of a step's time.
func nextText(p *client.ConfigurationProgress) string {
	switch {
	case p.Next.IsZero() || p.Next.Year() <= 1:
		return ""
	case p.Step == p.Steps:
		return "it ends " + when(p.Next)
	default:
		return "the next one begins " + when(p.Next)
	}
}

// stateText is a state in words.
func stateText(state string) string {
	switch state {
	case "waiting":
		return "waiting for the next step"
	case "rollingBack":
		return "being rolled back"
	case "rolledBack":
		return "rolled back"
	default:
		return oneLine(state)
	}
}

// gauge is a bar in a frame: how much of a whole is done.
func gauge(n, whole int64) string {
	if whole <= 0 {
		return ""
	}
	filled := bar(n, whole, barWidth)
	return filled + strings.Repeat("░", max(0, barWidth-len([]rune(filled))))
}

// stepText says to how many twins the step comes, and when the next begins.
func stepText(p *client.ConfigurationProgress) string {
	s := "to all twins"
	switch {
	case p.Reach != nil && *p.Reach == 0:
		s = "how far it goes is being counted"
	case p.Reach != nil:
		s = "to " + counted(*p.Reach, "twin")
	}
	if next := nextText(p); next != "" {
		s += "; " + next
	}
	return s
}

// rolloutOf reads the rollout of a configuration; without one it is empty.
func rolloutOf(c *client.Configuration) (client.Rollout, error) {
	var r client.Rollout
	if len(c.Rollout) == 0 {
		return r, nil
	}
	return r, json.Unmarshal(c.Rollout, &r)
}

// shareText is a share as people write it.
func shareText(s client.Share) string {
	if s.Percent > 0 {
		return strconv.FormatFloat(s.Percent, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(s.Count)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func newConfigMetricsCommand(hub *hubFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "metrics ID",
		Short: "Show what a configuration counts: twins targeted and applied, and its own queries",
		Example: `  tvilling config metrics lab-fps
  tvilling config metrics lab-fps --json`,
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			conf, err := c.Configuration(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), map[string]any{
					"id": conf.ID, "systemMetrics": conf.SystemMetrics, "metrics": conf.Metrics, "metricErrors": conf.MetricErrors,
				})
			}
			return printMetrics(cmd.OutOrStdout(), conf)
		}),
	}
	cmd.ValidArgsFunction = hub.completeConfigurations
	return cmd
}

// printMetrics writes the metrics of a configuration with the queries that
// count them, or with what is wrong.
func printMetrics(w io.Writer, c *client.Configuration) error {
	t := newPrinter(w, false, "METRIC", "COUNT", "QUERY")
	for _, set := range []client.MetricSet{c.SystemMetrics, c.Metrics} {
		names := slices.Sorted(maps.Keys(set.Queries))
		for name := range set.Results {
			if _, ok := set.Queries[name]; !ok {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			n, text := "-", set.Queries[name]
			if count, ok := set.Results[name]; ok {
				n = thousands(count)
			}
			if why := c.MetricErrors[name]; why != "" {
				text = "failed: " + why
			}
			if err := t.row(nil, name, n, dash(text)); err != nil {
				return err
			}
		}
	}
	return t.flush()
}

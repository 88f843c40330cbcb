package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/client"
)

// printOverview writes the fleet at a glance.
func printOverview(w io.Writer, o *client.SecurityOverview) error {
	for _, f := range []func(io.Writer, *client.SecurityOverview) error{printFleet, printOpen, printFrequent, printAffected, printAgents, printTraffic} {
		if err := f(w, o); err != nil {
			return err
		}
	}
	for _, p := range o.Problems {
		fmt.Fprintf(w, "\nnot known now: %s (%s)\n", oneLine(p.Message), oneLine(p.Part))
	}
	if o.Devices["unhealthy"] > 0 {
		fmt.Fprint(w, "\nwhich devices: tvilling query \"SELECT deviceId FROM devices.modules WHERE security.state = 'unhealthy'\"\n")
	}
	return nil
}

func printFleet(w io.Writer, o *client.SecurityOverview) error {
	if s := o.Score; s != nil {
		fmt.Fprintf(w, "fleet score %.0f of 100, the mean of %s: alerts %+.1f, recommendations %+.1f, agents not heard %+.1f\n\n",
			s.Value, counted(s.Devices, "known device"), s.Alerts, s.Recommendations, s.Agent)
	}
	if o.Devices == nil {
		return nil
	}
	var counts []count
	for _, s := range postures {
		counts = append(counts, count{name: s[1], n: o.Devices[s[0]]})
	}
	return printBars(w, counted(sum(o.Devices), "device"), counts)
}

func printOpen(w io.Writer, o *client.SecurityOverview) error {
	for _, s := range []struct {
		noun string
		by   map[string]int64
	}{{"open alert", o.Alerts}, {"active recommendation", o.Recommendations}} {
		if s.by == nil {
			continue
		}
		var counts []count
		all := sum(s.by)
		for _, severity := range severities {
			counts = append(counts, count{name: severity, n: s.by[severity]})
		}
		fmt.Fprintln(w)
		if all == 0 {
			fmt.Fprintf(w, "no %s\n", s.noun)
			continue
		}
		if err := printBars(w, counted(all, s.noun), counts); err != nil {
			return err
		}
	}
	return nil
}

func printFrequent(w io.Writer, o *client.SecurityOverview) error {
	for _, s := range []struct {
		title string
		list  []client.TypeCount
	}{{"the most frequent types of open alerts", o.TopTypes}, {"the most frequent recommendations", o.TopRecommendations}} {
		if len(s.list) == 0 {
			continue
		}
		var counts []count
		for _, t := range s.list {
			counts = append(counts, count{name: t.Type, n: t.Count, extra: " on " + counted(t.Devices, "device")})
		}
		fmt.Fprintln(w)
		if err := printBars(w, s.title, counts); err != nil {
			return err
		}
	}
	return nil
}

func printAffected(w io.Writer, o *client.SecurityOverview) error {
	if o.Affected == nil || len(o.Affected.Devices) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nthe most affected of %s\n", counted(o.Affected.All, "device"))
	p := newPrinter(w, false, "DEVICE", "STATE", "SCORE", "HIGH", "MEDIUM", "LOW")
	for _, d := range o.Affected.Devices {
		if err := p.row(nil, string(d.Device), inWords(d.State), d.Score, d.Alerts["high"], d.Alerts["medium"], d.Alerts["low"]); err != nil {
			return err
		}
	}
	return p.flush()
}

func printAgents(w io.Writer, o *client.SecurityOverview) error {
	a := o.Agents
	if a == nil {
		return nil
	}
	fmt.Fprintln(w)
	if err := printBars(w, "agents", []count{
		{name: "in sync", n: a.InSync},
		{name: "out of sync", n: a.Differs},
		{name: "settings not reported", n: a.NotReported},
		{name: "silent", n: a.Silent},
		{name: "never reported", n: a.Never},
	}); err != nil {
		return err
	}
	var counts []count
	for _, v := range a.Versions {
		counts = append(counts, count{name: "version " + v.Version, n: v.Count})
	}
	if a.OtherVersions > 0 {
		counts = append(counts, count{name: "other versions", n: a.OtherVersions})
	}
	if len(counts) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return printBars(w, "versions of agents", counts)
}

func printTraffic(w io.Writer, o *client.SecurityOverview) error {
	t := o.Traffic
	if t == nil {
		return nil
	}
	fmt.Fprintln(w)
	if t.Connected != nil {
		fmt.Fprintf(w, "connected      %s\n", counted(*t.Connected, "device"))
	}
	if t.MessagesPerSecond != nil && t.EventsPerSecond != nil {
		fmt.Fprintf(w, "traffic        %.1f messages/s, %.1f events/s\n", *t.MessagesPerSecond, *t.EventsPerSecond)
	}
	fmt.Fprintf(w, "refused        %s since %s%s\n", counted(sum(t.Refused), "connection"), t.RefusedSince.Local().Format("15:04"), reasonsOf(t.Refused))
	fmt.Fprintf(w, "dead letters   %d\n", t.DeadLetters)
	if t.SecurityBehind > 0 || t.ChangesBehind > 0 {
		fmt.Fprintf(w, "behind         %s and %s wait to be looked at\n", counted(t.SecurityBehind, "security message"), counted(t.ChangesBehind, "change"))
	}
	for _, name := range slices.Sorted(maps.Keys(t.Shed)) {
		fmt.Fprintf(w, "not taken      %d %s\n", t.Shed[name], oneLine(name))
	}
	return nil
}

// reasonsOf lists why connections were refused.
func reasonsOf(by map[string]int64) string {
	var text strings.Builder
	for _, reason := range slices.Sorted(maps.Keys(by)) {
		fmt.Fprintf(&text, ", %d %s", by[reason], oneLine(reason))
	}
	return text.String()
}

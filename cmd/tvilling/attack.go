package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/attack"
)

// attackOptions are the flags of simulate attack.
type attackOptions struct {
	device    string
	list, all bool
	wait      bool
	timeout   time.Duration
}

func newAttackCommand(hub *hubFlags, mqtt *string) *cobra.Command {
	var o attackOptions
	cmd := &cobra.Command{
		Use:   "attack [NAME]",
		Short: "Rehearse an attack: send the messages that a detection looks for",
		Long: `Rehearse an attack: send, as a device, the real messages that a detection looks
for (or show a bad credential, for those that the hub itself makes), so that the
alert can be seen coming. Nothing is run anywhere. There is one for each
detection, under its name; --list tells them.

The messages come from --device, which is made if it is not there, by default
from one that is made for it. Its security module sends them, or else the device
itself; where that is connected, the connection is taken over for a moment. The
devices and alerts stay: "tvilling device delete" removes them.`,
		Example: `  tvilling simulate attack --list
  tvilling simulate attack crypto-miner --device thermostat-1 --wait
  tvilling simulate attack --all --wait`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var words []string
			for _, a := range attack.Catalogue() {
				words = append(words, a.Name+"\t"+a.Title)
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.list {
				return listAttacks(cmd, hub)
			}
			attacks, err := o.attacks(args)
			if err != nil {
				return err
			}
			if o.timeout <= 0 {
				return usageError{errors.New("--timeout must be positive")}
			}
			return o.run(cmd, hub, *mqtt, attacks)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.device, "device", "", "the `id` of the device that it is to come from (default "+rehearsalDevice+", or "+rehearsalCertificate+" for attacks with certificates)")
	f.BoolVar(&o.list, "list", false, "list the attacks")
	f.BoolVar(&o.all, "all", false, "all attacks, one after the other")
	f.BoolVar(&o.wait, "wait", false, "wait for the alert, and tell how long it took")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "with --wait: wait no longer than this `time` for an alert")
	return cmd
}

func listAttacks(cmd *cobra.Command, hub *hubFlags) error {
	p := newPrinter(cmd.OutOrStdout(), hub.json, "ATTACK", "ALERT TYPE", "WHAT HAPPENS")
	for _, a := range attack.Catalogue() {
		text := a.Describe
		if a.Unavailable != "" {
			text += " (Cannot be rehearsed.)"
		}
		line := struct {
			Name        string `json:"name"`
			Title       string `json:"title"`
			Type        string `json:"type"`
			Detection   string `json:"detection"`
			Describe    string `json:"description"`
			Unavailable string `json:"unavailable,omitempty"`
		}{a.Name, a.Title, a.Type, a.Detection, a.Describe, a.Unavailable}
		if err := p.row(line, a.Name, a.Type, text); err != nil {
			return err
		}
	}
	return p.flush()
}

// attacks are those asked for.
func (o *attackOptions) attacks(args []string) ([]attack.Attack, error) {
	switch {
	case o.all && len(args) > 0:
		return nil, usageError{errors.New("give the name of an attack or --all, not both")}
	case o.all:
		return attack.Catalogue(), nil
	case len(args) == 0:
		return nil, usageError{errors.New("name an attack, or give --list or --all")}
	}
	a, ok := attack.Find(args[0])
	if !ok {
		text := fmt.Sprintf("there is no attack %q; \"tvilling simulate attack --list\" tells them", args[0])
		if near := nearest(args[0]); len(near) > 0 {
			text += ", such as " + strings.Join(near, ", ")
		}
		return nil, usageError{errors.New(text)}
	}
	if a.Unavailable != "" {
		return nil, usageError{fmt.Errorf("%s cannot be rehearsed. %s", a.Name, a.Unavailable)}
	}
	return []attack.Attack{a}, nil
}

// nearest are the attacks whose names have a word of name.
func nearest(name string) (list []string) {
	for _, a := range attack.Catalogue() {
		for word := range strings.FieldsFuncSeq(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == ' ' }) {
			if len(word) > 2 && strings.Contains(a.Name, word) && !slices.Contains(list, a.Name) {
				list = append(list, a.Name)
			}
		}
	}
	return list
}

func (o *attackOptions) run(cmd *cobra.Command, hub *hubFlags, mqtt string, attacks []attack.Attack) error {
	ctx := cmd.Context()
	c, err := hub.open()
	if err != nil {
		return err
	}
	defer c.Close()
	r := &rehearsal{hub: c, addr: mqtt}
	if r.tls, err = hub.trust(c.HostName()); err != nil {
		return err
	}
	if r.addr == "" {
		if r.addr, err = hub.mqtt(); err != nil {
			return err
		}
	}
	if o.device != "" {
		if r.device, err = parseDevice(o.device); err != nil {
			return err
		}
	}
	p := attackPrinter{cmd: cmd, json: hub.json}
	var failed []error
	for _, a := range attacks {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if a.Unavailable != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s is left out. %s\n", a.Name, a.Unavailable)
			continue
		}
		err := o.one(ctx, r, a, &p)
		if errors.Is(err, errNeedsCertificate) && len(attacks) > 1 {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s is left out: %s\n", a.Name, describe(err))
			continue
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("attack %s: %w", a.Name, err))
		}
	}
	return failures(failed, len(attacks))
}

// one rehearses one attack.
func (o *attackOptions) one(ctx context.Context, r *rehearsal, a attack.Attack, p *attackPrinter) error {
	t, err := r.prepare(ctx, a)
	if err != nil {
		return err
	}
	p.begin(a, t)
	before, err := alertsOf(ctx, r.hub, t.id, a)
	if err != nil {
		return err
	}
	if err := r.play(ctx, t, a, p.step); err != nil {
		return err
	}
	sent := time.Now()
	if !o.wait {
		return p.sent(a, t)
	}
	found, err := awaitAlert(ctx, r.hub, t.id, a, before, o.timeout)
	if err != nil {
		return err
	}
	return p.alert(a, t, found, time.Since(sent))
}

// attackPrinter tells of rehearsals.
type attackPrinter struct {
	cmd  *cobra.Command
	json bool
}

func (p *attackPrinter) begin(a attack.Attack, t *target) {
	w := p.cmd.ErrOrStderr()
	if t.made {
		fmt.Fprintf(w, "device %s is made for this\n", t.id)
	}
	if t.connected && sends(a) {
		fmt.Fprintf(w, "note: %s is connected; its connection is taken over for a moment\n", t.sender())
	}
	if !p.json {
		fmt.Fprintf(p.cmd.OutOrStdout(), "%s on %s: %s\n", a.Name, t.id, a.Describe)
	}
}

func (p *attackPrinter) step(s attack.Step) {
	if p.json {
		return
	}
	outcome := ""
	if s.Kind != attack.Send {
		outcome = ": refused, as it should be"
	}
	fmt.Fprintf(p.cmd.OutOrStdout(), "  %s%s\n", s.Title, outcome)
}

// sends reports whether an attack is made of messages.
func sends(a attack.Attack) bool {
	return slices.ContainsFunc(a.Steps, func(s attack.Step) bool { return s.Kind == attack.Send })
}

// rehearsed is what came of a rehearsal, for programs.
type rehearsed struct {
	Attack string            `json:"attack"`
	Device tvilling.DeviceID `json:"device"`
	Type   string            `json:"type"`
	// TookMS is how many milliseconds after the last step the alert was seen.
	TookMS float64 `json:"tookMilliseconds,omitzero"`
	ID     string  `json:"alert,omitempty"`
	Status string  `json:"status,omitempty"`
	Count  int64   `json:"count,omitempty"`
}

func (p *attackPrinter) sent(a attack.Attack, t *target) error {
	if p.json {
		return writeJSON(p.cmd.OutOrStdout(), rehearsed{Attack: a.Name, Device: t.id, Type: a.Type})
	}
	_, err := fmt.Fprintf(p.cmd.OutOrStdout(), "  see: tvilling alert list --device %s\n", t.id)
	return err
}

func (p *attackPrinter) alert(a attack.Attack, t *target, found *client.Alert, took time.Duration) error {
	w := p.cmd.OutOrStdout()
	if p.json {
		return writeJSON(w, rehearsed{
			Attack: a.Name, Device: t.id, Type: a.Type, ID: found.ID, Status: found.Status, Count: found.Count,
			TookMS: float64(took.Microseconds()) / 1000,
		})
	}
	fmt.Fprintf(w, "  alert %s after %s: %s (%s), severity %s, %s", shortID(found.ID), inMilliseconds(took), oneLine(found.Title), oneLine(found.Type), oneLine(found.Severity), oneLine(found.Status))
	if found.Count > 1 {
		fmt.Fprintf(w, ", observed %s", counted(found.Count, "time"))
	}
	_, err := fmt.Fprintf(w, "\n  why: tvilling alert explain %s\n", shortID(found.ID))
	return err
}

func inMilliseconds(d time.Duration) string {
	return fmt.Sprintf("%d ms", max(1, d.Milliseconds()))
}

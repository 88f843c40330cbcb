package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newSettingsCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:     "settings",
		Short:   "Show and change what can be switched while the hub runs",
		Example: "  tvilling settings show\n  tvilling settings set --guard-security-twin=true",
	}
	hub.add(cmd)
	cmd.AddCommand(newSettingsShowCommand(&hub), newSettingsSetCommand(&hub))
	return cmd
}

func newSettingsShowCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Show the settings",
		Example: "  tvilling settings show --json",
		Args:    cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			s, err := c.Settings(cmd.Context())
			if err != nil {
				return err
			}
			return printSettings(cmd, hub, s)
		}),
	}
}

func printSettings(cmd *cobra.Command, hub *hubFlags, s *client.Settings) error {
	if hub.json {
		return writeJSON(cmd.OutOrStdout(), s)
	}
	p := newPrinter(cmd.OutOrStdout(), false)
	onOff := map[bool]string{true: "on", false: "off"}
	for _, row := range [][2]string{
		{"security module for every device", onOff[s.SecurityModule.Enabled]},
		{"its initial desired properties", dash(string(s.SecurityModule.Desired))},
		{"its initial tags", dash(string(s.SecurityModule.Tags))},
		{"guard security module twins", onOff[s.GuardSecurityTwin]},
		{"hide module keys from devices", onOff[s.HideModuleKeys]},
	} {
		if err := p.row(nil, row[0], row[1]); err != nil {
			return err
		}
	}
	return p.flush()
}

func newSettingsSetCommand(hub *hubFlags) *cobra.Command {
	var guard, hide, module bool
	var desired, tags string
	cmd := &cobra.Command{
		Use:   "set",
		Short: "Change settings; those not named stay",
		Example: `  tvilling settings set --guard-security-twin=true --hide-module-keys=true
  tvilling settings set --tags '{"SecurityGroup":"default"}'`,
		Args: cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			f := cmd.Flags()
			for name, text := range map[string]string{"desired": desired, "tags": tags} {
				if f.Changed(name) && !json.Valid([]byte(text)) {
					return usageError{fmt.Errorf("--%s is not JSON: %s", name, text)}
				}
			}
			s, err := c.Settings(cmd.Context())
			if err != nil {
				return err
			}
			changed := false
			for name, set := range map[string]func(){
				"guard-security-twin": func() { s.GuardSecurityTwin = guard },
				"hide-module-keys":    func() { s.HideModuleKeys = hide },
				"security-module":     func() { s.SecurityModule.Enabled = module },
				"desired":             func() { s.SecurityModule.Desired = json.RawMessage(desired) },
				"tags":                func() { s.SecurityModule.Tags = json.RawMessage(tags) },
			} {
				if f.Changed(name) {
					set()
					changed = true
				}
			}
			if !changed {
				return usageError{errors.New("name a setting to change")}
			}
			if s, err = c.PutSettings(cmd.Context(), *s); err != nil {
				return err
			}
			return printSettings(cmd, hub, s)
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&guard, "guard-security-twin", false, "keep policies without SecurityWrite from changing security module twins")
	f.BoolVar(&hide, "hide-module-keys", false, "keep device credentials from reading module keys (original agents that start as the device need them)")
	f.BoolVar(&module, "security-module", true, "keep the module azureiotsecurity beside every device; switched on, existing devices get it, too")
	f.StringVar(&desired, "desired", "", "`JSON` object: what desired properties of a new security module twin begin with")
	f.StringVar(&tags, "tags", "", "`JSON` object: what its tags begin with")
	return cmd
}

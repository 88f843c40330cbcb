package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// mostCompleted is how many ids a shell is offered.
const mostCompleted = "50"

// completeDevices completes the first argument with the ids of devices.
func (h *hubFlags) completeDevices(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	text := "SELECT TOP " + mostCompleted + " deviceId FROM devices"
	if begun != "" {
		text += " WHERE STARTSWITH(deviceId, " + inQuery(begun) + ")"
	}
	return h.completeIDs(cmd, text)
}

// completeTwins completes the first argument with the ids of devices and, behind
// a device and a slash, with those of its modules.
func (h *hubFlags) completeTwins(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	device, module, inside := strings.Cut(begun, "/")
	if !inside || len(args) > 0 {
		return h.completeDevices(cmd, args, begun)
	}
	text := "SELECT TOP " + mostCompleted + " deviceId, moduleId FROM devices.modules WHERE deviceId = " + inQuery(device)
	if module != "" {
		text += " AND STARTSWITH(moduleId, " + inQuery(module) + ")"
	}
	return h.completeIDs(cmd, text)
}

// completeIDs completes with the identities that a query finds.
func (h *hubFlags) completeIDs(cmd *cobra.Command, text string) ([]string, cobra.ShellCompDirective) {
	return h.ask(func(ctx context.Context, c *client.Client) ([]string, error) {
		page, err := c.QueryPage(ctx, text, 0, "")
		if err != nil {
			return nil, err
		}
		words := make([]string, 0, len(page.Items))
		for _, item := range page.Items {
			var id struct {
				Device tvilling.DeviceID `json:"deviceId"`
				Module tvilling.ModuleID `json:"moduleId"`
			}
			if err := json.Unmarshal(item, &id); err != nil {
				return nil, err
			}
			words = append(words, oneLine(tvilling.Identity{Device: id.Device, Module: id.Module}.String()))
		}
		return words, nil
	})(cmd, nil, "")
}

// completesAll has the commands below cmd that have no completion of their own
// complete their argument by f, but for those named.
func completesAll(cmd *cobra.Command, f completion, but ...string) {
	for _, sub := range cmd.Commands() {
		if sub.ValidArgsFunction == nil && !slices.Contains(but, sub.Name()) {
			sub.ValidArgsFunction = f
		}
	}
}

// inQuery writes a text as the query language has it.
func inQuery(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// completeFiles completes with files, as nothing else does unless it says so.
func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// completeDirectories completes with directories.
func completeDirectories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completesBy has a flag complete by f.
func completesBy(cmd *cobra.Command, flag string, f completion) {
	// It fails only for a flag that is not there.
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic("tvilling: " + err.Error())
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
)

// Exit statuses. They are listed in the help of the program.
const (
	exitOK           = 0
	exitFailed       = 1
	exitUsage        = 2
	exitNotFound     = 3
	exitConflict     = 4
	exitUnauthorized = 5
	exitUnavailable  = 6
)

const exitHelp = `Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 in conflict with
what is there (already exists, or a stale etag), 5 not authorized, 6 the hub
cannot be reached or cannot do it now.`

// usageError is an error in how the program was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run runs the program and returns its exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil || errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "tvilling:", clean(describe(err)))
	status := exitStatus(err)
	if status == exitUsage {
		fmt.Fprintln(stderr, "Run the command with --help to see how it is used.")
	}
	return status
}

// describe is what a person sees of an error: what failed, on what, and why.
func describe(err error) string {
	if s, ok := errors.AsType[*several](err); ok {
		return s.text
	}
	e, ok := errors.AsType[*tvilling.Error](err)
	if !ok || e.Message == "" {
		return err.Error()
	}
	s := e.Message
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.Op != "" {
		s = e.Op + " " + e.Subject + ": " + s
	}
	return s
}

func exitStatus(err error) int {
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	switch tvilling.CodeOf(err) {
	case tvilling.DeviceNotFound, tvilling.ModuleNotFound, tvilling.ConfigurationNotFound, tvilling.NotFound:
		return exitNotFound
	case tvilling.DeviceAlreadyExists, tvilling.ModuleAlreadyExists, tvilling.ConfigurationAlreadyExists, tvilling.PreconditionFailed:
		return exitConflict
	case tvilling.Unauthorized:
		return exitUnauthorized
	case tvilling.Unavailable, tvilling.Throttled:
		return exitUnavailable
	case tvilling.InvalidArgument, tvilling.Unsupported, tvilling.TooLarge, tvilling.TooManyModules, tvilling.Corrupt, tvilling.Internal,
		tvilling.TooManyConfigurations, tvilling.InvalidTargetCondition, tvilling.InvalidMetricsQuery,
		tvilling.InvalidConfigurationContent, tvilling.ImmutableConfigurationContent:
	}
	return exitFailed
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "tvilling",
		Short: "A hub for IoT fleets: a twin for every device, and a security module twin beside it",
		Long: `Tvilling is a hub for IoT fleets. It keeps a twin for every device and, beside
it, a security module twin, and speaks the wire protocols of Azure IoT Hub.

  tvilling demo     try it: a throw-away hub with a small fleet
  tvilling serve    run a hub

The other commands talk to a running hub over HTTPS. They find it by its data
directory (--data, ./tvilling-data if not given), or by a connection string.

` + exitHelp,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddGroup(
		&cobra.Group{ID: "hub", Title: "The hub:"},
		&cobra.Group{ID: "fleet", Title: "The fleet:"},
		&cobra.Group{ID: "security", Title: "Its security:"},
	)
	for _, cmd := range []*cobra.Command{newServeCommand(), newDemoCommand(), newKeyCommand(), newUserCommand(), newAuditCommand(), newSettingsCommand(), newCertificateCommand(), newStatusCommand()} {
		cmd.GroupID = "hub"
		root.AddCommand(cmd)
	}
	for _, cmd := range []*cobra.Command{newDeviceCommand(), newModuleCommand(), newTwinCommand(), newQueryCommand(), newConfigCommand(), newEventsCommand(), newSimulateCommand()} {
		cmd.GroupID = "fleet"
		root.AddCommand(cmd)
	}
	for _, cmd := range []*cobra.Command{newSecurityCommand(), newAlertCommand(), newRecommendationCommand(), newDetectCommand(), newSinkCommand()} {
		cmd.GroupID = "security"
		root.AddCommand(cmd)
	}
	// A file is offered where one is wanted, and not beside every other argument.
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	argumentsAreUsage(root)
	return root
}

// argumentsAreUsage makes a wrong number of arguments a usage error, in every command.
func argumentsAreUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		argumentsAreUsage(sub)
	}
	if cmd.HasSubCommands() && cmd.Run == nil && cmd.RunE == nil && cmd.HasParent() {
		// Without this a misspelt verb would print help and exit 0.
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
		}
	}
}

// version is that of the build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

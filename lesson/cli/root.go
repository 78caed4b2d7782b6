// Package cli is the lesson command. Every subcommand has a file of its name. Beside them:
//
//   - root.go: the command itself, and checks of its arguments
//   - flags.go: the flags that several subcommands share
//   - load.go: opening the images, weights and runs that flags name
//   - training.go: what train and finetune share
//   - progress.go: what is shown of the progress of each kind of work: bars or lines
//   - bar.go: a progress bar that fits the terminal
//   - output.go: JSON, lists of written files, suggestions
//   - called.go: how texts name the command, inside and outside of a checkout
//   - errors.go: exit codes, and the advice that goes with errors
//   - doctor_child.go: what doctor runs in processes of their own
//
// Libraries return causes. The advice that names commands and flags is added here.
package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Command returns the lesson command with all its subcommands.
func Command() *cobra.Command {
	root := &cobra.Command{
		Use:   "lesson",
		Short: "Learn residual networks by running them",
		Long: `Learn residual networks by running them.

Start with the experiment that motivated residual networks:

  go run ./lesson degradation`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s", err, helpOf(cmd))
	})
	root.AddCommand(degradationCommand(), trainCommand(), finetuneCommand(), evalCommand(), predictCommand(),
		serveCommand(), summaryCommand(), dataCommand(), plotCommand(), exportCommand(), weightsCommand(),
		doctorCommand(), checkCommand(), gradeCommand(), gradeChildCommand())
	helpAsCalled(root)
	return root
}

// helpOf returns the command line that prints the help of cmd.
func helpOf(cmd *cobra.Command) string {
	return strings.Replace(cmd.CommandPath(), "lesson", inCourse, 1) + " --help"
}

// noArguments is cobra.NoArgs with an error that says what to do.
func noArguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasAvailableSubCommands():
		return fmt.Errorf("unknown command %q; %s lists the commands", args[0], helpOf(cmd))
	}
	return fmt.Errorf("unexpected argument %q: %s takes only flags; see %s", args[0], cmd.Name(), helpOf(cmd))
}

// arguments requires at least one argument; what names it in the error.
func arguments(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("no %s given; see %s", what, helpOf(cmd))
		}
		return nil
	}
}

// Package cli is the lesson command: a file for each subcommand, the flags they share in flags.go,
// training in training.go, progress in progress.go, and what is printed at the end in output.go.
//
// Libraries return causes; the advice that names commands and flags is worded here.
package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/run"
)

// Command returns the command with all its subcommands.
func Command() *cobra.Command {
	root := &cobra.Command{
		Use:   "lesson",
		Short: "Learn residual networks by running them",
		Long: `Learn residual networks by running them.

Start with the experiment that residual networks answer:

  go run ./lesson degradation`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s", err, helpOf(cmd))
	})
	root.AddCommand(degradationCommand(), trainCommand(), finetuneCommand(), evalCommand(), predictCommand(), serveCommand(),
		summaryCommand(), dataCommand(), plotCommand(), exportCommand(), weightsCommand(), doctorCommand(), checkCommand(), gradeCommand(), gradeChildCommand())
	return root
}

// helpOf is the line that shows a command's help.
func helpOf(cmd *cobra.Command) string { return "go run ./" + cmd.CommandPath() + " --help" }

// noArguments is cobra.NoArgs with an error that says what to do.
func noArguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasAvailableSubCommands():
		return fmt.Errorf("unknown command %q; %s lists the commands", args[0], helpOf(cmd))
	}
	return fmt.Errorf("%q is one word too many, %s takes flags alone; see %s", args[0], cmd.Name(), helpOf(cmd))
}

// arguments wants at least one, and says of what.
func arguments(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("which %s? see %s", what, helpOf(cmd))
		}
		return nil
	}
}

// ExitCode is the exit code for an error: 130, as shells have it, after Ctrl-C or SIGTERM, and 1
// otherwise.
func ExitCode(err error) int {
	if errors.Is(err, run.ErrInterrupted) || errors.Is(err, context.Canceled) {
		return 130
	}
	return 1
}

// Message words an error for people, in one line.
func Message(err error) string {
	if err == context.Canceled { // without a word on what was cancelled
		err = run.ErrInterrupted
	}
	if _, worded := errors.AsType[childMessage](err); worded {
		return printable.Line(err.Error())
	}
	err = backend.Explain(err)
	text := printable.Line(err.Error())
	if more := advice(err); more != "" {
		text += "; " + more
	}
	return text
}

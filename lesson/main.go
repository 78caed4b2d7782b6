// Command lesson is where one runs things: the experiments of the course, training,
// evaluation and prediction.
//
//	go run ./lesson
//
// lists what there is. Every subcommand has help with examples, ends with what it wrote
// and what to try next, and answers a mistake with one line on standard error and an exit
// code other than 0.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/run"
)

func main() {
	// The first Ctrl-C lets a step finish and saves; a second one ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		stop()
		select {
		case <-ended:
		default:
			if isTerminal(os.Stderr) {
				fmt.Fprintln(os.Stderr, "\nstopping after this step; Ctrl-C once more to stop at once")
			}
		}
	})
	err := command().ExecuteContext(ctx)
	close(ended)
	stop()
	if err != nil {
		if err == context.Canceled { // and nothing said about what was
			err = run.ErrInterrupted
		}
		fmt.Fprintln(os.Stderr, "lesson: "+oneLine(backend.Explain(err)))
		if errors.Is(err, run.ErrInterrupted) || errors.Is(err, context.Canceled) {
			os.Exit(130)
		}
		os.Exit(1)
	}
}

// oneLine keeps to a line what a library may have spread over several, and is printable.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return printable(strings.Join(lines, " "))
}

// printable writes as \x1b and the like what would command a terminal. It is for what comes
// from elsewhere: the names of files, what servers say.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsGraphic(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

func command() *cobra.Command {
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

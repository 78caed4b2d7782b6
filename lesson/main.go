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
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/pkg/run"
)

func main() {
	// The first Ctrl-C lets a step finish and saves; a second one ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lesson: "+oneLine(err))
		if errors.Is(err, run.ErrInterrupted) || errors.Is(err, context.Canceled) {
			os.Exit(130)
		}
		os.Exit(1)
	}
}

// oneLine keeps to a line what a library may have spread over several.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
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
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(degradationCommand(), trainCommand(), evalCommand(), predictCommand(),
		summaryCommand(), dataCommand(), plotCommand(), doctorCommand())
	return root
}

// Command lesson runs the experiments of the course, training, evaluation and prediction.
//
//	go run ./lesson
//
// lists the commands. Every command has --help with examples, and ends with a list of the files
// it wrote and of commands to try next. An error is one line on standard error and an exit code
// other than 0. The commands are in package cli; README.md in this folder is the map.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/residual-go/residual/lesson/cli"
)

func main() {
	language := cli.Language(os.Args[1:])
	// The first Ctrl-C lets the current step finish and saves; the second ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ended := make(chan struct{})
	context.AfterFunc(ctx, func() {
		stop()
		select {
		case <-ended:
		default:
			if term.IsTerminal(int(os.Stderr.Fd())) {
				fmt.Fprintln(os.Stderr, "\n"+language.Text("stopping after this step; press Ctrl-C again to stop at once"))
			}
		}
	})
	err := cli.Run(ctx)
	close(ended)
	stop()
	if err != nil {
		cli.PrintError(os.Stderr, language, err)
		os.Exit(cli.ExitCode(err))
	}
}

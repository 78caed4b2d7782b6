// Command notebooks runs the course's notebooks, with Jupyter and the GoNB kernel.
//
//	go run ./tests/notebooks setup     install what is missing
//	go run ./tests/notebooks open      and open Jupyter on the notebooks
//	go run ./tests/notebooks execute   run the named notebooks, or all, and write them back
//	go run ./tests/notebooks html      export all, as committed, to bin/html
//
// Everything that is built for it lies in bin/, and the kernel is registered there, for
// the Jupyter that is started from here: a GoNB that people have of their own stays as it
// is. This package's tests run notebooks in the same way and look at the committed ones.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "notebooks: "+err.Error())
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say what to do: setup, open, execute or html")
	}
	c, err := findCourse()
	if err != nil {
		return err
	}
	switch verb, names := args[0], args[1:]; verb {
	case "setup":
		return c.setup(ctx)
	case "open":
		if err := c.setup(ctx); err != nil {
			return err
		}
		return c.open(ctx)
	case "execute":
		if err := c.setup(ctx); err != nil {
			return err
		}
		chosen, err := c.named(names)
		if err != nil {
			return err
		}
		return c.execute(ctx, chosen)
	case "html":
		if err := c.setup(ctx); err != nil {
			return err
		}
		return c.html(ctx)
	default:
		return fmt.Errorf("unknown %q; there are %s", verb, strings.Join([]string{"setup", "open", "execute", "html"}, ", "))
	}
}

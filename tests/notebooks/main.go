// Command notebooks runs the course's notebooks with Jupyter and the GoNB kernel.
//
//	go run ./tests/notebooks install           install Jupyter with apt-get
//	go run ./tests/notebooks setup             build the kernel, and look for Jupyter
//	go run ./tests/notebooks open              open the notebooks in Jupyter
//	go run ./tests/notebooks execute [1 2 …]   run some or all notebooks and write them back
//	go run ./tests/notebooks html              export all, as committed, to bin/html
//	go run ./tests/notebooks zh                write the Chinese notebooks, from the English ones and notebooks/zh/*.md
//
// Commands open, execute and html begin with setup. GoNB is built into bin/, and its kernel is registered there, for the
// Jupyter started from here. Another GoNB on the machine stays as it is.
//
// The package's tests check the committed notebooks, type-check their cells, and run some.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
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
		return errors.New("name a command: install, setup, open, execute, html or zh")
	}
	c, err := findCourse()
	if err != nil {
		return err
	}
	switch verb, names := args[0], args[1:]; verb {
	case "install":
		return c.installJupyter(ctx)
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
	case "zh":
		return c.writeChinese()
	default:
		return fmt.Errorf("unknown command %q: use install, setup, open, execute, html or zh", verb)
	}
}

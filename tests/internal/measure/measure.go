// Package measure has what the programs tests/bench and tests/gpu share: the networks that they
// measure, the number of operations of those, the formatting of results, and Main.
package measure

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/residual-go/residual/pkg/printable"
	"github.com/residual-go/residual/pkg/resnet"
)

// Main runs the named program with a context that SIGINT and SIGTERM cancel. It prints its error in one
// line and exits with 1, or with 130 and the word for an interruption if there was one.
func Main(name, interruption string, run func(ctx context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case interrupted:
		fmt.Fprintln(os.Stderr, name+": "+interruption)
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, name+": "+printable.Line(err.Error()))
		os.Exit(1)
	}
}

// Classes is the number of logits of every network.
const Classes = 10

// Network returns the named network with the layers that the PyTorch and JAX programs use.
func Network(name string) (resnet.Config, error) {
	config, err := resnet.ByName(name)
	if err != nil {
		return config, err
	}
	config.Classes = Classes
	// The CIFAR family uses shortcut A, for which PyTorch has no layer.
	config.Shortcut = resnet.ShortcutB
	return config, nil
}

// MultiplyAdds returns the number of multiply-adds of a forward pass of the named network for one
// image of size×size pixels.
func MultiplyAdds(name string, size int) (int64, error) {
	config, err := Network(name)
	if err != nil {
		return 0, err
	}
	summary, err := config.Summary(size, size)
	if err != nil {
		return 0, fmt.Errorf("count the operations of %s: %w", name, err)
	}
	return summary.MultiplyAdds, nil
}

// Operations returns the number of floating-point operations of a step for one image, with two for a
// multiply-add. A training step has three times as many as a forward pass, since every product there
// has two counterparts in the backward pass.
func Operations(multiplyAdds int64, training bool) float64 {
	n := 2 * float64(multiplyAdds)
	if training {
		n *= 3
	}
	return n
}

// Median returns the middle one of the values, or the mean of the middle two. There must be at least
// one.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Number formats v with three significant digits, or all those before the decimal point if there are
// more.
func Number(v float64) string {
	switch {
	case v < 0.0995:
		return fmt.Sprintf("%.3f", v)
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// Unknown stands for an unknown value in a table.
const Unknown = "–"

// Whole formats v without decimals. 0 means unknown.
func Whole(v float64) string {
	if v == 0 {
		return Unknown
	}
	return fmt.Sprintf("%.0f", v)
}

// Processor returns the name of the CPU on Linux, or "" if it is unknown.
func Processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	return processorName(string(info))
}

// processorName returns the model name in /proc/cpuinfo, or "".
func processorName(info string) string {
	for line := range strings.Lines(info) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

package cli

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/residual-go/residual/lesson/checkout"
)

// inCourse is how the texts of this package name the command: as it is called in the root folder
// of the course's checkout.
const inCourse = "go run ./lesson"

// asCalled returns a text for people in which the command is named as they can call it where they
// are. Help, advice and closing lines all pass through it.
func asCalled(text string) string { return strings.ReplaceAll(text, inCourse, called()) }

// helpAsCalled does what asCalled does with the help of a command and its subcommands.
func helpAsCalled(cmd *cobra.Command) {
	for _, text := range []*string{&cmd.Short, &cmd.Long, &cmd.Example} {
		*text = asCalled(*text)
	}
	usage := func(flag *pflag.Flag) { flag.Usage = asCalled(flag.Usage) }
	cmd.Flags().VisitAll(usage)
	cmd.PersistentFlags().VisitAll(usage)
	for _, sub := range cmd.Commands() {
		helpAsCalled(sub)
	}
}

// called returns how to call this program in the current folder.
func called() string {
	if here, err := os.Getwd(); err == nil {
		if root, err := checkout.Root(here); err == nil {
			return inCheckout(root, here)
		}
	}
	program, err := os.Executable()
	if err != nil {
		program = ""
	}
	info, _ := debug.ReadBuildInfo()
	return outsideCheckout(program, info)
}

// inCheckout returns the call from folder here of the checkout in root.
func inCheckout(root, here string) string {
	target, err := filepath.Rel(here, filepath.Join(root, "lesson"))
	switch {
	case err != nil:
		return inCourse
	case !strings.HasPrefix(target, "."):
		target = "./" + target
	}
	return "go run " + filepath.ToSlash(target)
}

// outsideCheckout returns what to type to run this program outside of any checkout: lesson, the
// name that go install and go build give it. If go run built the program, and so will remove it,
// that is go run …/lesson@VERSION instead.
func outsideCheckout(program string, info *debug.BuildInfo) string {
	dir := filepath.ToSlash(filepath.Dir(program)) // go run builds in …/go-build123/b001/exe
	if !strings.HasSuffix(dir, "/exe") || !strings.Contains(dir, "/go-build") {
		return "lesson"
	}
	version := "latest"
	if info != nil && info.Main.Version != "" && !strings.HasPrefix(info.Main.Version, "(") {
		version = info.Main.Version
	}
	return "go run " + checkout.Module + "/lesson@" + version
}

// Package cli is the lesson command. Every subcommand has a file of its name. Beside them:
//
//   - root.go: the command itself, and checks of its arguments
//   - flags.go: the flags that several subcommands share
//   - load.go: opening the images, weights and runs that flags name
//   - training.go: what train and finetune share
//   - progress.go: what is shown of the progress of each kind of work: bars or lines
//   - bar.go: a progress bar that fits the terminal
//   - output.go: JSON, lists of written files, suggestions
//   - language.go: the language of messages, --lang
//   - called.go: how texts name the command, inside and outside of a checkout
//   - suggest.go: "did you mean …?"
//   - limits, limits_*.go: one line instead of stack traces under a tight ulimit
//   - complete.go: the values that shells complete
//   - version.go: what --version prints
//   - errors.go: exit codes, and the advice that goes with errors
//   - doctor_child.go: what doctor runs in processes of their own
//
// Libraries return causes. The advice that names commands and flags is added here.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	_ "github.com/residual-go/residual/lesson/cli/limits"
	"github.com/residual-go/residual/lesson/words"
)

// Command returns the lesson command with all its subcommands. Its help is in the language that the
// arguments of the process or the environment ask for.
func Command() *cobra.Command { return command(Language(os.Args[1:])) }

// command returns the command with its help in a language.
func command(l words.Language) *cobra.Command {
	root := tree(l)
	translateHelp(root, l)
	helpAsCalled(root)
	completeValues(root)
	return root
}

// tree returns the command with its subcommands and flags. Its help is English.
func tree(l words.Language) *cobra.Command {
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
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand())
	checkedHelp(root)
	addLanguage(root, l)
	root.AddCommand(degradationCommand(), trainCommand(), finetuneCommand(), evalCommand(), predictCommand(),
		serveCommand(), summaryCommand(), dataCommand(), plotCommand(), exportCommand(), weightsCommand(),
		doctorCommand(), checkCommand(), gradeCommand(), gradeChildCommand())
	if watch := watchCommand(); watch != nil {
		root.AddCommand(watch)
	}
	return root
}

// Run runs the lesson command with the arguments of the process. Output that cannot be written,
// as on a full disk, is an error in the end; it does not stop the work.
func Run(ctx context.Context) error {
	explainMemory()
	out := &output{File: os.Stdout}
	root := Command()
	root.SetOut(out)
	addCompletion(root)
	err := root.ExecuteContext(ctx)
	if err == nil && out.err != nil {
		cause := out.err
		if failed, ok := errors.AsType[*fs.PathError](cause); ok {
			cause = failed.Err
		}
		return fmt.Errorf("write standard output: %w", cause)
	}
	return err
}

// output is a file that remembers the first error of writing to it.
type output struct {
	*os.File
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.File.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// WriteString keeps io.WriteString from the file's own method.
func (o *output) WriteString(s string) (int, error) { return o.Write([]byte(s)) }

// ReadFrom does the same for io.Copy.
func (o *output) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{o}, r)
}

// addCompletion adds cobra's command completion to root, whose output must be set before. Cobra's own
// prints its help for a shell that it does not know; this one returns an error.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Args = noArguments
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			cmd.Short = language(root).Text(cmd.Short)
			checkedHelp(cmd)
		}
	}
}

// helpCommand is cobra's help command with an error for commands that do not exist.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if about, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				names = subcommands(about)
			}
			return complete(fixed(names...), cobra.ShellCompDirectiveNoFileComp)(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return noArguments(about, rest)
			}
			about.InitDefaultHelpFlag() // so that the help lists it
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

// checkedHelp gives cmd, which has subcommands, a flag --help that is an error after a mistyped
// subcommand. With cobra's own flag, the help of cmd would be shown.
func checkedHelp(cmd *cobra.Command) {
	cmd.Flags().VarPF(helpFlag{}, "help", "h", "help for "+cmd.Name()).NoOptDefVal = "true"
}

// helpFlag stops the parsing of flags; flagError then decides what to do.
type helpFlag struct{}

func (helpFlag) String() string   { return "false" }
func (helpFlag) Type() string     { return "bool" }
func (helpFlag) Set(string) error { return pflag.ErrHelp }

// flagError says in words what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); len(args) > 0 && cmd.HasAvailableSubCommands() {
		return noArguments(cmd, args) // the flags are those of a mistyped command
	}
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	var text, meant string
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		text = fmt.Sprintf("--%s %q, want %s", invalid.GetFlag().Name, invalid.GetValue(), wanted(invalid))
	} else if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		text = fmt.Sprintf("--%s needs a value", missing.GetFlag().Name)
	} else {
		text = err.Error()
		if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
			var known []string
			cmd.Flags().VisitAll(func(flag *pflag.Flag) { known = append(known, "--"+flag.Name) })
			if unknown.GetSpecifiedShortnames() == "" {
				meant = didYouMean("--"+unknown.GetSpecifiedName(), known)
			}
		}
	}
	return fmt.Errorf("%s; %s%s lists the flags", text, meant, helpOf(cmd))
}

// wanted describes the values that a flag takes.
func wanted(invalid *pflag.InvalidValueError) string {
	if errors.Is(invalid, strconv.ErrRange) {
		return "a smaller number"
	}
	switch invalid.GetFlag().Value.Type() {
	case "int", "int64":
		return "a whole number"
	case "uint64":
		return "a whole number, at least 0"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	case "language":
		return "en or zh"
	case "duration":
		return "a duration such as 30s or 2m"
	}
	return "something else: " + invalid.Unwrap().Error()
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
		return fmt.Errorf("unknown command %q; %s%s lists the commands", args[0], didYouMean(args[0], subcommands(cmd)), helpOf(cmd))
	}
	return fmt.Errorf("unexpected argument %q: %s takes only flags; see %s", args[0], cmd.Name(), helpOf(cmd))
}

// subcommands returns the names of the commands that cmd has.
func subcommands(cmd *cobra.Command) []string {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
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

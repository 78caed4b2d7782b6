package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/residual-go/residual/lesson/words"
)

// languageFlag is the value of --lang, a flag of all commands.
type languageFlag struct{ words.Language }

func (f *languageFlag) String() string { return string(f.Language) }
func (f *languageFlag) Type() string   { return "language" }

func (f *languageFlag) Set(name string) (err error) {
	f.Language, err = words.Parse(name)
	return err
}

// addLanguage gives root the flag --lang with a default.
func addLanguage(root *cobra.Command, l words.Language) {
	flags := root.PersistentFlags()
	flags.Var(&languageFlag{l}, "lang",
		"language of messages: en or zh (default: that of "+words.Variable+", LC_ALL, LC_MESSAGES or LANG)")
	flags.Lookup("lang").DefValue = "" // the help says it in words
}

// language returns the language that the command speaks.
func language(cmd *cobra.Command) words.Language {
	if flag := cmd.Root().PersistentFlags().Lookup("lang"); flag != nil {
		if value, ok := flag.Value.(*languageFlag); ok {
			return value.Language
		}
	}
	return words.English
}

// Language returns the language that a command line asks for, whether or not it is otherwise
// correct. Help and errors are printed in it.
func Language(args []string) words.Language {
	for i, arg := range args {
		name, found := strings.CutPrefix(arg, "--lang=")
		switch {
		case arg == "--":
			return words.Preferred(os.Getenv)
		case arg == "--lang" && i+1 < len(args):
			name, found = args[i+1], true
		}
		if l, err := words.Parse(name); found && err == nil {
			return l
		}
	}
	return words.Preferred(os.Getenv)
}

// translateHelp translates the help of root and its subcommands.
func translateHelp(root *cobra.Command, l words.Language) {
	if l == words.English {
		return
	}
	labels := strings.NewReplacer(
		"\nUsage:", "\n"+l.Text("Usage:"),
		"\nExamples:", "\n"+l.Text("Examples:"),
		"\nAvailable Commands:", "\n"+l.Text("Available Commands:"),
		"\nFlags:", "\n"+l.Text("Flags:"),
		"\nGlobal Flags:", "\n"+l.Text("Global Flags:"),
		`Use "{{.CommandPath}} [command] --help" for more information about a command.`,
		l.Sprintf("%s says more about a command.", "{{.CommandPath}} [command] --help"))
	root.SetUsageTemplate(labels.Replace("\n" + root.UsageTemplate())[1:])
	root.InitDefaultHelpCmd()
	root.InitDefaultVersionFlag()
	translateCommand(root, l)
}

// translateCommand translates the texts of cmd and its subcommands, and of their flags.
func translateCommand(cmd *cobra.Command, l words.Language) {
	for _, text := range []*string{&cmd.Short, &cmd.Long, &cmd.Example} {
		*text = l.Text(*text)
	}
	cmd.InitDefaultHelpFlag()
	flag := func(flag *pflag.Flag) {
		switch flag.Name {
		case "help":
			flag.Usage = l.Sprintf("help for %s", cmd.Name())
			return
		case "version":
			flag.Usage = l.Sprintf("version for %s", cmd.Name())
			return
		}
		flag.Usage = l.Text(flag.Usage)
		if !slices.Contains([]string{"", "0", "false", "[]", "0s"}, flag.DefValue) {
			flag.Usage += l.Sprintf(" (default %s)", flag.DefValue)
			flag.DefValue = "0" // pflag would print it in English
			if flag.Value.Type() == "string" {
				flag.DefValue = ""
			}
		}
	}
	cmd.LocalNonPersistentFlags().VisitAll(flag)
	cmd.PersistentFlags().VisitAll(flag)
	for _, sub := range cmd.Commands() {
		translateCommand(sub, l)
	}
}

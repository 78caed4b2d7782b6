package cli

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/residual-go/residual/lesson/exercises"
	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/hub"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/run"
)

// completeValues makes shells complete the values of the flags of cmd and of all its subcommands.
func completeValues(cmd *cobra.Command) {
	values := map[string]cobra.CompletionFunc{
		"model":     complete(resnet.Names, cobra.ShellCompDirectiveNoFileComp),
		"recipe":    complete(recipe.Names, cobra.ShellCompDirectiveNoFileComp),
		"run":       complete(runFolders, cobra.ShellCompDirectiveDefault),
		"weights":   complete(weightNames, cobra.ShellCompDirectiveDefault),
		"data":      complete(dataNames, cobra.ShellCompDirectiveDefault),
		"backend":   complete(backend.Names, cobra.ShellCompDirectiveNoFileComp),
		"exercises": complete(exercises.Names, cobra.ShellCompDirectiveNoFileComp),
		"precision": complete(fixed(recipe.Float32, recipe.BFloat16), cobra.ShellCompDirectiveNoFileComp),
		"input":     complete(fixed(string(run.InputAuto), string(run.InputHost), string(run.InputDevice)), cobra.ShellCompDirectiveNoFileComp),
		"format":    complete(fixed(safetensorsFormat, onnxFormat), cobra.ShellCompDirectiveNoFileComp),
		"install":   complete(fixed("xla:cpu", "xla:cuda"), cobra.ShellCompDirectiveNoFileComp),
	}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if f, ok := values[flag.Name]; ok {
			if err := cmd.RegisterFlagCompletionFunc(flag.Name, f); err != nil {
				panic(err) // only if it is registered twice
			}
		}
	})
	for _, sub := range cmd.Commands() {
		completeValues(sub)
	}
}

// complete completes a word to one of the names. If none matches, the shell does as directed.
func complete(names func() []string, otherwise cobra.ShellCompDirective) cobra.CompletionFunc {
	return func(_ *cobra.Command, given []string, word string) ([]string, cobra.ShellCompDirective) {
		var matching []string
		for _, name := range names() {
			if strings.HasPrefix(name, word) {
				matching = append(matching, name)
			}
		}
		return matching, otherwise
	}
}

func fixed(names ...string) func() []string { return func() []string { return names } }

// runFolders returns the runs in the folder runs and in its subfolders, where degradation puts them,
// and the recorded runs.
func runFolders() []string {
	var found []string
	for _, pattern := range []string{"runs/*", "runs/*/*", "lesson/recorded/*/*"} {
		paths, _ := filepath.Glob(filepath.FromSlash(pattern)) // the pattern is well-formed
		for _, path := range paths {
			if run.Exists(path) {
				found = append(found, path)
			}
		}
	}
	return found
}

func weightNames() []string {
	names := runFolders()
	if list, err := hub.Catalogue(); err == nil {
		for _, named := range list {
			names = append(names, named.Name)
		}
	}
	return names
}

// dataNames returns the names of data and the folders here, which may hold images.
func dataNames() []string {
	names := []string{datasource.Auto, datasource.CIFAR10, datasource.CIFAR100, datasource.Builtin}
	entries, _ := os.ReadDir(".") // without a list, the names remain
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	return names
}

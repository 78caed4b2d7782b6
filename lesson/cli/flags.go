package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/residual-go/residual/pkg/backend"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/recipe"
	"github.com/residual-go/residual/pkg/resnet"
)

// flags are the flags that several subcommands have, with the same name and meaning in all of
// them.
type flags struct {
	model, recipe, data, subset   string
	validation, epochs, batchSize int
	lr                            float64
	seed                          uint64
	backend                       string
	weights, key, run             string
	normalize                     string
	json                          bool
}

// add gives cmd the flags of the given names.
func (f *flags) add(cmd *cobra.Command, names ...string) {
	set := cmd.Flags()
	for _, name := range names {
		switch name {
		case "model":
			usage := "architecture, such as resnet20; go run ./lesson summary lists them"
			if slices.Contains(names, "normalize") {
				usage = "architecture, such as plain20, if the weights alone do not determine it; go run ./lesson summary lists them"
			}
			set.StringVar(&f.model, name, "", usage)
		case "normalize":
			set.StringVar(&f.normalize, name, "", "how pixels are normalised: imagenet, cifar10, half, none, or MEAN/STD with three numbers each, as in 0.49,0.48,0.45/0.25,0.24,0.26 (default: what the weights say)")
		case "recipe":
			set.StringVar(&f.recipe, name, "fast", "training recipe: "+strings.Join(recipe.Names(), ", "))
		case "data":
			set.StringVar(&f.data, name, datasource.Auto, "images: auto, cifar10, cifar100, builtin, or a folder, either in CIFAR's binary layout or with a subfolder of images for each class")
		case "subset":
			set.StringVar(&f.subset, name, "", "part of the images: N (the first N), N/class, or TRAIN,TEST, such as 500,100")
		case "validation":
			set.IntVar(&f.validation, name, 0, "hold out this number of training images, evaluate on them instead of the test images, and leave those alone; for choosing settings")
		case "epochs":
			set.IntVar(&f.epochs, name, 0, "passes over the training images (default: the recipe's)")
		case "batch":
			set.IntVar(&f.batchSize, name, 0, "images per step (default: the recipe's)")
		case "lr":
			set.Float64Var(&f.lr, name, 0, "peak learning rate (default: the recipe's)")
		case "seed":
			set.Uint64Var(&f.seed, name, 0, "random seed for weights, order and augmentation (default: the recipe's)")
		case "backend":
			set.StringVar(&f.backend, name, backend.Auto, "backend to compute with: auto, cpu, go, xla, xla:cpu, xla:cuda, or xla:PATH for a plugin, with options as in xla:cuda,visible_devices=1")
		case "weights":
			set.StringVar(&f.weights, name, "", "weights: a file, a URL, the folder of a run, or a name such as resnet50; go run ./lesson weights lists the names")
			f.add(cmd, "key")
		case "key":
			set.StringVar(&f.key, name, "", "which of several sets of weights in the file, such as model or state_dict.encoder (default: the obvious one, averaged weights first)")
		case "run":
			set.StringVar(&f.run, name, "", "folder of the run")
		case "json":
			set.BoolVar(&f.json, name, false, "print only JSON; messages go to standard error")
		default:
			panic("no shared flag " + name)
		}
	}
}

// apply puts the flags that were given into the recipe.
func (f *flags) apply(cmd *cobra.Command, r *recipe.Recipe) error {
	given := cmd.Flags().Changed
	if f.model != "" {
		config, err := resnet.ByName(f.model)
		if err != nil {
			return err
		}
		r.Model = config
	}
	if given("epochs") {
		r.Epochs = f.epochs
	}
	if given("batch") {
		r.BatchSize = f.batchSize
	}
	if given("lr") {
		r.LearningRate = f.lr
	}
	if given("seed") {
		r.Seed = f.seed
	}
	return nil
}

// messages returns where messages for people go: standard output or, if that is for JSON,
// standard error.
func (f *flags) messages(cmd *cobra.Command) io.Writer {
	if f.json {
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}

// namesBackend reports whether --backend names a backend.
func (f *flags) namesBackend() bool { return f.backend != "" && f.backend != backend.Auto }

// repeated returns those of the named flags that were given, for a suggested command, each after a
// space. It includes the backend even if that comes from the environment, because the command may
// be pasted into another shell.
func (f *flags) repeated(cmd *cobra.Command, names ...string) string {
	var text strings.Builder
	for _, name := range names {
		flag := cmd.Flags().Lookup(name)
		value := flag.Value.String()
		given := flag.Changed
		if name == "backend" && !f.namesBackend() {
			value = os.Getenv(compute.ConfigEnvVar)
			given = value != "" && value != backend.Auto
		}
		switch {
		case !given:
		case flag.Value.Type() != "bool":
			fmt.Fprintf(&text, " --%s %s", name, quoted(value))
		case value == "true":
			text.WriteString(" --" + name)
		default:
			fmt.Fprintf(&text, " --%s=%s", name, value)
		}
	}
	return text.String()
}

// allFlags returns the names of the command's flags.
func allFlags(cmd *cobra.Command) []string {
	var names []string
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if flag.Name != "help" {
			names = append(names, flag.Name)
		}
	})
	return names
}

// from repeats the flags that named the weights and what they are, for a suggested command.
func (f *flags) from() string {
	from := "--run " + quoted(f.run)
	if f.weights != "" {
		from = "--weights " + quoted(f.weights)
	}
	if f.key != "" {
		from += " --key " + quoted(f.key)
	}
	if f.model != "" {
		from += " --model " + quoted(f.model)
	}
	if f.normalize != "" {
		from += " --normalize " + quoted(f.normalize)
	}
	return from
}

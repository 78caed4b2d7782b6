package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/residual-go/residual/lesson/aligned"
	"github.com/residual-go/residual/pkg/cifar"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/datasource"
	"github.com/residual-go/residual/pkg/figure"
	"github.com/residual-go/residual/pkg/picture"
	"github.com/residual-go/residual/pkg/plots"
)

func dataCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "data",
		Short: "Fetch, verify and show images",
		Example: `  go run ./lesson data fetch
  go run ./lesson data verify --data DIR
  go run ./lesson data show --data builtin`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	checkedHelp(cmd)
	cmd.AddCommand(dataFetchCommand(), dataVerifyCommand(), dataShowCommand())
	return cmd
}

func dataFetchCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "fetch",
		Short: "Download CIFAR-10 or CIFAR-100 into the cache",
		Long: `Download CIFAR-10 or CIFAR-100 (about 170 MB) into the cache folder, check it and
unpack it. An interrupted download resumes where it stopped.

The environment variable RESIDUAL_CACHE sets the folder, RESIDUAL_CIFAR10_URL and
RESIDUAL_CIFAR100_URL the addresses to download from.`,
		Example: "  go run ./lesson data fetch\n  go run ./lesson data fetch --data cifar100",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, l := f.messages(cmd), language(cmd)
			var kind cifar.Kind
			switch f.data {
			case datasource.CIFAR10, datasource.Auto:
				kind = cifar.CIFAR10
			case datasource.CIFAR100:
				kind = cifar.CIFAR100
			default:
				return fmt.Errorf("%q cannot be downloaded; only %s and %s can", f.data, datasource.CIFAR10, datasource.CIFAR100)
			}
			fetcher := &cifar.Fetcher{Progress: downloading(l, w)}
			dir, err := fetcher.Fetch(cmd.Context(), kind)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"data": kind.String(), "folder": dir})
			}
			fmt.Fprintln(w, l.Sprintf("%v is in %s", kind, dir))
			ending(l, w, nil, "go run ./lesson data show --data "+f.data, "go run ./lesson train --data "+f.data)
			return nil
		},
	}
	f.add(cmd, "json")
	cmd.Flags().StringVar(&f.data, "data", datasource.CIFAR10, "data set: cifar10 or cifar100")
	return cmd
}

func dataVerifyCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:     "verify",
		Short:   "Read all images and check them",
		Example: "  go run ./lesson data verify\n  go run ./lesson data verify --data DIR",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := f.openImages(cmd, f.data, "", picture.Transform{})
			if err != nil {
				return err
			}
			parts := []*dataset.Images{set.Training, set.Validation, set.Test}
			parts = slices.DeleteFunc(parts, func(images *dataset.Images) bool { return images == nil })
			for _, images := range parts {
				if err := images.Validate(); err != nil {
					return err
				}
			}
			w := f.messages(cmd)
			var damage error
			if set.Skipped > 0 {
				damage = errors.New(language(cmd).Sprintf("%d of the images in %s cannot be read; repair or remove them", set.Skipped, f.data))
			}
			if f.json {
				found := map[string]any{"data": set.Training.Name, "classes": set.Training.Classes,
					"training": perClass(set.Training), "test": perClass(set.Test), "test_split": set.Test.TestSplit(), "skipped": set.Skipped}
				if set.Validation != nil {
					found["validation"] = perClass(set.Validation)
				}
				if err := printJSON(cmd.OutOrStdout(), found); err != nil {
					return err
				}
				return damage
			}
			l := language(cmd)
			table := aligned.Right(w, 2)
			fmt.Fprintf(table, "%s\t%s\t", l.Text("class"), l.Text(string(dataset.Training)))
			counts := [][]int{perClass(set.Training)}
			for _, images := range parts[1:] {
				fmt.Fprintf(table, "%s\t", l.Text(string(images.TestSplit())))
				counts = append(counts, perClass(images))
			}
			fmt.Fprintln(table)
			for class, name := range set.Training.Classes {
				fmt.Fprintf(table, "%s\t", name)
				for _, part := range counts {
					fmt.Fprintf(table, "%d\t", part[class])
				}
				fmt.Fprintln(table)
			}
			if err := table.Flush(); err != nil {
				return fmt.Errorf("print the classes: %w", err)
			}
			if damage != nil {
				return damage
			}
			fmt.Fprintln(w, l.Text("All records are complete and all labels are in range."))
			ending(l, w, nil, "go run ./lesson data show --data "+quoted(f.data))
			return nil
		},
	}
	f.add(cmd, "data", "json")
	return cmd
}

// perClass counts the images of each class.
func perClass(images *dataset.Images) []int {
	counts := make([]int, len(images.Classes))
	for _, label := range images.Labels {
		counts[label]++
	}
	return counts
}

func dataShowCommand() *cobra.Command {
	var f flags
	figures := filepath.Join("runs", "figures")
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Draw example images of every class",
		Example: "  go run ./lesson data show --data builtin\n  go run ./lesson data show --data photos",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := prepareFolder(figures, "choose another folder with --figures"); err != nil {
				return err
			}
			set, err := f.openImages(cmd, f.data, f.subset, picture.Transform{})
			if err != nil {
				return err
			}
			name := "images"
			if named(set.Spec) {
				name = "images-" + set.Spec
			}
			paths, err := saveFigures(language(cmd), figures, plots.Drawing{Name: name, Draw: func() (*figure.Figure, error) {
				return plots.Samples(set.Training.Name, set.Caption(), set.Training, 8)
			}})
			if err != nil {
				return err
			}
			next := "go run ./lesson degradation"
			if !named(set.Spec) {
				next = "go run ./lesson train --data " + quoted(f.data)
			}
			ending(language(cmd), f.messages(cmd), paths, next)
			return nil
		},
	}
	f.add(cmd, "data", "subset")
	cmd.Flags().StringVar(&figures, "figures", figures, "folder for the figure")
	return cmd
}

// named reports whether spec is a name of data and not a folder.
func named(spec string) bool {
	switch spec {
	case datasource.Auto, datasource.CIFAR10, datasource.CIFAR100, datasource.Builtin:
		return true
	}
	return false
}

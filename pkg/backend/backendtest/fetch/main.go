// Command fetch downloads XLA's CPU plugin into the project's cache, for tests, and prints its path. If
// the plugin is already there, it downloads nothing. The plugin is not installed: only tests use it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/residual-go/residual/pkg/backend/internal/xla"
)

func main() {
	path, err := xla.CachedCPU(context.Background(), os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "fetch XLA's CPU plugin:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

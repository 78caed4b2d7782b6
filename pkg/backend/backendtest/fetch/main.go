// Command fetch downloads XLA's CPU plugin into the project's cache, for tests, and prints its path. It
// does nothing if the plugin is there. The plugin is not installed: no backend but that of the tests
// uses it.
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

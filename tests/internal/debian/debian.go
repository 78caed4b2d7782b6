// Package debian installs packages on Debian and Ubuntu.
package debian

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Install installs packages with apt-get, as root, and says so on stdout. If it fails, the error says
// what to install.
func Install(ctx context.Context, names ...string) error {
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("on Debian and Ubuntu, install it as root: apt-get install %s", strings.Join(names, " "))
	}
	fmt.Printf("installing %s\n", strings.Join(names, " "))
	for _, args := range [][]string{
		{"update", "-q"},
		append([]string{"install", "-y", "-q", "--no-install-recommends"}, names...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if output, err := cmd.CombinedOutput(); err != nil {
			lines := strings.Split(strings.TrimSpace(string(output)), "\n")
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, strings.Join(lines[max(0, len(lines)-10):], "\n"))
		}
	}
	return nil
}

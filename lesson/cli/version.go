package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/residual-go/residual/pkg/backend"
)

// version describes the program: its version, and what it was built from and with.
func version() string {
	info, _ := debug.ReadBuildInfo()
	return fmt.Sprintf("%s\n%s, %s/%s; backends: %s",
		built(info), runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(backend.Names(), ", "))
}

// built says what the program was built from. Go records the revision in go build and go
// install, but not in go run and go test.
func built(info *debug.BuildInfo) string {
	if info == nil {
		return "lesson, unknown version"
	}
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	text := "lesson " + info.Main.Version
	if info.Main.Version == "" || info.Main.Version == "(devel)" {
		text = "lesson, development version"
	}
	if revision := settings["vcs.revision"]; revision != "" {
		text += ", revision " + revision
		if date, _, ok := strings.Cut(settings["vcs.time"], "T"); ok {
			text += " of " + date
		}
		if settings["vcs.modified"] == "true" {
			text += ", modified"
		}
	}
	return text
}

package cli

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	cmd := Command()
	var output strings.Builder
	cmd.SetOut(&output)
	cmd.SetArgs([]string{"--version"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	got := output.String()
	if !strings.HasPrefix(got, "lesson") || strings.Count(got, "\n") != 2 || !strings.HasSuffix(got, "\n") {
		t.Errorf("lesson --version prints %q, want two lines that begin with lesson", got)
	}
	for _, want := range []string{runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, "backends: cpu, go, xla"} {
		if !strings.Contains(got, want) {
			t.Errorf("lesson --version prints %q, want %q in it", got, want)
		}
	}
}

func TestBuilt(t *testing.T) {
	info := func(version string, settings ...string) *debug.BuildInfo {
		info := &debug.BuildInfo{Main: debug.Module{Version: version}}
		for i := 0; i < len(settings); i += 2 {
			info.Settings = append(info.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
		}
		return info
	}
	for _, test := range []struct {
		info *debug.BuildInfo
		want string
	}{
		{nil, "lesson, unknown version"},
		{info(""), "lesson, development version"}, // go run
		{info("v1.2.0"), "lesson v1.2.0"},         // go install …@v1.2.0
		{info("(devel)", "vcs.revision", "abc", "vcs.time", "2026-11-27T12:33:30Z", "vcs.modified", "false"),
			"lesson, development version, revision abc of 2026-11-27"},
		{info("v1.2.1-0.2026+dirty", "vcs.revision", "abc", "vcs.modified", "true"),
			"lesson v1.2.1-0.2026+dirty, revision abc, modified"},
	} {
		if got := built(test.info); got != test.want {
			t.Errorf("built(%+v) = %q, want %q", test.info, got, test.want)
		}
	}
}

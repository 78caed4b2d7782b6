package backend

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// computes starts the plugin on the machine, computes with n different programs, and returns what the
// plugin did.
func (m machine) computes(t *testing.T, config string, n int) []string {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("RESIDUAL_FAKE_LOG", log)
	backend, err := m.start(config)
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	for i := range n {
		if err := double(backend, i+1); err != nil {
			t.Fatal(err)
		}
	}
	return did(t, log)
}

// double runs a program on a vector of the given length.
func double(backend compute.Backend, length int) error {
	exec, err := graph.NewExec(backend, func(x *graph.Node) *graph.Node { return graph.Add(x, x) })
	if err != nil {
		return err
	}
	defer exec.Finalize()
	result, err := exec.Call1(make([]float32, length))
	if err == nil && len(tensors.MustCopyFlatData[float32](result)) != length {
		err = errors.New("the result has another shape")
	}
	return err
}

// did returns the lines of the log, sorted.
func did(t *testing.T, log string) []string {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	lines := strings.Fields(string(text))
	slices.Sort(lines)
	return lines
}

func wantDid(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if got := strings.Join(got, " "); got != want {
		t.Errorf("%s: the plugin did %q, want %q", what, got, want)
	}
}

// programFiles returns the paths of the files of programs that the machine keeps.
func (m machine) programFiles(t *testing.T) []string {
	t.Helper()
	cache, err := m.cache()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(cache, "xla/programs/*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestProgramsAreKept checks that a program is compiled once and loaded from then on, that everything
// that it may depend on is part of its key, and that whatever cannot be loaded is compiled.
func TestProgramsAreKept(t *testing.T) {
	const fresh, loaded = "compile free", "load"
	path := fake(t, t.TempDir(), "pjrt_c_api_fake_plugin.so", "EXECUTES", "SERIALIZES")
	variables := map[string]string{}
	m := bare(t, variables)
	check := func(what, config, want string) {
		t.Helper()
		wantDid(t, what, m.computes(t, config, 1), want)
	}
	config := "xla:" + path
	compiledBefore, loadedBefore := Programs()
	unkeptBefore, _ := Unkept()
	check("a new program", config, fresh)
	if compiled, loaded := Programs(); compiled != compiledBefore+1 || loaded != loadedBefore {
		t.Errorf("%d programs are compiled and %d loaded, want 1 and 0", compiled-compiledBefore, loaded-loadedBefore)
	}
	check("the same program", config, loaded)
	if compiled, loaded := Programs(); compiled != compiledBefore+1 || loaded != loadedBefore+1 {
		t.Errorf("%d programs are compiled and %d loaded, want 1 and 1", compiled-compiledBefore, loaded-loadedBefore)
	}
	wantDid(t, "two programs", m.computes(t, config, 2), "compile free load")

	check("an option", config+",tf32=false", fresh)
	check("the option again", config+",tf32=false", loaded)
	t.Setenv("XLA_FLAGS", "--some_flag")
	check("flags", config, fresh)
	t.Setenv("XLA_FLAGS", "--xla_dump_to=/tmp/x")
	check("flags that ask for dumps", config, "compile")
	t.Setenv("XLA_FLAGS", "")
	m.root = t.TempDir()
	driver := filepath.Join(m.root, "sys/module/nvidia/version")
	touch(t, driver)
	if err := os.WriteFile(driver, []byte("580.65.06\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	check("a driver", config, fresh)
	if err := os.Remove(driver); err != nil {
		t.Fatal(err)
	}
	check("all as at first", config, loaded)

	variables[keepPrograms] = "off"
	check("off", config, "compile")
	variables[keepPrograms] = "on"
	check("on", config, loaded)
	variables[keepPrograms] = "of"
	if _, err := m.start(config); err == nil || !strings.HasSuffix(err.Error(), `RESIDUAL_XLA_CACHE is "of"; want on or off`) {
		t.Errorf("a wrong value: error %v", err)
	}
	delete(variables, keepPrograms)

	m.least = time.Hour
	if compiled := m.computes(t, config, 3); strings.Join(compiled, " ") != "compile load load" {
		t.Errorf("with a program that compiles too fast to be kept, the plugin did %q", compiled)
	}
	m.least = 0

	// Another plugin, or a newer one under the same name, loads nothing of this one.
	now := time.Now().Add(time.Second)
	if err := os.Chtimes(path, now, now); err != nil {
		t.Fatal(err)
	}
	check("a newer plugin", config, fresh)

	cache := m.cache
	m.cache = func() (string, error) { return "", errors.New("no home") }
	check("no folder", config, "compile")
	m.cache = func() (string, error) { return filepath.Join(path, "below a file"), nil }
	check("a folder that cannot be created", config, fresh)
	unkept, err := Unkept()
	if unkept == unkeptBefore || !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("in a folder that cannot be created, %d programs are not kept: %v", unkept-unkeptBefore, err)
	}
	check("again", config, fresh)
	if n, _ := Unkept(); n != 2*unkept-unkeptBefore {
		t.Errorf("again, %d programs are not kept, want %d", n-unkept, unkept-unkeptBefore)
	}
	m.cache = cache
	check("the folder again", config, loaded)
}

// TestKeptProgramsAreDamaged checks that a program is compiled if its file cannot be used, and the file
// is replaced.
func TestKeptProgramsAreDamaged(t *testing.T) {
	path := fake(t, t.TempDir(), "pjrt_c_api_fake_plugin.so", "EXECUTES", "SERIALIZES")
	m := bare(t, nil)
	wantDid(t, "two programs", m.computes(t, "xla:"+path, 2), "compile compile free free")
	files := m.programFiles(t)
	if len(files) != 2 {
		t.Fatalf("%d files, want 2", len(files))
	}
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"empty":               {},
		"truncated":           good[:len(good)-1],
		"a bit":               append(slices.Clone(good[:len(good)-1]), good[len(good)-1]^1),
		"text":                []byte(strings.Repeat("text ", 100)),
		"under another's key": nil,
	} {
		if err := os.WriteFile(files[1], content, 0o644); err != nil {
			t.Fatal(err)
		}
		if content == nil {
			if err := os.WriteFile(files[1], good, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		wantDid(t, name, m.computes(t, "xla:"+path, 2), "compile free load")
		wantDid(t, name+", again", m.computes(t, "xla:"+path, 2), "load load")
	}
}

// TestPluginsThatKeepNothing checks that programs run on plugins that cannot serialize them or load them.
func TestPluginsThatKeepNothing(t *testing.T) {
	for name, test := range map[string]struct {
		macros []string
		again  string // what the plugin does the second time
	}{
		"unimplemented":  {[]string{"EXECUTES"}, "compile"},
		"no function":    {[]string{"EXECUTES", "SERIALIZES", "NO_LOADING"}, "compile"},
		"not serialized": {[]string{"EXECUTES", "SERIALIZES", "SERIALIZE_ERROR"}, "compile"},
		"not loaded":     {[]string{"EXECUTES", "SERIALIZES", "LOAD_ERROR"}, "compile free load"},
		"unusable":       {[]string{"EXECUTES", "SERIALIZES", "UNUSABLE"}, "compile free load"},
	} {
		t.Run(name, func(t *testing.T) {
			path := fake(t, t.TempDir(), "pjrt_c_api_fake_plugin.so", test.macros...)
			m := bare(t, nil)
			if first := m.computes(t, "xla:"+path, 1); !slices.Contains(first, "compile") {
				t.Errorf("at first, the plugin did %q", first)
			}
			wantDid(t, "again", m.computes(t, "xla:"+path, 1), test.again)
		})
	}
}

// TestCompileErrors checks that the plugin's error comes through, and that nothing is kept.
func TestCompileErrors(t *testing.T) {
	path := fake(t, t.TempDir(), "pjrt_c_api_fake_plugin.so")
	m := bare(t, nil)
	backend, err := m.start("xla:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	if err := double(backend, 1); err == nil || !strings.Contains(err.Error(), "the fake plugin compiles nothing") {
		t.Errorf("error %v, want the plugin's", err)
	}
	if files := m.programFiles(t); len(files) > 0 {
		t.Errorf("%q are kept", files)
	}
}

// TestCompilingAtOnce compiles on two plugins and four clients at once.
func TestCompilingAtOnce(t *testing.T) {
	m := bare(t, nil)
	log := filepath.Join(t.TempDir(), "log")
	t.Setenv("RESIDUAL_FAKE_LOG", log)
	var backends []compute.Backend
	for range 2 {
		path := fake(t, t.TempDir(), "pjrt_c_api_fake_plugin.so", "EXECUTES", "SERIALIZES")
		for range 2 {
			backend, err := m.start("xla:" + path)
			if err != nil {
				t.Fatal(err)
			}
			defer backend.Finalize()
			backends = append(backends, backend)
		}
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			if err := double(backends[i%len(backends)], 1+i/8); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if files := m.programFiles(t); len(files) != 4 { // two programs for two plugins
		t.Errorf("%d programs are kept, want 4", len(files))
	}
	for _, backend := range backends {
		if err := double(backend, 2); err != nil {
			t.Error(err)
		}
	}
	lines := did(t, log)
	if n := len(lines); n < 4 || !slices.Equal(lines[n-4:], []string{"load", "load", "load", "load"}) {
		t.Errorf("in the end, the plugins did %q", lines)
	}
}

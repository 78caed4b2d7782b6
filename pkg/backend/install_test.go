package backend

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofrs/flock"
)

// contents lists the paths of the files and links below dir.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			path, err = filepath.Rel(dir, path)
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// TestInstall installs what fake installers write, complete or not, and checks the files afterwards.
func TestInstall(t *testing.T) {
	library := fake(t, t.TempDir(), "plugin.so")
	put := func(t *testing.T, path string) {
		t.Helper()
		touch(t, path)
		data, err := os.ReadFile(library)
		if err == nil {
			err = os.WriteFile(path, data, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	link := func(t *testing.T, target, path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	cpuComes := func(t *testing.T, folder string) error {
		put(t, filepath.Join(folder, "pjrt_c_api_cpu_v2_plugin.so"))
		link(t, "pjrt_c_api_cpu_v2_plugin.so", filepath.Join(folder, "pjrt_c_api_cpu_plugin.so"))
		return nil
	}
	cudaComes := func(t *testing.T, folder string) error {
		put(t, filepath.Join(folder, "nvidia/pjrt_c_api_cuda_plugin.so"))
		touch(t, filepath.Join(folder, "nvidia/cu13/bin/ptxas"))
		link(t, filepath.Join(folder, "nvidia/cu13/bin/ptxas"), filepath.Join(folder, "nvidia/bin/ptxas"))
		link(t, "./go-xla/nvidia/cu13/lib/libcublas.so.13", filepath.Join(filepath.Dir(folder), "libcublas.so.13"))
		return nil
	}
	const before = "go-xla/nvidia/old.so go-xla/pjrt_c_api_cpu_v1_plugin.so"
	for name, test := range map[string]struct {
		asked     string
		comes     func(t *testing.T, folder string) error
		cancel    bool
		forbidden bool
		want      string // the path, below the library, or the error
		after     string
	}{
		"cpu": {asked: "xla:cpu", comes: cpuComes, want: "go-xla/pjrt_c_api_cpu_plugin.so",
			after: "go-xla/nvidia/old.so go-xla/pjrt_c_api_cpu_plugin.so go-xla/pjrt_c_api_cpu_v1_plugin.so go-xla/pjrt_c_api_cpu_v2_plugin.so"},
		"cuda": {asked: "xla:cuda", comes: cudaComes, want: "go-xla/nvidia/pjrt_c_api_cuda_plugin.so",
			after: "go-xla/nvidia/bin/ptxas go-xla/nvidia/cu13/bin/ptxas go-xla/nvidia/pjrt_c_api_cuda_plugin.so go-xla/pjrt_c_api_cpu_v1_plugin.so libcublas.so.13"},
		"no network": {asked: "xla:cpu", comes: func(*testing.T, string) error { return errors.New("no such host") },
			want: "no such host"},
		"no network for CUDA": {asked: "xla:cuda", comes: func(*testing.T, string) error { return errors.New("no such host") },
			want: "no such host; without a network, copy the site-packages folder"},
		"half": {asked: "xla:cuda", comes: func(t *testing.T, folder string) error {
			touch(t, filepath.Join(folder, "nvidia/cu13/lib/half"))
			return errors.New("broke off")
		}, want: "broke off"},
		"an empty one": {asked: "xla:cpu", comes: func(t *testing.T, folder string) error {
			touch(t, filepath.Join(folder, "pjrt_c_api_cpu_plugin.so"))
			return nil
		}, want: "the downloaded file is not a plugin: not an ELF shared library; nothing was installed"},
		"elsewhere": {asked: "xla:cuda", comes: func(t *testing.T, folder string) error {
			put(t, filepath.Join(folder, "pjrt_c_api_cuda_plugin.so"))
			return nil
		}, want: "the download contains no plugin"},
		"nothing":     {asked: "xla:cpu", comes: func(*testing.T, string) error { return nil }, want: "the download contains no plugin"},
		"interrupted": {asked: "xla:cuda", comes: cudaComes, cancel: true, want: "context canceled"},
		"forbidden":   {asked: "xla:cpu", comes: cpuComes, forbidden: true, want: "GOMLX_NO_AUTO_INSTALL is set, which forbids"},
		"unknown":     {asked: "xla:tpu", comes: cpuComes, want: `cannot install "xla:tpu"; want xla:cpu or xla:cuda`},
		"not XLA":     {asked: "cpu", comes: cpuComes, want: `cannot install "cpu"`},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			libraries := filepath.Join(home, ".local/lib")
			for file := range strings.FieldsSeq(before) {
				touch(t, filepath.Join(libraries, file))
			}
			variables := map[string]string{"HOME": home}
			if test.forbidden {
				variables[noInstall] = ""
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			path, err := bare(t, variables).install(ctx, test.asked, func(_ context.Context, _, folder string) error {
				if test.cancel {
					cancel()
				}
				return test.comes(t, folder)
			})
			got := strings.TrimPrefix(path, libraries+"/")
			if err != nil {
				got = err.Error()
			}
			if err == nil && got != test.want || err != nil && (!strings.Contains(got, test.want) || strings.ContainsRune(got, '\n')) {
				t.Errorf("got %s, want %s", got, test.want)
			}
			after := test.after
			if after == "" {
				after = before
			}
			if got := contents(t, libraries); got != after {
				t.Errorf("files after the installation: %s, want %s", got, after)
			}
			if ptxas := filepath.Join(libraries, "go-xla/nvidia/bin/ptxas"); test.asked == "xla:cuda" && err == nil {
				if _, err := os.Stat(ptxas); err != nil {
					t.Errorf("the link to ptxas is dangling: %v", err)
				}
			}
		})
	}
}

// TestInstallRemovesAbandonedFolders checks that the folders of killed installations are removed,
// and that of a running one is not.
func TestInstallRemovesAbandonedFolders(t *testing.T) {
	home := t.TempDir()
	libraries := filepath.Join(home, ".local/lib")
	touch(t, filepath.Join(libraries, stagePrefix+"1", stageLock))
	touch(t, filepath.Join(libraries, stagePrefix+"1", "lib/go-xla/nvidia/half"))
	touch(t, filepath.Join(libraries, stagePrefix+"2", "lib/go-xla/nvidia/half"))
	other := flock.New(filepath.Join(libraries, stagePrefix+"2", stageLock))
	if locked, err := other.TryLock(); !locked {
		t.Fatalf("cannot lock the other process's folder: %v", err)
	}
	defer other.Unlock()
	m := bare(t, map[string]string{"HOME": home})
	m.linked = true
	during := ""
	_, err := m.install(t.Context(), "xla:cpu", func(_ context.Context, _, folder string) error {
		locks, err := filepath.Glob(filepath.Join(libraries, stagePrefix+"*", stageLock))
		if len(locks) != 2 {
			t.Errorf("locks %v, want two: the other process's and this one's", locks)
		}
		for _, path := range locks {
			lock := flock.New(path)
			if locked, _ := lock.TryLock(); locked {
				lock.Unlock()
				t.Errorf("%s is not locked during the installation", path)
			}
		}
		during = contents(t, libraries)
		return errors.Join(err, errors.New("no such host"))
	})
	if err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("install: error %v, want \"no such host\"", err)
	}
	if strings.Contains(during, stagePrefix+"1/") {
		t.Errorf("the folder of a killed installation is still there: %s", during)
	}
	const want = stagePrefix + "2/lib/go-xla/nvidia/half " + stagePrefix + "2/lock"
	if got := contents(t, libraries); got != want {
		t.Errorf("files after the installation: %s, want %s", got, want)
	}
}

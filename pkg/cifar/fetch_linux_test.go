package cifar

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/residual-go/residual/pkg/download"
)

// TestMain runs the tests or, in a subprocess that the tests below start, one Fetch.
func TestMain(m *testing.M) {
	switch os.Getenv("CIFAR_TEST_CHILD") {
	case "":
		os.Exit(m.Run())
	case "limit":
		os.Exit(fetchWithLimit())
	case "hang":
		f := childFetcher()
		fmt.Println(f.Fetch(hangingContext{context.Background(), f.Dir}, CIFAR10))
		os.Exit(1)
	}
}

func childFetcher() *Fetcher {
	return &Fetcher{Dir: os.Getenv("CIFAR_TEST_DIR"), URL: os.Getenv("CIFAR_TEST_URL"), sum: os.Getenv("CIFAR_TEST_SUM")}
}

// fetchWithLimit fetches with a limit on the size of files and prints the error.
func fetchWithLimit() (status int) {
	limit, err := strconv.ParseUint(os.Getenv("CIFAR_TEST_LIMIT"), 10, 64)
	if err != nil {
		fmt.Println(err)
		return 2
	}
	signal.Ignore(syscall.SIGXFSZ) // the limit should be an error, not the end of the process
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		fmt.Println(err)
		return 2
	}
	if _, err := childFetcher().Fetch(context.Background(), CIFAR10); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// hangingContext hangs when its error is asked for in the middle of unpacking, and says so.
type hangingContext struct {
	context.Context
	dir string
}

func (c hangingContext) Err() error {
	if unpacked, _ := filepath.Glob(filepath.Join(c.dir, ".*.tmp-*", "*")); len(unpacked) > 0 {
		fmt.Println("unpacking")
		select {}
	}
	return c.Context.Err()
}

func child(t *testing.T, role string, f *Fetcher, more ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self)
	command.Env = append(os.Environ(), "CIFAR_TEST_CHILD="+role, "CIFAR_TEST_DIR="+f.Dir, "CIFAR_TEST_URL="+f.URL, "CIFAR_TEST_SUM="+f.sum)
	command.Env = append(command.Env, more...)
	return command
}

// largeArchive returns a complete tar.gz with at least n bytes, and its SHA-256.
func largeArchive(t *testing.T, l layout, n int) (archive []byte, sum string) {
	noise := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(noise) // not compressible
	archive = gzipOf(t, tarOf(t, append(wholeEntries(l), regular(l.folder+"/padding", noise))))
	return archive, sumOf(archive)
}

func TestFetchAfterAKill(t *testing.T) {
	l := mustLayout(t, CIFAR10)
	// If the archive fitted into the read buffer, unpacking would not ask the context again.
	archive, sum := largeArchive(t, l, 1<<20)
	f := fetcher(t, serve(t, whole(archive)).URL, sum)
	command := child(t, "hang", f)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	guard := time.AfterFunc(10*time.Second, func() { command.Process.Kill() })
	defer guard.Stop()
	line, err := bufio.NewReader(output).ReadString('\n')
	command.Process.Kill()
	command.Wait()
	if err != nil || line != "unpacking\n" {
		t.Fatalf("the process to kill printed %q, error %v", line, err)
	}
	leftovers, _ := filepath.Glob(filepath.Join(f.Dir, ".*.tmp-*"))
	if len(leftovers) != 1 {
		t.Fatalf("leftovers %q, want one: the process was not killed while unpacking", leftovers)
	}
	if _, ok := f.Cached(CIFAR10); ok {
		t.Error("half a folder counts as cached")
	}
	wantWhole(t, f)
}

func TestFetchWaitsForTheLock(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	f := fetcher(t, serve(t, whole(archive)).URL, sum)
	writeFiles(t, f.Dir, nil)
	unlock, err := download.Lock(t.Context(), f.path("."+folderName+".lock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond)
	defer cancel()
	if _, err := f.Fetch(ctx, CIFAR10); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v while somebody else holds the lock, want context.DeadlineExceeded", err)
	}
	unlock()
	wantWhole(t, f)
}

func TestFetchWithFileSizeLimit(t *testing.T) {
	archive, sum := smallArchive(t, mustLayout(t, CIFAR10))
	f := fetcher(t, serve(t, whole(archive)).URL, sum)
	half := len(archive) / 2
	output, err := child(t, "limit", f, fmt.Sprint("CIFAR_TEST_LIMIT=", half)).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Fatalf("%v: %s", err, output)
	}
	text := string(output)
	for _, part := range []string{partName, "file too large", fmt.Sprint(half, " bytes are kept"), "run again to resume"} {
		if !strings.Contains(text, part) {
			t.Errorf("error %q does not contain %q", text, part)
		}
	}
	wantWhole(t, f)
}

// TestFetchOntoAFullDisk fills a small file system, first during the download, then while
// unpacking, and finally makes room.
func TestFetchOntoAFullDisk(t *testing.T) {
	l := mustLayout(t, CIFAR10)
	archive, sum := largeArchive(t, l, 256<<10)
	disk := t.TempDir()
	size := len(archive) + 256<<10 // enough for the archive and its content
	if err := syscall.Mount("none", disk, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("no small file system to fill: mount tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	f := &Fetcher{Dir: filepath.Join(disk, "cache"), URL: serve(t, whole(archive)).URL, sum: sum}
	// fill leaves room for that many pages.
	ballast := filepath.Join(disk, "ballast")
	fill := func(pages int) {
		t.Helper()
		os.Remove(ballast)
		var stat syscall.Statfs_t
		if err := syscall.Statfs(disk, &stat); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(ballast, make([]byte, (int(stat.Bavail)-pages)*int(stat.Bsize)), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	fill(10)
	_, err := f.Fetch(context.Background(), CIFAR10)
	wantError(t, err, partName, "no space left on device", "run again to resume")
	if !errors.Is(err, syscall.ENOSPC) {
		t.Error("the error does not wrap ENOSPC")
	}
	if fileSize(f.path(partName)) == 0 {
		t.Error("the bytes that had arrived were lost")
	}

	os.Remove(ballast)
	fill((len(archive)-int(fileSize(f.path(partName))))/os.Getpagesize() + 5)
	_, err = f.Fetch(context.Background(), CIFAR10)
	wantError(t, err, "unpack", archiveName, "no space left on device")
	if sum, _ := fileSum(context.Background(), f.path(archiveName), maxArchive); sum != f.sum {
		t.Error("the archive was lost")
	}
	if leftovers, _ := filepath.Glob(f.path(".*.tmp-*")); len(leftovers) != 0 {
		t.Errorf("left behind: %q", leftovers)
	}

	os.Remove(ballast)
	if dir, err := f.Fetch(context.Background(), CIFAR10); err != nil {
		t.Fatal(err)
	} else if _, _, err := Read(dir); err != nil {
		t.Fatal(err)
	}
}

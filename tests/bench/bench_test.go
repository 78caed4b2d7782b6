package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/tests/internal/measure"
)

func TestParse(t *testing.T) {
	dir := t.TempDir()
	stockOnly := func(args ...string) []string { return append([]string{"-backends", "go", "-figures", dir}, args...) }
	o, err := parse(stockOnly("-networks", "resnet56, resnet18", "-modes", "eval", "-rounds", "2"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.networks, []string{"resnet56", "resnet18"}) || !slices.Equal(o.modes, []string{evalMode}) || o.rounds != 2 {
		t.Errorf("got %+v", o)
	}
	if o.noScaling || o.noFigure || o.peersGiven || len(o.peers) != 1 || o.peers[0].Python != defaultPython {
		t.Errorf("scaling, figure or Python differ from the default: %+v", o)
	}
	if _, err := parse([]string{"-help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-help: %v", err)
	}
	for _, wrong := range []struct {
		args []string
		want string
	}{
		{stockOnly("-networks", "resnet21"), `unknown name "resnet21", want resnet20`},
		{stockOnly("-networks", "resnet20,"), "empty name"},
		{stockOnly("-networks", "resnet20,resnet20"), "twice"},
		{stockOnly("-modes", "test"), "train, eval"},
		{[]string{"-backends", "gpu"}, `unknown backend "gpu"`},
		{stockOnly("-batch", "1"), "at least 2"},
		{stockOnly("-threads", "0"), "-threads 0"},
		{stockOnly("-rounds", "0"), "-rounds 0"},
		{stockOnly("-steps", "0"), "-steps 0"},
		{stockOnly("-seconds", "NaN"), "-seconds"},
		{stockOnly("-figures", filepath.Join(dir, "missing")), "-figures"},
		{stockOnly("-json", filepath.Join(dir, "missing", "x.json")), "-json"},
		{stockOnly("-rounds", "many"), "-help"},
		{stockOnly("resnet20"), `unexpected argument "resnet20"`},
		{stockOnly("-child"), "-help"},
		{stockOnly("-torch", "python3,nhwc"), `unknown option "nhwc", want channels-last, compile or avx2`},
		{stockOnly("-torch", ",compile"), "names no Python"},
		{stockOnly("-torch", "python3", "-torch", "python3"), "twice"},
		{stockOnly("-torch", "python3", "-no-torch"), "exclude"},
	} {
		_, err := parse(wrong.args)
		if err == nil || !strings.Contains(err.Error(), wrong.want) {
			t.Errorf("%q: %v, want an error with %q", wrong.args, err, wrong.want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %q, want one line", wrong.args, err)
		}
	}
}

func TestQuick(t *testing.T) {
	o, err := parse([]string{"-quick", "-backends", "go"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.networks, []string{"resnet20"}) || o.rounds != 1 || !o.noScaling || !o.noFigure {
		t.Errorf("-quick: %+v", o)
	}
	o, err = parse([]string{"-quick", "-backends", "go", "-networks", "resnet18", "-rounds", "4", "-no-scaling=false"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.networks, []string{"resnet18"}) || o.rounds != 4 || o.noScaling {
		t.Errorf("-quick with other flags: %+v", o)
	}
	var short options
	flags(&short)
	short.shorten(nil)
	if strings.Contains(short.backendList, stock) {
		t.Errorf("-quick has the backends %s, which are slow", short.backendList)
	}
}

func TestUsage(t *testing.T) {
	var out bytes.Buffer
	if err := run(context.Background(), []string{"-help"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-networks", "-quick", "-json"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help has no %s", want)
		}
	}
	if strings.Contains(out.String(), childFlag) {
		t.Errorf("the help shows %s, which is internal", childFlag)
	}
}

// The names of the networks are those in torch_step.py. Every run compares the numbers of parameters.
func TestNetworks(t *testing.T) {
	_, table, _ := strings.Cut(torchStep, "NETWORKS = {")
	table, _, _ = strings.Cut(table, "\n}")
	var names []string
	for _, match := range regexp.MustCompile(`"([^"]+)": lambda`).FindAllStringSubmatch(table, -1) {
		names = append(names, match[1])
	}
	if !slices.Equal(names, networkNames()) {
		t.Errorf("torch_step.py has %v, want %v", names, networkNames())
	}
	for _, name := range names {
		if _, err := measure.Network(name); err != nil {
			t.Error(err)
		}
	}
}

func TestMeasure(t *testing.T) {
	for _, mode := range []string{trainMode, evalMode} {
		s := spec{Backend: stock, Network: "resnet20", Mode: mode, Batch: 2, Threads: 1, Steps: 1}
		config, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := run(context.Background(), []string{childFlag, string(config)}, &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		var r result
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatalf("%v in %s", err, out.Bytes())
		}
		if r.Parameters != 272_474 || r.Steps != 1 || !(r.Seconds > 0) || r.Mode != mode || r.Batch != 2 || !(r.PeakMiB > 1) {
			t.Errorf("got %+v", r)
		}
	}
	for _, wrong := range []spec{{Backend: stock, Network: "none"}, {Backend: "none", Network: "resnet20"}} {
		if _, err := steps(wrong); err == nil {
			t.Errorf("%+v: no error", wrong)
		}
	}
}

// The parts of a step add up to its time on all cores.
func TestProfile(t *testing.T) {
	r, err := steps(spec{Backend: "cpu:profile", Network: "resnet20", Mode: trainMode, Batch: 8, Threads: 1, WarmUps: 1, Steps: 2})
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, p := range r.Profile {
		total += p.Milliseconds + p.Idle
	}
	// Two steps have the same mean and median.
	if want := 1e3 * r.Seconds * float64(r.Threads); !(math.Abs(total-want) < 1e-3*want) {
		t.Errorf("the parts take %g ms, want %g", total, want)
	}
	var out bytes.Buffer
	if err := r.writeProfile(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"convolution, Winograd", "gradient of taps, Winograd", "loop with sums", "moments", "packing", "idle", "between the steps"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	r, err = steps(spec{Backend: "cpu", Network: "resnet20", Mode: evalMode, Batch: 2, Threads: 1, Steps: 1})
	if err != nil || r.Profile != nil {
		t.Errorf("without the option, the profile is %v, %v", r.Profile, err)
	}
}

func TestTimed(t *testing.T) {
	var values []float64
	step := func() (float64, float64, error) {
		value := values[0]
		values = values[1:]
		if value < 0 {
			return 0, 0, errors.New("broken")
		}
		return value, value, nil
	}
	values = []float64{9, 8, 1, 2, 3}
	times, err := timed(step, spec{WarmUps: 2, Steps: 3})
	if err != nil || !slices.Equal(times, []float64{1, 2, 3}) {
		t.Errorf("timed %v, %v", times, err)
	}
	values = []float64{1, math.NaN()}
	if _, err := timed(step, spec{Steps: 2}); err == nil || !strings.Contains(err.Error(), "the result of step 2 is NaN") {
		t.Errorf("a NaN: %v", err)
	}
	values = []float64{-1}
	if _, err := timed(step, spec{Steps: 1}); err == nil {
		t.Error("a failing step: no error")
	}
	steps := 0
	wait := func() (float64, float64, error) {
		steps++
		time.Sleep(time.Millisecond)
		return 1, 1, nil
	}
	if _, err := timed(wait, spec{Steps: 1, Seconds: 0.02}); err != nil || steps < 2 {
		t.Errorf("%d steps in a time for more, %v", steps, err)
	}
}

func TestHighWater(t *testing.T) {
	if kib, ok := highWater("Name:\tbench\nVmPeak:\t  9 kB\nVmHWM:\t  2048 kB\n"); !ok || kib != 2048 {
		t.Errorf("got %v, %v", kib, ok)
	}
	if _, ok := highWater("Name:\tbench\n"); ok {
		t.Error("a value where there is none")
	}
}

func TestParseResult(t *testing.T) {
	s := spec{Backend: "torch:python3", Network: "resnet20", Mode: trainMode, Batch: 64, Threads: 2, WarmUps: 2, Steps: 3, Seconds: 1}
	const line = `{"backend":"torch","network":"resnet20","mode":"train","batch":64,"threads":2,"steps":4,"seconds":0.5,"peak_mib":300,"parameters":272474}`
	r, err := parseResult([]byte("a warning\n"+line+"\n"), s)
	if err != nil {
		t.Fatal(err)
	}
	if r.Backend != s.Backend || r.ImagesPerSecond != 128 || r.PeakMiB != 300 || r.Parameters != 272474 {
		t.Errorf("got %+v", r)
	}
	for _, change := range [][2]string{
		{`"backend":"torch"`, `"backend":"cpu"`},
		{`"network":"resnet20"`, `"network":"resnet32"`},
		{`"mode":"train"`, `"mode":"eval"`},
		{`"batch":64`, `"batch":32`},
		{`"threads":2`, `"threads":1`},
		{`"steps":4`, `"steps":2`},
		{`"seconds":0.5`, `"seconds":0`},
		{`"parameters":272474`, `"parameters":0`},
		{`{`, ``},
		{line, ``},
	} {
		if _, err := parseResult([]byte(strings.Replace(line, change[0], change[1], 1)), s); err == nil {
			t.Errorf("%s for %s: no error", change[1], change[0])
		}
	}
}

func TestPeerArgs(t *testing.T) {
	all, err := parsePeer("python3,channels-last,compile,avx2")
	if err != nil {
		t.Fatal(err)
	}
	s := spec{Backend: all.Name, Network: "resnet18", Mode: evalMode, Batch: 8, Threads: 1, Steps: 3, Seconds: 0.5}
	got := strings.Join(all.args(s), " ")
	if want := "- resnet18 --batch 8 --threads 1 --steps 3 --seconds 0.5 --eval --channels-last --compile"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := strings.Join(all.environment(), " "); !strings.Contains(got, "ONEDNN_MAX_CPU_ISA=AVX2") || !strings.HasSuffix(all.program(), " with AVX2") {
		t.Errorf("AVX2: environment %s, program %s", got, all.program())
	}
	s.Mode = trainMode
	if got := strings.Join(peer{}.args(s), " "); strings.Contains(got, "--eval") || strings.Contains(got, "last") {
		t.Errorf("training: %s", got)
	}
	if got := (peer{}).environment(); got != nil {
		t.Errorf("environment %s without options", got)
	}
}

func TestSameNetwork(t *testing.T) {
	results := []result{
		{Backend: "cpu", Network: "resnet20", Parameters: 272474},
		{Backend: stock, Network: "resnet20", Parameters: 272474},
		{Backend: "torch:python3", Network: "resnet20", Parameters: 272474},
	}
	if err := sameNetwork(results); err != nil {
		t.Error(err)
	}
	results[2].Parameters = 269722
	err := sameNetwork(results)
	if want := "resnet20 has 272474 parameters with cpu but 269722 with PyTorch of python3"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// The processes of this test are shell scripts that print made-up results.
func TestTakeTurns(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no shell")
	}
	script := filepath.Join(t.TempDir(), "process")
	const content = `#!/bin/sh
echo a warning >&2
[ -n "$BENCH_TEST_FAIL" ] && { echo the reason >&2; exit 3; }
echo '{"backend":"cpu","network":"n","mode":"train","batch":4,"threads":'$GOMAXPROCS',"steps":1,"seconds":1,"parameters":1}'
`
	if err := os.WriteFile(script, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	b := &bench{ctx: context.Background(), processes: processes{self: script}, log: &log, all: 3, began: time.Now()}
	b.rounds = 3
	s := spec{Backend: "cpu", Network: "n", Mode: trainMode, Batch: 4, Threads: 2, Steps: 1}
	results, err := b.takeTurns([]spec{s}, sameNetwork)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 1 || len(results[0]) != 3 || results[0][0].ImagesPerSecond != 4 {
		t.Errorf("got %+v", results)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 3 || !strings.Contains(log.String(), "[3/3] n, training") {
		t.Errorf("progress: %s", log.String())
	}

	mismatch := func(results []result) error {
		if len(results) != 1 {
			t.Errorf("checked after %d results", len(results))
		}
		return errors.New("mismatch")
	}
	if _, err := b.takeTurns([]spec{s}, mismatch); err == nil || err.Error() != "mismatch" {
		t.Errorf("a failing check: %v", err)
	}
	t.Setenv("BENCH_TEST_FAIL", "1")
	if _, err := b.takeTurns([]spec{s}, nil); err == nil || !strings.HasSuffix(err.Error(), "the reason") {
		t.Errorf("a failing process: %v", err)
	}
}

// rounds returns results of a backend with the given speeds in images/s.
func rounds(backend string, batch int, mib float64, speeds ...float64) []result {
	var results []result
	for _, speed := range speeds {
		results = append(results, result{Backend: backend, Network: "resnet20", Mode: trainMode, Batch: batch, Threads: 2, Steps: 5,
			Seconds: float64(batch) / speed, ImagesPerSecond: speed, PeakMiB: mib, Parameters: 272474})
	}
	return results
}

func TestRatioOf(t *testing.T) {
	// Ratios are computed within a round: in the second one the machine had half its speed.
	got := ratioOf(rounds("cpu", 64, 1, 200, 100, 210), rounds("torch:python3", 64, 1, 100, 50, 100))
	if want := (ratio{2, 2, 2.1}); *got != want {
		t.Errorf("got %+v, want %+v", *got, want)
	}
	got = ratioOf(rounds("cpu", 64, 1, 200, 100), rounds(stock, 8, 1, 5))
	if want := (ratio{30, 20, 40}); *got != want {
		t.Errorf("to one round: got %+v, want %+v", *got, want)
	}
}

// sample returns a report with made-up results.
func sample() report {
	const multiplyAdds = 40_000_000
	r := report{Machine: machine{"Some CPU", 2, "linux/amd64", "go1.26"}, Backend: "cpu", Batch: 64, Threads: 2, Rounds: 3}
	for _, p := range [][2]string{{"python3", "1.13.0"}, {"new", "2.15.0"}, {"new,channels-last", "2.15.0"}} {
		if err := r.Peers.Set(p[0]); err != nil {
			panic(err)
		}
		r.Peers[len(r.Peers)-1].Version = p[1]
	}
	r.Speed = []comparison{newComparison(multiplyAdds, [][]result{
		rounds("cpu", 64, 300, 250, 260, 240), rounds(stock, 8, 40, 5), rounds("torch:python3", 64, 400, 200, 200, 200),
		rounds("torch:new", 64, 600, 100, 100, 100), rounds("torch:new,channels-last", 64, 600, 125, 125, 125),
	})}
	return r
}

func TestNewComparison(t *testing.T) {
	c := sample().Speed[0]
	if c.Network != "resnet20" || c.Mode != trainMode || c.Parameters != 272474 {
		t.Errorf("got %+v", c)
	}
	if want := 6 * 40e6 * 250 / 1e9; c.GFLOPS != want {
		t.Errorf("%v GFLOP/s, want %v", c.GFLOPS, want)
	}
	first, slow, peer := c.Contenders[0], c.Contenders[1], c.Contenders[2]
	if *peer.Speed != (ratio{1.25, 1.2, 1.3}) || peer.PeakMiB != 400 || slow.Speed.Median != 50 {
		t.Errorf("got %+v and %+v", peer, slow)
	}
	if first.Speed != nil {
		t.Errorf("the first against itself: %+v", first.Speed)
	}
}

func TestFastest(t *testing.T) {
	r := sample()
	if got := r.programs(); !slices.Equal(got, []string{"PyTorch 1.13.0", "PyTorch 2.15.0"}) {
		t.Errorf("programs %v", got)
	}
	if k := r.fastest(r.Speed[0], "PyTorch 2.15.0"); k == nil || k.Name != "torch:new,channels-last" {
		t.Errorf("the fastest is %+v", k)
	}
	if k := r.fastest(r.Speed[0], "PyTorch 3"); k != nil {
		t.Errorf("a program without peers: %+v", k)
	}
	if got, want := r.versus(), "PyTorch 1.13.0 (NCHW) and PyTorch 2.15.0 (the fastest of NCHW, NHWC)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriteSpeed(t *testing.T) {
	r := sample()
	var out strings.Builder
	if err := r.writeSpeed(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"batch 64, threads: 2; median of 3 rounds",
		"   network      mode  cpu   go*  PyTorch 1.13.0 NCHW  PyTorch 2.15.0 NCHW  PyTorch 2.15.0 NHWC  GFLOP/s  of peak\n",
		"  resnet20  training  250  5.00                  200                  100                  125     60.0        –\n",
		"  resnet20  training  50.0 (48.0–52.0)     1.25 (1.20–1.30)     2.50 (2.40–2.60)     2.00 (1.92–2.08)\n",
		"a single step on a batch of 8",
		"  resnet20  training  300   40                  400                  600                  600\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	r.PeakGFLOPS = 80
	out.Reset()
	if err := r.writeSpeed(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "75%\n") || !strings.Contains(out.String(), "the peak is 80.0") {
		t.Errorf("no share of the peak in\n%s", out.String())
	}
}

func TestWriteScaling(t *testing.T) {
	row := func(batch int, speed float64) scalingRow {
		return scalingRow{batch, 40_000_000, rounds("cpu", batch, 100, speed), spec{Mode: trainMode, Batch: batch}}
	}
	s := scaling{Name: byBatch, Rows: []scalingRow{row(16, 160), row(32, 256)}}
	var out strings.Builder
	if err := s.write(&out); err != nil {
		t.Fatal(err)
	}
	const want = `
By batch: cpu, training of resnet20, threads: 2

  batch  ms/step  images/s  GFLOP/s  MiB  time ×  work ×
     16      100       160     38.4  100    1.00    1.00
     32      125       256     61.4  100    1.25    2.00
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	s.Name = byDepth
	if got, want := s.title(), "By depth: cpu, training, batch 16, threads: 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestScalings(t *testing.T) {
	b := &bench{contenders: []string{"cpu", "torch:python3"}}
	b.modes, b.rounds, b.batch, b.threads, b.networks = []string{trainMode}, 2, 64, 2, []string{"resnet20"}
	scalings := b.scalings()
	if len(scalings) != 3 || len(scalings[0].Rows) != 5 || scalings[0].Rows[4].spec.Network != "resnet110" ||
		scalings[1].Rows[4].spec.Batch != 256 || scalings[2].Rows[0].spec.Threads != 1 {
		t.Errorf("got %+v", scalings)
	}
	for _, row := range scalings[0].Rows {
		if !slices.Contains(networkNames(), row.spec.Network) {
			t.Errorf("unknown network %s", row.spec.Network)
		}
	}
	b.count(scalings)
	if want := 2*2 + 2*(10+len(scalings[2].Rows)); b.all != want {
		t.Errorf("%d processes, want %d", b.all, want)
	}
	b.noScaling = true
	if s := b.scalings(); s != nil {
		t.Errorf("without scaling: %+v", s)
	}
}

func TestSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "speed.json")
	want := sample()
	if err := want.save(path); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	if got.Speed[0].Contenders[0].Rounds[1].ImagesPerSecond != 260 || *got.Speed[0].Contenders[2].Speed != *want.Speed[0].Contenders[2].Speed {
		t.Errorf("got %s", content)
	}
}

func TestSaveFigure(t *testing.T) {
	dir := t.TempDir()
	paths, err := saveFigure(sample(), dir, words.English)
	if err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">1.25<", ">2.00<", ">resnet20<", ">training, over PyTorch 1.13.0<", ">PyTorch<", "Arial"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("the SVG has no %s", want)
		}
	}
	png, err := os.ReadFile(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(png, []byte("\x89PNG")) {
		t.Error("the file is not a PNG")
	}
	if _, err := saveFigure(sample(), filepath.Join(dir, "missing"), words.English); err == nil {
		t.Error("no error for a missing folder")
	}
}

// The figure can be drawn again from what -json wrote, in Chinese too.
func TestRedraw(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "speed.json")
	if err := sample().save(path); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-backends", stock, "-no-torch", "-figures", dir, "-from", path, "-lang", "zh"})
	if err != nil {
		t.Fatal(err)
	}
	if err := redraw(o, io.Discard); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(filepath.Join(dir, "cpu-speed.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CPU 上的速度", ">训练，与 PyTorch 1.13.0 相比<", "细线从最低到最高"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("the SVG has no %s", want)
		}
	}
	for _, english := range []string{"training", "over PyTorch", "against", "median", "fastest", "threads"} {
		if bytes.Contains(svg, []byte(english)) {
			t.Errorf("the SVG still has %q", english)
		}
	}
	for name, content := range map[string]string{"no report": "{", "no measurements": `{"speed":[{"contenders":[]}],"peers":[{}]}`, "no PyTorch": `{"speed":[{}]}`} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := redraw(o, io.Discard); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	o.from = filepath.Join(dir, "missing.json")
	if err := redraw(o, io.Discard); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: error %v", err)
	}
}

package kernel_test

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// armSource returns the generated assembly for NEON.
func armSource(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("kernels_arm64.s")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The assembly has instructions that Go's assembler does not know as words. Each word must be the
// instruction in its comment.
func TestWordsAreTheirMnemonics(t *testing.T) {
	const name = "aarch64-linux-gnu-objdump"
	objdump, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs %s; on Debian: apt-get install binutils-aarch64-linux-gnu", name)
	}
	var code []byte
	var want []string
	words := regexp.MustCompile(`(?m)^\tWORD\t\$0x([0-9a-f]{8}) // (.+)$`).FindAllStringSubmatch(armSource(t), -1)
	for _, m := range words {
		bits, err := strconv.ParseUint(m[1], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		code = binary.LittleEndian.AppendUint32(code, uint32(bits))
		want = append(want, m[2])
	}
	if len(want) < 500 || len(want) != strings.Count(armSource(t), "WORD") {
		t.Fatalf("found %d words with a mnemonic, of %d", len(want), strings.Count(armSource(t), "WORD"))
	}
	file := filepath.Join(t.TempDir(), "words")
	if err := os.WriteFile(file, code, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(objdump, "-D", "-b", "binary", "-m", "aarch64", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^ *[0-9a-f]+:\t[0-9a-f]{8} \t(.+)$`).FindAllStringSubmatch(string(out), -1) {
		got = append(got, strings.ReplaceAll(m[1], "\t", " "))
	}
	if len(got) != len(want) {
		t.Fatalf("%s decoded %d words of %d", name, len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("word %#08x is %q, and its comment says %q", binary.LittleEndian.Uint32(code[4*i:]), got[i], want[i])
		}
	}
}

// R18 belongs to macOS and Windows, R16 and R17 to the linker, R26 to R30 to Go and its assembler. The
// kernels have no stack frame, so they use the stack pointer only to read their arguments.
func TestReservedRegistersAreNotUsed(t *testing.T) {
	code := regexp.MustCompile(`//.*`).ReplaceAllString(armSource(t), "")
	if n := len(regexp.MustCompile(`\bR\d+\b`).FindAllString(code, -1)); n < 1000 {
		t.Fatalf("found only %d registers", n)
	}
	reserved := regexp.MustCompile(`\b(R1[678](_PLATFORM)?|R2[6-9]|R3[01]|g|RSP|SP|LR|REGTMP|PC)\b`)
	for i, line := range strings.Split(code, "\n") {
		if found := reserved.FindString(line); found != "" {
			t.Errorf("line %d uses %s: %s", i+1, found, strings.TrimSpace(line))
		}
	}
}

package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lesson runs the command in this process.
func lesson(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := Command()
	cmd.SetOut(&out)
	addCompletion(cmd)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestMistypedWords(t *testing.T) {
	for args, want := range map[string]string{
		"trian":                             `unknown command "trian"; did you mean train? `,
		"trian --epochs 2":                  `unknown command "trian"; did you mean train? `, // not: unknown flag
		"trian --help":                      `unknown command "trian"; did you mean train? `,
		"trian -h":                          `unknown command "trian"; did you mean train? `,
		"data shwo --help":                  `unknown command "shwo"; did you mean show? `,
		"bogus":                             `unknown command "bogus"; go run ./lesson --help lists`,
		"data shwo":                         `unknown command "shwo"; did you mean show? go run ./lesson data --help`,
		"help foo":                          `unknown command "foo"`,
		"completion bsh":                    `unknown command "bsh"; did you mean bash? go run ./lesson completion --help`,
		"completion bsh --help":             `unknown command "bsh"; did you mean bash?`,
		"train --hlep":                      "unknown flag: --hlep; did you mean --help? ",
		"help data foo":                     `unknown command "foo"`,
		"help train foo":                    `unexpected argument "foo"`,
		"train --epoch 2":                   "unknown flag: --epoch; did you mean --epochs? ",
		"train -x":                          "unknown shorthand flag: 'x' in -x; go run ./lesson train --help lists the flags",
		"train --size abc":                  `--size "abc", want a whole number;`,
		"train --size 99999999999999999999": `--size "99999999999999999999", want a smaller number;`,
		"train --seed -1":                   `--seed "-1", want a whole number, at least 0;`,
		"train --lr fast":                   `--lr "fast", want a number;`,
		"train --resume=maybe":              `--resume "maybe", want true or false;`,
		"train --size":                      "--size needs a value;",
		"grade --timeout 5":                 `--timeout "5", want a duration such as 30s or 2m;`,
	} {
		out, err := lesson(strings.Fields(args)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("lesson %s: got the error %v, want %s", args, err, want)
		}
		if out != "" {
			t.Errorf("lesson %s prints %q", args, out)
		}
	}
}

func TestHelpCommand(t *testing.T) {
	for _, args := range [][]string{{"train"}, {"data", "show"}, {}} {
		help, err := lesson(append([]string{"help"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := lesson(append(args, "--help")...); help != want || help == "" {
			t.Errorf("help %v prints\n%s, and --help\n%s", args, help, want)
		}
	}
}

func TestCompletion(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{filepath.Join("runs", "one"), filepath.Join("runs", "degradation", "two"), filepath.Join("runs", "no-run"), "photos"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(dir, "photos") || strings.HasSuffix(dir, "no-run") {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "recipe.json"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string][]string{
		"train --model resnet2":    {"resnet20"},
		"train --recipe f":         {"fast", "finetune"},
		"train --data ":            {"auto", "cifar10", "cifar100", "builtin", "photos", "runs"},
		"train --backend x":        {"xla"},
		"train --precision b":      {"bfloat16"},
		"train --input d":          {"device"},
		"eval --run runs/":         {"runs/one", "runs/degradation/two"},
		"plot runs/o":              {"runs/one"},
		"eval --weights resnet18.": {"resnet18.tv_in1k", "resnet18.a1_in1k"},
		"weights runs/o":           {"runs/one"},
		"check conv":               {"convolution"},
		"grade --exercises conv":   {"convolution"},
		"export --format o":        {"onnx"},
		"help data f":              {"fetch"},
		"tra":                      {"train"},
	} {
		words := strings.Split(args, " ")
		out, err := lesson(append([]string{"__complete"}, words...)...)
		if err != nil {
			t.Fatal(err)
		}
		offered := strings.Split(out, "\n")
		for i, line := range offered {
			offered[i], _, _ = strings.Cut(line, "\t")
		}
		for _, name := range want {
			if !slices.Contains(offered, filepath.FromSlash(name)) {
				t.Errorf("after lesson %s, %s is not offered, only\n%s", args, name, out)
			}
		}
		if slices.Contains(offered, filepath.Join("runs", "no-run")) && !strings.Contains(args, "--data") {
			t.Errorf("after lesson %s, a folder without a run is offered", args)
		}
	}
}

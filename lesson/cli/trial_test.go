package cli

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/residual-go/residual/lesson/words"
	"github.com/residual-go/residual/pkg/dataset"
	"github.com/residual-go/residual/pkg/resnet"
	"github.com/residual-go/residual/pkg/weights"
)

// rights returns n outcomes, of which those in [from, to) are right.
func rights(n, from, to int) []bool {
	list := make([]bool, n)
	for i := from; i < to; i++ {
		list[i] = true
	}
	return list
}

func TestRankingOfTrials(t *testing.T) {
	one, two := 1.0, 2.0
	trials := []trial{
		{Model: "far", Correct: 50, Loss: &one, right: rights(100, 0, 50)},
		{Model: "near", Correct: 89, Loss: &one, right: rights(100, 0, 89)},
		{Model: "infinite", Correct: 90, right: rights(100, 0, 90)},
		{Model: "second", Correct: 90, Loss: &two, right: rights(100, 0, 90)},
		{Model: "first", Correct: 90, Loss: &one, right: rights(100, 0, 90), Used: true},
	}
	rank(trials)
	var names []string
	for _, trial := range trials {
		names = append(names, trial.Model)
	}
	if got := strings.Join(names, " "); got != "first second infinite near far" {
		t.Errorf("the order is %s", got)
	}
	for i, tied := range []bool{false, true, true, true, false} {
		if trials[i].Tied != tied {
			t.Errorf("%s: tied is %v, want %v", trials[i].Model, trials[i].Tied, tied)
		}
	}
	var out bytes.Buffer
	if err := writeTrials(words.English, &out, "w.pth", trials); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"not clearly worse", "not finite", "It is used by default", "5 combinations"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q in:\n%s", want, out.String())
		}
	}
}

// Of 100 images on which two networks differ, 50 to 50 is a tie and 30 to 70 is not.
func TestClearlyWorse(t *testing.T) {
	for onlyA, want := range map[int]bool{0: true, 30: true, 39: true, 41: false, 50: false, 70: false} {
		a, b := rights(200, 0, onlyA), rights(200, onlyA, 100)
		for i := 100; i < 200; i++ {
			a[i], b[i] = true, true
		}
		if got := clearlyWorse(a, b); got != want {
			t.Errorf("%d to %d: %v, want %v", onlyA, 100-onlyA, got, want)
		}
	}
}

func TestUsualNormalizationsAreUnique(t *testing.T) {
	for _, classes := range []int{10, 100} {
		m := &weights.Model{Config: resnet.Config{Classes: classes}}
		m.Normalization = dataset.HalfNormalization()
		list := usualNormalizations(m)
		seen := map[string]bool{}
		for _, n := range list {
			read, err := dataset.ParseNormalization(n.String())
			if err != nil || read != n || seen[n.String()] || n.Validate() != nil || math.IsNaN(float64(n.Mean[0])) {
				t.Errorf("%s: %v, %v", n, read, err)
			}
			seen[n.String()] = true
		}
		if list[0] != m.Normalization || len(list) < 6 {
			t.Errorf("%v, want the model's own first", list)
		}
	}
}

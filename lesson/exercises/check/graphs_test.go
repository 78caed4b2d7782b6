package check

import "testing"

func TestEveryMistakeHasItsHint(t *testing.T) {
	for exercise, hints := range map[string]map[string]string{
		"basicblock": basicBlockHints, "shortcut": shortcutHints, "bottleneck": bottleneckHints,
		"stage": stageHints, "resnet18": resNet18Hints, "trainingloop": trainingLoopHints,
		"bugblock": bugBlockHints, "bugnorm": bugNormHints, "bughead": bugHeadHints,
	} {
		for _, c := range graphCases(exercise) {
			for _, mistake := range c.Mistakes {
				if hints[mistake.Mistake] == "" {
					t.Errorf("%s: the mistake %q has no hint", exercise, mistake.Mistake)
				}
			}
		}
	}
}

// A network whose numbers are no numbers must not pass for one whose numbers are right.
func TestNotANumberIsNotAlike(t *testing.T) {
	nan := float32(0)
	nan /= nan
	if alike([]float32{nan}, []float32{1}) {
		t.Error("NaN passes for 1")
	}
	if failure := difference("y", []int{2}, []float32{1, nan}, []float32{1, 2}); failure == nil || failure.Want != "y[1] = 2" {
		t.Errorf("the failure is %v, want one that shows the NaN", failure)
	}
}

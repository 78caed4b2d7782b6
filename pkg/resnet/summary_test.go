package resnet

import (
	"testing"
)

// The counts are torchvision 0.14's, at 1000 classes and 224×224.
func TestSummaryCountsEqualTorchvision(t *testing.T) {
	for _, want := range []struct {
		name                     string
		parameters, multiplyAdds int64
	}{
		{"resnet18", 11_689_512, 1_814_073_344},
		{"resnet34", 21_797_672, 3_663_761_408},
		{"resnet50", 25_557_032, 4_089_184_256},
		{"resnet101", 44_549_160, 7_801_405_440},
		{"resnet152", 60_192_808, 11_513_626_624},
		{"resnext50_32x4d", 25_028_904, 4_230_479_872},
		{"resnext101_32x8d", 88_791_336, 16_414_015_488},
		{"wide_resnet50_2", 68_883_240, 11_398_021_120},
		{"wide_resnet101_2", 126_886_696, 22_753_050_624},
	} {
		config, err := ByName(want.name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := config.Summary(224, 224)
		if err != nil {
			t.Fatal(err)
		}
		if got.Parameters != want.parameters || got.MultiplyAdds != want.multiplyAdds {
			t.Errorf("%s: %d parameters and %d multiply-adds, want %d and %d",
				want.name, got.Parameters, got.MultiplyAdds, want.parameters, want.multiplyAdds)
		}
	}
}

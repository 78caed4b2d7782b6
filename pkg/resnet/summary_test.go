package resnet

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The counts are those of torchvision 0.14, for 1000 classes and 224×224 pixels.
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

// The parameters are those that Y. Idelbayev counts for the paper's networks. The paper says 0.27,
// 0.46, 0.66, 0.85 and 1.7 million.
func TestSummaryCountsOfCIFARNetworks(t *testing.T) {
	for depth, want := range map[int]int64{20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962} {
		config, err := CIFAR(depth, 16)
		if err != nil {
			t.Fatal(err)
		}
		got, err := config.Summary(32, 32)
		if err != nil {
			t.Fatal(err)
		}
		if got.Parameters != want {
			t.Errorf("depth %d: %d parameters, want %d", depth, got.Parameters, want)
		}
	}
}

func TestSummaryAddsUpItsLayers(t *testing.T) {
	for name, config := range tiny() {
		summary, err := config.Summary(9, 12)
		if err != nil {
			t.Fatal(err)
		}
		var parameters, multiplyAdds int64
		for _, layer := range summary.Layers {
			parameters += layer.Parameters
			multiplyAdds += layer.MultiplyAdds
		}
		if parameters != summary.Parameters || multiplyAdds != summary.MultiplyAdds {
			t.Errorf("%s: %d and %d in the layers, %d and %d in all", name, parameters, multiplyAdds, summary.Parameters, summary.MultiplyAdds)
		}
	}
	grouped, err := tiny()["grouped B"].Summary(8, 8)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(grouped.Layers, func(layer Layer) bool { return layer.Name == "layer1.0.conv2" })
	// It is 3×3, from 2 channels in each group to 4: 72 weights, each used at 8×8 pixels.
	if layer := grouped.Layers[i]; layer.Parameters != 72 || layer.MultiplyAdds != 72*64 {
		t.Errorf("the grouped convolution has %d parameters and %d multiply-adds, want 72 and %d", layer.Parameters, layer.MultiplyAdds, 72*64)
	}
}

// Padding keeps at least one pixel, so even the smallest images work.
func TestSummaryOfSmallImages(t *testing.T) {
	configs := tiny()
	configs["resnet50"] = named(t, "resnet50")
	for name, config := range configs {
		for _, size := range [][2]int{{1, 1}, {1, 7}, {33, 2}} {
			if _, err := config.Summary(size[0], size[1]); err != nil {
				t.Errorf("%s for %v pixels: %v", name, size, err)
			}
		}
		for _, size := range [][2]int{{0, 8}, {8, 0}, {-1, 8}} {
			_, err := config.Summary(size[0], size[1])
			checkError(t, name, err, fmt.Sprintf("images of %d×%d pixels", size[0], size[1]))
		}
	}
}

func TestSummaryTable(t *testing.T) {
	summary, err := named(t, "resnet20").Summary(32, 32)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for line := range strings.Lines(summary.String()) {
		got.WriteString(strings.TrimRight(line, " \n") + "\n") // editors trim the expected text
	}
	if got.String() != resnet20Table {
		t.Errorf("the table is\n%s\nwant\n%s", got.String(), resnet20Table)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteTableReturnsErrors(t *testing.T) {
	summary, err := tiny()["plain"].Summary(8, 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := summary.WriteTable(fullDisk{}); err == nil || err.Error() != "disk full" {
		t.Errorf("error %v, want disk full", err)
	}
	var b bytes.Buffer
	if err := summary.WriteTable(&b); err != nil || b.String() != summary.String() {
		t.Errorf("WriteTable wrote %q, %v; want what String returns", b.String(), err)
	}
}

const resnet20Table = `layer                kind          output        parameters     multiply-adds
input                              32×32×3
conv1                conv 3×3      32×32×16             432           442,368
bn1                  batch norm    32×32×16              32                 0
layer1.0.conv1       conv 3×3      32×32×16           2,304         2,359,296
layer1.0.bn1         batch norm    32×32×16              32                 0
layer1.0.conv2       conv 3×3      32×32×16           2,304         2,359,296
layer1.0.bn2         batch norm    32×32×16              32                 0
layer1.1.conv1       conv 3×3      32×32×16           2,304         2,359,296
layer1.1.bn1         batch norm    32×32×16              32                 0
layer1.1.conv2       conv 3×3      32×32×16           2,304         2,359,296
layer1.1.bn2         batch norm    32×32×16              32                 0
layer1.2.conv1       conv 3×3      32×32×16           2,304         2,359,296
layer1.2.bn1         batch norm    32×32×16              32                 0
layer1.2.conv2       conv 3×3      32×32×16           2,304         2,359,296
layer1.2.bn2         batch norm    32×32×16              32                 0
layer2.0.conv1       conv 3×3      16×16×32           4,608         1,179,648
layer2.0.bn1         batch norm    16×16×32              64                 0
layer2.0.conv2       conv 3×3      16×16×32           9,216         2,359,296
layer2.0.bn2         batch norm    16×16×32              64                 0
layer2.0.downsample  shortcut      16×16×32               0                 0
layer2.1.conv1       conv 3×3      16×16×32           9,216         2,359,296
layer2.1.bn1         batch norm    16×16×32              64                 0
layer2.1.conv2       conv 3×3      16×16×32           9,216         2,359,296
layer2.1.bn2         batch norm    16×16×32              64                 0
layer2.2.conv1       conv 3×3      16×16×32           9,216         2,359,296
layer2.2.bn1         batch norm    16×16×32              64                 0
layer2.2.conv2       conv 3×3      16×16×32           9,216         2,359,296
layer2.2.bn2         batch norm    16×16×32              64                 0
layer3.0.conv1       conv 3×3      8×8×64            18,432         1,179,648
layer3.0.bn1         batch norm    8×8×64               128                 0
layer3.0.conv2       conv 3×3      8×8×64            36,864         2,359,296
layer3.0.bn2         batch norm    8×8×64               128                 0
layer3.0.downsample  shortcut      8×8×64                 0                 0
layer3.1.conv1       conv 3×3      8×8×64            36,864         2,359,296
layer3.1.bn1         batch norm    8×8×64               128                 0
layer3.1.conv2       conv 3×3      8×8×64            36,864         2,359,296
layer3.1.bn2         batch norm    8×8×64               128                 0
layer3.2.conv1       conv 3×3      8×8×64            36,864         2,359,296
layer3.2.bn1         batch norm    8×8×64               128                 0
layer3.2.conv2       conv 3×3      8×8×64            36,864         2,359,296
layer3.2.bn2         batch norm    8×8×64               128                 0
avgpool              average pool  64                     0                 0
fc                   linear        10                   650               640
resnet20                                            269,722        40,551,040
`

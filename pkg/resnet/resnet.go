// Package resnet builds residual networks, and their plain twins, on GoMLX.
//
// The architectures are those of He et al., "Deep Residual Learning for Image
// Recognition" (2015, https://arxiv.org/abs/1512.03385) and "Identity Mappings in Deep
// Residual Networks" (2016, https://arxiv.org/abs/1603.05027), ResNeXt (Xie et al. 2016,
// https://arxiv.org/abs/1611.05431) and Wide ResNet (Zagoruyko and Komodakis 2016,
// https://arxiv.org/abs/1605.07146). Layers and names of weights are those of torchvision.
//
// A [Config] describes a network; [ByName] returns the well-known ones:
//
//	config, err := resnet.ByName("resnet50")
//	config.Classes = 10
//	logits := config.Forward(scope, images)
//
// resnet.go has the whole network, top down: Forward calls stem, block and head; block takes its
// convolutions from Branch; and the layers are conv, norm, relu and linear. Beside it:
//
//	models.go      the named models
//	names.go       from names to models and back
//	variants.go    networks that their weights do not tell apart
//	words.go       the text form of a Config's choices
//	training.go    frozen parts
//	summary.go     the table of layers
package resnet

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/support/exceptions"

	"github.com/residual-go/residual/pkg/nn"
)

// Stem is the part of a network before its first block.
type Stem int

const (
	// ImageNetStem is a 7×7 convolution of stride 2, batch norm, ReLU and a 3×3 max pool of
	// stride 2. It turns 224×224 images into 56×56 feature maps.
	ImageNetStem Stem = iota
	// CIFARStem is a 3×3 convolution of stride 1, batch norm and ReLU. 32×32 images keep their
	// size.
	CIFARStem
	// CIFARPoolStem is CIFARStem with the max pool of ImageNetStem behind it: what is left of a
	// network of torchvision's if only its first convolution is replaced. It turns 32×32 images
	// into 16×16 feature maps.
	CIFARPoolStem
)

// pools reports whether the stem ends with a max pool.
func (s Stem) pools() bool { return s == ImageNetStem || s == CIFARPoolStem }

// Block is the kind of block a network is made of.
type Block int

const (
	// Basic is two 3×3 convolutions.
	Basic Block = iota
	// Bottleneck is a 1×1 convolution to fewer channels, a 3×3 convolution, which has the stride
	// (but see Config.StrideFirst), and a 1×1 convolution to 4 times as many channels.
	Bottleneck
)

// expansion returns the ratio of a block's output channels to its planes.
func (b Block) expansion() int {
	if b == Bottleneck {
		return 4
	}
	return 1
}

// Shortcut is the way in which a block's input is brought to the shape of its output. The letters
// are those of He et al. 2015, section 4.1.
type Shortcut int

const (
	// ShortcutB projects with a 1×1 convolution and batch norm where the shape changes, and is the
	// identity elsewhere. torchvision uses it.
	ShortcutB Shortcut = iota
	// ShortcutA has no parameters. Where the shape changes, it takes every stride-th pixel and
	// fills the new channels with zeros, half of them before the old channels and half after, as
	// the well-known CIFAR weights of Y. Idelbayev expect
	// (https://github.com/akamaster/pytorch_resnet_cifar10).
	ShortcutA
	// ShortcutC projects in every block.
	ShortcutC
	// ShortcutPadEnd is ShortcutA with all zeros after the old channels. Which of the two a
	// network has cannot be told from its weights.
	ShortcutPadEnd
)

// pads reports whether the shortcut has no parameters.
func (s Shortcut) pads() bool { return s == ShortcutA || s == ShortcutPadEnd }

// Padding returns how many of the missing channels a shortcut without parameters fills with zeros
// before and after the channels of the block's input.
func (s Shortcut) Padding(missing int) (before, after int) {
	if s == ShortcutA {
		before = missing / 2
	}
	return before, missing - before
}

// Config describes a network. The zero value is not valid; start from [ByName], [CIFAR], or a
// literal with at least Blocks, Width and Classes.
type Config struct {
	// Name is the network's name in tables and figures.
	Name string `json:"name"`
	Stem Stem   `json:"stem"`
	// Block is the kind of block, and Blocks the number of blocks in each stage. Every stage but
	// the first halves height and width in its first block, and has twice the planes of the
	// stage before.
	Block  Block `json:"block"`
	Blocks []int `json:"blocks"`
	// Width is the number of channels after the stem, and of planes in the first stage: 64 in the
	// ImageNet family, 16 in the CIFAR family.
	Width int `json:"width"`
	// A bottleneck's 3×3 convolution has Groups groups and planes·WidthPerGroup/64·Groups
	// channels. ResNeXt-50 32x4d has 32 and 4, Wide ResNet-50-2 has 1 and 128. 0 means 1
	// group, and for a width of 64.
	Groups        int `json:"groups,omitempty"`
	WidthPerGroup int `json:"width_per_group,omitempty"`
	// StrideFirst gives the stride of a bottleneck to its first 1×1 convolution, as He et al. 2015
	// did and Caffe's weights expect, instead of to the 3×3 convolution, as torchvision and timm
	// do ("ResNet v1.5"). The weights have the same shapes.
	StrideFirst bool `json:"stride_first,omitempty"`
	// Shortcut is what is added to a block's branch.
	Shortcut Shortcut `json:"shortcut"`
	// Plain omits the shortcuts: the network has the same layers, without additions.
	Plain bool `json:"plain,omitempty"`
	// PreActivation puts batch norm and ReLU before each convolution, and nothing after the
	// addition (He et al. 2016). The stem then has only its convolution and pool; a final batch
	// norm and ReLU come before the global average pool; and a shortcut that is not the identity
	// takes the activated input and has no batch norm.
	PreActivation bool `json:"pre_activation,omitempty"`
	// ZeroInitResidual initialises the γ of each branch's last batch norm with 0, so that every
	// block starts as the identity (torchvision's zero_init_residual). With PreActivation it
	// initialises the last convolution with 0 instead: a ReLU after a batch norm that is 0
	// everywhere would let no gradient through.
	ZeroInitResidual bool `json:"zero_init_residual,omitempty"`
	// Classes is the number of logits.
	Classes int `json:"classes"`
}

// The largest network that Validate accepts. Known networks are far smaller: ResNet-1202 has 600
// blocks, and the largest ResNeXt has 829 million weights. A file that describes a larger network is
// refused before anything is built.
const (
	maxStages  = 16
	maxBlocks  = 1000    // in all stages together
	maxWidth   = 1 << 14 // also for the groups' width and their number
	maxWeights = 1 << 30
)

// Validate returns an error if the configuration is not valid, or if the network is implausibly large,
// with more than 1000 blocks or 2³⁰ weights.
func (c Config) Validate() error {
	groups, widthPerGroup := c.grouping()
	switch {
	case len(c.Blocks) == 0:
		return errors.New("resnet: no stages: Blocks is empty")
	case len(c.Blocks) > maxStages:
		return fmt.Errorf("resnet: %d stages, want at most %d", len(c.Blocks), maxStages)
	case c.Width > maxWidth:
		return fmt.Errorf("resnet: width %d, want at most %d", c.Width, maxWidth)
	case max(groups, widthPerGroup) > maxWidth:
		return fmt.Errorf("resnet: %d groups of width %d, want at most %d of each", groups, widthPerGroup, maxWidth)
	case c.Width < 1:
		return fmt.Errorf("resnet: width %d, want at least 1", c.Width)
	case c.Classes < 1:
		return fmt.Errorf("resnet: %d classes, want at least 1", c.Classes)
	case !known(stemWords(), c.Stem):
		return unknownWord("stem", stemWords(), fmt.Sprint(int(c.Stem)))
	case !known(blockWords(), c.Block):
		return unknownWord("block", blockWords(), fmt.Sprint(int(c.Block)))
	case !known(shortcutWords(), c.Shortcut):
		return unknownWord("shortcut", shortcutWords(), fmt.Sprint(int(c.Shortcut)))
	case groups < 1 || widthPerGroup < 1:
		return fmt.Errorf("resnet: %d groups of width %d, want at least 1 of each", groups, widthPerGroup)
	case c.Block == Basic && (groups != 1 || widthPerGroup != 64):
		return errors.New("resnet: only bottlenecks have groups")
	case c.Block == Basic && c.StrideFirst:
		return errors.New("resnet: only bottlenecks have StrideFirst: a basic block has its stride in its first convolution anyway")
	case c.Block == Bottleneck && c.Width*widthPerGroup/64 < 1:
		return fmt.Errorf("resnet: width %d with %d per group of 64 leaves no channels for the first bottleneck", c.Width, widthPerGroup)
	case c.Plain && c.ZeroInitResidual:
		return errors.New("resnet: a plain network cannot have ZeroInitResidual: without shortcuts, no signal would pass a zero")
	}
	left := maxBlocks
	for stage, blocks := range c.Blocks {
		if blocks < 1 {
			return fmt.Errorf("resnet: stage %d has %d blocks, want at least 1", stage+1, blocks)
		}
		if blocks > left {
			return fmt.Errorf("resnet: stage %d has %d blocks, want at most %d in all stages together", stage+1, blocks, maxBlocks)
		}
		left -= blocks
	}
	if weights := c.weights(); weights > maxWeights {
		return fmt.Errorf("resnet: about %.2g weights, for %d classes; want at most %.2g", weights, c.Classes, float64(maxWeights))
	}
	return nil
}

// weights returns approximately how many weights the network has: those of its branches and its head.
func (c Config) weights() float64 {
	total, in, planes := 0.0, c.Width, c.Width
	for _, blocks := range c.Blocks {
		for range blocks {
			for _, conv := range c.Branch(planes, 1) {
				total += float64(in/conv.Groups) * float64(conv.Out) * float64(conv.Kernel*conv.Kernel)
				in = conv.Out
			}
		}
		planes *= 2
	}
	return total + float64(in)*float64(c.Classes)
}

// grouping returns Groups and WidthPerGroup, or their defaults.
func (c Config) grouping() (groups, widthPerGroup int) {
	groups, widthPerGroup = c.Groups, c.WidthPerGroup
	if groups == 0 {
		groups = 1
	}
	if widthPerGroup == 0 {
		widthPerGroup = 64
	}
	return groups, widthPerGroup
}

// Tap receives every intermediate value of a forward pass, in order, with its name. The names are
//
//   - conv1, bn1, layer1.0.conv1, …, fc: the layers, as torchvision names them;
//   - relu and maxpool, in the stem;
//   - layer1.0.relu1, layer1.0.relu2, …: the ReLUs of a block;
//   - layer1.0.downsample: the output of a shortcut that is not the identity;
//   - layer1.0 and layer1: the output of a block and of a stage;
//   - avgpool: the global average pool.
//
// With PreActivation, norm and relu come before avgpool instead of in the stem. Values are
// [batch, height, width, channels], and from avgpool on [batch, channels].
type Tap func(name string, x *graph.Node)

// Forward builds the network on images, float32 [batch, height, width, channels], and returns the
// logits, float32 [batch, Classes]. Batch norms are in training mode if the scope is.
//
// If the images are bfloat16, the network uses mixed precision: convolutions and everything
// between them are in bfloat16, while weights, statistics, the average pool, the last layer and
// the logits stay float32.
//
// Forward creates or reuses the variables under scope; [StateDictKey] returns their names in
// PyTorch. It builds a graph, and panics if the configuration is not valid.
func (c Config) Forward(scope *model.Scope, images *graph.Node, taps ...Tap) *graph.Node {
	return c.forward(scope, images, Training{}, show(taps))
}

// show returns a function that passes a layer's output to all taps.
func show(taps []Tap) func(layer) {
	return func(layer layer) {
		for _, tap := range taps {
			tap(layer.name, layer.output)
		}
	}
}

// layer is one step of a forward pass, with what the summary needs.
type layer struct {
	name, kind   string
	output       *graph.Node
	parameters   int64
	multiplyAdds int64 // for one image
}

// network is a forward pass under construction.
type network struct {
	Config
	root     string // the path of the scope that holds the network
	training Training
	done     func(layer) // called with every layer
}

// forward builds the network and calls done with every layer.
func (c Config) forward(scope *model.Scope, images *graph.Node, training Training, done func(layer)) *graph.Node {
	if err := c.Validate(); err != nil {
		panic(err)
	}
	if images.Rank() != 4 || !images.DType().IsFloat() {
		exceptions.Panicf("resnet: images have shape %s, want floats [batch, height, width, channels]", images.Shape())
	}
	n := &network{c, scope.Scope(), training, done}

	x := n.stem(scope, images)
	planes := c.Width
	for stage, blocks := range c.Blocks {
		stageScope := scope.In("layer%d", stage+1)
		for i := range blocks {
			stride := 1
			if stage > 0 && i == 0 {
				stride = 2
			}
			x = n.block(stageScope.In("%d", i), x, planes, stride)
		}
		n.tap(n.name(stageScope), "stage", x)
		planes *= 2
	}
	return n.head(scope, x)
}

func (n *network) stem(scope *model.Scope, x *graph.Node) *graph.Node {
	kernel, stride := 7, 2
	if n.Stem != ImageNetStem {
		kernel, stride = 3, 1
	}
	x = n.conv(scope.In("conv1"), x, Convolution{n.Width, kernel, stride, 1}, false)
	if !n.PreActivation {
		x = n.norm(scope.In("bn1"), x, false)
		x = n.relu("relu", x)
	}
	if n.Stem.pools() {
		x = graph.MaxPool(x).Window(3).Strides(2).PaddingPerDim([][2]int{{1, 1}, {1, 1}}).Done()
		n.tap("maxpool", "max pool", x)
	}
	return x
}

func (n *network) head(scope *model.Scope, x *graph.Node) *graph.Node {
	if n.PreActivation {
		x = n.norm(scope.In("norm"), x, false)
		x = n.relu("relu", x)
	}
	// From here on, half precision would save little time and lose accuracy.
	x = graph.ConvertDType(x, nn.WeightType(x.DType()))
	x = graph.ReduceMean(x, 1, 2)
	n.tap("avgpool", "average pool", x)
	return n.linear(scope.In(HeadName), x, n.Classes)
}

// block builds one residual block, or its plain twin.
func (n *network) block(scope *model.Scope, x *graph.Node, planes, stride int) *graph.Node {
	convolutions := n.Branch(planes, stride)
	var y *graph.Node
	if n.PreActivation {
		y = n.preActivated(scope, x, convolutions, stride)
	} else {
		y = n.postActivated(scope, x, convolutions, stride)
	}
	n.tap(n.name(scope), "block", y)
	return y
}

// Branch returns the convolutions of a block's branch: conv1, conv2 and, in a bottleneck, conv3.
// planes is [Config.Width] in the first stage and doubles from stage to stage; stride is the
// block's.
func (c Config) Branch(planes, stride int) []Convolution {
	if c.Block == Basic {
		return []Convolution{
			{planes, 3, stride, 1},
			{planes, 3, 1, 1},
		}
	}
	groups, widthPerGroup := c.grouping()
	width := planes * widthPerGroup / 64 * groups
	first, second := 1, stride
	if c.StrideFirst {
		first, second = stride, 1
	}
	return []Convolution{
		{width, 1, first, 1},
		{width, 3, second, groups},
		{planes * c.Block.expansion(), 1, 1, 1},
	}
}

// postActivated builds the block of He et al. 2015: convolution, batch norm, ReLU, and so on, with
// the last ReLU after the addition.
func (n *network) postActivated(scope *model.Scope, x *graph.Node, convolutions []Convolution, stride int) *graph.Node {
	y := x
	last := len(convolutions) - 1
	for i, convolution := range convolutions {
		y = n.conv(scope.In("conv%d", i+1), y, convolution, false)
		y = n.norm(scope.In("bn%d", i+1), y, i == last && n.ZeroInitResidual)
		if i < last {
			y = n.relu(fmt.Sprintf("%s.relu%d", n.name(scope), i+1), y)
		}
	}
	if !n.Plain {
		y = graph.Add(y, n.shortcut(scope, x, convolutions[last].Out, stride))
	}
	return n.relu(fmt.Sprintf("%s.relu%d", n.name(scope), last+1), y)
}

// preActivated builds the block of He et al. 2016: batch norm, ReLU, convolution, and so on. The
// output is the sum itself, without a ReLU.
func (n *network) preActivated(scope *model.Scope, x *graph.Node, convolutions []Convolution, stride int) *graph.Node {
	y := x
	last := len(convolutions) - 1
	var activated *graph.Node
	for i, convolution := range convolutions {
		y = n.norm(scope.In("bn%d", i+1), y, false)
		y = n.relu(fmt.Sprintf("%s.relu%d", n.name(scope), i+1), y)
		if i == 0 {
			activated = y
		}
		y = n.conv(scope.In("conv%d", i+1), y, convolution, i == last && n.ZeroInitResidual)
	}
	if n.Plain {
		return y
	}
	if n.changes(x, convolutions[last].Out, stride) {
		x = activated
	}
	return graph.Add(y, n.shortcut(scope, x, convolutions[last].Out, stride))
}

// changes reports whether a block's shortcut is not the identity.
func (n *network) changes(x *graph.Node, channels, stride int) bool {
	return n.Shortcut == ShortcutC || stride != 1 || x.Shape().Dim(-1) != channels
}

// shortcut brings x, a block's input, to the shape of the branch's output.
func (n *network) shortcut(scope *model.Scope, x *graph.Node, channels, stride int) *graph.Node {
	if !n.changes(x, channels, stride) {
		return x
	}
	if n.Shortcut.pads() {
		every := graph.AxisRange().Stride(stride)
		x = graph.Slice(x, graph.AxisRange(), every, every, graph.AxisRange())
		before, after := n.Shortcut.Padding(channels - x.Shape().Dim(-1))
		zero := graph.ScalarZero(x.Graph(), x.DType())
		x = nn.Pad(x, zero, compute.PadAxis{}, compute.PadAxis{}, compute.PadAxis{},
			compute.PadAxis{Start: before, End: after})
	} else {
		downsample := scope.In("downsample")
		x = n.conv(downsample.In("0"), x, Convolution{channels, 1, stride, 1}, false)
		if !n.PreActivation {
			x = n.norm(downsample.In("1"), x, false)
		}
	}
	n.tap(n.name(scope)+".downsample", "shortcut", x)
	return x
}

// Convolution is the shape of a 2-D convolution without bias: the number of its output channels, the
// height and width of its kernel, its stride, and the number of its groups.
type Convolution struct {
	Out, Kernel, Stride, Groups int
}

// conv builds a convolution, padded so that stride 1 keeps height and width. Its weight is
// [kernel, kernel, in/groups, out]. It is initialised as in He et al. 2015, "Delving Deep into
// Rectifiers" (https://arxiv.org/abs/1502.01852): normal with variance 2/fan-out, which preserves
// the size of the gradients. If zero is set, it is initialised with 0.
func (n *network) conv(scope *model.Scope, x *graph.Node, c Convolution, zero bool) *graph.Node {
	in := x.Shape().Dim(-1)
	fanOut := float64(c.Kernel * c.Kernel * c.Out)
	initial := initializer.RandomNormalFn(scope, math.Sqrt(2/fanOut))
	if zero {
		initial = initializer.Zero
	}
	weight := scope.WithInitializer(initial).
		VariableWithShape("weight", shapes.Make(nn.WeightType(x.DType()), c.Kernel, c.Kernel, in/c.Groups, c.Out))
	pad := [2]int{c.Kernel / 2, c.Kernel / 2}
	y := graph.Convolve(x, graph.ConvertDType(weight.NodeValue(x.Graph()), x.DType())).
		Strides(c.Stride).PaddingPerDim([][2]int{pad, pad}).ChannelGroupCount(c.Groups).Done()
	size := int64(weight.Shape().Size())
	pixels := int64(y.Shape().Dim(1) * y.Shape().Dim(2))
	n.done(layer{n.name(scope), fmt.Sprintf("conv %d×%d", c.Kernel, c.Kernel), y, size, size * pixels})
	return y
}

// norm builds a batch norm.
func (n *network) norm(scope *model.Scope, x *graph.Node, zeroGamma bool) *graph.Node {
	name := n.name(scope)
	frozen := n.training.FreezeNorms || n.training.freezes(n.Config, name)
	y := nn.BatchNorm(scope, x).ZeroGamma(zeroGamma).Frozen(frozen).Local(n.training.LocalNorms).Done()
	n.done(layer{name, "batch norm", y, 2 * int64(x.Shape().Dim(-1)), 0})
	return y
}

// relu builds a ReLU.
func (n *network) relu(name string, x *graph.Node) *graph.Node {
	// The 0 comes first: if the operands are equal, GoMLX gives the gradient to the first, and
	// PyTorch's ReLU has no gradient at 0. With ZeroInitResidual, many values are 0.
	y := graph.Max(graph.ScalarZero(x.Graph(), x.DType()), x)
	n.tap(name, "ReLU", y)
	return y
}

// linear builds x·weight + bias. weight, [in, out], and bias, [out], are initialised as in PyTorch,
// uniformly in ±1/√in.
func (n *network) linear(scope *model.Scope, x *graph.Node, out int) *graph.Node {
	in := x.Shape().Dim(-1)
	bound := 1 / math.Sqrt(float64(in))
	scope = scope.WithInitializer(initializer.RandomUniformFn(scope, -bound, bound))
	weight := scope.VariableWithShape("weight", shapes.Make(x.DType(), in, out))
	bias := scope.VariableWithShape("bias", shapes.Make(x.DType(), out))
	y := graph.MatMul(x, weight.NodeValue(x.Graph()))
	y = graph.Add(y, graph.Reshape(bias.NodeValue(x.Graph()), 1, out))
	n.done(layer{n.name(scope), "linear", y, int64(in*out + out), int64(in * out)})
	return y
}

// tap passes on a value that has no parameters.
func (n *network) tap(name, kind string, x *graph.Node) {
	n.done(layer{name: name, kind: kind, output: x})
}

// name returns the scope's name within the network, as torchvision spells it.
func (n *network) name(scope *model.Scope) string {
	return dotted(n.root, scope.Scope())
}

func dotted(root, path string) string {
	return strings.ReplaceAll(strings.Trim(strings.TrimPrefix(path, root), "/"), "/", ".")
}

// StateDictKey returns the key in torchvision's state_dict of a variable that Forward created
// under scope: its path below scope with dots instead of slashes, such as layer1.0.conv1.weight
// for layer1/0/conv1/weight. ok is false for a variable that is not under scope.
//
// The names are the same, but the layouts differ. A convolution's weight is
// [height, width, in, out] here and [out, in, height, width] in PyTorch; fc.weight is [in, out]
// here and [out, in] in PyTorch.
func StateDictKey(scope *model.Scope, variable *model.Variable) (key string, ok bool) {
	root := strings.TrimSuffix(scope.Scope(), "/") + "/"
	if !strings.HasPrefix(variable.Path(), root) {
		return "", false
	}
	return dotted(root, variable.Path()), true
}

// DType is the dtype of the weights and, except in mixed precision, of the images.
const DType = dtypes.Float32

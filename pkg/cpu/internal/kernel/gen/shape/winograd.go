package shape

// Winograd's algorithm F(4×4, 3×3) evaluates polynomials at the points 0, ±WinogradP, ±WinogradQ and
// infinity. The usual points, ±1 and ±2, have errors three times as large. With these, float32
// represents every coefficient of the input's and the output's transforms exactly, and the mean error
// of a result is twice that of a plain sum of products.
const WinogradP, WinogradQ = 0.75, 1.5

// The squares and cubes of the points, and the coefficients of (x² − p²)(x² − q²).
const (
	p2, p3 = WinogradP * WinogradP, WinogradP * WinogradP * WinogradP
	q2, q3 = WinogradQ * WinogradQ, WinogradQ * WinogradQ * WinogradQ

	WinogradConstant  = p2 * q2
	WinogradQuadratic = p2 + q2
)

// The scales of the points 0, ±p and ±q: 1 over the derivative of x(x² − p²)(x² − q²) at the point.
const (
	WinogradScale0 = 1 / (p2 * q2)
	WinogradScaleP = 1 / (2 * p2 * (p2 - q2))
	WinogradScaleQ = 1 / (2 * q2 * (q2 - p2))
)

// The transforms along one axis, as matrices. Along both axes, a transform of X is M X Mᵀ.
var (
	// WinogradInput is Bᵀ: 6 pixels of the input.
	WinogradInput = [][]float32{
		{WinogradConstant, 0, -WinogradQuadratic, 0, 1, 0},
		{0, -WinogradP * q2, -q2, WinogradP, 1, 0},
		{0, WinogradP * q2, -q2, -WinogradP, 1, 0},
		{0, -WinogradQ * p2, -p2, WinogradQ, 1, 0},
		{0, WinogradQ * p2, -p2, -WinogradQ, 1, 0},
		{0, WinogradConstant, 0, -WinogradQuadratic, 0, 1},
	}
	// WinogradTaps is G: 3 taps.
	WinogradTaps = [][]float32{
		{WinogradScale0, 0, 0},
		{WinogradScaleP, WinogradScaleP * WinogradP, WinogradScaleP * p2},
		{WinogradScaleP, -WinogradScaleP * WinogradP, WinogradScaleP * p2},
		{WinogradScaleQ, WinogradScaleQ * WinogradQ, WinogradScaleQ * q2},
		{WinogradScaleQ, -WinogradScaleQ * WinogradQ, WinogradScaleQ * q2},
		{0, 0, 1},
	}
	// WinogradOutput is Aᵀ: 6 products become 4 pixels of the output.
	WinogradOutput = [][]float32{
		{1, 1, 1, 1, 1, 0},
		{0, WinogradP, -WinogradP, WinogradQ, -WinogradQ, 0},
		{0, p2, p2, q2, q2, 0},
		{0, p3, -p3, q3, -q3, 1},
	}
	// WinogradDelta is A: 4 pixels of the output's gradient, for the gradient of the taps.
	WinogradDelta = transpose(WinogradOutput)
	// WinogradSum is Gᵀ: 6 sums of products become the gradient of 3 taps.
	WinogradSum = transpose(WinogradTaps)
)

func transpose(m [][]float32) [][]float32 {
	t := make([][]float32, len(m[0]))
	for i := range t {
		for _, row := range m {
			t[i] = append(t[i], row[i])
		}
	}
	return t
}

// Transform is a transform of Winograd's algorithm along one axis: From elements become To.
type Transform struct {
	Name, Doc string
	From, To  int
	// Gathers says that the transform reads pixels and writes planes; otherwise it reads planes and
	// writes pixels.
	Gathers bool
	// Constants are the factors that the generated code keeps in registers.
	Constants []float32
}

// The transforms to generate.
var (
	TransformInput = Transform{"winogradInput", "transforms the pixels of the input.", 6, 6, true,
		[]float32{WinogradConstant, WinogradQuadratic, p2, q2, WinogradP, WinogradQ}}
	TransformTaps = Transform{"winogradTaps", "transforms the taps.", 3, 6, true,
		[]float32{WinogradScale0, WinogradScaleP, WinogradScaleP * WinogradP, WinogradScaleP * p2,
			WinogradScaleQ, WinogradScaleQ * WinogradQ, WinogradScaleQ * q2}}
	TransformOutput = Transform{"winogradOutput", "transforms products to pixels of the output.", 6, 4, false,
		[]float32{WinogradP, WinogradQ, p2, q2, p3, q3}}
	TransformDelta = Transform{"winogradDelta", "transforms the pixels of the output's gradient.", 4, 6, true,
		[]float32{WinogradP, WinogradQ, p2, q2, p3, q3}}
	TransformSum = Transform{"winogradSum", "transforms sums of products to the gradient of the taps.", 6, 3, false,
		[]float32{WinogradScale0, WinogradScaleP, WinogradScaleQ, WinogradScaleP * WinogradP, WinogradScaleQ * WinogradQ,
			WinogradScaleP * p2, WinogradScaleQ * q2}}
)

// Package classifier tells classes of rows apart: by fully connected layers, or by LeNet where rows are square images. It
// is the plainest model there is, for questions about training itself, such as how many numbers a task takes to learn:
//
//	net := classifier.MLP{Hidden: []int{64, 64}, Classes: 10}
//	report, err := nn.Train(ctx, w, classifier.Loss(net), feed, nn.Options{})
//	l, err := classifier.Landscape(ctx, net, train, test, classifier.LandscapeOptions{})
package classifier

import (
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
)

// Net is an architecture. It holds no weights, and is safe for concurrent use.
type Net interface {
	Logits(scope *model.Scope, x *Node) *Node // rows (batch, columns) to (batch, classes)
	String() string
}

// Loss is the mean cross-entropy in nats of rows, (batch, columns), and their classes, (batch, 1), with the share of rows
// that are put into the right class as the metric "accuracy".
func Loss(net Net) nn.Loss {
	return func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
		return nn.CrossEntropy(net.Logits(scope, in[0]), in[1])
	}
}

// MLP is fully connected layers with ReLU between them. Weights start as He et al. 2015 draw them, biases at 0.
type MLP struct {
	Hidden  []int // their widths
	Classes int
}

// Logits implements Net.
func (m MLP) Logits(scope *model.Scope, x *Node) *Node {
	if m.Classes < 1 || slices.ContainsFunc(m.Hidden, func(w int) bool { return w < 1 }) {
		panic(fmt.Errorf("classifier: %v; want layers and classes of 1 or more", m))
	}
	for i, width := range m.Hidden {
		x = activation.Relu(nn.Dense(scope.In("hidden%d", i), x, width))
	}
	return nn.Dense(scope.In("logits"), x, m.Classes)
}

func (m MLP) String() string { return fmt.Sprintf("fully connected %v to %d", m.Hidden, m.Classes) }

// LeNet is LeCun et al. 1998's for grey images, as Li et al. 2018 have it: two layers of 5×5 filters, 6 and 16, each with
// ReLU and the largest of each 2×2, then fully connected ones of 120 and 84. Images are rows, and square: 16 pixels a side,
// or 4, 8, 12 … more. For 28 and ten classes it has 44,426 parameters.
type LeNet struct{ Classes int }

// Logits implements Net.
func (m LeNet) Logits(scope *model.Scope, x *Node) *Node {
	batch, pixels := x.Shape().Dim(0), x.Shape().Dim(1)
	side := int(math.Sqrt(float64(pixels)))
	if side*side != pixels || side < 16 || side%4 != 0 || m.Classes < 1 {
		panic(fmt.Errorf("classifier: LeNet of %d pixels and %d classes; want a square of 16, 20, 24 … a side", pixels, m.Classes))
	}
	x = Reshape(x, batch, side, side, 1)
	x = activation.Relu(pool(convolve(scope.In("conv0"), x, 6))) // the largest first: the same, and cheaper
	x = activation.Relu(pool(convolve(scope.In("conv1"), x, 16)))
	return MLP{[]int{120, 84}, m.Classes}.Logits(scope, Reshape(x, batch, -1))
}

func (m LeNet) String() string { return fmt.Sprintf("LeNet to %d", m.Classes) }

const filter = 5 // pixels a side

// convolve is x, (batch, height, width, channels), under out filters, at every place where they fit: a layer over the
// pixels of each place. GoMLX's own convolution takes 1.6 s for a step of LeNet on its Go backend, this one 0.1.
func convolve(scope *model.Scope, x *Node, out int) *Node {
	d := x.Shape().Dimensions
	height, width := d[1]-filter+1, d[2]-filter+1
	var pixels []*Node
	for i := range filter {
		for j := range filter {
			pixels = append(pixels, Slice(x, AxisRange(), AxisRange(i, i+height), AxisRange(j, j+width), AxisRange()))
		}
	}
	y := nn.Dense(scope, Reshape(Concatenate(pixels, 3), d[0]*height*width, filter*filter*d[3]), out)
	return Reshape(y, d[0], height, width, out)
}

// pool is the largest of each 2×2 pixels of x, (batch, height, width, channels), both even.
func pool(x *Node) *Node {
	d := x.Shape().Dimensions
	x = Reshape(x, d[0]*d[1]/2, 2, d[2], d[3])
	x = Max(Slice(x, AxisRange(), AxisElem(0)), Slice(x, AxisRange(), AxisElem(1)))
	x = Reshape(x, d[0]*d[1]/2, d[2]/2, 2, d[3])
	x = Max(Slice(x, AxisRange(), AxisRange(), AxisElem(0)), Slice(x, AxisRange(), AxisRange(), AxisElem(1)))
	return Reshape(x, d[0], d[1]/2, d[2]/2, d[3])
}

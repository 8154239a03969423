// Package matformer is a transformer that holds smaller ones: the first units of each feed-forward block are a block
// themselves. It is trained once, and cut to the size that a phone, a laptop or a cluster can run, with no further training.
//
//	m := matformer.New(matformer.Options{Tokens: 16, Size: 49, Classes: 10})
//	_, err = nn.Train(ctx, w, m.Loss, m.OneOf(feed, seed), nn.Options{Steps: 1500})
//	plan, err := m.MixNMatch(80_000)          // at most so many parameters
//	small, weights, err := m.Extract(w, plan) // a model of its own
//	z, err := weights.Apply(ctx, small.Encode(nil), x)
//
// Here it reads rows of tokens, such as patches of an image, into a vector and a class. Vectors of all sizes are of one space:
// queries of a small model can be answered from a gallery of the large one. Attention, norms and embeddings are shared whole.
// Source: Devvrit et al. 2024, arXiv 2310.07707, section 3, with ReLU in place of GELU.
package matformer

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
)

// Options are the size of a model.
type Options struct {
	Tokens  int // of a sample
	Size    int // numbers of a token
	Classes int
	Width   int  // of the vector of a token; 0 means 64
	Heads   int  // 0 means 4
	Layers  int  // 0 means 3
	Hidden  Plan // units of the feed-forward block of each layer; nil means 4·Width
	// Shares of those units that are trained as models of their own, falling from 1: the levels, of which 0 is the whole
	// model. Nil means 1, ½, ¼ and ⅛, the paper's XL, L, M and S. With 1 alone it is a plain transformer.
	Shares []float64
}

// Model is the architecture. It holds no weights, and is safe for concurrent use.
type Model struct{ o Options }

// New returns the model of a size.
func New(o Options) *Model {
	o.Width, o.Heads, o.Layers = cmp.Or(o.Width, 64), cmp.Or(o.Heads, 4), cmp.Or(o.Layers, 3)
	if o.Hidden == nil {
		o.Hidden = make(Plan, max(o.Layers, 0))
		for l := range o.Hidden {
			o.Hidden[l] = 4 * o.Width
		}
	}
	o.Hidden = slices.Clone(o.Hidden)
	if o.Shares == nil {
		o.Shares = []float64{1, 0.5, 0.25, 0.125}
	}
	return &Model{o}
}

// Options returns the size, with what its zeros mean.
func (m *Model) Options() Options { return m.o }

// check says what is wrong with the size.
func (m *Model) check() error {
	o := m.o
	if min(o.Tokens, o.Size, o.Classes, o.Width, o.Heads, o.Layers) < 1 || o.Width%o.Heads != 0 || len(o.Hidden) != o.Layers {
		return fmt.Errorf("matformer: %+v; want 1 or more of all, a width that heads divide, and units for each layer", o)
	}
	if len(o.Shares) == 0 {
		return fmt.Errorf("matformer: no shares; want them to begin with 1")
	}
	before := math.Inf(1)
	for i, s := range o.Shares {
		if !(s > 0 && s < before) || i == 0 && s != 1 {
			return fmt.Errorf("matformer: shares are %v; want them to fall from 1", o.Shares)
		}
		before = s
	}
	for l, n := range o.Hidden {
		if n < 1 {
			return fmt.Errorf("matformer: layer %d has %d units; want 1 or more", l, n)
		}
	}
	return nil
}

// Encode returns the graph from rows x, (batch, tokens·size), to vectors, (batch, width), through the part of the model that
// a plan names; nil is the whole.
func (m *Model) Encode(p Plan) func(scope *model.Scope, x *Node) *Node {
	return func(scope *model.Scope, x *Node) *Node {
		p, err := m.complete(p)
		if err != nil {
			panic(err)
		}
		o := m.o
		scope = scope.ResetVisited() // several parts may be in one graph
		x.AssertDims(-1, o.Tokens*o.Size)
		batch := x.Shape().Dim(0)
		h := nn.Dense(scope.In("embed"), Reshape(x, batch*o.Tokens, o.Size), o.Width)
		small := scope.WithInitializer(func(g *Graph, s shapes.Shape) *Node { return MulScalar(scope.RandomNormal(g, s), 0.02) })
		places := small.VariableWithShape("places", shapes.Make(x.DType(), o.Tokens, o.Width)).NodeValue(x.Graph())
		h = Add(Reshape(h, batch, o.Tokens, o.Width), InsertAxes(places, 0))
		h = Reshape(h, batch*o.Tokens, o.Width)
		for l, units := range p {
			s := scope.In("layer%d", l)
			h = Add(h, nn.Attend(s.In("attention"), nn.LayerNorm(s.In("norm0"), h), m.o.Tokens, m.o.Heads, nil))
			h = Add(h, m.forward(s, nn.LayerNorm(s.In("norm1"), h), l, units))
		}
		h = nn.LayerNorm(scope.In("norm"), h)
		z := ReduceMean(Reshape(h, batch, o.Tokens, o.Width), 1)
		z.AssertDims(batch, o.Width)
		return z
	}
}

// forward is W₂[:units]·relu(W₁[:, :units]·x + b₁[:units]) + b₂ for x of shape (rows, width): the block's first units.
func (m *Model) forward(scope *model.Scope, x *Node, layer, units int) *Node {
	hidden := m.o.Hidden[layer]
	h := activation.Relu(nn.Nested(scope.In("wide"), x, m.o.Width, hidden, units))
	return nn.Nested(scope.In("narrow"), h, hidden, m.o.Width, m.o.Width)
}

// Classify maps vectors to the logits of classes, (batch, classes).
func (m *Model) Classify(scope *model.Scope, z *Node) *Node {
	return nn.Dense(scope.ResetVisited().In("classes"), z, m.o.Classes)
}

// Loss is the mean cross-entropy in nats of the level that nn.VariantOf names, of rows and their classes: with a feed of OneOf
// that of one level at a time, the paper's training; otherwise that of the whole model.
func (m *Model) Loss(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
	return m.of(nn.VariantOf(scope, in[0].Graph()))(scope, in)
}

// Joint is the mean of the cross-entropies of all levels on the same batch: the training of the authors' code, which adds them
// up. The metric is that of the whole model.
func (m *Model) Joint(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
	sum, metrics := m.of(0)(scope, in)
	for i := 1; i < len(m.o.Shares); i++ {
		l, _ := m.of(i)(scope, in)
		sum = Add(sum, l)
	}
	return DivScalar(sum, len(m.o.Shares)), metrics
}

// of is the loss of a level.
func (m *Model) of(level int) nn.Loss {
	return func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
		if level < 0 || level >= len(m.o.Shares) {
			panic(fmt.Errorf("matformer: level %d of %d", level, len(m.o.Shares)))
		}
		return nn.CrossEntropy(m.Classify(scope, m.Encode(m.Level(level))(scope, in[0])), in[1])
	}
}

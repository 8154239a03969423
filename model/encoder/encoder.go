// Package encoder is a small transformer from the words of a text to one vector: trained before to guess words that were
// hidden, then fine-tuned to tell texts apart, or whether two mean the same.
//
//	m := encoder.New(encoder.Options{Words: v.Size()})
//	_, err = nn.Train(ctx, w, m.Hidden, texts, nn.Options{Steps: 3000})
//	_, err = nn.Train(ctx, w, m.Pairs, pairs, nn.Options{Steps: 200})
//	z, err := w.Apply(ctx, m.Encode, tokens)
//
// Layers are those of Vaswani et al. 2017 with the norm first, as Xiong et al. 2020 have it.
package encoder

import (
	"cmp"
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
)

// Options are the size of a model.
type Options struct {
	Words  int // that a token can be, with 0 for none
	Length int // tokens of a text; 0 means 16
	Width  int // of the vector of a token and of a text; 0 means 32
	Heads  int // 0 means 2
	Layers int // 0 means 1
}

// Model is the architecture. It holds no weights, and is safe for concurrent use.
type Model struct{ o Options }

// New returns the model of a size.
func New(o Options) *Model {
	o.Length, o.Width = cmp.Or(o.Length, 16), cmp.Or(o.Width, 32)
	o.Heads, o.Layers = cmp.Or(o.Heads, 2), cmp.Or(o.Layers, 1)
	return &Model{o}
}

// Options returns the size, with what its zeros mean.
func (m *Model) Options() Options { return m.o }

// tokens are the vectors of tokens within their text: ids (batch, length), 0 past the end, to (batch·length, width); with
// them is returned which tokens there are, (batch, length).
func (m *Model) tokens(scope *model.Scope, ids *Node) (h, there *Node) {
	o := m.o
	if o.Words < 2 || o.Length < 1 || o.Heads < 1 || o.Layers < 1 || o.Width < 1 || o.Width%o.Heads != 0 {
		panic(fmt.Errorf("encoder: %+v; want two words or more, 1 or more of all else, and a width that heads divide", o))
	}
	ids.AssertDims(-1, o.Length)
	ids = ConvertDType(ids, dtypes.Int32)
	batch := ids.Shape().Dim(0)
	there = ConvertDType(GreaterThan(ids, ZerosLike(ids)), dtypes.Float32)
	h = Add(
		Gather(m.table(scope).NodeValue(ids), InsertAxes(ids, -1)),
		InsertAxes(scope.WithInitializer(small(scope)).VariableWithShape("places", shapes.Make(dtypes.Float32, o.Length, o.Width)).NodeValue(ids), 0))
	h = Reshape(h, batch*o.Length, o.Width)
	for i := range o.Layers {
		s := scope.In("layer%d", i)
		h = Add(h, nn.Attend(s.In("attention"), nn.LayerNorm(s.In("norm0"), h), o.Length, o.Heads, there))
		x := nn.LayerNorm(s.In("norm1"), h)
		x = activation.Relu(nn.Dense(s.In("wide"), x, 2*o.Width))
		h = Add(h, nn.Dense(s.In("narrow"), x, o.Width))
	}
	return nn.LayerNorm(scope.In("norm"), h), there
}

// table are the vectors of words, (words, width).
func (m *Model) table(scope *model.Scope) *model.Variable {
	return scope.WithInitializer(small(scope)).VariableWithShape("words", shapes.Make(dtypes.Float32, m.o.Words, m.o.Width))
}

func small(scope *model.Scope) model.VariableInitializer {
	return func(g *Graph, s shapes.Shape) *Node { return MulScalar(scope.RandomNormal(g, s), 0.1) }
}

// Encode maps texts, their tokens (batch, length) as float32, to vectors, (batch, width): the mean of those of their tokens.
func (m *Model) Encode(scope *model.Scope, ids *Node) *Node {
	scope = scope.At("encoder")
	h, there := m.tokens(scope, ids)
	h = Reshape(h, -1, m.o.Length, m.o.Width)
	weights := InsertAxes(Div(there, MaxScalar(ReduceAndKeep(there, ReduceSum, 1), 1)), -1)
	z := ReduceSum(Mul(h, weights), 1)
	z.AssertDims(ids.Shape().Dim(0), m.o.Width)
	return z
}

// Hidden is the mean cross-entropy in nats of guessing hidden words: of tokens (batch, length), the places within them
// that were hidden (batch, n), and the words there (batch, n), all float32.
func (m *Model) Hidden(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
	scope = scope.At("encoder")
	h, _ := m.tokens(scope, in[0])
	places := ConvertDType(in[1], dtypes.Int32)
	places = Add(places, MulScalar(Iota(places.Graph(), places.Shape(), 0), m.o.Length)) // of all texts in one row
	h = Gather(h, Reshape(places, -1, 1))
	h = nn.Dense(scope.In("guess"), h, m.o.Width)
	logits := MatMul(h, Transpose(m.table(scope).NodeValue(h), 0, 1))
	words := Reshape(ConvertDType(in[2], dtypes.Int32), -1, 1)
	return nn.CrossEntropy(logits, words)
}

// Classes is the mean cross-entropy in nats of telling n classes of texts apart: of the tokens and the class, (batch, 1). A
// layer decides by the vector.
func (m *Model) Classes(n int) nn.Loss {
	return func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
		return nn.CrossEntropy(nn.Dense(scope.In("head"), m.Encode(scope, in[0]), n), in[1])
	}
}

// Pairs is the mean cross-entropy in nats of telling whether two texts mean the same: of the tokens of one, of the other,
// and the class, (batch, 1). A layer decides by |u-v| and u·v of their vectors.
func (m *Model) Pairs(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
	z := m.Encode(scope, Concatenate(in[:2], 0))
	n := in[0].Shape().Dim(0)
	u, v := Slice(z, AxisRange(0, n)), Slice(z, AxisRange(n))
	return nn.CrossEntropy(nn.Dense(scope.In("head"), Concatenate([]*Node{Abs(Sub(u, v)), Mul(u, v)}, 1), 2), in[2])
}

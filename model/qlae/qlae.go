// Package qlae is the quantised-latent autoencoder: an autoencoder each of whose latents can take a few learnt values only,
// trained with strong weight decay, so that it has to give every source of variation latents of its own.
//
//	m := qlae.New(x.Cols, qlae.Options{Latents: 8})
//	report, err := nn.Train(ctx, w, m.Loss, feed, nn.Options{Steps: 2500, Rate: 3e-3, Optimizer: nn.AdamW{Decay: 0.1, Clip: 1}})
//	z, err := w.Apply(ctx, m.Latents, x)   // n×8, for measure/disentangle
//	c, err := m.Codec(w)                   // stores a row of z in Latents·⌈log₂ Values⌉ bits
//
// Decay works as rate·decay·steps: the paper's 1e-3·0.1·200,000 shrinks weights that nothing holds by e²⁰, so a short run
// wants a larger one. Source: Hsu et al. 2023, arXiv 2305.18378, section 3, and the code of its authors; of their encoders and
// decoders, this has the dense ones, without normalization.
package qlae

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/loss"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/quantize/latent"
)

// Options are the size of a model and the weights of its loss.
type Options struct {
	Latents int     // n_z; 0 means 10. The paper takes twice the number of sources
	Values  int     // n_v, that each latent can take, 1 to 256; 0 means 10
	Width   int     // of the two hidden layers of the encoder, and of the decoder; 0 means 64
	Lambda  float64 // weight of both the quantisation and the commitment loss; 0 means 0.01
	Global  bool    // one codebook for all latents: what the paper compares with
}

// Model is the architecture. It holds no weights, and is safe for concurrent use.
type Model struct {
	columns int
	o       Options
}

// New returns the model of rows of so many numbers, from 0 to 1.
func New(columns int, o Options) *Model {
	o.Latents, o.Values, o.Width = cmp.Or(o.Latents, 10), cmp.Or(o.Values, 10), cmp.Or(o.Width, 64)
	o.Lambda = cmp.Or(o.Lambda, 0.01)
	return &Model{columns, o}
}

// Encode maps rows x, (batch, columns), to latents before they are quantised, (batch, latents).
func (m *Model) Encode(scope *model.Scope, x *Node) *Node {
	if m.o.Latents < 1 || m.o.Values < 1 || m.o.Values > 256 || m.o.Width < 1 || !(m.o.Lambda > 0) {
		panic(fmt.Errorf("qlae: %+v; want 1 or more latents and a width, 1 to 256 values, a lambda above 0", m.o))
	}
	x.AssertDims(-1, m.columns)
	return nn.MLP(scope.In("encoder"), x, m.o.Width, m.o.Width, m.o.Latents)
}

// Codebooks are the values of each latent, (latents, values), or (1, values) if one codebook is that of all.
func (m *Model) Codebooks(scope *model.Scope, g *Graph) *Node {
	books := m.o.Latents
	if m.o.Global {
		books = 1
	}
	values := make([][]float32, books) // from -½ to ½
	for j := range values {
		values[j] = make([]float32, m.o.Values)
		for k := range values[j] {
			values[j][k] = float32(k)/float32(max(m.o.Values-1, 1)) - 0.5
		}
	}
	return scope.At("latent").VariableWithValue("values", values).NodeValue(g)
}

// Quantize takes each latent to the nearest of its values, of two as near the one with the lower number. A gradient reaches
// the values, none reaches z.
func (m *Model) Quantize(scope *model.Scope, z *Node) (q *Node) {
	v := InsertAxes(ConvertDType(m.Codebooks(scope, z.Graph()), z.DType()), 0) // (1, books, values)
	nearest := ArgMin(StopGradient(Abs(Sub(InsertAxes(z, -1), v))), -1, dtypes.Int32)
	q = ReduceSum(Mul(OneHot(nearest, m.o.Values, z.DType()), v), -1)
	q.AssertDims(-1, m.o.Latents)
	return q
}

// Decode maps latents to the logits of rows, (batch, columns).
func (m *Model) Decode(scope *model.Scope, z *Node) *Node {
	return nn.Settled(nn.MLP(scope.In("decoder"), z, m.o.Width, m.o.Width, m.columns))
}

// Loss is BCE(x, g(ẑ)) + λ·‖sg(z) - q‖²/n_z + λ·‖z - sg(q)‖²/n_z, each its mean over the batch, where
// z = f(x), q is z quantised, sg stops gradients, and ẑ is q that hands the decoder's gradient straight on to z. So
// values follow the latents that take them, and reconstruction does not reach them.
func (m *Model) Loss(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
	x := in[0]
	z := m.Encode(scope, x)
	q := m.Quantize(scope, z)
	quantization, commitment := gaps(z, q)
	bce := loss.BinaryCrossentropyLogits([]*Node{x}, []*Node{m.Decode(scope, nn.Straight(z, q))})
	total := Add(bce, MulScalar(Add(quantization, commitment), m.o.Lambda))
	return total, nn.Metrics{"reconstruction": bce, "quantization": quantization}
}

// gaps are the mean squared distance of z and q twice: with the gradient of q, and with that of z.
func gaps(z, q *Node) (quantization, commitment *Node) {
	return ReduceAllMean(Square(Sub(StopGradient(z), q))), ReduceAllMean(Square(Sub(z, StopGradient(q))))
}

// Latents maps rows to quantised latents.
func (m *Model) Latents(scope *model.Scope, x *Node) *Node {
	return m.Quantize(scope, m.Encode(scope, x))
}

// Generate maps latents to rows, with numbers from 0 to 1.
func (m *Model) Generate(scope *model.Scope, z *Node) *Node { return Sigmoid(m.Decode(scope, z)) }

// Reconstruct maps rows to what the decoder makes of their quantised latents.
func (m *Model) Reconstruct(scope *model.Scope, x *Node) *Node {
	return m.Generate(scope, m.Latents(scope, x))
}

// Codec returns the codec of a trained model's codebooks, which stores latents, quantised or not, as a few bits each and
// decodes them to the same values as the model. It numbers values in rising order, and equal ones as one.
func (m *Model) Codec(w *nn.Weights) (*latent.Codec, error) {
	v, dims, err := w.Float32("/latent/values")
	if err != nil {
		return nil, fmt.Errorf("qlae: codec: %w", err)
	}
	books := make([][]float32, m.o.Latents)
	for j := range books {
		row := j
		if m.o.Global {
			row = 0
		}
		if len(dims) != 2 || row >= dims[0] {
			return nil, fmt.Errorf("qlae: codec: weights have codebooks of shape %v, the model has %d latents", dims, m.o.Latents)
		}
		book := slices.Clone(v[row*dims[1] : (row+1)*dims[1]])
		slices.Sort(book)
		books[j] = slices.Compact(book)
	}
	return latent.New(books)
}

// Package vqvae is the vector-quantised autoencoder: each latent is one of a codebook of vectors, which all latents share. It
// is what latent quantisation is compared with, since its codes are as discrete, but its vectors have no order and no
// coordinates.
//
//	m := vqvae.New(x.Cols, vqvae.Options{Latents: 8})
//	report, err := nn.Train(ctx, w, m.Loss, feed, nn.Options{})
//	z, err := w.Apply(ctx, m.Codes, x)   // numbers of vectors, n×8
//
// Source: van den Oord et al. 2017, arXiv 1711.00937, with the weights of Hsu et al. 2023, arXiv 2305.18378.
package vqvae

import (
	"cmp"
	"fmt"
	"math"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/loss"

	"github.com/latent-go/latent/nn"
)

// Options are the size of a model and the weights of its loss.
type Options struct {
	Latents    int     // 0 means 10
	Vectors    int     // in the codebook; 0 means 512
	Size       int     // numbers in each; 0 means 64
	Width      int     // of the two hidden layers of the encoder, and of the decoder; 0 means 64
	Commitment float64 // weight of the commitment loss; 0 means 0.25
}

// Model is the architecture. It holds no weights, and is safe for concurrent use.
type Model struct {
	columns int
	o       Options
}

// New returns the model of rows of so many numbers, from 0 to 1.
func New(columns int, o Options) *Model {
	o.Latents, o.Vectors = cmp.Or(o.Latents, 10), cmp.Or(o.Vectors, 512)
	o.Size, o.Width = cmp.Or(o.Size, 64), cmp.Or(o.Width, 64)
	o.Commitment = cmp.Or(o.Commitment, 0.25)
	return &Model{columns, o}
}

// Encode maps rows x, (batch, columns), to latents before they are quantised, (batch, latents, size).
func (m *Model) Encode(scope *model.Scope, x *Node) *Node {
	if m.o.Latents < 1 || m.o.Vectors < 1 || m.o.Size < 1 || m.o.Width < 1 || !(m.o.Commitment > 0) {
		panic(fmt.Errorf("vqvae: %+v; want 1 or more of each, a commitment above 0", m.o))
	}
	x.AssertDims(-1, m.columns)
	z := nn.MLP(scope.In("encoder"), x, m.o.Width, m.o.Width, m.o.Latents*m.o.Size)
	return Reshape(z, x.Shape().Dim(0), m.o.Latents, m.o.Size)
}

// Quantize takes each latent to the nearest vector of the codebook. Rows of what it returns are latents, one row of x after
// the other.
func (m *Model) Quantize(scope *model.Scope, z *Node) nn.Quantized {
	end := math.Sqrt(3 / float64(m.o.Size)) // so that a vector's length is about 1
	scope = scope.In("latent")
	uniform := scope.WithInitializer(func(g *Graph, s shapes.Shape) *Node {
		return AddScalar(MulScalar(scope.RandomUniform(g, s), 2*end), -end)
	})
	v := uniform.VariableWithShape("vectors", shapes.Make(z.DType(), m.o.Vectors, m.o.Size)).NodeValue(z.Graph())
	return nn.VectorQuantize(Reshape(z, -1, m.o.Size), v)
}

// Decode maps latents, (batch, latents, size), to the logits of rows, (batch, columns).
func (m *Model) Decode(scope *model.Scope, z *Node) *Node {
	return nn.Settled(nn.MLP(scope.In("decoder"), Reshape(z, -1, m.o.Latents*m.o.Size), m.o.Width, m.o.Width, m.columns))
}

// Loss is BCE(x, g(ẑ)) + ‖sg(z) - q‖²/n + c·‖z - sg(q)‖²/n over the n numbers of the latents, its mean over the batch,
// where q is z quantised, and ẑ is q that hands the decoder's gradient straight on to z.
func (m *Model) Loss(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
	q := m.Quantize(scope, m.Encode(scope, in[0]))
	bce := loss.BinaryCrossentropyLogits(in[:1], []*Node{m.Decode(scope, q.Values)})
	quantization := DivScalar(q.Codebook, m.o.Size)
	total := Add(Add(bce, quantization), MulScalar(q.Commit, m.o.Commitment/float64(m.o.Size)))
	return total, nn.Metrics{"reconstruction": bce, "quantization": quantization}
}

// Codes maps rows to the numbers of their latents' vectors, (batch, latents).
func (m *Model) Codes(scope *model.Scope, x *Node) *Node {
	codes := m.Quantize(scope, m.Encode(scope, x)).Codes
	return ConvertDType(Reshape(codes, -1, m.o.Latents), x.DType())
}

// Reconstruct maps rows to what the decoder makes of their quantised latents, with numbers from 0 to 1.
func (m *Model) Reconstruct(scope *model.Scope, x *Node) *Node {
	return Sigmoid(m.Decode(scope, m.Quantize(scope, m.Encode(scope, x)).Values))
}

// Package vae is the variational autoencoder with a weight β on its divergence: latents are Gaussian, and are pulled towards
// independent standard ones, the more so the larger β is.
//
//	m := vae.New(x.Cols, vae.Options{Latents: 8, Beta: 1})
//	report, err := nn.Train(ctx, w, m.Loss, feed, nn.Options{})
//	z, err := w.Apply(ctx, m.Encode, x)   // the means
//
// Source: Kingma and Welling 2014, arXiv 1312.6114; Higgins et al. 2017 for β. Standard deviations are softplus(·), and the
// divergence is divided by the numbers in a row, as reconstruction is, as the authors of latent quantisation
// (arXiv 2305.18378) have it: so β = 1 is the bound on the likelihood.
package vae

import (
	"cmp"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/loss"

	"github.com/latent-go/latent/nn"
)

// Options are the size of a model and the weight of its divergence.
type Options struct {
	Latents int     // 0 means 10
	Width   int     // of the two hidden layers of the encoder, and of the decoder; 0 means 64
	Beta    float64 // 0 means 1
}

// Model is the architecture. It holds no weights, and is safe for concurrent use.
type Model struct {
	columns int
	o       Options
}

// New returns the model of rows of so many numbers, from 0 to 1.
func New(columns int, o Options) *Model {
	o.Latents, o.Width, o.Beta = cmp.Or(o.Latents, 10), cmp.Or(o.Width, 64), cmp.Or(o.Beta, 1)
	return &Model{columns, o}
}

// Posterior maps rows x, (batch, columns), to the means and standard deviations of their latents, each (batch, latents).
func (m *Model) Posterior(scope *model.Scope, x *Node) (mean, deviation *Node) {
	if m.o.Latents < 1 || m.o.Width < 1 || !(m.o.Beta > 0) {
		panic(fmt.Errorf("vae: %+v; want 1 or more latents and a width, a beta above 0", m.o))
	}
	x.AssertDims(-1, m.columns)
	h := nn.Settled(nn.MLP(scope.In("encoder"), x, m.o.Width, m.o.Width, 2*m.o.Latents))
	mean = Slice(h, AxisRange(), AxisRange(0, m.o.Latents))
	s := Slice(h, AxisRange(), AxisRange(m.o.Latents))
	return mean, AddScalar(softplus(s), 1e-6) // its logarithm stays finite
}

// softplus is ln(1 + eˣ).
func softplus(x *Node) *Node { return Add(MaxScalar(x, 0), Log1P(Exp(Neg(Abs(x))))) }

// Encode maps rows to the means of their latents, (batch, latents).
func (m *Model) Encode(scope *model.Scope, x *Node) *Node {
	mean, _ := m.Posterior(scope, x)
	return mean
}

// Decode maps latents to the logits of rows, (batch, columns).
func (m *Model) Decode(scope *model.Scope, z *Node) *Node {
	return nn.Settled(nn.MLP(scope.In("decoder"), z, m.o.Width, m.o.Width, m.columns))
}

// Loss is BCE(x, g(z)) + β/columns·Σ KL(N(μ, σ²) ‖ N(0, 1)), its mean over the batch, where z is drawn from N(μ, σ²) in
// training and is μ else.
func (m *Model) Loss(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
	mean, deviation := m.Posterior(scope, in[0])
	z := mean
	if g := z.Graph(); scope.IsTraining(g) {
		z = Add(mean, Mul(deviation, scope.RandomNormal(g, mean.Shape())))
	}
	bce := loss.BinaryCrossentropyLogits(in[:1], []*Node{m.Decode(scope, z)})
	kl := ReduceAllMean(ReduceSum(divergence(mean, deviation), -1))
	return Add(bce, MulScalar(kl, m.o.Beta/float64(m.columns))), nn.Metrics{"reconstruction": bce, "divergence": kl}
}

// divergence is KL(N(μ, σ²) ‖ N(0, 1)) of each latent, in nats.
func divergence(mean, deviation *Node) *Node {
	return Sub(MulScalar(AddScalar(Add(Square(mean), Square(deviation)), -1), 0.5), Log(deviation))
}

// Generate maps latents to rows, with numbers from 0 to 1.
func (m *Model) Generate(scope *model.Scope, z *Node) *Node { return Sigmoid(m.Decode(scope, z)) }

// Reconstruct maps rows to what the decoder makes of the means of their latents.
func (m *Model) Reconstruct(scope *model.Scope, x *Node) *Node {
	return m.Generate(scope, m.Encode(scope, x))
}

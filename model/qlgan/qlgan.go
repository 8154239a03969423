// Package qlgan is the quantised-latent InfoWGAN-GP: a generator makes rows of latents that are drawn, each from a few learnt
// values of its own, a critic tells them from the data, and an encoder reads the latents back off what was made of them. After
// training the encoder gives latents of data, as that of a quantised autoencoder does, though it never had to reconstruct any.
//
//	m := qlgan.New(x.Cols, qlgan.Options{Latents: 8})
//	report, err := m.Train(ctx, w, feed, nn.Options{Steps: 100_000})
//	z, err := w.Apply(ctx, m.Latents, x)   // n×8, for measure/disentangle
//	c, err := m.Codec(w)                   // stores a row of z in Latents·⌈log₂ Values⌉ bits
//
// Critic and encoder are one network with two heads, and learn together; the generator and the codebooks take a step after
// five of theirs. Source: Hsu et al. 2023, arXiv 2305.18378, and the code of its authors; Gulrajani et al. 2017,
// arXiv 1704.00028, for the gradient penalty; Chen et al. 2016, arXiv 1606.03657, for reading latents back. Of the authors'
// networks, this has the dense ones, without normalization.
package qlgan

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/model/qlae"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/quantize/latent"
)

// Options are the size of a model and the weights of its losses.
type Options struct {
	Latents     int     // n_z; 0 means 10. The paper takes twice the number of sources
	Values      int     // n_v, that each latent can take, 1 to 256; 0 means 10
	Noise       int     // normal numbers that the generator gets beside latents, for what is no source; 0 means none, as the authors have it
	Width       int     // of the two hidden layers of the critic and encoder, and of the generator; 0 means 64
	Information float64 // weight of reading latents back; 0 means 200
	Penalty     float64 // weight of the critic's gradient penalty; 0 means 10
	Lambda      float64 // weight of both the quantisation and the commitment loss; 0 means 0.01
	CriticSteps int     // to one of the generator; 0 means 5
}

// Model is the architecture. It holds no weights, and is safe for concurrent use.
type Model struct {
	columns int
	o       Options
	books   *qlae.Model // for its codebooks, and what goes by them
}

// New returns the model of rows of so many numbers, from 0 to 1.
func New(columns int, o Options) *Model {
	o.Latents, o.Values, o.Width = cmp.Or(o.Latents, 10), cmp.Or(o.Values, 10), cmp.Or(o.Width, 64)
	o.Information, o.Penalty, o.Lambda = cmp.Or(o.Information, 200), cmp.Or(o.Penalty, 10), cmp.Or(o.Lambda, 0.01)
	o.CriticSteps = cmp.Or(o.CriticSteps, 5)
	return &Model{columns, o, qlae.New(columns, qlae.Options{Latents: o.Latents, Values: o.Values})}
}

// check panics, as whatever builds graphs does, with what is wrong with the options.
func (m *Model) check() {
	o := m.o
	if o.Latents < 1 || o.Values < 1 || o.Values > 256 || o.Noise < 0 || o.Width < 1 || o.CriticSteps < 1 ||
		!(o.Information > 0) || !(o.Penalty > 0) || !(o.Lambda > 0) {
		panic(fmt.Errorf("qlgan: %+v; want 1 or more latents, a width and critic steps, 1 to 256 values, no noise or some, weights above 0", o))
	}
}

// Sample draws n rows of latents, (n, latents): each is one of its values, all of them as likely. A gradient reaches the values.
func (m *Model) Sample(scope *model.Scope, g *Graph, n int) *Node {
	m.check()
	values := m.books.Codebooks(scope, g)
	drawn := scope.RandomIntN(g, int32(m.o.Values), shapes.Make(dtypes.Int32, n, m.o.Latents))
	return ReduceSum(Mul(OneHot(drawn, m.o.Values, values.DType()), InsertAxes(values, 0)), -1)
}

// Generate maps latents, (batch, latents), to rows, (batch, columns), with numbers from 0 to 1. Noise, if the model has any,
// is more columns of z; without these it is 0.
func (m *Model) Generate(scope *model.Scope, z *Node) *Node {
	m.check()
	if m.o.Noise > 0 && z.Shape().Dim(-1) == m.o.Latents {
		z = Concatenate([]*Node{z, Zeros(z.Graph(), shapes.Make(z.DType(), z.Shape().Dim(0), m.o.Noise))}, -1)
	}
	z.AssertDims(-1, m.o.Latents+m.o.Noise)
	return Sigmoid(nn.Settled(nn.MLP(scope.At("generator"), z, m.o.Width, m.o.Width, m.columns)))
}

// features maps rows, (batch, columns), to what the critic and the encoder know of them, (batch, width).
func (m *Model) features(scope *model.Scope, x *Node) *Node {
	m.check()
	x.AssertDims(-1, m.columns)
	return activation.Relu(nn.MLP(scope.At("critic").In("features"), x, m.o.Width, m.o.Width))
}

// value and latents are the two heads: features to (batch, 1), and to (batch, latents).
func (m *Model) value(scope *model.Scope, h *Node) *Node {
	return nn.MLP(scope.At("critic").In("value"), h, 1)
}

func (m *Model) latents(scope *model.Scope, h *Node) *Node {
	return nn.MLP(scope.At("critic").In("latents"), h, m.o.Latents)
}

// Value maps rows to what the critic makes of them, (batch, 1): the higher, the more like data.
func (m *Model) Value(scope *model.Scope, x *Node) *Node { return m.value(scope, m.features(scope, x)) }

// Encode maps rows to latents before they are quantised, (batch, latents).
func (m *Model) Encode(scope *model.Scope, x *Node) *Node {
	return m.latents(scope, m.features(scope, x))
}

// Latents maps rows to quantised latents.
func (m *Model) Latents(scope *model.Scope, x *Node) *Node {
	return m.books.Quantize(scope, m.Encode(scope, x))
}

// Reconstruct maps rows to what the generator makes of their quantised latents.
func (m *Model) Reconstruct(scope *model.Scope, x *Node) *Node {
	return m.Generate(scope, m.Latents(scope, x))
}

// Loss is, in a turn of the generator and the codebooks,
//
//	-D(x̃) + information·‖ẑ - z‖²/n_z + λ·‖sg(e) - q‖²/n_z + λ·‖e - sg(q)‖²/n_z
//
// and in one of the critic D and the encoder, with z and x̃ held fixed,
//
//	D(x̃) - D(x) + penalty·(‖∇D(x̄)‖ - 1)² + information·‖ẑ - z‖²/n_z + λ·‖e - sg(q)‖²/n_z
//
// each its mean over the batch, where z is drawn by Sample, x̃ is what the generator makes of it, e is what the encoder
// reads off x̃, q is e quantised, ẑ is q that hands its gradient straight on to e, and x̄ lies between a row of data x and one of
// x̃, anywhere with the same likelihood. Outside training latents are drawn, too.
//
// Of the metrics, distance is D(x) - D(x̃), the critic's estimate of how far what is made is from the data, information is
// ‖ẑ - z‖²/n_z, and reconstruction, which there is outside training only, the mean squared error of Reconstruct. The loss itself says
// little: it is that of two players.
func (m *Model) Loss(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
	x := in[0]
	g, n := x.Graph(), x.Shape().Dim(0)
	z := m.Sample(scope, g, n)
	made := z
	if m.o.Noise > 0 {
		made = Concatenate([]*Node{z, scope.RandomNormal(g, shapes.Make(z.DType(), n, m.o.Noise))}, -1)
	}
	at := scope.RandomUniform(g, shapes.Make(x.DType(), n, 1))
	total, metrics := m.play(scope, nn.VariantOf(scope, g), x, z, m.Generate(scope, made), at)
	if !scope.IsTraining(g) {
		metrics["reconstruction"] = ReduceAllMean(Square(Sub(m.Reconstruct(scope, x), x)))
	}
	return total, metrics
}

// play is Loss after all is drawn: data x and the latents z from which rows were made, and where between the two, (batch, 1).
func (m *Model) play(scope *model.Scope, turn int, x, z, made, at *Node) (*Node, nn.Metrics) {
	n := x.Shape().Dim(0)
	if turn == criticTurn {
		z, made = StopGradient(z), StopGradient(made)
	}
	h := m.features(scope, Concatenate([]*Node{x, made}, 0)) // at once, which is faster
	value := m.value(scope, h)
	onData, onMade := ReduceAllMean(Slice(value, AxisRange(0, n))), ReduceAllMean(Slice(value, AxisRange(n)))
	e := m.latents(scope, Slice(h, AxisRange(n)))
	q := m.books.Quantize(scope, e)
	information := ReduceAllMean(Square(Sub(nn.Straight(e, q), z)))
	commitment := ReduceAllMean(Square(Sub(e, StopGradient(q))))
	distance := Sub(onData, onMade)
	total := Add(MulScalar(information, m.o.Information), MulScalar(commitment, m.o.Lambda))
	if turn == criticTurn {
		between := Add(Mul(at, x), Mul(OneMinus(at), made))
		slopes := penalty(func(x *Node) *Node { return m.Value(scope, x) }, between)
		total = Sub(Add(total, MulScalar(slopes, m.o.Penalty)), distance)
	} else {
		quantization := ReduceAllMean(Square(Sub(StopGradient(e), q)))
		total = Sub(Add(total, MulScalar(quantization, m.o.Lambda)), onMade)
	}
	return total, nn.Metrics{"distance": distance, "information": information}
}

// penalty is the mean over rows of (‖∇f(x)‖ - 1)². Its own gradient is one of a gradient.
func penalty(f func(x *Node) *Node, x *Node) *Node {
	slope := Gradient(ReduceAllSum(f(x)), x)[0]                      // rows do not meet in f, so the sum's is that of each
	length := Sqrt(AddScalar(ReduceSum(Square(slope), -1), 0x1p-40)) // where f is flat, its gradient stays finite
	return ReduceAllMean(Square(AddScalar(length, -1)))
}

// Codec returns the codec of a trained model's codebooks, as that of a quantised autoencoder.
func (m *Model) Codec(w *nn.Weights) (*latent.Codec, error) { return m.books.Codec(w) }

// Train teaches weights by turns: CriticSteps of the critic and the encoder, then one of the generator and the codebooks, each on
// a batch of the feed. It is nn.Train with Loss, Turns and Optimizer; where the options are zero it takes a rate of
// 2e-4, and o.Decay is that of Optimizer.
func (m *Model) Train(ctx context.Context, w *nn.Weights, feed nn.Feed, o nn.Options) (*nn.Report, error) {
	o.Rate = cmp.Or(o.Rate, 2e-4)
	if o.Optimizer == nil {
		o.Optimizer = Optimizer(o.Decay)
		o.Decay = 0
	}
	return nn.Train(ctx, w, m.Loss, m.Turns(feed), o)
}

// The turns, by the variants of batches.
const (
	criticTurn = iota
	generatorTurn
)

// Turns is a feed whose batches are those of another, and say whose turn it is.
func (m *Model) Turns(feed nn.Feed) nn.Feed { return turns{feed, m.o.CriticSteps} }

type turns struct {
	nn.Feed
	critic int // steps
}

func (t turns) Batch(epoch, i int) (nn.Batch, error) {
	b, err := t.Feed.Batch(epoch, i)
	b.Variant = criticTurn
	if n := epoch*t.Len() + i; t.critic > 0 && n%(t.critic+1) == t.critic { // what is no number of steps Loss refuses
		b.Variant = generatorTurn
	}
	return b, err
}

// Optimizer is that of turns: Adam, without an average of gradients, for those whose turn it is, and nothing for the others.
// Weights lose rate·decay of themselves each step, and their gradients are cut to ±1.
func Optimizer(decay float64) nn.Optimizer {
	adam := func(name string) nn.AdamW {
		return nn.AdamW{Betas: [2]float64{0, 0.9}, Decay: decay, Clip: 1, Name: name}
	}
	return players{adam("critic"), adam("generator")}
}

type players struct{ critic, generator nn.Optimizer }

// UpdateGraphWithGradients implements nn.Optimizer.
func (p players) UpdateGraphWithGradients(scope *model.Scope, gradients []*Node, dtype dtypes.DType) {
	ours := nn.VariantOf(scope, gradients[0].Graph()) == generatorTurn
	turn := p.critic
	if ours {
		turn = p.generator
	}
	nn.Only(turn, scope, gradients, dtype, func(v *model.Variable) bool { return strings.Contains(v.Path(), "/critic/") != ours })
}

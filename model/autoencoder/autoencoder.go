// Package autoencoder is the plain one: rows through a narrow middle and back, with nothing asked of the latents. It is what
// other autoencoders are compared with.
//
//	m := autoencoder.New(x.Cols, autoencoder.Options{Latents: 8})
//	report, err := nn.Train(ctx, w, m.Loss, feed, nn.Options{})
//	z, err := w.Apply(ctx, m.Encode, x)
package autoencoder

import (
	"cmp"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/loss"

	"github.com/latent-go/latent/nn"
)

// Options are the size of a model.
type Options struct {
	Latents int // 0 means 10
	Width   int // of the two hidden layers of the encoder, and of the decoder; 0 means 64
}

// Model is the architecture. It holds no weights, and is safe for concurrent use.
type Model struct {
	columns int
	o       Options
}

// New returns the model of rows of so many numbers, from 0 to 1.
func New(columns int, o Options) *Model {
	o.Latents, o.Width = cmp.Or(o.Latents, 10), cmp.Or(o.Width, 64)
	return &Model{columns, o}
}

// Encode maps rows x, (batch, columns), to latents, (batch, latents).
func (m *Model) Encode(scope *model.Scope, x *Node) *Node {
	if m.o.Latents < 1 || m.o.Width < 1 {
		panic(fmt.Errorf("autoencoder: %+v; want 1 or more of each", m.o))
	}
	x.AssertDims(-1, m.columns)
	return nn.MLP(scope.In("encoder"), x, m.o.Width, m.o.Width, m.o.Latents)
}

// Decode maps latents to the logits of rows, (batch, columns).
func (m *Model) Decode(scope *model.Scope, z *Node) *Node {
	return nn.Settled(nn.MLP(scope.In("decoder"), z, m.o.Width, m.o.Width, m.columns))
}

// Loss is the binary cross-entropy of rows and their reconstruction, in nats a number.
func (m *Model) Loss(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
	logits := m.Decode(scope, m.Encode(scope, in[0]))
	return loss.BinaryCrossentropyLogits(in[:1], []*Node{logits}), nil
}

// Generate maps latents to rows, with numbers from 0 to 1.
func (m *Model) Generate(scope *model.Scope, z *Node) *Node { return Sigmoid(m.Decode(scope, z)) }

// Reconstruct maps rows to what the decoder makes of their latents.
func (m *Model) Reconstruct(scope *model.Scope, x *Node) *Node {
	return m.Generate(scope, m.Encode(scope, x))
}

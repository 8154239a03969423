package subspace

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

// Model is a model of nn whose parameters that learn, float32 all, are one point θ of R^D: its tensors one after another,
// in the order in which they were made. Like its weights it is for one goroutine at a time.
type Model struct {
	vars    []*model.Variable
	blocks  []Block
	size    int
	weights *nn.Weights
	loss    nn.Loss
	slope   *nn.Func // inputs to the loss and its gradient, flat
}

// Of builds the graphs of a model for the batches of a feed, and its weights where they are not there yet. The model
// keeps to these weights: SetPoint changes them. Random parts of a graph, such as dropout, work as ever.
func Of(w *nn.Weights, l nn.Loss, feed nn.Feed) (*Model, error) {
	if err := w.Init(l, feed); err != nil {
		return nil, err
	}
	m := &Model{weights: w, loss: l}
	var err error
	m.slope, err = w.Func(func(scope *model.Scope, in []*graph.Node) []*graph.Node {
		g := in[0].Graph()
		scope.Store().SetTraining(g, true)
		loss, _ := l(scope, in)
		if r := train.GetRegularizationLoss(g); r != nil {
			loss = graph.Add(loss, r)
		}
		m.vars, m.blocks, m.size = nil, nil, 0
		var at []*graph.Node
		for v := range w.Variables() {
			if v.Trainable && v.InUseByGraph(g) {
				m.vars = append(m.vars, v)
				m.blocks = append(m.blocks, Block{v.Path(), v.Shape().Size()})
				m.size += v.Shape().Size()
				at = append(at, v.NodeValue(g))
			}
		}
		if len(at) == 0 {
			panic(fmt.Errorf("no variable learns: the graph has none that is trainable"))
		}
		flat := graph.Gradient(loss, at...)
		for i, d := range flat {
			flat[i] = graph.Reshape(d, -1)
		}
		return []*graph.Node{loss, graph.Concatenate(flat, 0)}
	})
	if err != nil {
		return nil, err
	}
	b, err := feed.Batch(0, 0) // the first call tells the order of variables
	if err != nil {
		return nil, err
	}
	_, err = m.Slope(nil, b)
	return m, err
}

// Close lets go of what was compiled.
func (m *Model) Close() { m.slope.Close() }

// Blocks are the tensors of θ.
func (m *Model) Blocks() []Block { return slices.Clone(m.blocks) }

// Point returns θ.
func (m *Model) Point() ([]float32, error) {
	θ := make([]float32, 0, m.size)
	for _, v := range m.vars {
		t, err := v.Value()
		if err != nil {
			return nil, err
		}
		part, err := tensors.CopyFlatData[float32](t)
		if err != nil {
			return nil, fmt.Errorf("subspace: variable %s: %w", v.Path(), err)
		}
		θ = append(θ, part...)
	}
	return θ, nil
}

// SetPoint moves the weights to θ.
func (m *Model) SetPoint(θ []float32) error {
	if len(θ) != m.size {
		return fmt.Errorf("subspace: a point of %d numbers, the model has %d: %w", len(θ), m.size, vec.ErrDim)
	}
	for i, v := range m.vars {
		t, err := v.Value()
		if err != nil {
			return err
		}
		if err := tensors.AssignFlatData(t, θ[:m.blocks[i].Size]); err != nil {
			return fmt.Errorf("subspace: variable %s: %w", v.Path(), err)
		}
		θ = θ[m.blocks[i].Size:]
	}
	return nil
}

// Slope returns the loss of a batch at the present point, and writes its gradient to g, of D numbers, unless that is nil.
// The batch is let go of.
func (m *Model) Slope(g []float32, b nn.Batch) (float64, error) {
	out, err := m.slope.Call(b.Inputs...)
	release(b.Inputs)
	if err != nil {
		return 0, fmt.Errorf("subspace: gradient: %w", err)
	}
	defer release(out)
	if g != nil {
		err = tensors.ConstFlatData(out[1], func(flat []float32) { copy(g, flat) })
	}
	return float64(tensors.ToScalar[float32](out[0])), err
}

// Evaluate returns the mean of the loss, as "loss", and of the metrics over the first epoch of a feed.
func (m *Model) Evaluate(ctx context.Context, feed nn.Feed) (map[string]float64, error) {
	return nn.Evaluate(ctx, m.weights, m.loss, feed)
}

func release(ts []*tensors.Tensor) {
	for _, t := range ts {
		_ = t.FinalizeAll()
	}
}

// Training says how Fit learns. The zero value takes 1,000 steps of Adam, at a rate of 0.03 in a subspace and of 0.001 in
// all of R^D, which falls to 0 along half a cosine.
type Training struct {
	Steps    int         // batches to learn from; 0 means 1,000
	Rate     float64     // 0 means 0.03, or 0.001 without a projection
	Schedule nn.Schedule // nil means nn.Cosine
	SGD      bool        // plain gradient descent in place of Adam
	Progress func(done, total int)
}

// Fitted is what was learnt: v, in a space that its options and the blocks draw again, from θ₀.
type Fitted struct {
	Space *Space
	V     []float32 // d numbers
	Loss  float64   // mean over the last tenth of the steps
}

// Fit trains a model within a space that begins at the present point, and leaves it at the point that it reached. A loss
// that is not finite ends it with nn's *DivergedError, and the model where it began, as does any other error.
func (m *Model) Fit(ctx context.Context, s *Space, feed nn.Feed, o Training) (*Fitted, error) {
	d, D := s.Dims()
	if D != m.size {
		return nil, fmt.Errorf("subspace: a space of %d parameters, the model has %d: %w", D, m.size, vec.ErrDim)
	}
	if o.Steps < 0 || !(o.Rate >= 0) || math.IsInf(o.Rate, 0) {
		return nil, fmt.Errorf("subspace: %d steps at a rate of %v; want neither below 0", o.Steps, o.Rate)
	}
	if o.Steps == 0 {
		o.Steps = 1000
	}
	if o.Rate == 0 {
		o.Rate = 0.03
		if s.o.Dim == 0 {
			o.Rate = 0.001
		}
	}
	if o.Schedule == nil {
		o.Schedule = nn.Cosine
	}
	start, err := m.Point()
	if err != nil {
		return nil, err
	}
	v, last, err := m.descend(ctx, s, feed, o, start)
	if err != nil {
		_ = m.SetPoint(start) // the error that matters is the one at hand
		return nil, err
	}
	return &Fitted{Space: s, V: v[:d], Loss: last}, nil
}

func (m *Model) descend(ctx context.Context, s *Space, feed nn.Feed, o Training, start []float32) (v []float32, last float64, err error) {
	v = s.Start()
	pull, θ, slope := make([]float32, len(v)), make([]float32, len(start)), make([]float32, len(start))
	var moments adam
	tail := max(o.Steps/10, 1)
	for step := range o.Steps {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		epoch, i := step/feed.Len(), step%feed.Len()
		b, err := feed.Batch(epoch, i)
		if err != nil {
			return nil, 0, fmt.Errorf("subspace: step %d: %w", step+1, err)
		}
		loss, err := m.Slope(slope, b)
		if err != nil {
			return nil, 0, err
		}
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return nil, 0, &nn.DivergedError{Step: step + 1, Epoch: epoch + 1, Batch: i, Loss: loss}
		}
		if step >= o.Steps-tail {
			last += loss / float64(tail)
		}
		s.Pull(pull, v, slope)
		rate := o.Rate * o.Schedule(step, o.Steps)
		if o.SGD {
			vec.AddScaled(v, pull, float32(-rate))
		} else {
			moments.step(v, pull, rate)
		}
		s.Move(θ, v)
		vec.AddScaled(θ, start, 1)
		if err := m.SetPoint(θ); err != nil {
			return nil, 0, err
		}
		if o.Progress != nil {
			o.Progress(step+1, o.Steps)
		}
	}
	return v, last, nil
}

// adam holds the moments of Kingma and Ba 2015, algorithm 1.
type adam struct {
	first, second []float32
	t             int
}

func (a *adam) step(p, g []float32, rate float64) {
	const b1, b2, eps = 0.9, 0.999, 1e-8
	if a.first == nil {
		a.first, a.second = make([]float32, len(p)), make([]float32, len(p))
	}
	a.t++
	fix := math.Sqrt(1 - math.Pow(b2, float64(a.t)))
	r, e := float32(rate*fix/(1-math.Pow(b1, float64(a.t)))), float32(eps*fix)
	for i, d := range g {
		u := b1*a.first[i] + (1-b1)*d
		w := b2*a.second[i] + (1-b2)*d*d
		a.first[i], a.second[i] = u, w
		p[i] -= r * u / (float32(math.Sqrt(float64(w))) + e)
	}
}

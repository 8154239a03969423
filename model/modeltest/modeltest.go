// Package modeltest checks what every model of the zoo promises. Each folder of model runs it, on the smallest of its kind:
//
//	func TestModel(t *testing.T) {
//		m := qlae.New(qlae.Options{Width: 16, Latents: 3})
//		modeltest.Run(t, modeltest.Model{
//			Loss:    m.Loss,
//			Inputs:  func(n int, seed uint64) []nn.Input { return []nn.Input{nn.Rows(nntest.Random(n, 12, seed))} },
//			Outputs: func(scope *model.Scope, in []*Node) []*Node { z := m.Encode(scope, in[0]); return []*Node{z} },
//			Shapes:  [][]int{{8, 3}},
//			Learnt:  0.01, // seen 0.002
//		})
//	}
//
// It checks that
//   - outputs have the shapes that were promised;
//   - a gradient that is finite, and not zero everywhere, reaches every variable that learns;
//   - eight samples are learnt by heart;
//   - the same seed gives the same weights, bit for bit, and another seed others;
//   - a model that was saved and loaded has the same weights and the same loss;
//   - training that was interrupted and went on ends with the same weights as without.
package modeltest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
)

// Model is what is to be checked. It should be small: all checks together take some hundreds of steps.
type Model struct {
	Loss nn.Loss
	// Inputs are n samples, of a seed. Eight of them are a batch.
	Inputs func(n int, seed uint64) []nn.Input
	// Feed, if not nil, makes the batches of eight samples itself, such as those with variants.
	Feed func(seed uint64) (nn.Feed, error)

	// Outputs and the shapes of each for a batch of eight.
	Outputs func(scope *model.Scope, in []*Node) []*Node
	Shapes  [][]int

	// Learn says how; its zero is 400 steps of Adam at a rate of 1e-2, with no regard to Epochs.
	Learn nn.Options
	// Learnt is the loss at which eight samples are known by heart. Say beside it what was seen.
	Learnt float64
	// Watch is the metric that shows it, if the loss does not because part of it stays, such as a divergence.
	Watch string

	// Still are variables that no gradient reaches, by path. Say beside each why.
	Still []string
}

// Run runs all checks.
func Run(t *testing.T, m Model) {
	if m.Learn.Rate == 0 {
		m.Learn.Rate = 1e-2
	}
	if m.Learn.Steps == 0 {
		m.Learn.Steps = 400
	}
	t.Run("shapes", m.shapes)
	t.Run("gradients", m.gradients)
	t.Run("by heart", m.byHeart)
	t.Run("seeds", m.seeds)
	t.Run("save and load", m.saveAndLoad)
	t.Run("interrupted", m.interrupted)
}

func (m Model) feed(t *testing.T, seed uint64) nn.Feed {
	t.Helper()
	var f nn.Feed
	var err error
	if m.Feed != nil {
		f, err = m.Feed(seed)
	} else {
		f, err = nn.Batches(nn.BatchOptions{Size: 8, InOrder: true}, m.Inputs(8, seed)...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// train takes some steps, and fails the test if they fail.
func (m Model) train(t *testing.T, w *nn.Weights, o nn.Options) *nn.Report {
	t.Helper()
	r, err := nn.Train(context.Background(), w, m.Loss, m.feed(t, 1), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (m Model) shapes(t *testing.T) {
	w := nntest.Weights(t, 1)
	f, err := w.Func(m.Outputs)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := m.feed(t, 1).Batch(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Call(b.Inputs...)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != len(m.Shapes) {
		t.Fatalf("%d outputs, want %d", len(out), len(m.Shapes))
	}
	for i, y := range out {
		if got := y.Shape().Dimensions; !slices.Equal(got, m.Shapes[i]) {
			t.Errorf("output %d has shape %v, want %v", i, got, m.Shapes[i])
		}
	}
}

func (m Model) gradients(t *testing.T) {
	w := nntest.Weights(t, 1)
	sizes, err := nntest.Sizes(w, m.Loss, m.feed(t, 1), 8, m.Learn)
	if err != nil {
		t.Fatal(err)
	}
	learn := 0
	for v := range w.Variables() {
		if !v.Trainable || m.Learn.Trainable != nil && !m.Learn.Trainable(v.Path()) {
			continue
		}
		learn++
		size, reached := sizes[v.Path()]
		still := slices.Contains(m.Still, v.Path())
		switch {
		case math.IsNaN(size) || math.IsInf(size, 0):
			t.Errorf("the gradient of %s is not finite", v.Path())
		case (!reached || size == 0) && !still:
			t.Errorf("no gradient reaches %s", v.Path())
		case size > 0 && still:
			t.Errorf("a gradient reaches %s, which is said to be still", v.Path())
		}
	}
	if learn == 0 {
		t.Error("there is no variable that learns")
	}
	for _, path := range m.Still {
		if w.Store.GetVariable(path) == nil {
			t.Errorf("there is no variable %s, which is said to be still", path)
		}
	}
}

func (m Model) byHeart(t *testing.T) {
	w := nntest.Weights(t, 1)
	m.train(t, w, m.Learn)
	got, err := nn.Evaluate(context.Background(), w, m.Loss, m.feed(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	name := "loss"
	if m.Watch != "" {
		name = m.Watch
	}
	t.Logf("eight samples after %d steps: %v", m.Learn.Steps, got)
	if !(got[name] <= m.Learnt) {
		t.Errorf("after %d steps on eight samples %s is %v, want at most %v", m.Learn.Steps, name, got[name], m.Learnt)
	}
}

// few is the training of the checks that compare weights.
func (m Model) few(steps int) nn.Options {
	o := m.Learn
	o.Steps, o.Every, o.Checkpoint = steps, 1, ""
	return o
}

func (m Model) seeds(t *testing.T) {
	a, b, c := nntest.Weights(t, 5), nntest.Weights(t, 5), nntest.Weights(t, 6)
	for _, w := range []*nn.Weights{a, b, c} {
		m.train(t, w, m.few(4))
	}
	if err := Same(a, b); err != nil {
		t.Errorf("same seed: %v", err)
	}
	if Same(a, c) == nil {
		t.Error("another seed gives the same weights")
	}
}

func (m Model) saveAndLoad(t *testing.T) {
	w := nntest.Weights(t, 7)
	m.train(t, w, m.few(2))
	path := filepath.Join(t.TempDir(), "model")
	if err := w.Save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := nn.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Same(w, loaded); err != nil {
		t.Error(err)
	}
	ctx := context.Background()
	want, err := w.Clone() // without the state of random numbers, as what was saved
	if err != nil {
		t.Fatal(err)
	}
	a, err := nn.Evaluate(ctx, want, m.Loss, m.feed(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	b, err := nn.Evaluate(ctx, loaded, m.Loss, m.feed(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(a, b) {
		t.Errorf("saved %v, loaded %v", a, b)
	}
}

func (m Model) interrupted(t *testing.T) {
	o := m.few(6)
	whole := nntest.Weights(t, 8)
	m.train(t, whole, o)
	o.Checkpoint = filepath.Join(t.TempDir(), "training")
	first := nntest.Weights(t, 8)
	stop := o
	stop.Each = func(r nn.Record) error {
		if r.Step == 3 {
			return errInterrupted
		}
		return nil
	}
	if _, err := nn.Train(context.Background(), first, m.Loss, m.feed(t, 1), stop); !errors.Is(err, errInterrupted) {
		t.Fatal(err)
	}
	second := nntest.Weights(t, 8)
	m.train(t, second, o)
	if err := Same(whole, second); err != nil {
		t.Error(err)
	}
}

var errInterrupted = errors.New("interrupted")

// Same returns an error that names the first variable in which two models differ, bit for bit.
func Same(a, b *nn.Weights) error {
	n := 0
	for v := range a.Variables() {
		n++
		other := b.Store.GetVariable(v.Path())
		if other == nil {
			return fmt.Errorf("%s is only in one", v.Path())
		}
		x, err := v.Value()
		if err != nil {
			return err
		}
		y, err := other.Value()
		if err != nil {
			return err
		}
		if !x.Shape().Equal(y.Shape()) {
			return fmt.Errorf("%s is %s and %s", v.Path(), x.Shape(), y.Shape())
		}
		p, err := raw(x)
		if err != nil {
			return err
		}
		q, err := raw(y)
		if err != nil {
			return err
		}
		if !slices.Equal(p, q) {
			return fmt.Errorf("%s differs", v.Path())
		}
	}
	for range b.Variables() {
		n--
	}
	if n != 0 {
		return fmt.Errorf("one has %d variables more", n)
	}
	return nil
}

func raw(t *tensors.Tensor) (b []byte, err error) {
	err = t.ConstBytes(func(data []byte) { b = slices.Clone(data) })
	return b, err
}

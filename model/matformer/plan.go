package matformer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

// Plan is a part of a model: how many of the first units of each layer's feed-forward block it has.
type Plan []int

// Level is the plan of one that was trained, from 0, the whole model.
func (m *Model) Level(i int) Plan {
	p := make(Plan, len(m.o.Hidden))
	for l, n := range m.o.Hidden {
		p[l] = max(1, int(math.Round(m.o.Shares[i]*float64(n))))
	}
	return p
}

// Chain are the plans that mix two neighbouring levels, the smaller one in the first layers, and the levels themselves, from
// the smallest to the whole model: (levels-1)·layers + 1 of them. Most of them were never trained. Source: section 3.3, whose
// rule is to let sizes rise with depth, and gently.
func (m *Model) Chain() []Plan {
	small := m.Level(len(m.o.Shares) - 1)
	out := []Plan{slices.Clone(small)}
	for i := len(m.o.Shares) - 2; i >= 0; i-- {
		large := m.Level(i)
		for l := len(small) - 1; l >= 0; l-- {
			small[l] = large[l]
			out = append(out, slices.Clone(small))
		}
	}
	return out
}

// MixNMatch returns the largest plan of the Chain that has at most so many parameters, all counted. A budget below the smallest
// gives vec.ErrTooFew.
func (m *Model) MixNMatch(parameters int) (Plan, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	chain := m.Chain()
	for _, p := range slices.Backward(chain) {
		if m.Count(p) <= parameters {
			return p, nil
		}
	}
	return nil, fmt.Errorf("matformer: %d parameters; the smallest plan has %d: %w", parameters, m.Count(chain[0]), vec.ErrTooFew)
}

// Count returns how many parameters the part of a plan has; nil is the whole.
func (m *Model) Count(p Plan) int {
	if p == nil {
		p = m.o.Hidden
	}
	d := m.o.Width
	n := (m.o.Size+1)*d + m.o.Tokens*d + 2*d + (d+1)*m.o.Classes
	for _, units := range p {
		n += 4*(d+1)*d + 4*d + 2*d*units + units + d
	}
	return n
}

// complete is the plan with what nil means, or what is wrong with it or the model.
func (m *Model) complete(p Plan) (Plan, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	if p == nil {
		return m.o.Hidden, nil
	}
	if len(p) != m.o.Layers {
		return nil, fmt.Errorf("matformer: plan %v for %d layers: %w", p, m.o.Layers, vec.ErrDim)
	}
	for l, n := range p {
		if n < 1 || n > m.o.Hidden[l] {
			return nil, fmt.Errorf("matformer: plan %v: layer %d has 1 to %d units: %w", p, l, m.o.Hidden[l], vec.ErrDim)
		}
	}
	return p, nil
}

// Extract cuts the part of a plan out of trained weights, as a plain model of that size with weights of its own. Its vectors and
// logits are those of the part within the whole.
func (m *Model) Extract(w *nn.Weights, p Plan) (*Model, *nn.Weights, error) {
	p, err := m.complete(p)
	if err != nil {
		return nil, nil, err
	}
	o := m.o
	o.Hidden, o.Shares = slices.Clone(p), []float64{1}
	out, err := nn.New(0)
	if err != nil {
		return nil, nil, err
	}
	for v := range w.Variables() {
		values, dims, err := w.Float32(v.Path())
		if err != nil {
			return nil, nil, fmt.Errorf("matformer: extract: %w", err)
		}
		if values, dims, err = m.cut(v.Path(), values, dims, p); err != nil {
			return nil, nil, err
		}
		c, err := out.Store.CreateVariable(v.Path(), tensors.FromFlatDataAndDimensions(values, dims...))
		if err != nil {
			return nil, nil, fmt.Errorf("matformer: extract %s: %w", v.Path(), err)
		}
		c.SetTrainable(v.Trainable)
	}
	return New(o), out, nil
}

// cut leaves of a variable what a plan has of it: all, but of the feed-forward blocks' the first columns or rows.
func (m *Model) cut(path string, values []float32, dims []int, p Plan) ([]float32, []int, error) {
	for l, n := range p {
		rest, ok := strings.CutPrefix(path, fmt.Sprintf("/layer%d/", l))
		axis := map[string]int{"wide/dense/weights": 1, "wide/dense/biases": 0, "narrow/dense/weights": 0}
		a, nested := axis[rest]
		if !ok || !nested {
			continue
		}
		if len(dims) <= a || dims[a] != m.o.Hidden[l] {
			return nil, nil, fmt.Errorf("matformer: extract: %s has shape %v, layer %d of the model %d units: %w", path, dims, l, m.o.Hidden[l], vec.ErrDim)
		}
		across := 1 // numbers of one unit within a row
		for _, d := range dims[a+1:] {
			across *= d
		}
		was := dims[a] * across
		var out []float32
		for lo := 0; lo < len(values); lo += was {
			out = append(out, values[lo:lo+n*across]...)
		}
		dims[a] = n
		return out, dims, nil
	}
	return values, dims, nil
}

// OneOf draws a level for each batch of a feed, all alike, for Loss to learn: the paper's training. A batch of some epoch and
// place always has the same.
func (m *Model) OneOf(feed nn.Feed, seed uint64) nn.Feed { return oneOf{feed, len(m.o.Shares), seed} }

type oneOf struct {
	nn.Feed
	levels int
	seed   uint64
}

func (f oneOf) Batch(epoch, i int) (nn.Batch, error) {
	b, err := f.Feed.Batch(epoch, i)
	r := rand.New(rand.NewPCG(f.seed, uint64(epoch)*uint64(f.Len())+uint64(i)))
	b.Variant = r.IntN(f.levels)
	return b, err
}

// Patches turns images, a row each of side² numbers, line by line, into rows of patches that are squares of their own,
// (side/patch)² tokens of patch² numbers. A side that patches do not fill gives vec.ErrDim.
func Patches(x vec.Matrix, side, patch int) (vec.Matrix, error) {
	if patch < 1 || side < 1 || side%patch != 0 || x.Cols != side*side {
		return vec.Matrix{}, fmt.Errorf("matformer: patches of side %d from rows of %d numbers, images of side %d: %w", patch, x.Cols, side, vec.ErrDim)
	}
	out := vec.NewMatrix(x.Rows, x.Cols)
	for i := range x.Rows {
		to := out.Row(i)[:0]
		for y := 0; y < side; y += patch {
			for at := 0; at < side; at += patch {
				for line := range patch {
					lo := (y+line)*side + at
					to = append(to, x.Row(i)[lo:lo+patch]...)
				}
			}
		}
	}
	return out, nil
}

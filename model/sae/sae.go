// Package sae explains vectors by sparse autoencoders: each vector as a sum of a few features, out of many that are learnt
// from the data. Features are directions; a person can ask what has them.
//
//	m, report, err := sae.Fit(ctx, x, sae.Options{Kind: sae.MP, Features: 1024, K: 8}) // x is n×d
//	codes, err := m.Encode(ctx, x, dictionary.Stop{})                                  // at most 8 features a row
//	back := m.Decode(vec.Matrix{}, codes)
//
// There are six kinds, which differ in how features are chosen, and so in what they can find. ReLU, TopK, BatchTopK, JumpReLU
// and Matryoshka read all features off a vector at once, by a matrix of their own. MP (MP-SAE) has no such matrix: it pursues, one
// feature at a time, what the features before have left, so it can tell apart directions that are alike but belong to
// different levels of a hierarchy, and a fitted model can take more or fewer steps.
//
// Training runs on GoMLX through package nn; a fitted [Model] needs neither and runs on the kernels of package vec.
package sae

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"

	"github.com/latent-go/latent/explain/dictionary"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

// Kind is how a sparse autoencoder chooses features. With x centred, rows of W the encoder's and rows d of D the atoms, of
// length 1, x is read as a = W(x-b)+c and written as zD+b.
type Kind uint8

const (
	// MP pursues: of what is left of x, r, the feature with the largest ⟨r, d⟩ > 0 is taken so often, and subtracted; K
	// times. There is no W. Source: Costa et al. 2025 (arXiv 2506.03093), algorithm 1.
	MP Kind = iota
	// TopK keeps the K largest of a that are above 0. Source: Gao et al. 2024 (arXiv 2406.04093).
	TopK
	// BatchTopK keeps K·n in n rows together, when it learns; the fitted model keeps what is above one threshold, at which
	// its data have K features a row. Source: Bussmann et al. 2024 (arXiv 2412.06410).
	BatchTopK
	// JumpReLU keeps of each feature what is above a threshold of its own, which is learnt. Their number costs, so much
	// that K remain. Source: Rajamanoharan et al. 2024 (arXiv 2407.14435).
	JumpReLU
	// ReLU keeps all that is above 0. The sum of z costs, so much that K remain. Source: Bricken et al. 2023.
	ReLU
	// Matryoshka is BatchTopK of which the first 1/16, 1/8, 1/4 and 1/2 of the features are to do alone, too. Source: Bussmann
	// et al. 2025 (arXiv 2503.17547).
	Matryoshka
)

var kindNames = [...]string{"mp", "topk", "batchtopk", "jumprelu", "relu", "matryoshka"}

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{MP, TopK, BatchTopK, JumpReLU, ReLU, Matryoshka} }

// String is the kind's name: mp, topk, batchtopk, jumprelu, relu, matryoshka.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// ParseKind reads a kind's name, in any case.
func ParseKind(s string) (Kind, error) {
	for i, name := range kindNames {
		if strings.EqualFold(s, name) {
			return Kind(i), nil
		}
	}
	return 0, fmt.Errorf("sae: no kind is called %q; there are %s", s, strings.Join(kindNames[:], ", "))
}

// MarshalText gives the name, so that a Kind in JSON reads as a word.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is ParseKind.
func (k *Kind) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKind(string(b))
	return err
}

// Options say what Fit learns. The zero Options learn an MP with 8 features a row.
type Options struct {
	Kind     Kind
	Features int     // 0 means 4 times the dimension of the vectors, but at most 1,024, or the dimension if that is more
	K        int     // features a row, on average where the kind does not fix them; 0 means 8
	Residual float64 // MP stops, too, when what is left is at most this part of a vector's length, from 0 to below 1
	Batch    int     // rows a step learns from; 0 means 256
	// Uncentered counts vectors from 0 rather than from a point that is their mean at first and is learnt.
	Uncentered bool
	// KeepDead leaves features alone that no row has. Otherwise they are put where rows are explained worst, some times in
	// the first half of training, between the epochs, or Train.Every so many steps.
	KeepDead bool
	Seed     uint64 // of first weights, and of the rows of each step
	// Train says how to learn. Where it is zero: 20 epochs, but 5,000 steps at most, at a rate of 3e-3 that falls along a
	// cosine, with gradients of length 1 at most.
	Train nn.Options
}

// bounds of what is asked of memory
const maxFeatures = 1 << 20

func (o Options) complete(x vec.Matrix) (Options, error) {
	if x.Rows < 2 {
		return o, fmt.Errorf("%d rows, at least 2 are needed: %w", x.Rows, vec.ErrTooFew)
	}
	if err := x.Check(); err != nil {
		return o, err
	}
	if o.Features == 0 {
		o.Features = min(4*x.Cols, max(1024, x.Cols))
	}
	if o.K == 0 {
		o.K = min(8, o.Features)
	}
	if o.Batch == 0 {
		o.Batch = 256
	}
	o.Batch = min(o.Batch, x.Rows)
	switch {
	case int(o.Kind) >= len(kindNames):
		return o, fmt.Errorf("no %v; there are %s", o.Kind, strings.Join(kindNames[:], ", "))
	case o.Features < 1 || o.Features > maxFeatures:
		return o, fmt.Errorf("%d features; want 1 to %d, or 0 for about 4 times the dimension", o.Features, maxFeatures)
	case o.K < 1 || o.K > o.Features && o.Kind != MP:
		return o, fmt.Errorf("%d features a row of %d; want 1 to all of them", o.K, o.Features)
	case !(o.Residual >= 0 && o.Residual < 1):
		return o, fmt.Errorf("stop at a residual of %v; want a share, from 0 to below 1", o.Residual)
	case o.Residual > 0 && o.Kind != MP:
		return o, fmt.Errorf("a residual of %v for %v: only mp stops at one", o.Residual, o.Kind)
	case o.Batch < 1:
		return o, fmt.Errorf("%d rows a step; want 1 or more, or 0 for 256", o.Batch)
	}
	if o.Train.Steps == 0 {
		each := x.Rows / o.Batch // steps an epoch
		o.Train.Steps = min(20*each, 5000)
		if o.Train.Epochs > 0 {
			o.Train.Steps = o.Train.Epochs * each
		}
	}
	if o.Train.Rate == 0 {
		o.Train.Rate = 3e-3
	}
	if o.Train.Schedule == nil {
		o.Train.Schedule = nn.Cosine
	}
	if o.Train.Clip == 0 {
		o.Train.Clip = 1
	}
	return o, nil
}

// Fit learns features from the rows of x, n×d, which are counted from their mean and by their mean length, so neither
// matters. Fewer than 2 rows give vec.ErrTooFew, values that are not finite vec.ErrNotFinite, rows that are all the same
// vec.ErrZero. A step takes O(Batch·Features·d), and K times that for MP. The same seed and data give the same model, whatever the
// number of processors.
func Fit(ctx context.Context, x vec.Matrix, o Options) (*Model, *nn.Report, error) {
	o, err := o.complete(x)
	if err != nil {
		return nil, nil, fmt.Errorf("sae: %w", err)
	}
	s, err := newScaled(x, o.Uncentered)
	if err != nil {
		return nil, nil, fmt.Errorf("sae: %w", err)
	}
	n := &net{o: o, dim: x.Cols}
	w, err := nn.New(o.Seed)
	if err != nil {
		return nil, nil, fmt.Errorf("sae: %w", err)
	}
	f := s.feed(n, w)
	if err := w.Init(n.loss, f); err != nil {
		return nil, nil, fmt.Errorf("sae: %w", err)
	}
	train := o.Train
	if !o.KeepDead {
		train.Each = n.revive(ctx, w, s, cmp.Or(o.Train.Every, f.Len()))
	}
	report, err := nn.Train(ctx, w, n.loss, f, train)
	if err != nil {
		return nil, report, fmt.Errorf("sae: %w", err)
	}
	m, err := n.model(w, s)
	if err != nil {
		return nil, report, fmt.Errorf("sae: %w", err)
	}
	m.settle(x)
	return m, report, nil
}

// scaled is rows less their mean, of mean squared length 1.
type scaled struct {
	x     vec.Matrix
	mean  []float32
	scale float32
}

func newScaled(x vec.Matrix, uncentered bool) (*scaled, error) {
	s := &scaled{x: x, mean: make([]float32, x.Cols)}
	mean := make([]float64, x.Cols)
	if !uncentered {
		for i := range x.Rows {
			for j, v := range x.Row(i) {
				mean[j] += float64(v)
			}
		}
		for j := range mean {
			mean[j] /= float64(x.Rows)
			s.mean[j] = float32(mean[j])
		}
	}
	var sum float64
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			d := float64(v) - mean[j]
			sum += d * d
		}
	}
	s.scale = float32(math.Sqrt(float64(x.Rows) / sum))
	if !(s.scale > 0) || math.IsInf(float64(s.scale), 0) {
		return nil, fmt.Errorf("the rows are all the same, so there is nothing to explain: %w", vec.ErrZero)
	}
	return s, nil
}

// rows writes rows of the data, centred and scaled, to dst.
func (s *scaled) rows(dst vec.Matrix, ids []int) vec.Matrix {
	dst = dst.Shaped(len(ids), s.x.Cols)
	for i, id := range ids {
		row := dst.Row(i)
		for j, v := range s.x.Row(id) {
			row[j] = (v - s.mean[j]) * s.scale
		}
	}
	return dst
}

// sample draws at most n rows; all of them if there are no more.
func (s *scaled) sample(r *rand.Rand, n int) vec.Matrix {
	ids := r.Perm(s.x.Rows)
	return s.rows(vec.Matrix{}, ids[:min(n, len(ids))])
}

// revive returns what is called after every so many steps. Ten times in the first half of training it moves features that
// no row of a sample has to rows that are explained worst, drawn by their squared error. Source: Bricken et al. 2023,
// appendix "Neuron resampling".
func (n *net) revive(ctx context.Context, w *nn.Weights, s *scaled, every int) func(nn.Record) error {
	then := n.o.Train.Each
	part := func(step int) int { return 20 * step / n.o.Train.Steps }
	return func(rec nn.Record) error {
		if now := part(rec.Step); now <= 10 && now > part(rec.Step-every) {
			if err := n.move(ctx, w, s, rand.New(rand.NewPCG(n.o.Seed, 0xdead^uint64(rec.Step)))); err != nil {
				return err
			}
		}
		if then != nil {
			return then(rec)
		}
		return nil
	}
}

// reviveRows is how many rows are asked which features they have.
const reviveRows = 4096

func (n *net) move(ctx context.Context, w *nn.Weights, s *scaled, r *rand.Rand) error {
	m, err := n.model(w, nil)
	if err != nil {
		return err
	}
	x := s.sample(r, reviveRows)
	m.settle(x)
	codes, err := m.Encode(ctx, x, dictionary.Stop{})
	if err != nil {
		return err
	}
	back := m.Decode(vec.Matrix{}, codes)
	vec.Scale(back.Data, back.Data, -1)
	vec.AddScaled(back.Data, x.Data, 1) // now what is left
	sums := make([]float64, x.Rows)
	var sum float64
	for i := range sums {
		sum += math.Pow(float64(vec.Norm(back.Row(i))), 2)
		sums[i] = sum
	}
	if !(sum > 0) {
		return nil
	}
	counts := codes.Counts()
	atoms, encoder, offset := m.dict.Atoms().Clone(), m.encoder, m.offset // m is no longer needed
	var alive float64
	if n.o.Kind != MP {
		live := 0
		for j, c := range counts {
			if c > 0 {
				alive += float64(vec.Norm(encoder.Row(j)))
				live++
			}
		}
		alive /= float64(max(live, 1))
	}
	moved := false
	for j, c := range counts {
		if c > 0 {
			continue
		}
		v := r.Float64() * sum
		at := min(sort.Search(len(sums), func(i int) bool { return sums[i] > v }), x.Rows-1)
		if vec.Normalize(atoms.Row(j), back.Row(at)) == 0 {
			continue
		}
		moved = true
		if n.o.Kind != MP {
			vec.Scale(encoder.Row(j), atoms.Row(j), float32(alive))
			offset[j] = 0
		}
	}
	if !moved {
		return nil
	}
	if n.o.Kind != MP {
		if err := errors.Join(w.SetFloat32("/encoder", encoder.Data), w.SetFloat32("/offset", offset)); err != nil {
			return err
		}
	}
	return w.SetFloat32("/atoms", atoms.Data)
}

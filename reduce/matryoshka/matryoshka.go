// Package matryoshka turns vectors so that their first numbers alone say most: one stored vector can then be searched
// at several lengths, short ones first.
//
//	m, err := matryoshka.Fit(ctx, x, matryoshka.Options{Dims: []int{32, 128}})
//	y := m.Apply(vec.Matrix{}, x) // n×d, distances as they were; the first 32 columns find most neighbours
//	m.Losses()                    // what each prefix loses, on rows that had no part in it
//
// The map is a rotation: with all columns, distances and products are what they were. It starts as PCA, which keeps the
// most variance in every prefix, and is then trained to keep neighbours instead. package index/nested searches what it
// returns.
package matryoshka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/reduce/pca"
	"github.com/latent-go/latent/vec"
)

// Options say what Fit trains for. The zero Options train prefixes of a sixteenth, an eighth and a quarter of the columns.
type Options struct {
	Dims    []int     // the prefixes to be searched, rising, each below the number of columns
	Weights []float64 // how much each of Dims counts, above 0; nil means all alike
	Steps   int       // of training; 0 means 300, below 0 none: then the rotation is PCA's
	Rows    int       // rows to learn from, drawn at random from more; 0 means 10,000
	Seed    uint64
	// Progress, if not nil, is told of each step.
	Progress func(done, total int)
}

// Loss is what searching a prefix finds: the mean share of the K nearest by the cosine of all columns that are among the
// K nearest by the cosine of the prefix, for rows held out.
type Loss struct {
	Dim    int     `json:"dim"`
	PCA    float64 `json:"pca_recall"` // of the rotation that training began with
	Recall float64 `json:"recall"`
}

// Map is a fitted rotation. It is immutable and safe for concurrent use.
type Map struct {
	rotation vec.Matrix // d×d, its rows orthonormal: row i gives column i of what Apply returns
	losses   []Loss
	trained  bool
}

const (
	defaultSteps = 300
	defaultRows  = 10_000
	heldOut      = 500 // rows that losses are measured on
	near         = 10  // neighbours that a prefix is to keep
)

// rates are how far a step turns, in radians: how far is best depends on how much the data leaves to gain, so each is tried.
var rates = []float64{0.003, 0.01}

// Fit finds the rotation for the rows of x, n×d. Rows count by their directions: it is trained for cosine. It is trained
// twice, with small steps and larger ones, and what finds most neighbours of held-out rows, by the mean over Dims, is kept: PCA where
// training gained nothing.
// Fewer than 100 rows give vec.ErrTooFew, values that are not finite vec.ErrNotFinite, a zero row vec.ErrZero. Time
// O(Rows²·d + d³) and a few products of 500×d by d×max(Dims) a step. The result does not depend on the number of processors.
func Fit(ctx context.Context, x vec.Matrix, o Options) (*Map, error) {
	o, err := o.withDefaults(x)
	if err != nil {
		return nil, fmt.Errorf("matryoshka: %w", err)
	}
	u, err := directions(x, o)
	if err != nil {
		return nil, fmt.Errorf("matryoshka: %w", err)
	}
	start, err := pca.Fit(ctx, u, pca.Options{Uncentered: true, Components: min(u.Rows, u.Cols), Solver: pca.Exact})
	if err != nil {
		return nil, fmt.Errorf("matryoshka: %w", err)
	}
	full := complete(start.Components(), u.Cols)
	held := min(heldOut, u.Rows/5)
	base, queries := u.Slice(0, u.Rows-held), u.Slice(u.Rows-held, u.Rows)
	v := &validation{base: base, queries: queries}
	if v.truth, err = neighbors.Exact(ctx, queries, base, neighbors.Options{K: near, Metric: vec.Cosine, Normalized: true}); err != nil {
		return nil, fmt.Errorf("matryoshka: %w", err)
	}
	m := &Map{rotation: full}
	before, err := v.recalls(ctx, full, o.Dims)
	if err != nil {
		return nil, err
	}
	after := before
	if o.Steps > 0 {
		t, err := neighbors.Exact(ctx, base, base, neighbors.Options{K: min(near+following, base.Rows-1), Metric: vec.Cosine, Normalized: true, ExcludeSelf: true})
		if err != nil {
			return nil, fmt.Errorf("matryoshka: %w", err)
		}
		for i, rate := range rates {
			head := full.Slice(0, o.Dims[len(o.Dims)-1]).Clone()
			err := train(ctx, base, head, t, rate, o.part(i, len(rates)))
			if err != nil {
				return nil, fmt.Errorf("matryoshka: %w", err)
			}
			turned, err := finish(ctx, head, full, u, o.Dims)
			if err != nil {
				return nil, err
			}
			found, err := v.recalls(ctx, turned, o.Dims)
			if err != nil {
				return nil, err
			}
			if o.mean(found) > o.mean(after) {
				m.rotation, m.trained, after = turned, true, found
			}
		}
	}
	for i, k := range o.Dims {
		m.losses = append(m.losses, Loss{k, before[i], after[i]})
	}
	return m, nil
}

func (o Options) withDefaults(x vec.Matrix) (Options, error) {
	if x.Rows < 100 {
		return o, fmt.Errorf("%d rows, at least 100 are needed: %w", x.Rows, vec.ErrTooFew)
	}
	if err := x.Check(); err != nil {
		return o, err
	}
	if o.Dims == nil {
		for _, part := range []int{16, 8, 4} {
			if k := x.Cols / part; k > 0 && !slices.Contains(o.Dims, k) {
				o.Dims = append(o.Dims, k)
			}
		}
	}
	if o.Weights == nil {
		o.Weights = slices.Repeat([]float64{1}, len(o.Dims))
	}
	if len(o.Dims) == 0 || len(o.Weights) != len(o.Dims) {
		return o, fmt.Errorf("%d prefixes with %d weights for %d columns", len(o.Dims), len(o.Weights), x.Cols)
	}
	for i, k := range o.Dims {
		if k < 1 || k >= x.Cols || i > 0 && k <= o.Dims[i-1] {
			return o, fmt.Errorf("prefixes %v: want rising numbers from 1 to %d, as the vectors have %d columns: %w", o.Dims, x.Cols-1, x.Cols, vec.ErrDim)
		}
		if w := o.Weights[i]; !(w > 0) || math.IsInf(w, 1) {
			return o, fmt.Errorf("weight %v of the prefix of %d; want a number above 0", w, k)
		}
	}
	if o.Steps == 0 {
		o.Steps = defaultSteps
	}
	if o.Rows <= 0 {
		o.Rows = defaultRows
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	return o, nil
}

// part is o for one of n trainings.
func (o Options) part(i, n int) Options {
	report := o.Progress
	o.Progress = func(done, total int) { report(i*total+done, n*total) }
	return o
}

// mean is the weighted mean over the prefixes.
func (o Options) mean(values []float64) float64 {
	var sum, weights float64
	for i, v := range values {
		sum += o.Weights[i] * v
		weights += o.Weights[i]
	}
	return sum / weights
}

// directions draws the rows to learn from, in random order and of length 1.
func directions(x vec.Matrix, o Options) (vec.Matrix, error) {
	pick := rand.New(rand.NewPCG(o.Seed, 0x6d617472)).Perm(x.Rows)
	u := x.Gather(pick[:min(o.Rows, x.Rows)])
	for i := range u.Rows {
		if vec.Normalize(u.Row(i), u.Row(i)) == 0 {
			return u, fmt.Errorf("row %d has no direction; leave it out: %w", pick[i], vec.ErrZero)
		}
	}
	return u, nil
}

type validation struct {
	base, queries vec.Matrix
	truth         neighbors.Table
}

// recalls is the recall of each prefix under a rotation.
func (v *validation) recalls(ctx context.Context, rotation vec.Matrix, dims []int) ([]float64, error) {
	head := rotation.Slice(0, dims[len(dims)-1])
	base, queries := vec.MulT(vec.Matrix{}, v.base, head), vec.MulT(vec.Matrix{}, v.queries, head)
	var out []float64
	for _, k := range dims {
		t, err := neighbors.Exact(ctx, prefix(queries, k), prefix(base, k), neighbors.Options{K: near, Metric: vec.Cosine})
		if err != nil {
			return nil, fmt.Errorf("matryoshka: %w", err)
		}
		found := 0
		for q := range v.queries.Rows {
			want, _ := v.truth.Row(q)
			got, _ := t.Row(q)
			for _, id := range got {
				if slices.Contains(want, id) {
					found++
				}
			}
		}
		out = append(out, float64(found)/float64(near*v.queries.Rows))
	}
	return out, nil
}

func prefix(x vec.Matrix, k int) vec.Matrix {
	out := vec.NewMatrix(x.Rows, k)
	for i := range x.Rows {
		copy(out.Row(i), x.Row(i))
	}
	return out
}

// finish turns the trained head within each prefix so that its columns fall in variance, which changes no prefix of dims,
// and completes it by the directions of full.
func finish(ctx context.Context, head, full, u vec.Matrix, dims []int) (vec.Matrix, error) {
	out := vec.NewMatrix(head.Rows, head.Cols)
	lo := 0
	for _, k := range dims {
		part := head.Slice(lo, k)
		m, err := pca.Fit(ctx, vec.MulT(vec.Matrix{}, u, part), pca.Options{Uncentered: true, Components: min(k-lo, u.Rows), Solver: pca.Exact})
		if err != nil {
			return vec.Matrix{}, fmt.Errorf("matryoshka: %w", err)
		}
		vec.Mul(out.Slice(lo, k), complete(m.Components(), k-lo), part)
		lo = k
	}
	rows := vec.NewMatrix(0, out.Cols)
	rows.Data = append(append(rows.Data, out.Data...), full.Data...)
	rows.Rows = out.Rows + full.Rows
	return complete(rows, out.Cols), nil
}

// complete returns a d×d matrix with orthonormal rows: those of rows, from the first, as far as they are new directions,
// then the axes. Modified Gram-Schmidt, twice, in float64.
func complete(rows vec.Matrix, d int) vec.Matrix {
	basis := make([][]float64, 0, d)
	add := func(v []float64) {
		before := norm(v)
		for range 2 {
			for _, b := range basis {
				var dot float64
				for i := range v {
					dot += v[i] * b[i]
				}
				for i := range v {
					v[i] -= dot * b[i]
				}
			}
		}
		n := norm(v)
		if n <= 1e-3*before { // what is left is mostly rounding of float32
			return
		}
		for i := range v {
			v[i] /= n
		}
		basis = append(basis, v)
	}
	for i := 0; i < rows.Rows && len(basis) < d; i++ {
		v := make([]float64, d)
		for j, f := range rows.Row(i) {
			v[j] = float64(f)
		}
		add(v)
	}
	for i := 0; i < d && len(basis) < d; i++ {
		v := make([]float64, d)
		v[i] = 1
		add(v)
	}
	out := vec.NewMatrix(d, d)
	for i, b := range basis {
		for j, f := range b {
			out.Row(i)[j] = float32(f)
		}
	}
	return out
}

func norm(v []float64) float64 {
	var s float64
	for _, f := range v {
		s += f * f
	}
	return math.Sqrt(s)
}

// InDim and OutDim are the number of columns: it is a rotation.
func (m *Map) InDim() int { return m.rotation.Cols }

// OutDim is InDim.
func (m *Map) OutDim() int { return m.rotation.Rows }

// Apply turns the rows of x, n×d, into dst, n×d, and returns dst; a zero dst is allocated. Other shapes panic.
func (m *Map) Apply(dst, x vec.Matrix) vec.Matrix { return vec.MulT(dst, x, m.rotation) }

// Inverse turns them back.
func (m *Map) Inverse(dst, y vec.Matrix) vec.Matrix { return vec.Mul(dst, y, m.rotation) }

// Dims are the prefixes that it was trained for.
func (m *Map) Dims() []int {
	out := make([]int, len(m.losses))
	for i, l := range m.losses {
		out[i] = l.Dim
	}
	return out
}

// Losses returns what each prefix finds of the neighbours of held-out rows.
func (m *Map) Losses() []Loss { return slices.Clone(m.losses) }

// Trained says whether training found more than PCA, so that it was kept.
func (m *Map) Trained() bool { return m.trained }

const kind = "matryoshka"

type header struct {
	Dim     int    `json:"dim"`
	Losses  []Loss `json:"losses"`
	Trained bool   `json:"trained"`
}

// WriteTo writes the map as an artifact, which Read reads.
func (m *Map) WriteTo(w io.Writer) (int64, error) {
	return artifact.Write(w, kind, 1,
		artifact.JSON("header", header{m.InDim(), m.losses, m.trained}),
		artifact.Numbers("rotation", m.rotation.Data))
}

// Read reads the map that WriteTo wrote, and not a byte further. What does not read as one gives *artifact.CorruptError.
func Read(r io.Reader) (*Map, error) {
	f, err := artifact.Read(r, kind, 1)
	if err != nil {
		return nil, err
	}
	var h header
	if err := f.Decode("header", &h); err != nil {
		return nil, err
	}
	m := &Map{rotation: vec.Matrix{Rows: h.Dim, Cols: h.Dim}, losses: h.Losses, trained: h.Trained}
	if m.rotation.Data, err = artifact.Slice[float32](f, "rotation"); err != nil {
		return nil, err
	}
	if h.Dim < 1 || h.Dim > math.MaxInt32 || len(m.rotation.Data) != h.Dim*h.Dim {
		return nil, f.Reject("a rotation of %d dimensions with %d numbers", h.Dim, len(m.rotation.Data))
	}
	if err := m.rotation.Check(); err != nil {
		return nil, f.Reject("its rotation: %v", err)
	}
	if err := orthonormal(m.rotation); err != nil {
		return nil, f.Reject("its rotation: %v", err)
	}
	last := 0
	for _, l := range h.Losses {
		if l.Dim <= last || l.Dim >= h.Dim {
			return nil, f.Reject("a prefix of %d after one of %d, of %d dimensions", l.Dim, last, h.Dim)
		}
		last = l.Dim
	}
	return m, nil
}

// orthonormal says whether the rows of q are, as far as rounding lets one see.
func orthonormal(q vec.Matrix) error {
	g := vec.MulT(vec.Matrix{}, q, q)
	for i := range g.Rows {
		g.Row(i)[i] -= 1
	}
	for _, v := range g.Data {
		if !(math.Abs(float64(v)) <= 1e-4) {
			return errors.New("it is none: its rows are not orthonormal")
		}
	}
	return nil
}

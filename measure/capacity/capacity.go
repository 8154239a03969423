// Package capacity says how many classes a linear readout could tell apart in a representation, per dimension, from
// the geometry of the cloud that each class makes: its radius, its dimension, and the mean-field theory of manifolds.
//
//	r, err := capacity.MeanField(ctx, x, labels, capacity.Options{})   // r.Capacity, r.Radius, r.Dim, r.Verdict
//	s, err := capacity.MMCR(x, labels)                                 // nuclear norms: the loss of paper 2303.03307
//
// Capacity is α = P/D for P classes in D dimensions that can just be separated by random dichotomies: 2 for points
// (Cover), less for wider and rounder clouds. Sources: Chung, Lee and Sompolinsky 2018, Phys. Rev. X 8, 031003;
// Yerxa et al. 2023, arXiv 2303.03307.
package capacity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/latent-go/latent/measure/internal/rows"
	"github.com/latent-go/latent/vec"
)

// ErrSolve says that singular values did not converge, which finite rows do not cause as a rule.
var ErrSolve = errors.New("singular values did not converge")

// Options say how MeanField samples. The zero Options are recommended.
type Options struct {
	Margin     float64  // κ ≥ 0 that the readout must keep
	Directions int      // Gaussian vectors a class is probed with; 0 means 300. The error of capacity falls with its root
	MaxPoints  int      // rows of a class at most, drawn at random; 0 means 200
	Seed       uint64   // of rows and directions: same seed, same report
	Names      []string // of the labels, by number, for messages
	// Progress, if not nil, is told how many classes are done; from one goroutine.
	Progress func(done, total int) `json:"-"`
}

// Report is what MeanField found.
type Report struct {
	Capacity          float64    `json:"capacity"`           // harmonic mean over classes, as their costs add up
	SE                float64    `json:"se"`                 // standard error of Capacity from the directions drawn
	Radius            float64    `json:"radius"`             // mean over classes, in units of the centre's distance from the common mean
	Dim               float64    `json:"dim"`                // mean over classes
	CentreCorrelation float64    `json:"centre_correlation"` // mean |cosine| between centres: the theory wants it small
	Classes           []Manifold `json:"classes"`
	Margin            float64    `json:"margin"`
	Directions        int        `json:"directions"`
	Seed              uint64     `json:"seed"`
	Verdict           string     `json:"verdict"`
	Notes             []string   `json:"notes,omitempty"`
}

// Manifold is one class's geometry.
type Manifold struct {
	Label    int     `json:"label"`
	Rows     int     `json:"rows"`  // that took part
	Total    int     `json:"total"` // that there are
	Capacity float64 `json:"capacity"`
	SE       float64 `json:"se"`
	Radius   float64 `json:"radius"`  // of the points that decide where a readout runs, equation 28
	Dim      float64 `json:"dim"`     // equation 29
	Ellipse  Ellipse `json:"ellipse"` // of all its rows, in the same units
}

// MeanField estimates the capacity of the classes of the rows of x, n×d, by mean-field theory: each class is centred,
// scaled by its centre's distance from the mean of all rows, and probed with random directions, for each of which a
// quadratic program finds the points that would support the readout. Correlations between centres are reported and not
// corrected for, where the theory's program projects out a subspace that it searches for at random. One class only, or
// a class of one row, gives vec.ErrTooFew, a class centred at the common mean vec.ErrZero.
func MeanField(ctx context.Context, x vec.Matrix, labels []int, o Options) (*Report, error) {
	if o.Directions == 0 {
		o.Directions = 300
	}
	if o.MaxPoints == 0 {
		o.MaxPoints = 200
	}
	if !(o.Margin >= 0) || o.Directions < 2 || o.MaxPoints < 2 {
		return nil, fmt.Errorf("capacity: margin %v, %d directions, %d points: want a margin ≥ 0 and at least 2 of each: %w", o.Margin, o.Directions, o.MaxPoints, vec.ErrTooFew)
	}
	names, members, err := classes(x, labels)
	if err != nil {
		return nil, err
	}
	if len(names) < 2 {
		return nil, fmt.Errorf("capacity: all rows have the label %s, want two labels at least: %w", rows.Label(o.Names, names[0]), vec.ErrTooFew)
	}
	x = rows.Unit(x)
	r := &Report{Margin: o.Margin, Directions: o.Directions, Seed: o.Seed}
	mean := centroid(x, nil)
	centres := mat.NewDense(len(names), x.Cols, nil)
	inverse, variance := 0.0, 0.0
	for i, l := range names {
		ids := members[l]
		if len(ids) < 2 {
			return nil, fmt.Errorf("capacity: label %s has one row, which has no geometry; leave it out: %w", rows.Label(o.Names, l), vec.ErrTooFew)
		}
		m := Manifold{Label: l, Total: len(ids), Rows: min(len(ids), o.MaxPoints)}
		centre := centroid(x, ids)
		floats.Sub(centre, mean)
		centres.SetRow(i, centre)
		norm := floats.Norm(centre, 2)
		if !(norm > 1e-9*(1+floats.Norm(mean, 2))) {
			return nil, fmt.Errorf("capacity: label %s is centred at the mean of all rows, which leaves its radius undefined: %w", rows.Label(o.Names, l), vec.ErrZero)
		}
		if m.Ellipse, err = ellipse(x, ids, norm); err != nil {
			return nil, err
		}
		drawn := make([]int, 0, m.Rows)
		for _, k := range rows.Sample(len(ids), o.MaxPoints, o.Seed+uint64(i)) {
			drawn = append(drawn, ids[k])
		}
		// The class about the mean of the rows drawn, as the theory's program has it.
		points, centred := centredRows(x, drawn), centroid(x, drawn)
		floats.Sub(centred, mean)
		norm = floats.Norm(centred, 2)
		points.Scale(1/norm, points)
		basis, err := reduced(points)
		if err != nil {
			return nil, err
		}
		_, dim := basis.Dims()
		rng := rand.New(rand.NewPCG(o.Seed, uint64(i)))
		t := mat.NewDense(o.Directions, dim+1, nil)
		for k := range t.RawMatrix().Data {
			t.RawMatrix().Data[k] = rng.NormFloat64()
		}
		a, err := probe(ctx, basis, t, o.Margin)
		if err != nil {
			return nil, err
		}
		m.Capacity, m.SE, m.Radius, m.Dim = a.capacity, a.se, a.radius, a.dim
		share := 1 / float64(len(names))
		inverse += share / m.Capacity
		variance += math.Pow(share*m.SE/(m.Capacity*m.Capacity), 2)
		r.Radius += share * m.Radius
		r.Dim += share * m.Dim
		r.Classes = append(r.Classes, m)
		if o.Progress != nil {
			o.Progress(i+1, len(names))
		}
	}
	r.Capacity = 1 / inverse
	r.SE = math.Sqrt(variance) * r.Capacity * r.Capacity
	r.CentreCorrelation = correlation(centres)
	r.judge()
	return r, nil
}

func (r *Report) judge() {
	r.Verdict = fmt.Sprintf("A linear readout could tell %.3f ± %.3f classes like these apart per dimension, at most 2 if they were points: their clouds have radius %.2f of the centre's distance and %.1f dimensions.",
		r.Capacity, r.SE, r.Radius, r.Dim)
	if r.CentreCorrelation > .3 {
		r.Notes = append(r.Notes, fmt.Sprintf("Class centres correlate (mean |cosine| %.2f): the theory takes them for independent, so capacity is only indicative.", r.CentreCorrelation))
	}
	drawn := 0
	for _, c := range r.Classes {
		if c.Rows < c.Total {
			drawn++
		}
	}
	if drawn > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d classes were sampled. A cloud grows with the rows drawn from it, so that capacity falls: compare at equal rows.", drawn))
	}
}

// classes groups rows by label.
func classes(x vec.Matrix, labels []int) (names []int, members map[int][]int, err error) {
	if err := x.Check(); err != nil {
		return nil, nil, fmt.Errorf("capacity: %w", err)
	}
	if len(labels) != x.Rows {
		return nil, nil, fmt.Errorf("capacity: %d labels for %d rows: %w", len(labels), x.Rows, vec.ErrDim)
	}
	if x.Rows == 0 || x.Cols == 0 {
		return nil, nil, fmt.Errorf("capacity: %d rows of %d columns: %w", x.Rows, x.Cols, vec.ErrTooFew)
	}
	members = map[int][]int{}
	for i, l := range labels {
		if members[l] == nil {
			names = append(names, l)
		}
		members[l] = append(members[l], i)
	}
	slices.Sort(names)
	return names, members, nil
}

// centroid is the mean of some rows, of all if ids is nil.
func centroid(x vec.Matrix, ids []int) []float64 {
	out := make([]float64, x.Cols)
	if ids == nil {
		for i := range x.Rows {
			add(out, x.Row(i), 1/float64(x.Rows))
		}
		return out
	}
	for _, i := range ids {
		add(out, x.Row(i), 1/float64(len(ids)))
	}
	return out
}

func add(dst []float64, row []float32, scale float64) {
	for j, v := range row {
		dst[j] += float64(v) * scale
	}
}

func centredRows(x vec.Matrix, ids []int) *mat.Dense {
	mean := centroid(x, ids)
	out := mat.NewDense(len(ids), x.Cols, nil)
	for k, i := range ids {
		row := out.RawRowView(k)
		add(row, x.Row(i), 1)
		floats.Sub(row, mean)
	}
	return out
}

// correlation is the mean |cosine| between different rows, after their mean is taken away.
func correlation(centres *mat.Dense) float64 {
	n, d := centres.Dims()
	mean := make([]float64, d)
	for i := range n {
		floats.AddScaled(mean, 1/float64(n), centres.RawRowView(i))
	}
	c := mat.DenseCopyOf(centres)
	for i := range n {
		floats.Sub(c.RawRowView(i), mean)
	}
	sum := 0.0
	for i := range n {
		for j := range i {
			a, b := c.RawRowView(i), c.RawRowView(j)
			sum += math.Abs(floats.Dot(a, b)) / max(floats.Norm(a, 2)*floats.Norm(b, 2), math.SmallestNonzeroFloat64)
		}
	}
	return sum / float64(n*(n-1)/2)
}

// reduced returns the points in coordinates of the space that they span.
func reduced(points *mat.Dense) (*mat.Dense, error) {
	n, d := points.Dims()
	if d <= n {
		return points, nil
	}
	var s mat.SVD
	if !s.Factorize(points, mat.SVDThin) {
		return nil, fmt.Errorf("capacity: %w", ErrSolve)
	}
	var u mat.Dense
	s.UTo(&u)
	values := s.Values(nil)
	rank := max(s.Rank(1e-9), 1)
	out := mat.DenseCopyOf(u.Slice(0, n, 0, rank))
	for i := range n {
		for j := range rank {
			out.Set(i, j, out.At(i, j)*values[j])
		}
	}
	return out, nil
}

type anchors struct{ capacity, se, radius, dim float64 }

// probe finds, for each direction t, a row of dim+1 values, the point of the class's hull that supports the readout
// nearest to t, and from these capacity, radius and dimension: equations 16, 17, 28 and 29. The last coordinate is
// the centre's, 1 for all points.
func probe(ctx context.Context, points, t *mat.Dense, margin float64) (anchors, error) {
	m, dim := points.Dims()
	n, _ := t.Dims()
	s := mat.NewDense(m, dim+1, nil)
	for i := range m {
		copy(s.RawRowView(i), points.RawRowView(i))
		s.Set(i, dim, 1)
	}
	var gram mat.Dense
	gram.Mul(s, s.T())
	anchor, cost := mat.NewDense(n, dim+1, nil), make([]float64, n)
	err := vec.Blocks(ctx, n, 4, func(lo, hi int) error {
		for i := lo; i < hi; i++ {
			var b mat.VecDense
			b.MulVec(s, t.RowView(i))
			most := floats.MaxIdx(b.RawVector().Data)
			out := anchor.RawRowView(i)
			if b.AtVec(most)+margin >= 0 {
				rhs := slices.Clone(b.RawVector().Data)
				floats.AddConst(margin, rhs)
				weight := nonNegative(&gram, rhs)
				if total := floats.Sum(weight); total > 0 {
					for k, w := range weight {
						if w > 0 {
							floats.AddScaled(out, w/total, s.RawRowView(k))
						}
					}
					moved := math.Sqrt(mat.Inner(mat.NewVecDense(m, weight), &gram, mat.NewVecDense(m, weight)))
					if moved < 1e-8 {
						copy(out, s.RawRowView(most))
					}
				} else {
					copy(out, s.RawRowView(most))
				}
			} else {
				copy(out, s.RawRowView(most))
			}
			// λ = max(0, t·s̃ + κ)/|s̃|², and the cost λ²|s̃|².
			size := floats.Dot(out, out)
			over := max(0, floats.Dot(t.RawRowView(i), out)+margin)
			cost[i] = over * over / size
		}
		return nil
	})
	if err != nil {
		return anchors{}, err
	}
	mean, sd := stat.MeanStdDev(cost, nil)
	a := anchors{capacity: 1 / mean, se: sd / math.Sqrt(float64(n)) / (mean * mean)}
	middle := make([]float64, dim)
	for i := range n {
		floats.AddScaled(middle, 1/float64(n), anchor.RawRowView(i)[:dim])
	}
	square, cosine := 0.0, 0.0
	for i := range n {
		p, d := anchor.RawRowView(i)[:dim], t.RawRowView(i)[:dim]
		from := make([]float64, dim)
		floats.SubTo(from, p, middle)
		square += floats.Dot(from, from) / float64(n)
		cosine += floats.Dot(p, d) / math.Sqrt(floats.Dot(d, d)*(floats.Dot(p, p)+1e-12)) / float64(n)
	}
	a.radius, a.dim = math.Sqrt(square), float64(dim)*cosine*cosine
	return a, nil
}

// nonNegative returns the w ≥ 0 that minimises ½wᵀGw - bᵀw, by the active set method of Lawson and Hanson (Solving
// Least Squares Problems, 1974, chapter 23), written for Gram matrices.
func nonNegative(g *mat.Dense, b []float64) []float64 {
	m := len(b)
	w, slope := make([]float64, m), slices.Clone(b) // slope is b - Gw
	scale := 0.0
	for i := range m {
		scale = max(scale, math.Abs(b[i]), g.At(i, i))
	}
	tolerance := 1e-12 * scale
	in, barred := make([]bool, m), make([]bool, m)
	var used []int
	for range 10 * m {
		best := -1
		for i, v := range slope {
			if !in[i] && !barred[i] && v > tolerance && (best < 0 || v > slope[best]) {
				best = i
			}
		}
		if best < 0 {
			break
		}
		in[best] = true
		used = append(used, best)
		for {
			z, ok := restricted(g, b, used)
			if !ok { // depends on the others: nothing to be gained
				in[best], barred[best] = false, true
				used = used[:len(used)-1]
				break
			}
			step := 1.0
			for k, i := range used {
				if z[k] <= 0 {
					step = min(step, w[i]/max(w[i]-z[k], math.SmallestNonzeroFloat64))
				}
			}
			for k, i := range used {
				w[i] += step * (z[k] - w[i])
			}
			if step == 1 {
				clear(barred)
				break
			}
			used = slices.DeleteFunc(used, func(i int) bool {
				if w[i] <= 1e-14*scale {
					w[i], in[i] = 0, false
				}
				return !in[i]
			})
			if !in[best] { // rounding: its gain was none
				barred[best] = true
			}
			if len(used) == 0 {
				break
			}
		}
		copy(slope, b)
		for _, i := range used {
			floats.AddScaled(slope, -w[i], g.RawRowView(i))
		}
	}
	return w
}

// restricted solves for the weights in use alone.
func restricted(g *mat.Dense, b []float64, used []int) ([]float64, bool) {
	k := len(used)
	sym, rhs := mat.NewSymDense(k, nil), mat.NewVecDense(k, nil)
	for i, p := range used {
		rhs.SetVec(i, b[p])
		for j := i; j < k; j++ {
			sym.SetSym(i, j, g.At(p, used[j]))
		}
	}
	var c mat.Cholesky
	if !c.Factorize(sym) || c.Cond() > 1e12 {
		return nil, false
	}
	var z mat.VecDense
	if err := c.SolveVecTo(&z, rhs); err != nil {
		return nil, false
	}
	return z.RawVector().Data, true
}

package capacity

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/latent-go/latent/vec"
)

// Phi is the capacity of points that must be separated with margin κ: 2 at 0, falling. A cloud of radius R and dimension
// D, both small against its distance, has about Phi(R√D). Source: Gardner 1988.
func Phi(kappa float64) float64 { return 1 / squares(kappa, math.Inf(-1), kappa) }

// squares is ∫ (a-x)² over the standard normal from lo to hi.
func squares(a, lo, hi float64) float64 {
	n := distuv.UnitNormal
	at := func(x float64) float64 {
		if math.IsInf(x, -1) {
			return 0
		}
		return (a*a+1)*n.CDF(x) + (2*a-x)*n.Prob(x)
	}
	return at(hi) - at(lo)
}

// Sphere is the capacity of spheres of dim dimensions (a circle has 2) whose radius is given in units of their centres'
// distance from the origin: what MeanField estimates, exactly. Source: Chung, Lee and Sompolinsky 2016,
// Phys. Rev. E 93, 060301; the three cases are those of Phys. Rev. X 8, section III D.
func Sphere(radius, dim, margin float64) float64 {
	// The distance from the direction (t, t₀), |t| = r, to the readouts that keep the margin is 0, or the distance to
	// the cone's side, or that to its tip.
	inner := func(r float64) float64 {
		tip := math.Inf(-1)
		if radius > 0 {
			tip = margin - r/radius
		}
		side := squares(margin+radius*r, tip, margin+radius*r) / (1 + radius*radius)
		if math.IsInf(tip, -1) {
			return side
		}
		return side + squares(margin, math.Inf(-1), tip) + r*r*distuv.UnitNormal.CDF(tip)
	}
	lg, _ := math.Lgamma(dim / 2)
	chi := func(r float64) float64 {
		return math.Exp((1-dim/2)*math.Ln2 - lg + (dim-1)*math.Log(r) - r*r/2)
	}
	middle := math.Sqrt(dim)
	return 1 / quad.Fixed(func(r float64) float64 { return chi(r) * inner(r) }, max(0, middle-12), middle+12, 400, quad.Legendre{}, 0)
}

// Ellipse is a cloud's shape from the standard deviations s along its axes.
type Ellipse struct {
	Radius  float64 `json:"radius"`  // √Σs²
	Dim     float64 `json:"dim"`     // (Σs)²/Σs²: the number of axes, if all are equal
	Nuclear float64 `json:"nuclear"` // Σs = Radius·√Dim, on which capacity depends
}

// Geometry is the shape of the rows of x about their mean, in their own units. Divide Radius and Nuclear by the mean's
// distance from the origin to compare with capacity. Fewer than 2 rows give vec.ErrTooFew.
func Geometry(x vec.Matrix) (Ellipse, error) {
	if err := x.Check(); err != nil {
		return Ellipse{}, fmt.Errorf("capacity: %w", err)
	}
	if x.Rows < 2 || x.Cols < 1 {
		return Ellipse{}, fmt.Errorf("capacity: %d rows of %d columns, want at least 2 of 1: %w", x.Rows, x.Cols, vec.ErrTooFew)
	}
	ids := make([]int, x.Rows)
	for i := range ids {
		ids[i] = i
	}
	return ellipse(x, ids, 1)
}

func ellipse(x vec.Matrix, ids []int, unit float64) (Ellipse, error) {
	s, err := singular(centredRows(x, ids))
	if err != nil {
		return Ellipse{}, err
	}
	floats.Scale(1/(unit*math.Sqrt(float64(len(ids)))), s)
	sum, square := floats.Sum(s), floats.Dot(s, s)
	e := Ellipse{Radius: math.Sqrt(square), Nuclear: sum}
	if square > 0 {
		e.Dim = sum * sum / square
	}
	return e, nil
}

func singular(m *mat.Dense) ([]float64, error) {
	var s mat.SVD
	if !s.Factorize(m, mat.SVDNone) {
		return nil, fmt.Errorf("capacity: %w", ErrSolve)
	}
	return s.Values(nil), nil
}

// Score is the objective of maximum manifold capacity representations.
type Score struct {
	Global           float64 `json:"global"`             // ‖C‖*, nuclear norm of the centroids: to be large
	Bound            float64 `json:"bound"`              // its largest value, of B centroids in D dimensions: √(B·min(B, D))
	Excess           float64 `json:"excess"`             // 1 - Global/Bound: 0 for orthonormal centroids or a tight frame
	Local            float64 `json:"local"`              // mean of a group's ‖U‖*: √k where its k rows are equal, its least
	MeanCentroidNorm float64 `json:"mean_centroid_norm"` // 1 where the rows of each group point the same way
	Groups           int     `json:"groups"`
}

// Loss is λ·Local - Global, which the paper minimises, with λ = 0 as a rule.
func (s Score) Loss(lambda float64) float64 { return lambda*s.Local - s.Global }

// MMCR scores the rows of x, scaled to length 1, in groups: views of one picture, or rows of one class. Centroids are
// means of a group's unit rows, not scaled again. Zero rows give vec.ErrZero. Source: Yerxa et al. 2023, equations 4 and 5.
func MMCR(x vec.Matrix, groups []int) (Score, error) {
	names, members, err := classes(x, groups)
	if err != nil {
		return Score{}, err
	}
	s := Score{Groups: len(names)}
	c := mat.NewDense(len(names), x.Cols, nil)
	for b, l := range names {
		u := mat.NewDense(len(members[l]), x.Cols, nil)
		for k, i := range members[l] {
			row := u.RawRowView(k)
			add(row, x.Row(i), 1)
			norm := floats.Norm(row, 2)
			if norm == 0 {
				return Score{}, fmt.Errorf("capacity: row %d is zero and has no direction: %w", i, vec.ErrZero)
			}
			floats.Scale(1/norm, row)
			floats.AddScaled(c.RawRowView(b), 1/float64(len(members[l])), row)
		}
		local, err := singular(u)
		if err != nil {
			return Score{}, err
		}
		s.Local += floats.Sum(local) / float64(len(names))
		s.MeanCentroidNorm += floats.Norm(c.RawRowView(b), 2) / float64(len(names))
	}
	global, err := singular(c)
	if err != nil {
		return Score{}, err
	}
	s.Global = floats.Sum(global)
	s.Bound = math.Sqrt(float64(len(names) * min(len(names), x.Cols)))
	s.Excess = 1 - s.Global/s.Bound
	return s, nil
}

package dimension

import (
	"context"
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/measure/internal/rows"
	"github.com/latent-go/latent/vec"
)

const (
	fisherRows = 5000 // at most, since more sharpen nothing
	fisherWide = 1024 // the largest matrix whose eigenvectors are computed, in a few seconds
	condition  = 10   // principal directions with less than 1/10 of the largest variance are left out
)

// FisherS estimates the dimension from how easily points are separated from each other by hyperplanes: of points spread
// evenly on a sphere of D dimensions (in the paper's count, in R^D) a share p(α, D) of pairs has a cosine above α, and
// p of the data, centred, whitened and put on the sphere, is turned into D. It is a global and linear dimension: it
// does not suffer at high dimension as distances do, but gives a curved manifold the dimensions that it bends
// through (a sphere counts one more). It looks at no more than 5,000 rows, and 1,024 where there are more than 1,024
// columns. Points of which every pair is separable give ErrNoScale, fewer than three distinct rows vec.ErrTooFew.
// Source: Albergante, Bac and Zinovyev 2019, with their α of 0.6 to 0.98 and condition number 10.
func FisherS(ctx context.Context, x vec.Matrix, o Options) (Estimate, error) {
	p, err := prepare(x, o)
	if err != nil {
		return Estimate{}, err
	}
	return p.fisher(ctx)
}

func (p *points) fisher(ctx context.Context) (Estimate, error) {
	if err := p.need("FisherS", 2); err != nil {
		return Estimate{}, err
	}
	most := fisherRows
	if p.x.Cols > fisherWide {
		most = fisherWide
	}
	x := p.x.Gather(rows.Sample(p.x.Rows, most, p.seed))
	n := x.Rows
	w, err := whitened(ctx, x)
	if err != nil {
		return Estimate{}, err
	}
	for i := range n {
		vec.Normalize(w.Row(i), w.Row(i))
	}
	counts, err := inseparable(ctx, w)
	if err != nil {
		return Estimate{}, err
	}
	var mean [len(alphas)]float64 // share of pairs with a cosine of at least α
	top := -1
	for a := range alphas {
		for _, c := range counts {
			mean[a] += float64(c[a]) / float64(n) / float64(n-1)
		}
		if mean[a] > 0 {
			top = a
		}
	}
	if top < 0 {
		return Estimate{}, fmt.Errorf("dimension: FisherS: no two of %d rows have a cosine above %g: %w", n, alphas[0], ErrNoScale)
	}
	// The paper's choice of α: nearest to nine tenths of the largest at which some pair is still inseparable.
	value, chosen, gap := 0.0, 0, math.Inf(1)
	for a, alpha := range alphas[:top+1] {
		d := math.Abs(alpha - 0.9*alphas[top])
		v := sphereDimension(mean[a], alpha)
		if d < gap || d == gap && v > value {
			value, chosen, gap = v, a, d
		}
	}
	// p is a mean over pairs, so the products of pairs that share a row count, less those of a pair with itself.
	share := mean[chosen]
	each := 2 / (float64(n) * float64(n-1))
	own := each * share * (1 - share)
	variance := -own
	for _, c := range counts {
		g := each * (float64(c[chosen]) - float64(n-1)*share)
		variance += g * g
	}
	variance = max(variance, own)
	const h = 1e-4
	slope := (sphereDimension(share*(1+h), alphas[chosen]) - value) / (share * h)
	e, err := p.estimate("FisherS", 0, value, math.Abs(slope)*math.Sqrt(variance))
	e.N = n
	return e, err
}

// alphas are 0.60, 0.62, … 0.98.
var alphas = func() (a [20]float64) {
	for i := range a {
		a[i] = 0.6 + 0.02*float64(i)
	}
	return a
}()

// sphereDimension is the n at which points spread on the sphere in R^n are inseparable with probability
// p = (1-α²)^((n-1)/2) / (α √(2πn)).
func sphereDimension(p, alpha float64) float64 {
	a2 := alpha * alpha
	w := math.Log(1 - a2)
	return lambertW(-w/(2*math.Pi*p*p*a2*(1-a2))) / -w
}

// lambertW solves w·e^w = z for z ≥ 0.
func lambertW(z float64) float64 {
	w := math.Log1p(z)
	if z > 3 {
		w = math.Log(z) - math.Log(math.Log(z))
	}
	for range 20 { // Halley's steps
		e := vec.Exp(w)
		f := w*e - z
		step := f / (e*(w+1) - (w+2)*f/(2*w+2))
		w -= step
		if math.Abs(step) <= 1e-15*(1+w) {
			break
		}
	}
	return w
}

// whitened returns x, centred, in its principal directions, those that hold at least 1/condition of the
// variance of the first, each scaled to the same variance.
func whitened(ctx context.Context, x vec.Matrix) (vec.Matrix, error) {
	c := centering(x)
	second, err := moment(ctx, x, c)
	if err != nil {
		return vec.Matrix{}, err
	}
	var eig mat.EigenSym
	if !eig.Factorize(second, true) {
		return vec.Matrix{}, errors.New("dimension: the eigenvectors of the covariance did not converge")
	}
	values := eig.Values(nil)
	m := len(values)
	r := 0
	for r < m && values[m-1-r] > values[m-1]/condition {
		r++
	}
	var v mat.Dense
	eig.VectorsTo(&v)
	directions := vec.NewMatrix(r, m)
	for i := range r {
		for j := range m {
			directions.Row(i)[j] = float32(v.At(j, m-1-i))
		}
	}
	if m < x.Cols { // of the rows' products, the eigenvectors are the whitened coordinates themselves
		return transpose(directions), nil
	}
	for i := range r {
		row := directions.Row(i)
		for j := range row {
			row[j] /= float32(math.Sqrt(values[m-1-i]))
		}
	}
	return vec.MulT(vec.Matrix{}, c.apply(x), directions), nil
}

// inseparable counts for each row of w, of length 1 each, the others at a cosine of at least each α.
func inseparable(ctx context.Context, w vec.Matrix) ([][len(alphas)]int32, error) {
	const tile = 64
	counts := make([][len(alphas)]int32, w.Rows)
	err := vec.Blocks(ctx, w.Rows, tile, func(lo, hi int) error {
		cos := make([]float32, tile)
		for from := 0; from < w.Rows; from += tile {
			others := w.Slice(from, min(from+tile, w.Rows))
			for i := lo; i < hi; i++ {
				row := cos[:others.Rows]
				vec.Dots(row, w.Row(i), others.Data)
				for j, c := range row {
					if float64(c) < alphas[0] || from+j == i {
						continue
					}
					for a := range alphas {
						if float64(c) < alphas[a] {
							break
						}
						counts[i][a]++
					}
				}
			}
		}
		return nil
	})
	return counts, err
}

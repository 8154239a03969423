package dimension

import (
	"context"
	"math"

	"github.com/latent-go/latent/vec"
)

// Hill returns the local dimension that distances to the k nearest neighbours show, ascending and above 0:
// (k-1) / Σ_{j<k} ln(r_k/r_j), and +Inf if all are equal. Source: Levina and Bickel 2004, eq. 8. The form of Amsaleg et
// al. 2015 divides by 1/k where this has 1/(k-1), so that it is k/(k-1) times this one.
func Hill(r []float64) float64 { return 1 / inverseHill(r) }

func inverseHill(r []float64) float64 {
	k := len(r)
	var sum float64
	for _, v := range r[:k-1] {
		sum += math.Log(r[k-1] / v)
	}
	return sum / float64(k-1)
}

// inverseMoment is 1/dimension by the method of moments, from the mean of the distances below the largest.
func inverseMoment(r []float64) float64 {
	k := len(r)
	var sum float64
	for _, v := range r[:k-1] {
		sum += v
	}
	mean := sum / float64(k-1)
	return (r[k-1] - mean) / mean
}

// MLE estimates the dimension by maximum likelihood, from the distances of each row to its K nearest others.
// The estimates at the rows are averaged as 1/dimension. It reads low when the dimension is above 5 or so, as distances
// reach the edges of the data: with 2,500 rows, 8.7 in a ball of 10 dimensions. Fewer than K+1 distinct rows give
// vec.ErrTooFew. Time O(n²d), memory O(nK).
// Source: Levina and Bickel 2004; the average is MacKay and Ghahramani's comment on it, 2005.
func MLE(ctx context.Context, x vec.Matrix, o Options) (Estimate, error) {
	p, k, err := ready(ctx, x, o, "MLE")
	if err != nil {
		return Estimate{}, err
	}
	return p.averaged("MLE", k, inverseHill)
}

// MOM estimates the dimension by the method of moments: the mean distance to the neighbours nearer than the Kth, over
// the Kth, is D/(D+1) in dimension D. The estimates at the rows are averaged as 1/dimension. It fails where
// MLE does, and minds measurement noise at the smallest distances less. Errors and cost are those of MLE.
// Source: Amsaleg et al. 2018, section 3.2, whose mean takes in the Kth distance itself: it gives (K·D+1)/(K-1) for our D.
func MOM(ctx context.Context, x vec.Matrix, o Options) (Estimate, error) {
	p, k, err := ready(ctx, x, o, "MOM")
	if err != nil {
		return Estimate{}, err
	}
	return p.averaged("MOM", k, inverseMoment)
}

// averaged is the estimate from the mean of an inverse dimension over the points.
func (p *points) averaged(method string, k int, inverse func(r []float64) float64) (Estimate, error) {
	h := make([]float64, p.x.Rows)
	var mean float64
	for i := range h {
		h[i] = inverse(p.row(i)[:k])
		mean += h[i] / float64(len(h))
	}
	return p.estimate(method, k, 1/mean, p.meanErr(h, k)/(mean*mean))
}

// LID returns the local intrinsic dimension at each row of x, by [Hill] on the distances to its K nearest
// distinct others; equal rows have equal values, and +Inf says that the K are equally far. It measures all rows: Sample
// is not used. Errors and cost are those of MLE.
func LID(ctx context.Context, x vec.Matrix, o Options) ([]float64, error) {
	o.Sample = -1
	if o.K == 0 {
		o.K = max(2, min(defaultLID, x.Rows-1))
	}
	p, k, err := ready(ctx, x, o, "LID")
	if err != nil {
		return nil, err
	}
	lid := make([]float64, x.Rows)
	for i, g := range p.groups {
		lid[i] = Hill(p.row(g)[:k])
	}
	return lid, nil
}

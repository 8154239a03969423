package cur

import (
	"context"
	"math"

	"gonum.org/v1/gonum/floats"

	"github.com/latent-go/latent/vec"
)

// fit predicts the scores of one query from those that it was shown. With A the rows of observed items, k×q, and e
// their scores less their means, the weights of anchor queries are w = Aᵀ(AAᵀ+λ)⁻¹e, and item i is predicted to score
// mean[i] + Rᵀ[i]·w. That is the pseudo-inverse as λ goes to 0, and for any λ the best linear prediction of a score
// whose covariance over queries is RRᵀ/q with noise λ/q. The Cholesky factor L of AAᵀ+λ grows by a row with each item,
// so that a search in rounds costs what one in a single step does.
type fit struct {
	rows   vec.Matrix // of all items: Rᵀ
	mean   []float32
	lambda float64

	factor
	y []float64 // L⁻¹e
}

// factor is what a fit has without scores, of the items observed.
type factor struct {
	a [][]float64 // A, in float64
	l [][]float64 // L: row j has j+1 values
}

// newFit returns a fit whose factor has the first anchors already: observe wants those first.
func (ix *Index[Q]) newFit(anchors int) *fit {
	f := &fit{rows: ix.scores, mean: ix.mean, lambda: ix.lambda}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	f.factor = ix.anchors
	for _, id := range ix.order[min(len(f.a), anchors):anchors] {
		f.extend(id)
	}
	if len(f.a) > len(ix.anchors.a) {
		ix.anchors = f.factor
	}
	f.a, f.l = f.a[:anchors:anchors], f.l[:anchors:anchors] // to grow elsewhere
	return f
}

// observe takes in the scores of more items.
func (f *fit) observe(ids []uint32, scores []float32) {
	for i, id := range ids {
		n := len(f.y)
		if n == len(f.a) {
			f.extend(id)
		}
		l := f.l[n]
		f.y = append(f.y, (float64(scores[i])-float64(f.mean[id])-floats.Dot(l[:n], f.y))/l[n])
	}
}

// extend appends an item to the factor.
func (f *fit) extend(id uint32) {
	n := len(f.a)
	a, l := make([]float64, f.rows.Cols), make([]float64, n+1)
	for j, v := range f.rows.Row(int(id)) {
		a[j] = float64(v)
	}
	for j, b := range f.a {
		l[j] = (floats.Dot(a, b) - floats.Dot(l[:j], f.l[j][:j])) / f.l[j][j]
	}
	// What is left of the diagonal is at least λ, but for rounding. It is 0 only if no score of any item differs from
	// the item's mean; then A is 0, nothing is learnt, and any L does.
	if l[n] = math.Sqrt(max(floats.Dot(a, a)+f.lambda-floats.Dot(l[:n], l[:n]), f.lambda)); l[n] == 0 {
		l[n] = 1
	}
	f.a, f.l = append(f.a, a), append(f.l, l)
}

// predict writes the predicted scores of all items to dst.
func (f *fit) predict(ctx context.Context, dst []float32) error {
	x := append([]float64(nil), f.y...) // becomes L⁻ᵀy = (AAᵀ+λ)⁻¹e
	w := make([]float64, f.rows.Cols)
	for j := len(x) - 1; j >= 0; j-- {
		x[j] /= f.l[j][j]
		floats.AddScaled(x[:j], -x[j], f.l[j][:j])
		floats.AddScaled(w, x[j], f.a[j])
	}
	q := f.rows.Cols
	weight := make([]float32, q)
	for i, v := range w {
		weight[i] = float32(v)
	}
	return vec.Blocks(ctx, len(dst), 1+1<<20/q, func(lo, hi int) error {
		vec.Dots(dst[lo:hi], weight, f.rows.Data[lo*q:hi*q])
		for i := lo; i < hi; i++ {
			if dst[i] += f.mean[i]; !finite(dst[i]) { // scores near the largest that float32 can hold
				dst[i] = f.mean[i]
			}
		}
		return nil
	})
}

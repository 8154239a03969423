package pca

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/latent-go/latent/vec"
)

const (
	oversample = 10 // directions beyond those wanted
	passes     = 4  // times that the covariance is applied before the last
)

// fitRandomized turns a random subspace, the rows of w, toward the leading directions by applying the covariance, and
// takes the eigenvectors of the covariance within it.
func fitRandomized(ctx context.Context, x vec.Matrix, o Options) (*Map, error) {
	n, d, k := x.Rows, x.Cols, o.Components
	w := vec.NewMatrix(min(k+oversample, n, d), d)
	rng := rand.New(rand.NewPCG(o.Seed, 0))
	for i := range w.Data {
		w.Data[i] = float32(rng.NormFloat64())
	}
	mean := o.meanOf(x)
	var (
		image []float64
		total float64
		err   error
	)
	for pass := range passes + 1 {
		orthonormalize(w)
		progress := func(rows int) {
			if o.Progress != nil {
				o.Progress(pass*n+rows, (passes+1)*n)
			}
		}
		if image, total, err = scatterOf(ctx, x, mean, w, progress); err != nil {
			return nil, err
		}
		if notFinite(total) {
			return nil, errTooLarge
		}
		if pass == passes {
			break
		}
		top := max(slices.Max(image), -slices.Min(image), math.SmallestNonzeroFloat64)
		for i, v := range image {
			w.Data[i] = float32(v / top) // only directions matter, and float32 might not hold the values
		}
	}
	// Within the subspace the scatter is image·wᵀ.
	l := w.Rows
	within := make([]float64, l*l)
	for i := range l {
		for j := range i + 1 {
			for c, v := range w.Row(j) {
				within[i*l+j] += image[i*d+c] * float64(v)
			}
		}
	}
	values, vectors, err := eigen(ctx, within, l, func([]float64) int { return k })
	if err != nil {
		return nil, err
	}
	components := vec.NewMatrix(k, d)
	blocks(k, 1, func(i, _ int) {
		row := make([]float64, d)
		for j, c := range vectors[i*l : (i+1)*l] {
			for p, v := range w.Row(j) {
				row[p] += c * float64(v)
			}
		}
		narrow(components.Row(i), row)
	})
	return newMap(mean, components, values[:k], total, n, o), nil
}

// scatterOf returns w·S, S = Σ (x-mean)(x-mean)ᵀ over the rows of x, and the trace of S, in one pass over x.
func scatterOf(ctx context.Context, x vec.Matrix, mean []float64, w vec.Matrix, progress func(rows int)) (out []float64, trace float64, err error) {
	out = make([]float64, len(w.Data))
	for lo := 0; lo < x.Rows; lo += blockRows {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		part := centre(x.Slice(lo, min(lo+blockRows, x.Rows)), mean)
		scores := vec.MulT(vec.Matrix{}, w, part)
		for i, v := range vec.Mul(vec.Matrix{}, scores, part).Data {
			out[i] += float64(v)
		}
		for i := range part.Rows {
			trace += float64(vec.Dot(part.Row(i), part.Row(i)))
		}
		progress(lo + part.Rows)
	}
	return out, trace, nil
}

// centre returns x-mean.
func centre(x vec.Matrix, mean []float64) vec.Matrix {
	out := vec.NewMatrix(x.Rows, x.Cols)
	blocks(x.Rows, 64, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := out.Row(i)
			for j, v := range x.Row(i) {
				row[j] = float32(float64(v) - mean[j])
			}
		}
	})
	return out
}

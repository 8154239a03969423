package pca

import (
	"context"

	"github.com/latent-go/latent/vec"
)

// fitRows is the exact fit of fewer rows than dimensions: the eigenvectors u of the rows' inner products XXᵀ, centred,
// give the directions uᵀX.
func fitRows(ctx context.Context, x vec.Matrix, o Options) (*Map, error) {
	n, d := x.Rows, x.Cols
	mean := o.meanOf(x)
	columns := centredColumns(x, mean)
	inner := vec.Gram(nil, columns, nil)
	var total float64
	for i := range n {
		total += inner[i*n+i]
	}
	if notFinite(total) {
		return nil, errTooLarge
	}
	values, vectors, err := eigen(ctx, inner, n, func(values []float64) int { return o.wanted(values, n) })
	if err != nil {
		return nil, err
	}
	k := len(vectors) / n
	u := vec.NewMatrix(k, n)
	narrow(u.Data, vectors)
	components := vec.MulT(vec.NewMatrix(k, d), u, columns)
	orthonormalize(components)
	if o.Progress != nil {
		o.Progress(n, n)
	}
	return newMap(mean, components, values[:k], total, n, o), nil
}

// centredColumns returns (x-mean)ᵀ, d×n.
func centredColumns(x vec.Matrix, mean []float64) vec.Matrix {
	const tile = 32 // square by square, so that both sides stay in the cache
	out := vec.NewMatrix(x.Cols, x.Rows)
	blocks(x.Cols, tile, func(lo, hi int) {
		for top := 0; top < x.Rows; top += tile {
			for i := top; i < min(top+tile, x.Rows); i++ {
				for j := lo; j < hi; j++ {
					out.Data[j*x.Rows+i] = float32(float64(x.Data[i*x.Cols+j]) - mean[j])
				}
			}
		}
	})
	return out
}

// orthonormalize makes the rows of v orthonormal, each from those above it by Gram-Schmidt, twice, which is enough. A
// row that those above all but span, as of a direction in which the data does not vary, is replaced by what is left of
// a unit vector; v has no more rows than columns.
func orthonormalize(v vec.Matrix) {
	products := make([]float32, v.Rows)
	unit := 0 // the next unit vector to try
	for i := range v.Rows {
		row, above := v.Row(i), v.Slice(0, i)
		for !project(row, above, products[:i]) {
			clear(row)
			row[unit] = 1
			unit++
		}
		project(row, above, products[:i])
	}
}

// project scales row to length 1, subtracts what the orthonormal rows above span of it, and scales the rest to
// length 1. It returns false if the rest is too little to have a direction of its own.
func project(row []float32, above vec.Matrix, products []float32) bool {
	if vec.Normalize(row, row) == 0 {
		return false
	}
	vec.Dots(products, row, above.Data)
	for j, c := range products {
		for l, v := range above.Row(j) {
			row[l] -= c * v
		}
	}
	return vec.Normalize(row, row) > 1e-3
}

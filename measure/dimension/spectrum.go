package dimension

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/measure/internal/rows"
	"github.com/latent-go/latent/vec"
)

// Eigen is the spectrum of the covariance of the data: how the variance is spread over directions. These are linear
// dimensions: a curved manifold takes up more of them than it has dimensions.
type Eigen struct {
	// Values are the variances along the principal directions, largest first, min(n-1, columns) of them.
	Values []float64 `json:"values"`
	Total  float64   `json:"total"` // variance in all

	Participation float64 `json:"participation"` // (Σλ)²/Σλ²: directions, if all that count were equal
	ParticipErr   float64 `json:"participation_stderr"`
	EffectiveRank float64 `json:"effective_rank"` // exp of the entropy of λ/Σλ; Roy and Vetterli 2007
	Kaiser        int     `json:"kaiser"`         // directions with more variance than the mean over columns
	BrokenStick   int     `json:"broken_stick"`   // leading directions above their share of a stick broken at random
	Rank          int     `json:"rank"`           // directions above rounding

	N    int    `json:"n"`  // rows it was made from
	Of   int    `json:"of"` // rows there were
	Seed uint64 `json:"seed"`
	Cols int    `json:"cols"`
}

// Components returns the fewest leading directions that hold at least this share of the variance, 0 to 1.
func (e *Eigen) Components(share float64) int {
	var sum float64
	for i, v := range e.Values {
		if sum >= share*e.Total*(1-1e-12) {
			return i
		}
		sum += v
	}
	return len(e.Values)
}

const (
	// spectrumRows are read at most, since more change nothing that can be seen.
	spectrumRows = 100_000
	// largestEigen is the largest matrix whose eigenvalues are computed, a few seconds' work; beyond, fewer rows are used.
	largestEigen = 1536
)

// Spectrum returns the spectrum of the covariance of the rows of x, of 100,000 of them at most, and where x is wider than 1,536
// columns of 1,536; N says of how many. Sample is not used. Values that cannot be told from rounding are 0. Data without
// variance has dimension 0 by every count. Fewer than two rows give vec.ErrTooFew. Time O(nd·min(n,d)) + O(1536³).
func Spectrum(ctx context.Context, x vec.Matrix, o Options) (*Eigen, error) {
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("dimension: %w", err)
	}
	if x.Rows < 2 {
		return nil, fmt.Errorf("dimension: a spectrum needs 2 rows, there are %d: %w", x.Rows, vec.ErrTooFew)
	}
	e := &Eigen{Values: []float64{}, Of: x.Rows, Seed: o.Seed, Cols: x.Cols}
	if x.Rows > spectrumRows {
		x = x.Gather(rows.Sample(x.Rows, spectrumRows, o.Seed))
	}
	if min(x.Rows, x.Cols) > largestEigen {
		x = x.Gather(rows.Sample(x.Rows, largestEigen, o.Seed))
	}
	e.N = x.Rows
	if x.Cols == 0 {
		return e, nil
	}
	c := centering(x)
	second, err := moment(ctx, x, c)
	if err != nil {
		return nil, err
	}
	var eig mat.EigenSym
	if !eig.Factorize(second, false) {
		return nil, errors.New("dimension: the eigenvalues of the covariance did not converge")
	}
	values := eig.Values(nil)
	slices.Reverse(values)
	values = values[:min(x.Rows-1, x.Cols)] // of n rows less their mean, the last is 0
	e.Values = values
	rounding := values[0] * math.Sqrt(float64(x.Cols)) * 0x1p-21 // products are summed in float32, see vec.Gram
	for i, v := range values {
		if v <= rounding {
			v = 0
		}
		values[i] = v / c.scale / c.scale
		e.Total += values[i]
	}
	if !(e.Total > 0) || math.IsInf(e.Total, 0) { // all rows are equal, or the variance is beyond float64
		return e, nil
	}
	var squares, entropy float64
	for _, v := range values {
		q := v / e.Total
		squares += q * q
		if q > 0 {
			e.Rank++
			entropy -= q * math.Log(q)
		}
		if v > e.Total/float64(x.Cols)*(1+1e-9) {
			e.Kaiser++
		}
	}
	e.Participation, e.EffectiveRank = 1/squares, math.Exp(entropy)
	var stick float64 // Σ_{j≥i} 1/j over the columns, from the last i to the first
	share := make([]float64, x.Cols)
	for i := x.Cols; i >= 1; i-- {
		stick += 1 / float64(i)
		share[i-1] = stick / float64(x.Cols)
	}
	for e.BrokenStick < len(values) && values[e.BrokenStick] > share[e.BrokenStick]*e.Total {
		e.BrokenStick++
	}
	e.ParticipErr = participationErr(x, c, second, e.Participation)
	return e, nil
}

// moment returns xᵀx/(n-1) of the centred x, or xxᵀ/(n-1) where that is smaller: they have the same eigenvalues, but for
// zeros.
func moment(ctx context.Context, x vec.Matrix, c center) (*mat.SymDense, error) {
	var products []float64
	if x.Cols <= x.Rows {
		const block = 4096
		for lo := 0; lo < x.Rows; lo += block {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			products = vec.Gram(products, c.apply(x.Slice(lo, min(lo+block, x.Rows))), nil)
		}
	} else {
		x = c.apply(x)
		for _, v := range vec.MulT(vec.Matrix{}, x, x).Data {
			products = append(products, float64(v))
		}
	}
	for i := range products {
		products[i] /= float64(x.Rows - 1)
	}
	return mat.NewSymDense(min(x.Rows, x.Cols), products), ctx.Err()
}

// participationErr is the standard error of the participation ratio T²/F, T = Σλ and F = Σλ², from what each row adds
// to T, |x|², and to F, 2xᵀCx, to first order. second is C, or the rows' own products over n-1.
func participationErr(x vec.Matrix, c center, second *mat.SymDense, ratio float64) float64 {
	n := x.Rows
	step := max(1, n/1000) // a thousand rows are enough for a standard deviation
	var length, form, whole []float64
	for i := 0; i < n; i += step {
		row := c.apply(x.Slice(i, i+1)).Data
		var q float64
		if second.SymmetricDim() == x.Cols {
			v := mat.NewVecDense(len(row), nil)
			for j, a := range row {
				v.SetVec(j, float64(a))
			}
			q = mat.Inner(v, second, v)
		} else {
			for j := range n {
				q += second.At(i, j) * second.At(i, j) * float64(n-1)
			}
		}
		l := float64(vec.Dot(row, row))
		// Of the products that make F, xᵢ takes part in all 2q but the one with itself only once.
		length, form = append(length, l), append(form, q-l*l/(2*float64(n-1)))
		whole = append(whole, q)
	}
	t, _ := meanSD(length)
	f, _ := meanSD(whole)
	for i := range length {
		length[i] = ratio * (2*length[i]/t - 2*form[i]/f)
	}
	_, sd := meanSD(length)
	return sd / math.Sqrt(float64(n))
}

func transpose(x vec.Matrix) vec.Matrix {
	t := vec.NewMatrix(x.Cols, x.Rows)
	const tile = 32
	for i0 := 0; i0 < x.Rows; i0 += tile {
		for j := range x.Cols {
			for i := i0; i < min(i0+tile, x.Rows); i++ {
				t.Data[j*x.Rows+i] = x.Data[i*x.Cols+j]
			}
		}
	}
	return t
}

package scalar

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/latent-go/latent/vec"
)

// Options say which range the steps of an integer codec cover. The zero Options give each dimension the range of its
// own that loses least.
type Options struct {
	// Global is for one range for all dimensions, the same step in each. A range for each loses less.
	Global bool

	// Clip is the share of values to leave outside of the range at each end, from 0 to 0.5, there to become the end
	// itself. 0 takes, of ten shares from none to 5 %, the one with the least mean squared error on the data; with 4
	// bits that halves the error of Gaussian data. NoClip leaves none outside.
	Clip float64
}

// NoClip is the Clip of a range from the least to the greatest value.
const NoClip = -1

// FitInt8 returns the codec "sq8" for vectors like the rows of x: one byte a dimension. The least and the greatest
// value are those of all rows; the error of a range, and the shares outside of it, are taken over 4,096 evenly spaced
// rows if there are more. Without rows the error is vec.ErrTooFew, with a value that is not finite vec.ErrNotFinite.
func FitInt8(x vec.Matrix, o Options) (*Codec, error) { return fit(sq8, x, o) }

// FitInt4 is FitInt8 for the codec "sq4": half a byte a dimension.
func FitInt4(x vec.Matrix, o Options) (*Codec, error) { return fit(sq4, x, o) }

const sampleRows = 1 << 12

// clips are the shares that Clip 0 tries. Of Gaussian data the best is near 0.004 with 4 bits and nearly none with 8.
var clips = []float64{0, 0.0001, 0.0003, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.05}

func fit(k *kind, x vec.Matrix, o Options) (*Codec, error) {
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("scalar: fit %s: %w", k.name, err)
	}
	if x.Rows == 0 || x.Cols == 0 {
		return nil, fmt.Errorf("scalar: fit %s: no values in %d×%d: %w", k.name, x.Rows, x.Cols, vec.ErrTooFew)
	}
	try := clips
	switch {
	case o.Clip == NoClip:
		try = []float64{0}
	case o.Clip != 0:
		if !(o.Clip > 0 && o.Clip < 0.5) {
			return nil, fmt.Errorf("scalar: fit %s: Clip is %v; want a share from 0 to 0.5, or NoClip", k.name, o.Clip)
		}
		try = []float64{o.Clip}
	}
	c := &Codec{kind: k, dim: x.Cols, lo: make([]float32, x.Cols), step: make([]float32, x.Cols)}
	rows := min(x.Rows, sampleRows)
	weight := float64(rows) / float64(x.Rows) // of one value of the data in a sum over the sample
	err := vec.Blocks(context.Background(), x.Cols, 64, func(from, to int) error {
		for j := from; j < to; j++ {
			c.lo[j], c.step[j] = x.Data[j], x.Data[j] // for now the least and the greatest value
		}
		for i := range x.Rows {
			for j, v := range x.Row(i)[from:to] {
				if v < c.lo[from+j] {
					c.lo[from+j] = v
				} else if v > c.step[from+j] {
					c.step[from+j] = v
				}
			}
		}
		if o.Global {
			return nil
		}
		values := make([]float32, rows)
		for j := from; j < to; j++ {
			for i := range values {
				values[i] = x.Data[i*x.Rows/rows*x.Cols+j]
			}
			c.lo[j], c.step[j] = bestRange(values, c.lo[j], c.step[j], weight, try, k.top)
		}
		return nil
	})
	if o.Global {
		values := make([]float32, 0, rows*x.Cols)
		for i := range rows {
			values = append(values, x.Row(i*x.Rows/rows)...)
		}
		lo, step := bestRange(values, slices.Min(c.lo), slices.Max(c.step), weight, try, k.top)
		for j := range c.lo {
			c.lo[j], c.step[j] = lo, step
		}
	}
	return c, err
}

// bestRange sorts values, a sample of what lies between least and most, and returns the range, among those that leave
// one of the shares outside at each end, with the least squared error over values and, with their weight, the two
// extremes, which the sample may have missed; of equal ones the first.
func bestRange(values []float32, least, most float32, weight float64, shares []float64, top float32) (lo, step float32) {
	slices.Sort(values)
	n := len(values)
	best := math.Inf(1)
	for i, share := range shares {
		out := int(share * float64(n))
		l, h := values[out], values[n-1-out]
		if share == 0 {
			l, h = least, most
		} else if out == 0 && i > 0 {
			continue // that was share 0
		}
		s := float32((float64(h) - float64(l)) / float64(top))
		if len(shares) == 1 {
			return l, s
		}
		e := squaredError(values, l, s, top) + weight*squaredError([]float32{least, most}, l, s, top)
		if e < best {
			best, lo, step = e, l, s
		}
	}
	return lo, step
}

// squaredError is the sum over values of the squared difference to what they decode to.
func squaredError(values []float32, lo, step, top float32) (sum float64) {
	l, s, last := float64(lo), float64(step), float64(top)
	inverse := 0.0 // without a step, all is lo
	if s > 0 {
		inverse = 1 / s
	}
	for _, v := range values {
		x := float64(v) - l
		c := math.RoundToEven(x * inverse)
		if c < 0 {
			c = 0
		} else if c > last {
			c = last
		}
		e := x - c*s
		sum += e * e
	}
	return sum
}

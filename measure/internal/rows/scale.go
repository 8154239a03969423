package rows

import (
	"math"
	"slices"

	"github.com/latent-go/latent/vec"
)

// Unit returns x times the power of two that brings its largest value to between ½ and 1, where neither fourth powers nor
// tolerances know of the scale. A set that is between 2^-16 and 2^16 already is returned as it is.
func Unit(x vec.Matrix) vec.Matrix {
	e := Exponent(x)
	if e == 0 {
		return x
	}
	y := vec.NewMatrix(x.Rows, x.Cols)
	for i, v := range x.Data {
		y.Data[i] = float32(math.Ldexp(float64(v), -e))
	}
	return y
}

// Exponent is the power of two that Unit divides by, 0 for none.
func Exponent(x vec.Matrix) int {
	e, ok := Size(x.Data)
	if !ok || e > -16 && e <= 16 {
		return 0
	}
	return e
}

// Far is how many powers of two above the median row Level lets a row reach: its square is far within float32.
const Far = 40

// Level returns rows that have the same neighbours as those of x, at a scale where squares are within float32: the median
// row at 1, by a power of two. A row more than 2^40 times as large keeps its direction and is brought back to there, which
// is still far from all others.
func Level(x vec.Matrix) vec.Matrix {
	var sizes []int
	for i := range x.Rows {
		if e, ok := Size(x.Row(i)); ok {
			sizes = append(sizes, e)
		}
	}
	if len(sizes) == 0 {
		return x
	}
	slices.Sort(sizes)
	middle := sizes[len(sizes)/2]
	if last := sizes[len(sizes)-1]; middle > -16 && middle <= 16 && last <= Far {
		return x
	}
	y := vec.NewMatrix(x.Rows, x.Cols)
	for i := range x.Rows {
		e, _ := Size(x.Row(i))
		e = max(middle, e-Far)
		for j, v := range x.Row(i) {
			y.Row(i)[j] = float32(math.Ldexp(float64(v), -e))
		}
	}
	return y
}

// Size is the exponent of the power of two next above the largest value, false if all are 0.
func Size(values []float32) (int, bool) {
	var largest float32
	for _, v := range values {
		largest = max(largest, v, -v)
	}
	_, e := math.Frexp(float64(largest))
	return e, largest > 0
}

// SquaredL2s sets dst to the squared Euclidean distances from q to the rows that x holds. Those that float32 would
// overflow or lose are summed in float64, so that 0 means equal and none is infinite.
func SquaredL2s(dst []float64, q, x []float32) {
	d := len(q)
	line := make([]float32, min(len(dst), 256))
	for lo := 0; lo < len(dst); lo += len(line) {
		line = line[:min(len(line), len(dst)-lo)]
		vec.SquaredL2s(line, q, x[lo*d:(lo+len(line))*d])
		for k, v := range line {
			dst[lo+k] = float64(v)
			if !(v > 1e-30 && v < 1e30) {
				dst[lo+k] = squaredL2(q, x[(lo+k)*d:(lo+k+1)*d])
			}
		}
	}
}

func squaredL2(a, b []float32) (s float64) {
	for i, v := range a {
		d := float64(v) - float64(b[i])
		s += d * d
	}
	return s
}

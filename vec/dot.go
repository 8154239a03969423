package vec

import "math"

// Dot returns Σ aᵢbᵢ.
func Dot(a, b []float32) float32 {
	sameLen(len(a), len(b))
	return dotGo(a, b)
}

// SquaredL2 returns Σ (aᵢ-bᵢ)².
func SquaredL2(a, b []float32) float32 {
	sameLen(len(a), len(b))
	return squaredL2Go(a, b)
}

// L1 returns Σ |aᵢ-bᵢ|.
func L1(a, b []float32) float32 {
	sameLen(len(a), len(b))
	return l1Go(a, b)
}

// Dots writes to dst the dot product of q with each of the len(dst) rows of len(q) values that lie one after another
// in rows.
func Dots(dst, q, rows []float32) { each(dst, q, rows, Dot) }

// SquaredL2s is [Dots] for the squared Euclidean distance.
func SquaredL2s(dst, q, rows []float32) { each(dst, q, rows, SquaredL2) }

// L1s is [Dots] for the Manhattan distance.
func L1s(dst, q, rows []float32) { each(dst, q, rows, L1) }

// DotsAt writes to dst[i] the dot product of q with row ids[i] of rows, whose rows have len(q) values each.
func DotsAt(dst, q, rows []float32, ids []uint32) { eachAt(dst, q, rows, ids, Dot) }

// SquaredL2sAt is [DotsAt] for the squared Euclidean distance.
func SquaredL2sAt(dst, q, rows []float32, ids []uint32) { eachAt(dst, q, rows, ids, SquaredL2) }

// L1sAt is [DotsAt] for the Manhattan distance.
func L1sAt(dst, q, rows []float32, ids []uint32) { eachAt(dst, q, rows, ids, L1) }

// Norm returns the Euclidean length of a, summed in float64 when float32 would overflow or lose it.
func Norm(a []float32) float32 {
	s := Dot(a, a)
	if s > 1e-30 && s < 1e30 {
		return float32(math.Sqrt(float64(s)))
	}
	var t float64
	for _, v := range a {
		t += float64(v) * float64(v)
	}
	return float32(math.Sqrt(t))
}

// Normalize writes a scaled to length 1 to dst, which may be a itself, and returns the length that a had. A zero
// vector is copied as it is.
func Normalize(dst, a []float32) float32 {
	sameLen(len(dst), len(a))
	n := Norm(a)
	s := float32(1)
	if n > 0 {
		s = 1 / n
	}
	for i, v := range a {
		dst[i] = v * s
	}
	return n
}

func dotGo(a, b []float32) (s float32) {
	for i, v := range a {
		s += v * b[i]
	}
	return s
}

func squaredL2Go(a, b []float32) (s float32) {
	for i, v := range a {
		d := v - b[i]
		s += d * d
	}
	return s
}

func l1Go(a, b []float32) (s float32) {
	for i, v := range a {
		s += float32(math.Abs(float64(v - b[i])))
	}
	return s
}

func each(dst, q, rows []float32, f func(a, b []float32) float32) {
	d := len(q)
	sameLen(len(rows), len(dst)*d)
	for i := range dst {
		dst[i] = f(q, rows[i*d:(i+1)*d])
	}
}

func eachAt(dst, q, rows []float32, ids []uint32, f func(a, b []float32) float32) {
	d := len(q)
	sameLen(len(dst), len(ids))
	for i, id := range ids {
		o := int(id) * d
		dst[i] = f(q, rows[o:o+d])
	}
}

func sameLen(a, b int) {
	if a != b {
		panic("vec: slices of unequal length")
	}
}

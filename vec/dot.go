package vec

import "math"

// Dot returns Σ aᵢbᵢ.
func Dot(a, b []float32) float32 {
	sameLen(len(a), len(b))
	if hasAVX512 {
		return dotAVX512(a, b)
	}
	if hasAVX2 {
		return dotAVX2(a, b)
	}
	return dotGo(a, b)
}

// SquaredL2 returns Σ (aᵢ-bᵢ)².
func SquaredL2(a, b []float32) float32 {
	sameLen(len(a), len(b))
	if hasAVX512 {
		return squaredL2AVX512(a, b)
	}
	if hasAVX2 {
		return squaredL2AVX2(a, b)
	}
	return squaredL2Go(a, b)
}

// L1 returns Σ |aᵢ-bᵢ|.
func L1(a, b []float32) float32 {
	sameLen(len(a), len(b))
	if hasAVX512 {
		return l1AVX512(a, b)
	}
	if hasAVX2 {
		return l1AVX2(a, b)
	}
	return l1Go(a, b)
}

// Dots writes to dst the dot product of q with each of the len(dst) rows of len(q) values that lie one after another
// in rows.
func Dots(dst, q, rows []float32) { each(opDot, dst, q, rows) }

// SquaredL2s is [Dots] for the squared Euclidean distance.
func SquaredL2s(dst, q, rows []float32) { each(opSquaredL2, dst, q, rows) }

// L1s is [Dots] for the Manhattan distance.
func L1s(dst, q, rows []float32) { each(opL1, dst, q, rows) }

// DotsAt writes to dst[i] the dot product of q with row ids[i] of rows, whose rows have len(q) values each.
func DotsAt(dst, q, rows []float32, ids []uint32) { eachAt(opDot, dst, q, rows, ids) }

// SquaredL2sAt is [DotsAt] for the squared Euclidean distance.
func SquaredL2sAt(dst, q, rows []float32, ids []uint32) { eachAt(opSquaredL2, dst, q, rows, ids) }

// L1sAt is [DotsAt] for the Manhattan distance.
func L1sAt(dst, q, rows []float32, ids []uint32) { eachAt(opL1, dst, q, rows, ids) }

// Norm returns the Euclidean length of a, summed in float64 when float32 would overflow or lose it.
func Norm(a []float32) float32 { return float32(norm(a)) }

func norm(a []float32) float64 {
	s := Dot(a, a)
	if s > 1e-30 && s < 1e30 {
		return math.Sqrt(float64(s))
	}
	var t float64
	for _, v := range a {
		t += float64(v) * float64(v)
	}
	return math.Sqrt(t)
}

// Normalize writes a scaled to length 1 to dst, which may be a itself, and returns the length that a had. A zero
// vector is copied as it is.
func Normalize(dst, a []float32) float32 {
	sameLen(len(dst), len(a))
	n := norm(a)
	switch {
	case n > 0x1p-126 && n < 0x1p126: // then 1/n is a normal float32
		Scale(dst, a, float32(1/n))
	case n == 0:
		copy(dst, a)
	default:
		for i, v := range a {
			dst[i] = float32(float64(v) / n)
		}
	}
	return float32(n)
}

// Scale writes s·a to dst, which may be a itself.
func Scale(dst, a []float32, s float32) {
	sameLen(len(dst), len(a))
	switch {
	case hasAVX512:
		scaleAVX512(dst, a, s)
	case hasAVX2:
		scaleAVX2(dst, a, s)
	default:
		scaleGo(dst, a, s)
	}
}

// AddScaled adds s·a to dst.
func AddScaled(dst, a []float32, s float32) {
	sameLen(len(dst), len(a))
	switch {
	case hasAVX512:
		addScaledAVX512(dst, a, s)
	case hasAVX2:
		addScaledAVX2(dst, a, s)
	default:
		addScaledGo(dst, a, s)
	}
}

// The plain versions sum in four chains, as the assembly does in each of its lanes: one chain would wait for every sum.

func dotGo(a, b []float32) float32 {
	var s [4]float32
	for len(a) >= 4 && len(b) >= 4 {
		s[0] += a[0] * b[0]
		s[1] += a[1] * b[1]
		s[2] += a[2] * b[2]
		s[3] += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i, v := range a {
		s[i] += v * b[i]
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func squaredL2Go(a, b []float32) float32 {
	var s [4]float32
	for len(a) >= 4 && len(b) >= 4 {
		d0, d1, d2, d3 := a[0]-b[0], a[1]-b[1], a[2]-b[2], a[3]-b[3]
		s[0] += d0 * d0
		s[1] += d1 * d1
		s[2] += d2 * d2
		s[3] += d3 * d3
		a, b = a[4:], b[4:]
	}
	for i, v := range a {
		d := v - b[i]
		s[i] += d * d
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func l1Go(a, b []float32) float32 {
	var s [4]float32
	for len(a) >= 4 && len(b) >= 4 {
		s[0] += abs(a[0] - b[0])
		s[1] += abs(a[1] - b[1])
		s[2] += abs(a[2] - b[2])
		s[3] += abs(a[3] - b[3])
		a, b = a[4:], b[4:]
	}
	for i, v := range a {
		s[i] += abs(v - b[i])
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

func scaleGo(dst, a []float32, s float32) {
	for i, v := range a {
		dst[i] = v * s
	}
}

func addScaledGo(dst, a []float32, s float32) {
	for i, v := range a {
		dst[i] += v * s
	}
}

func each(o op, dst, q, rows []float32) {
	d := len(q)
	sameLen(len(rows), len(dst)*d)
	if len(dst) == 0 || scoreFast(o, dst, q, rows, nil) {
		return
	}
	for i := range dst {
		dst[i] = o.plain(q, rows[i*d:(i+1)*d])
	}
}

func eachAt(o op, dst, q, rows []float32, ids []uint32) {
	d := len(q)
	sameLen(len(dst), len(ids))
	if len(ids) == 0 {
		return
	}
	checkRow(largest(ids), d, d, len(rows))
	if scoreFast(o, dst, q, rows, ids) {
		return
	}
	for i, id := range ids {
		at := int(id) * d
		dst[i] = o.plain(q, rows[at:at+d])
	}
}

// op is what a kernel over rows computes.
type op uint8

const (
	opDot op = iota
	opSquaredL2
	opL1
)

func (o op) plain(a, b []float32) float32 {
	switch o {
	case opDot:
		return dotGo(a, b)
	case opSquaredL2:
		return squaredL2Go(a, b)
	}
	return l1Go(a, b)
}

func sameLen(a, b int) {
	if a != b {
		panic("vec: slices of unequal length")
	}
}

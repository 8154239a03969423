package vec

import (
	"math"
	"math/bits"
	"slices"
)

//go:generate go -C _avo run ./topk -out ../topk_amd64.s -stubs ../topk_stub_amd64.go -pkg vec

// TopK keeps the k nearest of the neighbours it is shown: those of least distance and, among equals, of least ID,
// whatever the order in which they come. NaN is no distance and never kept. Only NewTopK and Append allocate. It is
// for one goroutine at a time.
type TopK struct {
	k    int
	keys []uint64 // few: a heap, the largest on top; many: the nearest and some more, in no order
	last uint64   // of many: the k-th when they were cut to k; what follows it is passed over
	at   []uint32
}

// few is the largest k of a heap. Beyond it, gathering 2k and more and cutting them to k again takes less time.
const few = 16

// NewTopK returns a TopK for k neighbours, at least 1. All memory is taken at once.
func NewTopK(k int) *TopK {
	room := k
	if k > few {
		room = 2*k + pushBlock
	}
	return &TopK{k: k, keys: make([]uint64, 0, room), last: math.MaxUint64}
}

// A key orders as distance and then ID do: the bits of the distance, turned so that they order as numbers, then the ID.
func topKey(distance float32, id uint32) uint64 {
	b := math.Float32bits(distance + 0) // -0 is 0
	b ^= uint32(int32(b)>>31) | 1<<31
	return uint64(b)<<32 | uint64(id)
}

func keyDistance(key uint64) float32 {
	b := uint32(key >> 32)
	return math.Float32frombits(b ^ (uint32(int32(^b)>>31) | 1<<31))
}

// For returns an empty TopK for k neighbours: t, reset, if that is what it is for. t may be nil.
func (t *TopK) For(k int) *TopK {
	if t == nil || t.k != k {
		return NewTopK(k)
	}
	t.Reset()
	return t
}

// Reset forgets all neighbours.
func (t *TopK) Reset() { t.keys, t.last = t.keys[:0], math.MaxUint64 }

// Len is how many neighbours are kept.
func (t *TopK) Len() int { return min(len(t.keys), t.k) }

// Bound returns a distance beyond which nothing is kept: that of the k-th neighbour, or for k beyond 16 of one not much
// farther; +Inf until there are k.
func (t *TopK) Bound() float32 {
	switch {
	case len(t.keys) < t.k:
		return float32(math.Inf(1))
	case t.k <= few:
		return keyDistance(t.keys[0])
	case t.last == math.MaxUint64:
		t.trim()
	}
	return keyDistance(t.last)
}

// cut drops all but the k nearest of many.
func (t *TopK) cut() {
	if len(t.keys) >= t.k {
		least(t.keys, t.k)
		t.keys = t.keys[:t.k]
		t.last = t.keys[t.k-1]
	}
}

// trim drops most of many but the k nearest.
func (t *TopK) trim() {
	if hasAVX512 && len(t.keys) > t.k {
		if n, last := nearly(t.keys, t.k); n > 0 {
			t.keys, t.last = t.keys[:n], last
			return
		}
	}
	t.cut()
}

// nearly puts the n least of a first, k ≤ n ≤ 9/8 k, and returns n and a number above these and not above the others. It
// looks for that number by interpolation; if it does not find one soon, n is 0.
func nearly(a []uint64, k int) (n int, above uint64) {
	lo, hi := keyRangeAVX512(&a[0], len(a))
	below, most := 0, len(a) // of a, less than lo, and than hi or so
	for round := range 12 {
		share := 0.5
		if round%3 < 2 {
			share = (float64(k)*17/16 - float64(below)) / float64(most-below)
		}
		pivot := lo + max(1, uint64(share*float64(hi-lo)))
		if pivot >= hi {
			break
		}
		switch n := countBelowAVX512(&a[0], len(a), pivot); {
		case n < k:
			lo, below = pivot, n
		case n > k+k/8:
			hi, most = pivot, n
		default:
			return keepBelowAVX512(&a[0], len(a), pivot), pivot
		}
	}
	return 0, 0
}

// Push shows one neighbour, and says whether it is kept for now.
func (t *TopK) Push(distance float32, id uint32) bool {
	if distance != distance {
		return false
	}
	key := topKey(distance, id)
	h := t.keys
	if t.k > few {
		if key >= t.last {
			return false
		}
		if t.keys = append(h, key); len(t.keys) >= 2*t.k {
			t.trim()
		}
		return true
	}
	if len(h) < t.k {
		h = append(h, key)
		i := len(h) - 1
		for i > 0 && h[(i-1)/2] < key {
			h[i] = h[(i-1)/2]
			i = (i - 1) / 2
		}
		h[i] = key
		t.keys = h
		return true
	}
	if key >= h[0] {
		return false
	}
	i := 0
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && h[c+1] > h[c] {
			c++
		}
		if h[c] <= key {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = key
	return true
}

// least puts the k least of a first, 1 ≤ k ≤ len(a), the largest of them at k-1.
func least(a []uint64, k int) {
	for rounds := 0; len(a) > 16 && rounds < 64; rounds++ {
		last := len(a) - 1
		x, y, z := a[0], a[last/2], a[last]
		pivot := max(min(x, y), min(max(x, y), z))
		switch pivot {
		case x:
			a[0], a[last] = z, x
		case y:
			a[last/2], a[last] = z, y
		}
		n := 0 // less than the pivot
		for i, v := range a[:last] {
			a[i], a[n] = a[n], v
			_, less := bits.Sub64(v, pivot, 0) // not a branch, which would be guessed wrong half of the time
			n += int(less)
		}
		a[n], a[last] = pivot, a[n]
		switch {
		case n == k-1:
			return
		case n >= k:
			a = a[:n]
		default:
			a, k = a[n+1:], k-n-1
		}
	}
	slices.Sort(a) // few, or an order that misleads
}

// pushBlock is how many distances PushAll compares with one bound.
const pushBlock = 256

// PushAll shows the neighbours of distances[i] and ids[i]. Most that are too far are passed over many at a time.
func (t *TopK) PushAll(distances []float32, ids []uint32) {
	sameLen(len(distances), len(ids))
	for lo := 0; lo < len(distances); lo += pushBlock {
		block := distances[lo:min(lo+pushBlock, len(distances))]
		bound := t.Bound()
		if t.k <= few || !hasAVX512 {
			t.at = AtMost(t.at[:0], block, bound)
			for _, i := range t.at {
				t.Push(block[i], ids[lo+int(i)])
			}
			continue
		}
		n := len(t.keys)
		room := t.keys[n : n+len(block)]
		t.keys = t.keys[:n+topKeysAVX512(&room[0], &block[0], &ids[lo], len(block), bound)]
		if len(t.keys) >= 2*t.k {
			t.trim()
		}
	}
}

// Merge shows the neighbours that another TopK keeps.
func (t *TopK) Merge(o *TopK) {
	for _, key := range o.keys {
		t.Push(keyDistance(key), uint32(key))
	}
}

// Append appends the neighbours kept, nearest first, and equals by ascending ID. They stay in t.
func (t *TopK) Append(ids []uint32, distances []float32) ([]uint32, []float32) {
	if t.k > few {
		t.cut()
	}
	slices.Sort(t.keys)
	for _, key := range t.keys {
		ids, distances = append(ids, uint32(key)), append(distances, keyDistance(key))
	}
	if t.k <= few {
		slices.Reverse(t.keys) // largest first, which is a heap
	}
	return ids, distances
}

// AppendAnyOrder is Append without the time that the order takes: k neighbours that are no farther than any other.
func (t *TopK) AppendAnyOrder(ids []uint32, distances []float32) ([]uint32, []float32) {
	if t.k > few {
		t.cut()
	}
	for _, key := range t.keys {
		ids, distances = append(ids, uint32(key)), append(distances, keyDistance(key))
	}
	return ids, distances
}

// AtMost appends to at, ascending, the positions i for which x[i] ≤ bound.
func AtMost(at []uint32, x []float32, bound float32) []uint32 {
	at = slices.Grow(at, len(x))
	i, n := 0, len(at)
	room := at[n : n+len(x)]
	switch {
	case len(x) == 0:
	case hasAVX512:
		return at[:n+atMostAVX512(&room[0], &x[0], len(x), bound)]
	case hasAVX2:
		n += atMostAVX2(&room[0], &x[0], len(x), bound)
		i = len(x) &^ 7
	}
	at = at[:n]
	for ; i < len(x); i++ {
		if x[i] <= bound {
			at = append(at, uint32(i))
		}
	}
	return at
}

// AtMostSum appends to at, ascending, the positions i for which cx·x[i] + cy·y[i] ≤ bound. How the sum is rounded, once
// or three times, is not promised.
func AtMostSum(at []uint32, x, y []float32, cx, cy, bound float32) []uint32 {
	sameLen(len(x), len(y))
	at = slices.Grow(at, len(x))
	i, n := 0, len(at)
	room := at[n : n+len(x)]
	switch {
	case len(x) == 0:
	case hasAVX512:
		return at[:n+atMostSumAVX512(&room[0], &x[0], &y[0], len(x), cx, cy, bound)]
	case hasAVX2:
		n += atMostSumAVX2(&room[0], &x[0], &y[0], len(x), cx, cy, bound)
		i = len(x) &^ 7
	}
	at = at[:n]
	for ; i < len(x); i++ {
		if cx*x[i]+cy*y[i] <= bound {
			at = append(at, uint32(i))
		}
	}
	return at
}

package vec

import (
	"math"
	"slices"
)

//go:generate go -C _avo run ./topk -out ../topk_amd64.s -stubs ../topk_stub_amd64.go -pkg vec

// TopK keeps the k nearest of the neighbours it is shown: those of least distance and, among equals, of least ID,
// whatever the order in which they come. NaN is no distance and never kept. Only NewTopK and Append allocate. It is
// for one goroutine at a time.
type TopK struct {
	k    int
	heap []uint64 // keys, the largest on top
	at   []uint32
}

// NewTopK returns a TopK for k neighbours, at least 1. Memory is taken for all k at once.
func NewTopK(k int) *TopK { return &TopK{k: k, heap: make([]uint64, 0, k)} }

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

// Reset forgets all neighbours.
func (t *TopK) Reset() { t.heap = t.heap[:0] }

// Len is how many neighbours are kept.
func (t *TopK) Len() int { return len(t.heap) }

// Bound returns the distance beyond which nothing is kept: that of the k-th neighbour, +Inf until there are k.
func (t *TopK) Bound() float32 {
	if len(t.heap) < t.k {
		return float32(math.Inf(1))
	}
	return keyDistance(t.heap[0])
}

// Push shows one neighbour, and says whether it is kept for now.
func (t *TopK) Push(distance float32, id uint32) bool {
	if distance != distance {
		return false
	}
	key := topKey(distance, id)
	h := t.heap
	if len(h) < t.k {
		h = append(h, key)
		i := len(h) - 1
		for i > 0 && h[(i-1)/2] < key {
			h[i] = h[(i-1)/2]
			i = (i - 1) / 2
		}
		h[i] = key
		t.heap = h
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

// pushBlock is how many distances PushAll compares with one bound.
const pushBlock = 256

// PushAll shows the neighbours of distances[i] and ids[i]. Most that are too far are passed over many at a time.
func (t *TopK) PushAll(distances []float32, ids []uint32) {
	sameLen(len(distances), len(ids))
	for lo := 0; lo < len(distances); lo += pushBlock {
		block := distances[lo:min(lo+pushBlock, len(distances))]
		t.at = AtMost(t.at[:0], block, t.Bound())
		for _, i := range t.at {
			t.Push(block[i], ids[lo+int(i)])
		}
	}
}

// Merge shows the neighbours that another TopK keeps.
func (t *TopK) Merge(o *TopK) {
	for _, key := range o.heap {
		t.Push(keyDistance(key), uint32(key))
	}
}

// Append appends the neighbours kept, nearest first, and equals by ascending ID. They stay in t.
func (t *TopK) Append(ids []uint32, distances []float32) ([]uint32, []float32) {
	slices.Sort(t.heap)
	for _, key := range t.heap {
		ids, distances = append(ids, uint32(key)), append(distances, keyDistance(key))
	}
	slices.Reverse(t.heap) // largest first, which is a heap
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

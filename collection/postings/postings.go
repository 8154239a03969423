// Package postings is what inverted indexes over slots are made of: lists of slots with a weight each, and the adding up
// of scores over several lists.
package postings

import (
	"cmp"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// List is slots in ascending order, each with a weight.
type List[W any] struct {
	Slots   []uint32
	Weights []W
}

// Put sets the weight of a slot. It is cheap for slots in ascending order.
func (l *List[W]) Put(slot uint32, w W) {
	if n := len(l.Slots); n == 0 || l.Slots[n-1] < slot {
		l.Slots, l.Weights = append(l.Slots, slot), append(l.Weights, w)
		return
	}
	i, there := slices.BinarySearch(l.Slots, slot)
	if there {
		l.Weights[i] = w
		return
	}
	l.Slots, l.Weights = slices.Insert(l.Slots, i, slot), slices.Insert(l.Weights, i, w)
}

// Remove takes a slot out.
func (l *List[W]) Remove(slot uint32) {
	if i, there := slices.BinarySearch(l.Slots, slot); there {
		l.Slots, l.Weights = slices.Delete(l.Slots, i, i+1), slices.Delete(l.Weights, i, i+1)
	}
}

// Forget takes many slots out.
func (l *List[W]) Forget(dead *roaring.Bitmap) {
	n := 0
	for i, s := range l.Slots {
		if !dead.Contains(s) {
			l.Slots[n], l.Weights[n] = s, l.Weights[i]
			n++
		}
	}
	l.Slots, l.Weights = l.Slots[:n], l.Weights[:n]
}

// Count is how many of the slots are in keep. A nil List has none.
func (l *List[W]) Count(keep *roaring.Bitmap) int {
	if l == nil {
		return 0
	}
	return count(l.Slots, keep)
}

func count(slots []uint32, keep *roaring.Bitmap) (n int) {
	for _, slot := range slots {
		if keep.Contains(slot) {
			n++
		}
	}
	return n
}

// IDF is the inverse document frequency of what n of all slots have, as Lucene has it, which is never negative:
//
//	ln(1 + (all − n + ½) / (n + ½))
func IDF(all, n float64) float64 { return math.Log1p((all - n + 0.5) / (n + 0.5)) }

// Hit is a slot and its score.
type Hit struct {
	Slot  uint32
	Score float64
}

// Scores adds up scores by slot. The zero Scores has none.
type Scores struct {
	pages map[uint32]*page
}

const pageBits = 12

type page struct {
	sum  [1 << pageBits]float64
	seen [1 << (pageBits - 6)]uint64
}

// Add adds to the score of a slot.
func (s *Scores) Add(slot uint32, x float64) {
	if s.pages == nil {
		s.pages = make(map[uint32]*page)
	}
	p := s.pages[slot>>pageBits]
	if p == nil {
		p = new(page)
		s.pages[slot>>pageBits] = p
	}
	i := slot & (1<<pageBits - 1)
	p.sum[i] += x
	p.seen[i>>6] |= 1 << (i & 63)
}

// Top returns the k slots of the highest score among those that got one, best first, ties by slot.
func (s *Scores) Top(k int) []Hit {
	t := top{k: k}
	for at, p := range s.pages {
		for w, bits := range p.seen {
			for i := uint32(w) << 6; bits != 0; i, bits = i+1, bits>>1 {
				if bits&1 != 0 {
					t.offer(Hit{at<<pageBits | i, p.sum[i]})
				}
			}
		}
	}
	slices.SortFunc(t.heap, compare)
	return t.heap
}

// compare orders hits best first.
func compare(a, b Hit) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Slot, b.Slot)) }

// top keeps the k best hits, the worst of them first in a heap.
type top struct {
	k    int
	heap []Hit
}

func (t *top) offer(h Hit) {
	if len(t.heap) < t.k {
		t.heap = append(t.heap, h)
		for i := len(t.heap) - 1; i > 0 && compare(t.heap[i], t.heap[(i-1)/2]) > 0; i = (i - 1) / 2 {
			t.heap[i], t.heap[(i-1)/2] = t.heap[(i-1)/2], t.heap[i]
		}
		return
	}
	if t.k <= 0 || compare(h, t.heap[0]) > 0 {
		return
	}
	t.heap[0] = h
	for i := 0; ; {
		worst := i
		for c := 2*i + 1; c <= 2*i+2 && c < t.k; c++ {
			if compare(t.heap[c], t.heap[worst]) > 0 {
				worst = c
			}
		}
		if worst == i {
			return
		}
		t.heap[i], t.heap[worst] = t.heap[worst], t.heap[i]
		i = worst
	}
}

// Set is a set of slots: a short list, or a bitmap.
type Set struct {
	few  []uint32
	many *roaring.Bitmap
}

const fewest = 32

// SetOf is the set of slots, which are in ascending order. It keeps them if they are few.
func SetOf(slots []uint32) Set {
	if len(slots) <= fewest {
		return Set{few: slots[:len(slots):len(slots)]}
	}
	s := Set{many: roaring.New()}
	s.many.AddMany(slots)
	return s
}

// Add puts a slot in.
func (s *Set) Add(slot uint32) {
	if s.many != nil {
		s.many.Add(slot)
		return
	}
	i, there := slices.BinarySearch(s.few, slot)
	if there {
		return
	}
	s.few = slices.Insert(s.few, i, slot)
	if len(s.few) > fewest {
		s.many = roaring.BitmapOf(s.few...)
		s.few = nil
	}
}

// Remove takes a slot out.
func (s *Set) Remove(slot uint32) {
	if s.many != nil {
		s.many.Remove(slot)
	} else if i, there := slices.BinarySearch(s.few, slot); there {
		s.few = slices.Delete(s.few, i, i+1)
	}
}

// Forget takes many slots out.
func (s *Set) Forget(dead *roaring.Bitmap) {
	if s.many != nil {
		s.many.AndNot(dead)
	} else {
		s.few = slices.DeleteFunc(s.few, dead.Contains)
	}
}

// Len is the number of slots.
func (s *Set) Len() int {
	if s.many != nil {
		return int(s.many.GetCardinality())
	}
	return len(s.few)
}

// Count is how many of the slots are in keep.
func (s *Set) Count(keep *roaring.Bitmap) int {
	if s.many != nil {
		return int(s.many.AndCardinality(keep))
	}
	return count(s.few, keep)
}

// AddTo puts the slots into b.
func (s *Set) AddTo(b *roaring.Bitmap) {
	if s.many != nil {
		b.Or(s.many)
	} else {
		b.AddMany(s.few)
	}
}

// Slots returns the slots in ascending order.
func (s *Set) Slots() []uint32 {
	if s.many != nil {
		return s.many.ToArray()
	}
	return s.few
}

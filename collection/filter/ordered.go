package filter

import (
	"cmp"
	"slices"
	"sort"

	"github.com/RoaringBitmap/roaring/v2"
)

// ordered is pairs of a key and a slot in ascending order, in blocks that split when they are full. Each block knows its
// slots as a bitmap too, so that a range of keys costs one bitmap a block.
type ordered struct {
	blocks []*block // none is empty
	n      int
}

type block struct {
	keys  []uint64
	slots []uint32
	bits  *roaring.Bitmap
}

const blockSize = 2048

// newOrdered makes one of pairs in ascending order, which it keeps.
func newOrdered(keys []uint64, slots []uint32) *ordered {
	o := &ordered{n: len(keys)}
	for at := 0; at < len(keys); at += blockSize {
		end := min(at+blockSize, len(keys))
		o.blocks = append(o.blocks, newBlock(keys[at:end:end], slots[at:end:end]))
	}
	return o
}

func newBlock(keys []uint64, slots []uint32) *block {
	sorted := slices.Clone(slots)
	slices.Sort(sorted)
	b := &block{keys, slots, roaring.New()}
	b.bits.AddMany(sorted)
	return b
}

// find returns where a pair is, or would be.
func (o *ordered) find(key uint64, slot uint32) (at, i int) {
	at = sort.Search(len(o.blocks), func(at int) bool {
		b := o.blocks[at]
		return comparePair(b.keys[len(b.keys)-1], b.slots[len(b.slots)-1], key, slot) >= 0
	})
	if at == len(o.blocks) {
		return at, 0
	}
	b := o.blocks[at]
	return at, sort.Search(len(b.keys), func(i int) bool { return comparePair(b.keys[i], b.slots[i], key, slot) >= 0 })
}

func comparePair(k1 uint64, s1 uint32, k2 uint64, s2 uint32) int {
	return cmp.Or(cmp.Compare(k1, k2), cmp.Compare(s1, s2))
}

func (o *ordered) add(key uint64, slot uint32) {
	at, i := o.find(key, slot)
	if at == len(o.blocks) { // behind all others
		if at == 0 || len(o.blocks[at-1].keys) >= blockSize {
			o.blocks = append(o.blocks, newBlock([]uint64{key}, []uint32{slot}))
			o.n++
			return
		}
		at--
		i = len(o.blocks[at].keys)
	}
	b := o.blocks[at]
	if i < len(b.keys) && b.keys[i] == key && b.slots[i] == slot {
		return
	}
	o.n++
	b.keys, b.slots = slices.Insert(b.keys, i, key), slices.Insert(b.slots, i, slot)
	b.bits.Add(slot)
	if n := len(b.keys); n > blockSize {
		o.blocks = slices.Insert(o.blocks, at+1, newBlock(slices.Clone(b.keys[n/2:]), slices.Clone(b.slots[n/2:])))
		o.blocks[at] = newBlock(b.keys[:n/2:n/2], b.slots[:n/2:n/2])
	}
}

// remove takes out one pair. Others of its slot are to follow: what ranges say of it in between is undefined.
func (o *ordered) remove(key uint64, slot uint32) {
	at, i := o.find(key, slot)
	if at == len(o.blocks) {
		return
	}
	b := o.blocks[at]
	if i == len(b.keys) || b.keys[i] != key || b.slots[i] != slot {
		return
	}
	o.n--
	b.keys, b.slots = slices.Delete(b.keys, i, i+1), slices.Delete(b.slots, i, i+1)
	if len(b.keys) == 0 {
		o.blocks = slices.Delete(o.blocks, at, at+1)
	} else {
		b.bits.Remove(slot)
	}
}

func (o *ordered) forget(dead *roaring.Bitmap) {
	o.n = 0
	for _, b := range o.blocks {
		if b.bits.Intersects(dead) {
			n := 0
			for i, slot := range b.slots {
				if !dead.Contains(slot) {
					b.keys[n], b.slots[n] = b.keys[i], slot
					n++
				}
			}
			b.keys, b.slots = b.keys[:n], b.slots[:n]
			b.bits.AndNot(dead)
		}
		o.n += len(b.keys)
	}
	o.blocks = slices.DeleteFunc(o.blocks, func(b *block) bool { return len(b.keys) == 0 })
}

// between returns the slots of keys from which from is true and until is not yet; both turn from false to true once as
// keys ascend.
func (o *ordered) between(from, until func(key uint64) bool) *roaring.Bitmap {
	first := sort.Search(len(o.blocks), func(at int) bool { b := o.blocks[at]; return from(b.keys[len(b.keys)-1]) })
	var whole []*roaring.Bitmap
	out := roaring.New()
	for _, b := range o.blocks[first:] {
		lo := sort.Search(len(b.keys), func(i int) bool { return from(b.keys[i]) })
		hi := sort.Search(len(b.keys), func(i int) bool { return until(b.keys[i]) })
		if lo >= hi {
			break
		}
		if lo == 0 && hi == len(b.keys) {
			whole = append(whole, b.bits)
		} else {
			out.AddMany(b.slots[lo:hi])
		}
		if hi < len(b.keys) {
			break
		}
	}
	if len(whole) == 0 {
		return out
	}
	return roaring.FastOr(append(whole, out)...)
}

// equal returns the slots of one key.
func (o *ordered) equal(key uint64) *roaring.Bitmap {
	return o.between(func(k uint64) bool { return k >= key }, func(k uint64) bool { return k > key })
}

// each shows all pairs, ascending, from the first at or after key; or descending, from the last at or before it, until see
// returns false. Of one key, slots ascend.
func (o *ordered) each(key uint64, down bool, see func(key uint64, slot uint32) bool) {
	if !down {
		at, i := o.find(key, 0)
		for ; at < len(o.blocks); at, i = at+1, 0 {
			for b := o.blocks[at]; i < len(b.keys); i++ {
				if !see(b.keys[i], b.slots[i]) {
					return
				}
			}
		}
		return
	}
	type run struct {
		key   uint64
		slots []uint32
	}
	var now run
	flush := func() bool {
		slices.Sort(now.slots)
		for _, s := range now.slots {
			if !see(now.key, s) {
				return false
			}
		}
		now.slots = now.slots[:0]
		return true
	}
	last := sort.Search(len(o.blocks), func(at int) bool { return o.blocks[at].keys[0] > key }) - 1
	for at := last; at >= 0; at-- {
		b := o.blocks[at]
		i := len(b.keys) - 1
		if at == last {
			i = sort.Search(len(b.keys), func(i int) bool { return b.keys[i] > key }) - 1
		}
		for ; i >= 0; i-- {
			if len(now.slots) > 0 && b.keys[i] != now.key && !flush() {
				return
			}
			now.key = b.keys[i]
			now.slots = append(now.slots, b.slots[i])
		}
	}
	flush()
}

// pairs returns all pairs.
func (o *ordered) pairs() (keys []uint64, slots []uint32) {
	for _, b := range o.blocks {
		keys, slots = append(keys, b.keys...), append(slots, b.slots...)
	}
	return keys, slots
}

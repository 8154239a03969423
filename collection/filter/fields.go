package filter

import (
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/collection/postings"
	"github.com/latent-go/latent/collection/text"
)

// Fields are the indexes of a collection's payloads by slot: small numbers that stand for points. A slot that is no
// point's any more can stay in the indexes: who asks says which slots are live. Fields are safe for concurrent use.
//
// Readers may look at a collection as it was a moment ago. A payload that changed since is not answered from the
// indexes, but left to be looked at: each change names the version that it makes.
type Fields struct {
	mu      sync.RWMutex
	list    []*Index // by key
	changes []change // by version
}

// change says that a slot's payload became another.
type change struct {
	version uint64
	slot    uint32
}

// Set puts in an index, in the place of one with its key if there is one.
func (x *Fields) Set(ix *Index) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list = append(slices.DeleteFunc(slices.Clone(x.list), func(o *Index) bool { return o.key == ix.key || o.key.Equal(ix.key) }), ix)
}

// Drop takes out the index of a key; false if there is none.
func (x *Fields) Drop(key Path) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := len(x.list)
	x.list = slices.DeleteFunc(slices.Clone(x.list), func(o *Index) bool { return o.key.Equal(key) })
	return len(x.list) < n
}

// Put takes in the payload of a slot that is new.
func (x *Fields) Put(slot uint32, p point.Payload) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, ix := range x.list {
		ix.Put(slot, p)
	}
}

// Change replaces the payload of a slot, by which the collection gets a version. before is what it was.
func (x *Fields) Change(version uint64, slot uint32, before, after point.Payload) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.changes = append(x.changes, change{version, slot})
	for _, ix := range x.list {
		ix.Remove(slot, before)
		ix.Put(slot, after)
	}
}

// Trim forgets changes that made a version up to this one, when no one reads an older.
func (x *Fields) Trim(version uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := 0
	for i < len(x.changes) && x.changes[i].version <= version {
		i++
	}
	x.changes = slices.Clone(x.changes[i:])
}

// Forget takes slots out of all indexes, in the time that it takes to read them once.
func (x *Fields) Forget(dead *roaring.Bitmap) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, ix := range x.list {
		ix.Forget(dead)
	}
}

// Read calls see with each index, which it may read until it returns, but not keep or change.
func (x *Fields) Read(see func(*Index) error) error {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, ix := range x.list {
		if err := see(ix); err != nil {
			return err
		}
	}
	return nil
}

// Schema returns the schema of the index of a key; false if there is none.
func (x *Fields) Schema(key Path) (Schema, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if ix := x.of(key); ix != nil {
		return ix.schema, true
	}
	return Schema{}, false
}

func (x *Fields) of(key Path) *Index {
	for _, ix := range x.list {
		if ix.key.Equal(key) {
			return ix
		}
	}
	return nil
}

// Tokenizers gives the tokenizers of the fields that have a text index now.
func (x *Fields) Tokenizers() Tokenizers {
	x.mu.RLock()
	list := x.list // never changed in place
	x.mu.RUnlock()
	return func(key Path) *text.Tokenizer {
		for _, ix := range list {
			if ix.text != nil && ix.key.Equal(key) {
				return ix.text.Tokenizer()
			}
		}
		return nil
	}
}

// Reader is the collection as someone reads it.
type Reader struct {
	Version uint64
	Live    *roaring.Bitmap                     // slots that are points'; not changed while Reader is in use
	Slot    func(id point.ID) (uint32, bool)    // of a point; nil if HasID is to be left to who looks at points
	With    func(vector string) *roaring.Bitmap // live slots that have it, or nil to leave it to who looks at points
}

// Bounds returns what the indexes can say of a filter: sure are live slots that it lets through, and those that it may
// let through, sure ones included, are maybe. Where both are the same bitmap the answer is complete; else it is for the
// caller to look at the points of what is in maybe alone. Neither is to be changed.
func (x *Fields) Bounds(f *Filter, r Reader) (sure, maybe *roaring.Bitmap) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	b := (&bounder{x, r}).filter(f)
	late := x.since(r.Version)
	if late.IsEmpty() || f == nil {
		return b.lo, b.hi
	}
	late.And(r.Live)
	return roaring.AndNot(b.lo, late), roaring.Or(b.hi, late)
}

// since returns the slots whose payload changed after a version.
func (x *Fields) since(version uint64) *roaring.Bitmap {
	late := roaring.New()
	for i := len(x.changes) - 1; i >= 0 && x.changes[i].version > version; i-- {
		late.Add(x.changes[i].slot)
	}
	return late
}

// Since returns the slots whose payload changed after a version.
func (x *Fields) Since(version uint64) *roaring.Bitmap {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.since(version)
}

type bounder struct {
	x *Fields
	Reader
}

func (b *bounder) all() bound     { return exact(b.Live) }
func (b *bounder) unknown() bound { return bound{none, b.Live} }

func (b *bounder) not(c bound) bound {
	hi := roaring.AndNot(b.Live, c.lo)
	if c.lo == c.hi {
		return exact(hi)
	}
	return bound{roaring.AndNot(b.Live, c.hi), hi}
}

func and(a, b bound) bound {
	if a.lo == a.hi && b.lo == b.hi {
		return exact(roaring.And(a.lo, b.lo))
	}
	return bound{roaring.And(a.lo, b.lo), roaring.And(a.hi, b.hi)}
}

func or(a, b bound) bound {
	if a.lo == a.hi && b.lo == b.hi {
		return exact(roaring.Or(a.lo, b.lo))
	}
	return bound{roaring.Or(a.lo, b.lo), roaring.Or(a.hi, b.hi)}
}

func (b *bounder) filter(f *Filter) bound {
	out := b.all()
	if f == nil {
		return out
	}
	for _, c := range f.Must {
		out = and(out, b.condition(c))
	}
	for _, c := range f.MustNot {
		out = and(out, b.not(b.condition(c)))
	}
	if len(f.Should) > 0 {
		any := exact(none)
		for _, c := range f.Should {
			any = or(any, b.condition(c))
		}
		out = and(out, any)
	}
	if m := f.MinShould; m != nil && m.MinCount > 0 {
		if m.MinCount > len(m.Conditions) {
			return exact(none)
		}
		at := make([]bound, m.MinCount+1) // at least as many as the place says hold
		at[0] = b.all()
		for i := range m.MinCount {
			at[i+1] = exact(none)
		}
		for _, c := range m.Conditions {
			c := b.condition(c)
			for i := m.MinCount; i > 0; i-- {
				at[i] = or(at[i], and(at[i-1], c))
			}
		}
		out = and(out, at[m.MinCount])
	}
	return out
}

// condition bounds the slots for which a condition holds; what it says of slots that are not live does not count, since
// filter starts from those that are.
func (b *bounder) condition(c Condition) bound {
	switch c := c.(type) {
	case *Filter:
		return b.filter(c)
	case Field:
		if e, ok := c.Test.(Empty); ok && bool(e) && c.Key.single() {
			return b.condition(IsEmpty{c.Key})
		}
		if ix := b.x.of(c.Key); ix != nil {
			if t, ok := ix.test(c.Test); ok {
				return t
			}
		}
	case IsEmpty:
		if ix := b.x.of(c.Key); ix != nil {
			return b.not(exact(ix.some))
		}
	case IsNull:
		if ix := b.x.of(c.Key); ix != nil {
			return exact(ix.null)
		}
	case HasID:
		if b.Slot != nil {
			out := roaring.New()
			for _, id := range c {
				if slot, ok := b.Slot(id); ok {
					out.Add(slot)
				}
			}
			return exact(out)
		}
	case HasVector:
		if b.With != nil {
			if with := b.With(string(c)); with != nil {
				return exact(with)
			}
		}
	case Nested:
		return bound{none, b.nested(&c.Filter, c.Key.every())}
	}
	return b.unknown()
}

// nested returns the live slots that may have an object at a path for which a filter holds: those for which each of its
// conditions that is a plain test may hold at the longer path.
func (b *bounder) nested(f *Filter, at Path) *roaring.Bitmap {
	out := b.Live
	one := func(c Condition) *roaring.Bitmap {
		switch c := c.(type) {
		case *Filter:
			return b.nested(c, at)
		case Nested:
			return b.nested(&c.Filter, at.join(c.Key.every()))
		case Field:
			switch c.Test.(type) {
			case Empty, Null, ValuesCount:
				return b.Live // may hold for an object that does not have the key
			}
			if ix := b.x.of(at.join(c.Key)); ix != nil {
				if t, ok := ix.test(c.Test); ok {
					return t.hi
				}
			}
		}
		return b.Live
	}
	for _, c := range f.Must {
		out = roaring.And(out, one(c))
	}
	if len(f.Should) > 0 {
		any := roaring.New()
		for _, c := range f.Should {
			any.Or(one(c))
		}
		out = roaring.And(out, any)
	}
	return out
}

// Facet counts, for each value that the index of a key holds, the slots of keep that have it; false if there is no index
// of keywords, integers or bools. A value is a string, an int64 or a bool.
func (x *Fields) Facet(key Path, keep *roaring.Bitmap, see func(value any, n int)) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ix := x.of(key)
	switch {
	case ix == nil:
		return false
	case ix.schema.Type == "bool":
		for s, t := range ix.terms {
			if n := t.Count(keep); n > 0 {
				see(s == "true", n)
			}
		}
	case ix.terms != nil:
		for s, t := range ix.terms {
			if n := t.Count(keep); n > 0 {
				see(s, n)
			}
		}
	case ix.schema.Type == "integer":
		last, n := uint64(0), 0
		ix.order.each(0, false, func(key uint64, slot uint32) bool {
			if key != last && n > 0 {
				see(keyInt(last), n)
				n = 0
			}
			last = key
			if keep.Contains(slot) {
				n++
			}
			return true
		})
		if n > 0 {
			see(keyInt(last), n)
		}
	default:
		return false
	}
	return true
}

// Order shows the slots that have numbers or times in a field, by these, from the one at or behind from on, until see
// returns false; a nil from is the first. A slot with several is shown for each. A value is an int64, a float64, or
// microseconds since 1970 as an int64. It returns false if the key has no index of integers, floats or times.
func (x *Fields) Order(key Path, down bool, from any, see func(slot uint32, value any) bool) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ix := x.of(key)
	if ix == nil || ix.order == nil || ix.schema.Type == "geo" {
		return false
	}
	start, ok := uint64(0), true
	if down {
		start = 1<<64 - 1
	}
	isFloat := ix.schema.Type == "float"
	switch v := from.(type) {
	case int64:
		start = intKey(v)
		if isFloat {
			start = floatKey(float64(v))
		}
	case float64:
		start = floatKey(v)
		if !isFloat {
			start, ok = ceilKey(v, down)
		}
	}
	if !ok {
		return true
	}
	ix.order.each(start, down, func(key uint64, slot uint32) bool {
		if isFloat {
			return see(slot, keyFloat(key))
		}
		return see(slot, keyInt(key))
	})
	return true
}

// ceilKey is the key of the first integer at or behind v; false if there is none.
func ceilKey(v float64, down bool) (uint64, bool) {
	const lo, hi = -(1 << 63), 1 << 63
	switch {
	case v < lo:
		return intKey(lo), !down
	case v >= hi:
		return intKey(1<<63 - 1), down
	}
	n := int64(v)
	if !down && float64(n) < v {
		n++
	} else if down && float64(n) > v {
		n--
	}
	return intKey(n), true
}

// BM25 ranks the slots of keep by how well the texts of a field fit a query, as text.Index.Search does; false if the key
// has no text index.
func (x *Fields) BM25(key Path, query string, live, keep *roaring.Bitmap, k int) ([]postings.Hit, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ix := x.of(key)
	if ix == nil || ix.text == nil {
		return nil, false
	}
	return ix.text.Search(query, live, keep, k), true
}

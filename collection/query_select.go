package collection

import (
	"context"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

// selection is the live slots that a filter lets through, as far as the payload indexes know: those in sure it does, those
// in maybe it may, and of these ok looks at the points. The bitmaps are not changed in place.
type selection struct {
	v           *view
	sure, maybe *roaring.Bitmap
	ok          func(*filter.Subject) bool
}

func (v *view) selectBy(f *filter.Filter) (*selection, error) {
	if f == nil {
		return v.chosen(v.live), nil
	}
	s := &selection{v: v, ok: f.Compile(v.c.fields.Tokenizers())}
	var failure error
	s.sure, s.maybe = v.c.fields.Bounds(f, filter.Reader{
		Version: v.version, Live: v.live,
		Slot: func(id point.ID) (uint32, bool) {
			slot, ok, err := v.slot(id)
			if err != nil {
				failure = err
			}
			return slot, ok
		},
		With: v.with,
	})
	return s, failure
}

// chosen is a selection of just these slots.
func (v *view) chosen(slots *roaring.Bitmap) *selection {
	return &selection{v: v, sure: slots, maybe: slots}
}

// with returns the live slots that have a vector.
func (v *view) with(name string) *roaring.Bitmap {
	if s, ok := v.spaces[name]; ok {
		return roaring.AndNot(v.live, s.missing)
	}
	if s, ok := v.sparse[name]; ok {
		return s.ix.Has(v.live)
	}
	return roaring.New()
}

// decided says that no point has to be looked at.
func (s *selection) decided() bool {
	return s.sure == s.maybe || s.sure.GetCardinality() == s.maybe.GetCardinality()
}

// without takes slots out.
func (s *selection) without(slots *roaring.Bitmap) *selection {
	if slots.IsEmpty() {
		return s
	}
	out := &selection{s.v, roaring.AndNot(s.sure, slots), nil, s.ok}
	if out.maybe = out.sure; s.sure != s.maybe {
		out.maybe = roaring.AndNot(s.maybe, slots)
	}
	return out
}

// pass says whether a slot is selected.
func (s *selection) pass(slot uint32) (bool, error) {
	if s.sure.Contains(slot) || !s.maybe.Contains(slot) {
		return s.sure.Contains(slot), nil
	}
	p, _, err := s.v.payload(slot)
	return err == nil && s.passes(slot, p), err
}

// passes is pass for a payload that is at hand.
func (s *selection) passes(slot uint32, p point.Payload) bool {
	return s.ok(&filter.Subject{ID: s.v.ids[slot], Payload: p, Has: func(name string) bool {
		if sp, ok := s.v.spaces[name]; ok {
			return sp.has(slot)
		}
		sp, ok := s.v.sparse[name]
		return ok && sp.ix.Count(roaring.BitmapOf(slot)) > 0
	}})
}

// all returns the slots selected, after a look at all points that need one. It is not to be changed.
func (s *selection) all(ctx context.Context) (*roaring.Bitmap, error) {
	if s.decided() {
		return s.sure, ctx.Err()
	}
	open := roaring.AndNot(s.maybe, s.sure).ToArray()
	var mu sync.Mutex
	found := s.sure.Clone()
	err := vec.Blocks(ctx, len(open), 256, func(lo, hi int) error {
		var in []uint32
		for _, slot := range open[lo:hi] {
			p, _, err := s.v.payload(slot)
			if err != nil {
				return err
			}
			if s.passes(slot, p) {
				in = append(in, slot)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		found.AddMany(in)
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	s.sure, s.maybe = found, found
	return found, nil
}

// first keeps the first k hits that are selected.
func (s *selection) first(hits []slotHit, k int) ([]slotHit, error) {
	out := hits[:0]
	for _, h := range hits {
		ok, err := s.pass(h.slot)
		if err != nil {
			return nil, err
		}
		if ok {
			if out = append(out, h); len(out) == k {
				break
			}
		}
	}
	return out, nil
}

// matching returns the live slots that a filter lets through.
func (v *view) matching(ctx context.Context, f *filter.Filter) (*roaring.Bitmap, error) {
	s, err := v.selectBy(f)
	if err != nil {
		return nil, err
	}
	return s.all(ctx)
}

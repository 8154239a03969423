package postings

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/artifact"
)

// Sections returns sections of an artifact that hold lists: counts, of the slots of each; slots and weights, one run for
// all lists. The last has the name that is given.
func Sections[W artifact.Number](lists []*List[W], weights string) []artifact.Section {
	counts := make([]uint32, len(lists))
	var slots []uint32
	var all []W
	for i, l := range lists {
		counts[i] = uint32(len(l.Slots))
		slots = append(slots, l.Slots...)
		all = append(all, l.Weights...)
	}
	return []artifact.Section{artifact.Numbers("counts", counts), artifact.Numbers("slots", slots), artifact.Numbers(weights, all)}
}

// FromFile reads lists that Sections wrote; they share nothing with the file. Slots that are not ascending, and runs that
// are longer or shorter than their lists, give *artifact.CorruptError.
func FromFile[W artifact.Number](f *artifact.File, weights string) ([]List[W], error) {
	counts, err := artifact.Slice[uint32](f, "counts")
	if err != nil {
		return nil, err
	}
	slots, err := artifact.Slice[uint32](f, "slots")
	if err != nil {
		return nil, err
	}
	all, err := artifact.Slice[W](f, weights)
	if err != nil {
		return nil, err
	}
	if len(all) != len(slots) {
		return nil, f.Reject("%d %s of %d slots", len(all), weights, len(slots))
	}
	slots, all = slices.Clone(slots), slices.Clone(all)
	lists := make([]List[W], len(counts))
	for i, c := range counts {
		if int64(c) > int64(len(slots)) {
			return nil, f.Reject("list %d of %d is cut short", i, len(counts))
		}
		s := slots[:c:c]
		for j := 1; j < len(s); j++ {
			if s[j-1] >= s[j] {
				return nil, f.Reject("list %d has slot %d out of order", i, s[j])
			}
		}
		lists[i] = List[W]{Slots: s, Weights: all[:c:c]}
		slots, all = slots[c:], all[c:]
	}
	if len(slots) > 0 {
		return nil, f.Reject("%d slots are left over", len(slots))
	}
	return lists, nil
}

// ReadBitmap reads a section that holds a roaring bitmap; the bitmap shares nothing with the file.
func ReadBitmap(f *artifact.File, name string) (*roaring.Bitmap, error) {
	raw, err := f.Raw(name)
	if err != nil {
		return nil, err
	}
	b := roaring.New()
	if err := b.UnmarshalBinary(raw); err != nil {
		return nil, f.Reject("section %q: %v", name, err)
	}
	if err := b.Validate(); err != nil && !b.IsEmpty() {
		return nil, f.Reject("section %q: %v", name, err)
	}
	return b, nil
}

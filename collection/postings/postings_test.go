package postings_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/collection/postings"
)

// A List and a Set are a map, through any changes.
func TestLikeAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list postings.List[int]
		var set postings.Set
		want := map[uint32]int{}
		for i := range rapid.IntRange(0, 120).Draw(t, "changes") {
			slot := uint32(rapid.IntRange(0, 80).Draw(t, "slot"))
			switch rapid.IntRange(0, 9).Draw(t, "change") {
			case 0, 1:
				list.Remove(slot)
				set.Remove(slot)
				delete(want, slot)
			case 2:
				dead := roaring.BitmapOf(slot, slot+1, slot+7)
				list.Forget(dead)
				set.Forget(dead)
				for _, s := range dead.ToArray() {
					delete(want, s)
				}
			default:
				list.Put(slot, i)
				set.Add(slot)
				want[slot] = i
			}
		}
		var slots []uint32
		for s := range want {
			slots = append(slots, s)
		}
		slices.Sort(slots)
		if !slices.Equal(list.Slots, slots) || !slices.Equal(set.Slots(), slots) || set.Len() != len(slots) {
			t.Fatalf("list %v, set %v, want %v", list.Slots, set.Slots(), slots)
		}
		for i, s := range list.Slots {
			if list.Weights[i] != want[s] {
				t.Fatalf("slot %d has %d, want %d", s, list.Weights[i], want[s])
			}
		}
		again := postings.SetOf(slices.Clone(slots))
		again.Add(1000)
		out := roaring.New()
		set.AddTo(out)
		if again.Len() != len(slots)+1 || set.Len() != len(slots) || !slices.Equal(out.ToArray(), append([]uint32{}, slots...)) || set.Count(roaring.BitmapOf(slots...)) != len(slots) {
			t.Fatalf("a set of %v became %v, and gives %v", slots, again.Slots(), out)
		}
	})
}

// Top is the head of the whole list, sorted.
func TestScores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var scores postings.Scores
		want := map[uint32]float64{}
		for range rapid.IntRange(0, 60).Draw(t, "adds") {
			slot := uint32(rapid.IntRange(0, 20).Draw(t, "slot")) * 1000
			x := float64(rapid.IntRange(-3, 3).Draw(t, "x"))
			scores.Add(slot, x)
			want[slot] += x
		}
		var all []postings.Hit
		for s, x := range want {
			all = append(all, postings.Hit{Slot: s, Score: x})
		}
		slices.SortFunc(all, func(a, b postings.Hit) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Slot, b.Slot)) })
		for k := range len(all) + 2 {
			if got := scores.Top(k); !slices.Equal(got, all[:min(k, len(all))]) {
				t.Fatalf("top %d is %v of %v", k, got, all)
			}
		}
	})
}

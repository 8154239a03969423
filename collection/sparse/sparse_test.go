package sparse_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/collection/sparse"
)

func Example() {
	ix := sparse.New(sparse.Options{})
	ix.Put(1, point.Sparse{Indices: []uint32{3, 9}, Values: []float32{1, 0.5}})
	ix.Put(2, point.Sparse{Indices: []uint32{9}, Values: []float32{2}})
	live := roaring.BitmapOf(1, 2)
	for _, h := range ix.Search(point.Sparse{Indices: []uint32{3, 9}, Values: []float32{1, 1}}, live, live, 10) {
		fmt.Println(h.Slot, h.Score)
	}
	// Output:
	// 2 2
	// 1 1.5
}

// Search is the dot product with each vector, through dead slots and files.
func TestSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		idf := rapid.Bool().Draw(t, "idf")
		ix := sparse.New(sparse.Options{IDF: idf})
		draw := func() (v point.Sparse) {
			for d := range uint32(8) {
				if rapid.IntRange(0, 2).Draw(t, "has") == 0 {
					v.Indices = append(v.Indices, d*1000003)
					v.Values = append(v.Values, rapid.Float32Range(-2, 2).Draw(t, "value"))
				}
			}
			return v
		}
		vectors := map[uint32]point.Sparse{}
		live, keep, dead := roaring.New(), roaring.New(), roaring.New()
		for slot := range uint32(rapid.IntRange(0, 15).Draw(t, "n")) {
			switch rapid.IntRange(0, 5).Draw(t, "fate") {
			case 0:
				continue // it has no such vector
			case 1:
				dead.Add(slot)
			case 2: // dead, and not forgotten
			default:
				live.Add(slot)
				if rapid.IntRange(0, 3).Draw(t, "keep") > 0 {
					keep.Add(slot)
				}
			}
			vectors[slot] = draw()
			ix.Put(slot, vectors[slot])
		}
		ix.Forget(dead)
		if rapid.Bool().Draw(t, "restart") {
			var b bytes.Buffer
			if _, err := ix.WriteTo(&b); err != nil {
				t.Fatal(err)
			}
			var err error
			if ix, err = sparse.Read(&b); err != nil {
				t.Fatal(err)
			}
		}
		q := draw()
		all := 0.0
		df := map[uint32]float64{}
		for slot, v := range vectors {
			if live.Contains(slot) {
				all++
				for _, d := range v.Indices {
					df[d]++
				}
			}
		}
		want := map[uint32]float64{}
		for slot, v := range vectors {
			for i, d := range q.Indices {
				if j := slices.Index(v.Indices, d); j >= 0 && keep.Contains(slot) {
					w := float64(q.Values[i])
					if idf {
						w *= math.Log(1 + (all-df[d]+0.5)/(df[d]+0.5))
					}
					want[slot] += w * float64(v.Values[j])
				}
			}
		}
		got := ix.Search(q, live, keep, 100)
		if len(got) != len(want) {
			t.Fatalf("%d hits, want %d", len(got), len(want))
		}
		for i, h := range got {
			if w, ok := want[h.Slot]; !ok || math.Abs(h.Score-w) > 1e-12*(1+math.Abs(w)) {
				t.Fatalf("slot %d: %v, want %v", h.Slot, h.Score, w)
			}
			if i > 0 && (got[i-1].Score < h.Score || got[i-1].Score == h.Score && got[i-1].Slot >= h.Slot) {
				t.Fatalf("hits out of order: %v", got)
			}
			if dot, share := sparse.Dot(q, vectors[h.Slot]); !idf && (!share || math.Abs(dot-h.Score) > 1e-12) {
				t.Fatalf("Dot is %v, %v", dot, share)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	ix := sparse.New(sparse.Options{IDF: true})
	ix.Put(1, point.Sparse{Indices: []uint32{3, 9}, Values: []float32{1, 0.5}})
	ix.Put(2, point.Sparse{Indices: []uint32{9}, Values: []float32{2}})
	var b bytes.Buffer
	ix.WriteTo(&b)
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		ix, err := sparse.Read(bytes.NewReader(b))
		if err != nil {
			if e := (*artifact.CorruptError)(nil); !errors.As(err, &e) {
				t.Fatal(err)
			}
			return
		}
		ix.Search(point.Sparse{Indices: []uint32{3, 9}, Values: []float32{1, 1}}, roaring.BitmapOf(1, 2), roaring.BitmapOf(1), 5)
	})
}

package collection

import (
	"math/rand/v2"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

// clustered is rows around some centres, as embeddings lie.
func clustered(n, d int, seed uint64) [][]float32 {
	centres := rows(50, d, 99)
	r := rand.New(rand.NewPCG(seed, 2))
	out := rows(n, d, seed)
	for _, v := range out {
		c := centres[r.IntN(len(centres))]
		for j := range v {
			v[j] = c[j] + 0.6*v[j]
		}
	}
	return out
}

func pointsOf(x [][]float32, from int) []point.Point {
	pts := make([]point.Point, len(x))
	for i, v := range x {
		pts[i] = point.Point{ID: point.Num(uint64(from + i)), Vectors: point.Vectors{"": point.Dense(v)}}
	}
	return pts
}

// fill stores points in batches.
func fill(t testing.TB, c *Collection, pts []point.Point) {
	t.Helper()
	for lo := 0; lo < len(pts); lo += 1000 {
		if _, err := c.Apply(ctx, []Op{Upsert{Points: pts[lo:min(lo+1000, len(pts))]}}, false); err != nil {
			t.Fatal(err)
		}
	}
}

// recall is the share of the true k nearest that come back, with as many hits as there are.
func recall(t testing.TB, c *Collection, queries [][]float32, k int, keep *roaring.Bitmap, p Params) float64 {
	t.Helper()
	v := must[*view](t)(c.view())
	defer v.release()
	found, all := 0, 0
	for _, q := range queries {
		want := must[[]slotHit](t)(v.nearest(ctx, "", point.Dense(q), k, Params{Exact: true}, keep))
		got := must[[]slotHit](t)(v.nearest(ctx, "", point.Dense(q), k, p, keep))
		if len(got) != len(want) {
			t.Fatalf("%d hits, %d are there", len(got), len(want))
		}
		true := map[uint32]bool{}
		for _, h := range want {
			true[h.slot] = len(true) < k
		}
		for _, h := range got {
			if keep != nil && !keep.Contains(h.slot) || !v.live.Contains(h.slot) {
				t.Fatalf("slot %d is not to be found", h.slot)
			}
			if true[h.slot] {
				found++
			}
		}
		all += len(want)
	}
	return float64(found) / float64(max(all, 1))
}

func settled(t testing.TB, c *Collection) {
	t.Helper()
	if err := c.tend(ctx, true); err != nil {
		t.Fatal(err)
	}
}

func TestIndexKeepsUp(t *testing.T) {
	const d = 16
	n := 12_000
	if testing.Short() {
		n = 6000
	}
	defer func(a, b int) { indexFrom, indexFromNumbers = a, b }(indexFrom, indexFromNumbers)
	indexFrom, indexFromNumbers = 2000, 1<<15
	for _, metric := range []vec.Metric{vec.Cosine, vec.Euclidean} {
		t.Run(metric.String(), func(t *testing.T) {
			dir := t.TempDir()
			s := must[*Store](t)(Open(dir, Options{Still: true}))
			if err := s.Create(ctx, "c", Config{Vectors: map[string]VectorConfig{"": {Size: d, Distance: metric}}}); err != nil {
				t.Fatal(err)
			}
			c := must[*Collection](t)(s.Collection("c"))
			x, queries := clustered(n, d, 1), clustered(50, d, 2)
			check := func(what string, floor float64) float64 {
				t.Helper()
				r := recall(t, c, queries, 10, nil, Params{})
				if r < floor {
					t.Errorf("%s: recall %.3f", what, r)
				}
				return r
			}
			fill(t, c, pointsOf(x[:n/2], 0))
			settled(t, c)
			if in := must[Info](t)(c.Info()); in.IndexedVectors != n/2 || in.Status != Green {
				t.Errorf("%+v", in)
			}
			check("built", 0.97)
			fill(t, c, pointsOf(x[n/2:], n/2))
			check("with a tail", 0.97)
			settled(t, c)
			check("caught up", 0.97)
			for _, share := range []float64{0.5, 0.1, 0.01, 0.001, 0.0001} {
				keep := roaring.New()
				r := rand.New(rand.NewPCG(3, 3))
				for range max(int(share*float64(n)), 5) {
					keep.Add(uint32(r.IntN(n)))
				}
				if r := recall(t, c, queries, 10, keep, Params{}); r < 0.97 {
					t.Errorf("with %.2f %% of the points: recall %.3f", 100*share, r)
				}
			}
			var dead []point.ID
			for i := 0; i < n; i += 2 {
				dead = append(dead, point.Num(uint64(i)))
			}
			if _, err := c.Apply(ctx, []Op{Delete{Selector{IDs: dead}}}, true); err != nil {
				t.Fatal(err)
			}
			check("half deleted", 0.97)
			settled(t, c)
			before := check("and taken out", 0.97)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = must[*Store](t)(Open(dir, Options{Still: true}))
			defer s.Close()
			c = must[*Collection](t)(s.Collection("c"))
			if in := must[Info](t)(c.Info()); in.IndexedVectors != n/2 || in.Points != n/2 {
				t.Errorf("opened again: %+v", in)
			}
			if after := check("opened again", 0.97); after < before-0.005 {
				t.Errorf("recall fell from %.4f to %.4f", before, after)
			}
		})
	}
}

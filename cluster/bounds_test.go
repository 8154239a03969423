package cluster

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/latent-go/latent/vec"
)

// Centroids that stay, move and jump, and rows that others reassign: each row gets the nearest within rounding, and no
// bound is above the distance that it is for.
func TestBounds(t *testing.T) {
	for _, spherical := range []bool{false, true} {
		for _, at := range []float32{0, 100} {
			rng := rand.New(rand.NewPCG(1, uint64(at)))
			const n, d, k = 700, 48, 70
			x, _, _ := mixture(rng, n, d, 20) // of which each is some clusters
			for i := range x.Data {
				x.Data[i] = x.Data[i]/10 + at
			}
			y := x
			if spherical {
				y = unit(x)
			}
			s, err := newRows(x, spherical)
			if err != nil {
				t.Fatal(err)
			}
			if (s.shift != nil) != (at > 0 && !spherical) {
				t.Fatalf("about %v, spherical %v: a shift of %v", at, spherical, s.shift)
			}
			c := x.Slice(0, k).Clone()
			b := newBounds(s, k)
			assign, distances := make([]uint32, n), make([]float32, n)
			for round := range 12 {
				name := fmt.Sprintf("about %v, spherical %v, round %d", at, spherical, round)
				if spherical {
					for j := range k {
						vec.Normalize(c.Row(j), c.Row(j))
					}
				}
				before := slices.Clone(assign)
				changed, err := b.assign(background, c, assign, distances)
				if err != nil {
					t.Fatal(err)
				}
				for i, a := range before {
					if a != assign[i] {
						changed--
					}
				}
				if changed != 0 {
					t.Errorf("%s: %d changes more than there were", name, changed)
				}
				for i := range n {
					least := math.Inf(1)
					for j := range k {
						sum := squared(y.Row(i), c.Row(j))
						least = min(least, sum)
						if l := float64(b.lower[i*k+j]); uint32(j) != assign[i] && !(l <= math.Sqrt(sum)*(1+margin)+1e-3) {
							t.Fatalf("%s: row %d is %v from centroid %d, and its bound %v", name, i, math.Sqrt(sum), j, l)
						}
						if uint32(j) == assign[i] && !(math.Abs(float64(distances[i])-sum) <= 1e-5*sum+1e-5) {
							t.Fatalf("%s: row %d is %v from its centroid, not %v", name, i, sum, distances[i])
						}
					}
					if !(float64(distances[i]) <= least*(1+1e-5)+1e-5) {
						t.Fatalf("%s: row %d is %v from its centroid, %v from another", name, i, distances[i], least)
					}
				}
				if round > 0 && round%4 == 0 && b.share > 0.01 { // seen 0; from 0.006 to 0.25 where they moved
					t.Errorf("%s: the centroids stayed, and %v of the distances were measured", name, b.share)
				}
				switch round % 4 {
				case 0: // move
					for i := range c.Data {
						c.Data[i] += 0.1 * float32(rng.NormFloat64())
					}
				case 1: // jump
					copy(c.Row(rng.IntN(k)), x.Row(rng.IntN(n)))
				case 2: // as update does for empty clusters
					for range 20 {
						assign[rng.IntN(n)] = uint32(rng.IntN(k))
					}
				}
			}
		}
	}
}

// KMeans with bounds, which the trial turns on here, is KMeans without.
func TestBoundsChangeNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const n, d, k = 64 * 64, 512, 64
	x, _, _ := mixture(rng, n, d, 20)
	s, _ := newRows(x, false)
	tr, assign, distances := newTrial(s, k), make([]uint32, n), make([]float32, n)
	c := x.Slice(0, k).Clone()
	began := -1
	var want []float64
	for i := range 11 {
		if _, err := s.assign(background, c, assign, distances, i > 0); err != nil {
			t.Fatal(err)
		}
		if pays, err := tr.pays(background, c); err != nil {
			t.Fatal(err)
		} else if pays && began < 0 {
			began = i
		}
		sum, sizes := 0.0, make([]int, k)
		for i, v := range distances {
			sum += float64(v)
			sizes[assign[i]]++
		}
		want = append(want, sum)
		if err := s.update(background, c, sizes, assign, distances); err != nil {
			t.Fatal(err)
		}
	}
	if began < 0 || began > 10-fewLeft-1 {
		t.Fatalf("bounds would begin after assignment %d, and are not tested", began)
	}
	var first *Result
	for _, procs := range []int{1, 3} {
		old := runtime.GOMAXPROCS(procs)
		r, err := KMeans(background, x, Options{Start: x.Slice(0, k), Iterations: 10})
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = r
		}
		if !slices.Equal(r.Centroids.Data, first.Centroids.Data) || !slices.Equal(r.Assign, first.Assign) {
			t.Errorf("GOMAXPROCS %d changes the result", procs)
		}
		for i, v := range r.History {
			if !(math.Abs(v-want[i]) <= 1e-7*want[i]) {
				t.Errorf("inertia %d is %v, without bounds %v", i, v, want[i])
			}
		}
	}
}

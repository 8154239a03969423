package plan

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/vec"
)

// TestInterval checks Wilson's interval where it is known, and that it covers as often as it says.
func TestInterval(t *testing.T) {
	// 50 of 100 queries with k = 1: Wilson's 95 % interval is 0.40383 to 0.59617.
	half := append(slices.Repeat([]float64{0}, 50), slices.Repeat([]float64{1}, 50)...)
	if r := interval(half, 1); math.Abs(r.Lo-0.40383) > 2e-3 || math.Abs(r.Hi-0.59617) > 2e-3 || math.Abs(r.Mean-0.5) > 1e-12 {
		t.Errorf("%+v", r)
	}
	// All found: n/(n+z²).
	if r := interval(slices.Repeat([]float64{1}, 1000), 10); math.Abs(r.Lo-0.996173) > 1e-5 || r.Hi < 1-1e-12 {
		t.Errorf("%+v", r)
	}
	if r := interval([]float64{0, 0}, 10); r.Lo > 1e-12 || r.Hi < 0.5 {
		t.Errorf("%+v", r)
	}
	r := rand.New(rand.NewPCG(1, 2))
	covered := 0
	const trials, queries, k = 2000, 300, 10
	for range trials {
		found := make([]float64, queries)
		for i := range found {
			p := 1 - 0.1*r.ExpFloat64() // queries differ: 0.9 on the mean, nearly, as low ones count 0
			for range k {
				if r.Float64() < p {
					found[i] += 1.0 / k
				}
			}
		}
		iv := interval(found, k)
		if want := 0.9 + 0.1*math.Exp(-10); iv.Lo <= want && want <= iv.Hi {
			covered++
		}
	}
	if share := float64(covered) / trials; share < 0.93 || share > 0.99 { // seen 0.953
		t.Errorf("the 95 %% interval covers the truth in %.3f of the cases", share)
	}
}

func TestTruthCountsEqualVectorsAlike(t *testing.T) {
	base, _ := vec.FromRows([][]float32{{0}, {1}, {1}, {1}, {5}})
	queries, _ := vec.FromRows([][]float32{{0}})
	truth, err := NewTruth(t.Context(), queries, base, []uint32{10, 20, 30, 40, 50}, vec.Euclidean, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ids  []uint32
		want float64
	}{{[]uint32{10, 20}, 1}, {[]uint32{10, 40}, 1}, {[]uint32{10, 50}, 0.5}, {[]uint32{50, 99}, 0}, {nil, 0}} {
		var hits []index.Hit
		for _, id := range c.ids {
			hits = append(hits, index.Hit{ID: id, Distance: 1e9}) // distances of an index do not matter
		}
		if got := truth.recall(0, 2, hits); got != c.want {
			t.Errorf("%v: recall %v, want %v", c.ids, got, c.want)
		}
	}
}

func TestLeast(t *testing.T) {
	for _, want := range []int{1, 7, 100, 5000} {
		asked := 0
		got, err := least(1, 5000, func(n int) (bool, error) { asked++; return n >= want, nil })
		if err != nil || got < want || got-want > got/20+1 || asked > 30 {
			t.Errorf("want %d: got %d, asked %d times", want, got, asked)
		}
	}
	if got, _ := least(10, 40, func(int) (bool, error) { return false, nil }); got != 40 {
		t.Errorf("none will do: %d", got)
	}
}

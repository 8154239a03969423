package fusion_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/latent-go/latent/collection/fusion"
)

func ranking(ids ...string) (r []fusion.Hit[string]) {
	for i, id := range ids {
		r = append(r, fusion.Hit[string]{ID: id, Score: -float64(i)})
	}
	return r
}

func ExampleRRF() {
	hits, _ := fusion.RRF([][]fusion.Hit[string]{ranking("a", "b", "c"), ranking("b", "d")}, 0, nil)
	for _, h := range hits {
		fmt.Printf("%s %.4f\n", h.ID, h.Score)
	}
	// Output:
	// b 0.8333
	// a 0.5000
	// d 0.3333
	// c 0.2500
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12*(1+math.Abs(b)) }

func TestRRF(t *testing.T) {
	a, b := ranking("x", "y"), ranking("y")
	hits, err := fusion.RRF([][]fusion.Hit[string]{a, b}, 60, []float64{3, 0.5})
	want := map[string]float64{"x": 1 / (1.0/3 + 59), "y": 1/(2.0/3+59) + 1/(1/0.5+59)}
	if err != nil || len(hits) != 2 || hits[0].ID != "y" {
		t.Fatal(hits, err)
	}
	for _, h := range hits {
		if !near(h.Score, want[h.ID]) {
			t.Errorf("%s: %v, want %v", h.ID, h.Score, want[h.ID])
		}
	}
	if hits, _ := fusion.RRF([][]fusion.Hit[string]{a, b}, 2, []float64{0, 1}); hits[0].ID != "y" || hits[1].Score != 0 {
		t.Error("a weight of 0 counts:", hits)
	}
	if _, err := fusion.RRF([][]fusion.Hit[string]{a, b}, 2, []float64{1}); !errors.Is(err, fusion.ErrWeights) {
		t.Error(err)
	}
	if hits, err := fusion.RRF[string](nil, 0, nil); hits != nil || err != nil {
		t.Error(hits, err)
	}
}

// Of scores 1, 2, 3 the mean is 2 and σ is 1: −1 becomes 0, 5 becomes 1.
func TestDBSF(t *testing.T) {
	hits := fusion.DBSF([][]fusion.Hit[string]{{{"a", 3}, {"b", 2}, {"c", 1}}, {{"c", 7}}, {{"d", 4}, {"a", 4}}, nil})
	want := map[string]float64{"a": 4.0/6 + 0.5, "b": 0.5, "c": 2.0/6 + 0.5, "d": 0.5}
	if len(hits) != 4 || hits[0].ID != "a" || hits[1].ID != "c" || hits[2].ID != "b" {
		t.Fatal(hits)
	}
	for _, h := range hits {
		if !near(h.Score, want[h.ID]) {
			t.Errorf("%s: %v, want %v", h.ID, h.Score, want[h.ID])
		}
	}
}

// DBSF does not change when the scores of a ranking are moved and stretched.
func TestDBSFIsAffine(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a, b := make([]fusion.Hit[int], 20), make([]fusion.Hit[int], 20)
	for i := range a {
		x := r.NormFloat64()
		a[i], b[i] = fusion.Hit[int]{ID: i, Score: x}, fusion.Hit[int]{ID: i, Score: 1000*x - 77}
	}
	other := []fusion.Hit[int]{{3, 1}, {4, 0.5}}
	x, y := fusion.DBSF([][]fusion.Hit[int]{a, other}), fusion.DBSF([][]fusion.Hit[int]{b, other})
	for i := range x {
		if x[i].ID != y[i].ID || math.Abs(x[i].Score-y[i].Score) > 1e-9 {
			t.Fatal(i, x[i], y[i])
		}
	}
}

func TestMMR(t *testing.T) {
	at := []float64{0, 0.1, 0.2, 5, 5.1, -9} // the query is 0; likeness is minus the distance on a line
	relevance := func(i int) float64 { return -math.Abs(at[i]) }
	similarity := func(i, j int) float64 { return -math.Abs(at[i] - at[j]) }
	for lambda, want := range map[float64][]int{1: {0, 1, 2, 3, 4, 5}, 0: {0, 5, 4, 2, 1, 3}, 0.4: {0, 5, 4, 1, 2, 3}} {
		if lambda == 0.4 { // each pick against the formula
			got := fusion.MMR(6, 6, lambda, relevance, similarity)
			for n := 1; n < 6; n++ {
				score := func(i int) float64 {
					near := math.Inf(-1)
					for _, j := range got[:n] {
						near = max(near, similarity(i, j))
					}
					return lambda*relevance(i) - (1-lambda)*near
				}
				for _, i := range got[n:] {
					if score(i) > score(got[n]) {
						t.Errorf("%v: pick %d is %d, and %d is better", got, n, got[n], i)
					}
				}
			}
			continue
		}
		if got := fusion.MMR(6, 6, lambda, relevance, similarity); !slices.Equal(got, want) {
			t.Errorf("lambda %v: %v, want %v", lambda, got, want)
		}
	}
	if got := fusion.MMR(3, 0, 0.5, relevance, similarity); got != nil {
		t.Error(got)
	}
	if got := fusion.MMR(2, 9, 0.5, relevance, similarity); len(got) != 2 {
		t.Error(got)
	}
}

package rows

import (
	"math"
	"slices"
	"testing"

	"github.com/latent-go/latent/vec"
)

func TestSample(t *testing.T) {
	s := Sample(100, 30, 7)
	if len(s) != 30 || !slices.IsSorted(s) || len(slices.Compact(slices.Clone(s))) != 30 || s[0] < 0 || s[29] >= 100 {
		t.Fatalf("not 30 different rows of 100: %v", s)
	}
	if !slices.Equal(s, Sample(100, 30, 7)) || slices.Equal(s, Sample(100, 30, 8)) {
		t.Error("a sample depends on its seed and on nothing else")
	}
	if all := Sample(5, 9, 1); !slices.Equal(all, []int{0, 1, 2, 3, 4}) {
		t.Errorf("9 of 5: %v", all)
	}
	var hits [10]int // each row is as likely as the next: 4000 expected, sd 49
	for seed := range uint64(10000) {
		for _, i := range Sample(10, 4, seed) {
			hits[i]++
		}
	}
	for i, h := range hits {
		if h < 3800 || h > 4200 {
			t.Errorf("row %d drawn %d times of 10000, 4000 expected", i, h)
		}
	}
}

func TestGroups(t *testing.T) {
	negative := float32(math.Copysign(0, -1))
	x, err := vec.FromRows([][]float32{{1, 2}, {0, 3}, {1, 2}, {negative, 3}, {2, 1}, {1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Groups(x), []int{0, 1, 0, 1, 4, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if g := Groups(vec.NewMatrix(3, 0)); !slices.Equal(g, []int{0, 0, 0}) {
		t.Errorf("rows without values are equal: %v", g)
	}
}

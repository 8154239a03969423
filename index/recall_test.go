package index_test

import (
	"testing"

	"github.com/latent-go/latent/index"
)

func TestRecall(t *testing.T) {
	exact := []float32{1, 2, 3, 4}
	for _, c := range []struct {
		name string
		got  []float32
		want float64
	}{
		{"all", []float32{1, 2, 3, 4}, 1},
		{"none", []float32{5, 6, 7, 8}, 0},
		{"one too far", []float32{1, 2, 3, 5}, 0.75},
		{"an equal one in another's place", []float32{1, 2, 4, 4}, 1},
		{"rounding", []float32{1, 2, 3, 4.00001}, 1},
		{"fewer", []float32{1, 2}, 0.5},
		{"more than were wanted", []float32{1, 2, 3, 4, 4, 4}, 1},
	} {
		var hits []index.Hit
		for i, d := range c.got {
			hits = append(hits, index.Hit{ID: uint32(i), Distance: d})
		}
		if got := index.Recall(hits, exact); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if index.Recall(nil, nil) != 1 {
		t.Error("nothing wanted, nothing missed")
	}
	negative := []float32{-9, -8}
	if r := index.Recall([]index.Hit{{Distance: -9}, {Distance: -7.9}}, negative); r != 0.5 {
		t.Errorf("inner products: %v, want 0.5", r)
	}
}

package plan

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/latent-go/latent/vec"
)

// TestKeepOrdered checks that a graph in another order of insertion replaces the same graph only where it needs less
// effort, however fast it seemed.
func TestKeepOrdered(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := vec.NewMatrix(300, 8)
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	ix, err := Build(context.Background(), MustParse("hnsw:8"), x, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		effort int
		taken  bool
	}{{40, false}, {50, false}, {39, true}} {
		u := &tuner{report: &Report{}, chosen: -1}
		u.keep(Trial{Plan: MustParse("hnsw:8"), Effort: 40, Met: true, Recall: Recall{MeanMicros: 100}}, ix)
		u.keep(Trial{Plan: MustParse("hnsw:8,order=lid"), Effort: c.effort, Met: true, Recall: Recall{MeanMicros: 50}}, ix)
		if taken := u.chosen == 1; taken != c.taken {
			t.Errorf("effort %d beside 40: taken is %v", c.effort, taken)
		}
	}
}

// TestBuildOrdered checks that rows inserted in another order keep their IDs, given or not.
func TestBuildOrdered(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	x := vec.NewMatrix(200, 6)
	ids := make([]uint32, x.Rows)
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	for i := range ids {
		ids[i] = uint32(1000 + 3*i)
	}
	for _, given := range [][]uint32{nil, ids} {
		ix, err := build(context.Background(), MustParse("hnsw:8,order=lid"), x, given, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range x.Rows {
			id := uint32(i)
			if given != nil {
				id = given[i]
			}
			v, ok := ix.inner.Vector(id)
			if !ok || vec.SquaredL2(v, x.Row(i)) != 0 {
				t.Fatalf("row %d is not under ID %d", i, id)
			}
		}
	}
}

package collection

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

var ctx = context.Background()

func rows(n, d int, seed uint64) [][]float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([][]float32, n)
	for i := range out {
		out[i] = make([]float32, d)
		for j := range out[i] {
			out[i][j] = float32(r.NormFloat64())
		}
	}
	return out
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestFirstSteps(t *testing.T) {
	s := must[*Store](t)(Open(t.TempDir(), Options{}))
	defer s.Close()
	if err := s.Create(ctx, "c", Config{Vectors: map[string]VectorConfig{"": {Size: 8, Distance: vec.Cosine}}}); err != nil {
		t.Fatal(err)
	}
	c := must[*Collection](t)(s.Collection("c"))
	x := rows(1000, 8, 1)
	var pts []point.Point
	for i, v := range x {
		pts = append(pts, point.Point{ID: point.Num(uint64(i)), Vectors: point.Vectors{"": point.Dense(v)}, Payload: point.Payload{"i": int64(i)}})
	}
	if _, err := c.Apply(ctx, []Op{Upsert{Points: pts}}, true); err != nil {
		t.Fatal(err)
	}
	v := must[*view](t)(c.view())
	hits := must[[]slotHit](t)(v.nearest(ctx, "", point.Dense(x[17]), 5, Params{}, nil))
	if v.id(hits[0].slot) != point.Num(17) || hits[0].score < 0.9999 {
		t.Error(hits)
	}
	v.release()
	got := must[[]Hit](t)(c.Get(ctx, []point.ID{point.Num(3), point.Num(5000), point.Num(1)}, Select{All: true}, Select{All: true}))
	if len(got) != 2 || got[0].Payload["i"] != int64(3) {
		t.Error(got)
	}
	_, err := c.Apply(ctx, []Op{Upsert{Points: []point.Point{{ID: point.Num(1), Vectors: point.Vectors{"": point.Dense([]float32{1, 2, 3})}}}}}, true)
	if !errors.Is(err, ErrInput) || err.Error() != "Vector dimension error: expected dim: 8, got 3" {
		t.Error(err)
	}
	if _, err := s.Collection("d"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// TestCosineTwice writes what was read: the vectors stay as they are, to the last bit.
func TestCosineTwice(t *testing.T) {
	c := VectorConfig{Size: 37, Distance: vec.Cosine}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		v := make([]float32, c.Size)
		for i := range v {
			v[i] = float32(rng.NormFloat64() * 100)
		}
		once, err := admitRow(v, c)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := admitRow(once, c)
		if err != nil || !slices.Equal(once, twice) {
			t.Fatalf("%v, then %v: %v", once, twice, err)
		}
		if n := vec.Norm(once); n < 0.999999 || n > 1.000001 {
			t.Fatalf("length %v", n)
		}
	}
}

// TestIDFStays changes the configuration of a sparse vector when no points change after it: it is in force when the store
// is opened again, though a file of the index as it was is there.
func TestIDFStays(t *testing.T) {
	fs := vfs.NewMem()
	reopen := func(s *Store) (*Store, *Collection) {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = must[*Store](t)(Open("db", Options{FS: fs}))
		return s, must[*Collection](t)(s.Collection("c"))
	}
	s := must[*Store](t)(Open("db", Options{FS: fs}))
	if err := s.Create(ctx, "c", Config{Sparse: map[string]SparseConfig{"s": {}}}); err != nil {
		t.Fatal(err)
	}
	c := must[*Collection](t)(s.Collection("c"))
	x := point.Vector{Sparse: &point.Sparse{Indices: []uint32{1}, Values: []float32{2}}}
	if _, err := c.Apply(ctx, []Op{Upsert{Points: []point.Point{{ID: point.Num(1), Vectors: point.Vectors{"s": x}}}}}, true); err != nil {
		t.Fatal(err)
	}
	s, c = reopen(s) // which writes the file
	if err := c.SetConfig(ctx, Config{Sparse: map[string]SparseConfig{"s": {IDF: true}}}); err != nil {
		t.Fatal(err)
	}
	s, c = reopen(s)
	defer s.Close()
	hits := must[[]Hit](t)(c.Query(ctx, Query{Ask: Nearest{To: Input{Vector: &x}}, Using: "s"}))
	if want := float32(4 * math.Log1p(0.5/1.5)); len(hits) != 1 || hits[0].Score != want { // ln(1 + (1−1+½)/(1+½))
		t.Errorf("%v, want the score %v", hits, want)
	}
}

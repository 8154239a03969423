package collection

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/vec"
)

var updateGolden = flag.Bool("update", false, "write testdata/v1 anew: only when the format got a new version")

// goldenPoint is the i-th of 60 points of every kind of vector.
func goldenPoint(i int) point.Point {
	v := func(d int) []float32 {
		out := make([]float32, d)
		for j := range out {
			out[j] = float32((7*i+3*j)%11) - 5
		}
		return out
	}
	p := point.Point{ID: point.Num(uint64(i)), Payload: point.Payload{"n": int64(i), "word": fmt.Sprintf("w%d", i%5), "half": float64(i) / 2}}
	if i%4 == 3 {
		p.ID = point.UUID([16]byte{0: 0xab, 15: byte(i)})
	}
	p.Vectors = point.Vectors{"dense": point.Dense(v(8))}
	if i%2 == 0 {
		p.Vectors["tokens"] = point.Multi([][]float32{v(4), {1, 2, 3, float32(i)}})
	}
	if i%3 == 0 {
		p.Vectors["sparse"] = point.Vector{Sparse: &point.Sparse{Indices: []uint32{1, uint32(i + 10)}, Values: []float32{0.5, float32(i)}}}
	}
	return p
}

// TestGolden opens a store that version 1 wrote, and a snapshot of it. Both must go on opening.
func TestGolden(t *testing.T) {
	const dir = "testdata/v1"
	if *updateGolden {
		writeGolden(t, dir)
	}
	here := t.TempDir() // opening writes
	if err := os.CopyFS(here, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s := must[*Store](t)(Open(filepath.Join(here, "store"), Options{}))
	defer s.Close()
	if r := must[Report](t)(s.Check(ctx)); len(r.Problems) > 0 {
		t.Errorf("%+v", r)
	}
	snapshot := must[[]byte](t)(os.ReadFile(filepath.Join(here, "golden.snapshot")))
	if err := s.Restore(ctx, "restored", bytes.NewReader(snapshot), ""); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"golden", "alias", "restored"} {
		c := must[*Collection](t)(s.Collection(name))
		if n := must[int](t)(c.Count(ctx, nil, true)); n != 58 {
			t.Errorf("%s has %d points, want 58", name, n)
		}
		for i := range 60 {
			want := goldenPoint(i)
			got := must[[]Hit](t)(c.Get(ctx, []point.ID{want.ID}, Select{All: true}, Select{All: true}))
			if i == 10 || i == 11 {
				if len(got) > 0 {
					t.Errorf("%s: point %v was deleted and is there", name, want.ID)
				}
				continue
			}
			if len(got) != 1 || fmt.Sprint(got[0].Payload) != fmt.Sprint(want.Payload) || fmt.Sprint(jsonOf(t, got[0].Vectors)) != fmt.Sprint(jsonOf(t, want.Vectors)) {
				t.Errorf("%s: point %v is %+v, want %+v", name, want.ID, got, want)
			}
		}
		f := new(filter.Filter)
		if err := f.UnmarshalJSON([]byte(`{"must":[{"key":"word","match":{"value":"w3"}},{"key":"n","range":{"lt":20}}]}`)); err != nil {
			t.Fatal(err)
		}
		q := point.Dense(goldenPoint(8).Vectors["dense"].Dense)
		hits := must[[]Hit](t)(c.Query(ctx, Query{Ask: Nearest{To: Input{Vector: &q}}, Using: "dense", Filter: f, Limit: 10, WithPayload: Select{All: true}}))
		if len(hits) != 4 || hits[0].ID != point.Num(8) || hits[0].Score != 0 {
			t.Errorf("%s: %+v", name, hits)
		}
		if _, ok := must[Info](t)(c.Info()).Fields["word"]; !ok {
			t.Errorf("%s has lost a payload index", name)
		}
	}
}

// writeGolden writes the store and its snapshot. Bytes differ from run to run, as Pebble's do.
func writeGolden(t *testing.T, dir string) {
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s := must[*Store](t)(Open(filepath.Join(dir, "store"), Options{}))
	config := Config{
		Vectors:  map[string]VectorConfig{"dense": {Size: 8, Distance: vec.Euclidean, Plan: "f32|hnsw:8"}, "tokens": {Size: 4, Distance: vec.InnerProduct, Multi: true}},
		Sparse:   map[string]SparseConfig{"sparse": {}},
		Metadata: map[string]any{"made": "for a test"},
	}
	if err := s.Create(ctx, "golden", config); err != nil {
		t.Fatal(err)
	}
	c := must[*Collection](t)(s.Collection("golden"))
	if err := s.ChangeAliases(ctx, []AliasChange{{Create: "alias", Collection: "golden"}}); err != nil {
		t.Fatal(err)
	}
	if err := c.CreateFieldIndex(ctx, "word", filter.Schema{Type: "keyword"}); err != nil {
		t.Fatal(err)
	}
	var points []point.Point
	for i := range 60 {
		points = append(points, goldenPoint(i))
	}
	ops := []Op{Upsert{Points: points}, Delete{Selector{IDs: []point.ID{goldenPoint(10).ID, goldenPoint(11).ID}}}}
	for _, op := range ops {
		if _, err := c.Apply(ctx, []Op{op}, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.tend(ctx, true); err != nil {
		t.Fatal(err)
	}
	info := must[SnapshotInfo](t)(c.Snapshot(ctx))
	r, err := c.OpenSnapshot(info.Name)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := c.DeleteSnapshot(info.Name); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "golden.snapshot"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func jsonOf(t *testing.T, v interface{ MarshalJSON() ([]byte, error) }) string {
	return string(must[[]byte](t)(v.MarshalJSON()))
}

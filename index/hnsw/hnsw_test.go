package hnsw

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/dataset/synthetic"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/indextest"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

var background = context.Background()

func TestIndex(t *testing.T) {
	create := func(t *testing.T, dim int, m vec.Metric) index.Index {
		return newIndex(t, dim, Options{Metric: m, M: 8, EfConstruction: 64})
	}
	o := indextest.Options{
		Metrics: []vec.Metric{vec.Euclidean, vec.Cosine, vec.Manhattan},
		Recall:  0.99,
		Effort:  100,
		Read:    func(r io.Reader, _ vec.Metric) (index.Index, error) { return Read(r, scalar.Read) },
		Open:    func(path string, _ vec.Metric) (index.Index, error) { return Open(path, scalar.Read) },
	}
	indextest.Run(t, create, o)
	// Among inner products a long vector is nearer to all others than these are to each other, so few links are
	// chosen. hnswlib 0.8 finds 0.967 to 0.991 over 5 seeds of the same data.
	o.Metrics, o.Recall = []vec.Metric{vec.InnerProduct}, 0.96 // seen 0.980
	indextest.Run(t, create, o)
}

// TestIndexOverCodes: the suite over codes that lose something, of another layout than the vectors.
func TestIndexOverCodes(t *testing.T) {
	indextest.Run(t, func(t *testing.T, dim int, m vec.Metric) index.Index {
		c, err := scalar.FitInt8(indextest.Vectors(500, dim, 99), scalar.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ix, err := New(c, Options{Metric: m, EfConstruction: 64})
		if err != nil {
			t.Fatal(err)
		}
		return ix
	}, indextest.Options{
		Metrics:   []vec.Metric{vec.Euclidean, vec.Cosine},
		Recall:    0.8, // seen 0.873: 8 bits change the order of near ones
		Effort:    100,
		Tolerance: 0.1,
		Read:      func(r io.Reader, _ vec.Metric) (index.Index, error) { return Read(r, scalar.Read) },
		Open:      func(path string, _ vec.Metric) (index.Index, error) { return Open(path, scalar.Read) },
	})
}

func newIndex(t testing.TB, dim int, o Options) *Index {
	t.Helper()
	ix, err := New(scalar.Float32(dim), o)
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

func built(t testing.TB, x vec.Matrix, o Options) *Index {
	t.Helper()
	ix := newIndex(t, x.Cols, o)
	if err := ix.Add(background, nil, x); err != nil {
		t.Fatal(err)
	}
	return ix
}

func generate(t testing.TB, format string, a ...any) vec.Matrix {
	t.Helper()
	spec, err := synthetic.Parse(fmt.Sprintf(format, a...))
	if err != nil {
		t.Fatal(err)
	}
	set, err := spec.Generate(background)
	if err != nil {
		t.Fatal(err)
	}
	return set.X
}

// sound checks what is true of every graph: links lead to other nodes of their layer, none twice, no more than there
// is room for; the entry point is on the top layer; the tree goes both ways; every live node can be found from every
// other, and what is not live is not linked to unless it is buried.
func sound(ix *Index) error {
	top := -1
	in := make([][]uint32, ix.n) // links of layer 0, backwards
	for slot := range uint32(ix.n) {
		if ix.states[slot] == vacant {
			continue
		}
		if ix.isAlive(slot) {
			top = max(top, int(ix.levels[slot]))
		}
		for l := range int(ix.levels[slot]) + 1 {
			list := ix.list(slot, l)
			if len(list) > ix.room(l) {
				return fmt.Errorf("slot %d, layer %d: %d links", slot, l, len(list))
			}
			for i, v := range list {
				if v == slot || int(v) >= ix.n || ix.states[v] == vacant || int(ix.levels[v]) < l || slices.Contains(list[:i], v) {
					return fmt.Errorf("slot %d, layer %d: link %d is to %d, all are %v", slot, l, i, v, list)
				}
				if l == 0 {
					in[v] = append(in[v], slot)
				}
			}
		}
	}
	if ix.live == 0 {
		return nil
	}
	if ix.top < top || ix.buried == 0 && ix.top != top || int(ix.levels[ix.entry]) != ix.top {
		return fmt.Errorf("entry point %d is on layer %d, of %d; the highest node is on %d", ix.entry, ix.levels[ix.entry], ix.top, top)
	}
	kids := make([]int, ix.n)
	roots := 0
	for slot := range uint32(ix.n) {
		if ix.states[slot] == vacant {
			continue
		}
		p := ix.parent[slot]
		if p == none {
			roots++
			continue
		}
		kids[p]++
		if !slices.Contains(ix.list(slot, 0), p) || !slices.Contains(ix.list(p, 0), slot) {
			return fmt.Errorf("slot %d and its parent %d are not linked both ways: %v, %v", slot, p, ix.list(slot, 0), ix.list(p, 0))
		}
	}
	if roots != 1 {
		return fmt.Errorf("%d roots of the tree", roots)
	}
	for slot, n := range kids {
		if n != int(ix.kids[slot]) && ix.states[slot] != vacant || n > ix.o.M {
			return fmt.Errorf("slot %d has %d children, counted %d", slot, n, ix.kids[slot])
		}
	}
	out := func(v uint32) []uint32 { return ix.list(v, 0) }
	for way, next := range map[string]func(uint32) []uint32{"from": out, "to": func(v uint32) []uint32 { return in[v] }} {
		met := map[uint32]bool{ix.entry: true}
		for queue := []uint32{ix.entry}; len(queue) > 0; queue = queue[1:] {
			for _, v := range next(queue[0]) {
				if !met[v] {
					met[v] = true
					queue = append(queue, v)
				}
			}
		}
		for slot := range uint32(ix.n) {
			if ix.isAlive(slot) && !met[slot] {
				return fmt.Errorf("slot %d: no path %s the entry point", slot, way)
			}
		}
	}
	return nil
}

// recall returns recall@k of ix against brute force over x, whose row i has ID i, and the mean number of distances.
func recall(t testing.TB, ix *Index, x, queries vec.Matrix, k, effort int) (share, distances float64) {
	t.Helper()
	truth, err := neighbors.Exact(background, queries, x, neighbors.Options{K: k, Metric: ix.Metric()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range queries.Rows {
		r, err := ix.Search(background, queries.Row(i), index.Query{K: k, Effort: effort})
		if err != nil {
			t.Fatal(err)
		}
		_, exact := truth.Row(i)
		share += index.Recall(r.Hits, exact)
		distances += float64(r.Distances)
	}
	return share / float64(queries.Rows), distances / float64(queries.Rows)
}

// split cuts the last n rows off as queries.
func split(x vec.Matrix, n int) (base, queries vec.Matrix) {
	return x.Slice(0, x.Rows-n), x.Slice(x.Rows-n, x.Rows)
}

func TestRecallByKindOfData(t *testing.T) {
	n := 5000
	if testing.Short() {
		n = 1000
	}
	for _, c := range []struct {
		data   string
		metric vec.Metric
		least  float64 // recall@10 at effort 32, M = 16; beside it what was seen at n = 5,000, then 1,000
	}{
		{"cube?d=8", vec.Euclidean, 0.99},                               // 1.000, 1.000
		{"cube?d=32", vec.Euclidean, 0.89},                              // 0.919, 0.970
		{"mixture?d=12&ambient=64&clusters=20", vec.Euclidean, 0.99},    // 1.000, 1.000
		{"mixture?d=12&ambient=64&clusters=20", vec.Cosine, 0.99},       // 1.000, 1.000
		{"mixture?d=12&ambient=64&clusters=20", vec.InnerProduct, 0.97}, // 0.999, 1.000
		{"affine?d=16&ambient=48", vec.Euclidean, 0.98},                 // 0.994, 0.997
		{"sphere?d=10&ambient=32", vec.Cosine, 0.98},                    // 0.995, 1.000
		{"sphere?d=10&ambient=32", vec.InnerProduct, 0.98},              // 0.995, 1.000
		{"swissroll?ambient=20&noise=0.01", vec.Manhattan, 0.99},        // 1.000, 1.000
	} {
		t.Run(c.data+"/"+c.metric.String(), func(t *testing.T) {
			x, q := split(generate(t, "synthetic:%s&n=%d&seed=1", c.data, n+100), 100)
			ix := built(t, x, Options{Metric: c.metric, EfConstruction: 100})
			if err := sound(ix); err != nil {
				t.Error(err)
			}
			got, cost := recall(t, ix, x, q, 10, 32)
			t.Logf("recall@10 %.4f, %.0f distances, %+v", got, cost, ix.Stats())
			if got < c.least {
				t.Errorf("recall@10 is %.4f, want %.2f or more", got, c.least)
			}
		})
	}
}

// TestRecallFallsWithDimension: the same parameters on unit vectors of rank m. hnswlib's figures, from one thread on
// data of the same law, are those to come near to.
func TestRecallFallsWithDimension(t *testing.T) {
	n, slack := 10000, 0.03
	cases := []struct {
		m          int
		at10, at40 float64
	}{
		{4, .997, 1}, {16, .844, .990}, {64, .341, .702}, {256, .130, .361},
	}
	if testing.Short() {
		cases = cases[1:2]
		n, slack = 3000, 1 // another n: only that it works
	}
	last10, last40 := 1.0, 1.0
	for _, c := range cases {
		all := subspace(rand.New(rand.NewPCG(uint64(c.m), 7)), n+500, 256, c.m)
		x, q := split(all, 500)
		ix := built(t, x, Options{Metric: vec.InnerProduct, EfConstruction: 128})
		at10, cost10 := recall(t, ix, x, q, 10, 10)
		at40, cost40 := recall(t, ix, x, q, 10, 40)
		t.Logf("m = %d: %.3f (hnswlib %.3f) after %.0f distances, %.3f (%.3f) after %.0f", c.m, at10, c.at10, cost10, at40, c.at40, cost40)
		if math.Abs(at10-c.at10) > slack || math.Abs(at40-c.at40) > slack {
			t.Errorf("m = %d: recall@10 is %.3f at effort 10 and %.3f at 40, hnswlib's %.3f and %.3f", c.m, at10, at40, c.at10, c.at40)
		}
		if at10 > last10+0.01 || at40 > last40+0.01 {
			t.Errorf("m = %d: recall rises with dimension", c.m)
		}
		last10, last40 = at10, at40
	}
}

// subspace returns n unit vectors in d dimensions that span m of them: a random basis, normal coefficients.
func subspace(rng *rand.Rand, n, d, m int) vec.Matrix {
	basis := vec.NewMatrix(m, d)
	for i := range m {
		b := basis.Row(i)
		for j := range b {
			b[j] = float32(rng.NormFloat64())
		}
		for j := range i { // Gram-Schmidt
			p := vec.Dot(b, basis.Row(j))
			for l, v := range basis.Row(j) {
				b[l] -= p * v
			}
		}
		vec.Normalize(b, b)
	}
	x := vec.NewMatrix(n, d)
	for i := range n {
		row := x.Row(i)
		for j := range m {
			c := float32(rng.NormFloat64())
			for l, v := range basis.Row(j) {
				row[l] += c * v
			}
		}
		vec.Normalize(row, row)
	}
	return x
}

// TestMixtureOf100k is the promise of the project's first milestone.
func TestMixtureOf100k(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	x, q := split(generate(t, "synthetic:mixture?d=16&ambient=32&clusters=50&n=100200&seed=3"), 200)
	ix := built(t, x, Options{EfConstruction: 100})
	check := func(when string) {
		got, cost := recall(t, ix, x, q, 10, 200)
		s := ix.Stats()
		t.Logf("%s: recall@10 %.4f, %.0f distances, %+v", when, got, cost, s)
		if got < 0.99 { // seen 1.0000, fresh and worn
			t.Errorf("%s: recall@10 is %.4f, want 0.99 or more", when, got)
		}
		if s.Nodes != x.Rows || s.Reachable != 1 {
			t.Errorf("%s: %.6f of %d nodes can be reached, want all", when, s.Reachable, s.Nodes)
		}
	}
	check("fresh")
	gone := rand.New(rand.NewPCG(3, 4)).Perm(x.Rows)[:x.Rows*3/10]
	ids := make([]uint32, len(gone))
	for i, id := range gone {
		ids[i] = uint32(id)
	}
	ix.Delete(ids...)
	if s := ix.Stats(); s.Reachable != 1 {
		t.Errorf("after the deletes %.6f of %d nodes can be reached, want all", s.Reachable, s.Nodes)
	}
	if err := ix.Add(background, ids, x.Gather(gone)); err != nil {
		t.Fatal(err)
	}
	check("worn")
}

func TestEffortOfAllFindsAll(t *testing.T) {
	for _, m := range []vec.Metric{vec.Euclidean, vec.Cosine, vec.InnerProduct, vec.Manhattan} {
		x, q := split(generate(t, "synthetic:mixture?d=6&ambient=16&n=1050&seed=4"), 50)
		ix := built(t, x, Options{Metric: m, M: 4, EfConstruction: 20})
		if got, _ := recall(t, ix, x, q, 10, x.Rows); got != 1 {
			t.Errorf("%v: recall@10 at effort n is %v, want 1", m, got)
		}
	}
}

func TestLevelLaw(t *testing.T) {
	for _, m := range []int{2, 16, 64} {
		ix := newIndex(t, 1, Options{M: m, Seed: 5})
		const n = 100000
		var have [maxLevel + 1]int
		for slot := range uint32(n) {
			for l := range ix.level(slot) + 1 {
				have[l]++
			}
		}
		p := 1.0
		for l := 1; ; l++ {
			if p /= float64(m); p*n < 10 {
				break
			}
			if sigma := math.Sqrt(n * p * (1 - p)); math.Abs(float64(have[l])-n*p) > 3.5*sigma {
				t.Errorf("M = %d: %d of %d nodes reach layer %d, want %.0f ± %.0f", m, have[l], n, l, n*p, 3.5*sigma)
			}
		}
	}
}

func TestGraphDependsOnOrderAndSeedAlone(t *testing.T) {
	x := generate(t, "synthetic:mixture?d=8&ambient=24&n=900&seed=6")
	file := func(x vec.Matrix, o Options, workers int) []byte {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(workers))
		ix := built(t, x, o)
		for id := range uint32(x.Rows / 3) {
			ix.Delete(id * 3)
		}
		if err := ix.Add(background, nil, x.Slice(0, 300)); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := ix.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	o := Options{EfConstruction: 60, Seed: 9}
	one := file(x, o, 1)
	if !bytes.Equal(one, file(x, o, 1)) || !bytes.Equal(one, file(x, o, 4)) {
		t.Error("the same vectors, order and seed gave two graphs")
	}
	o.Seed++
	if bytes.Equal(one, file(x, o, 1)) {
		t.Error("two seeds gave the same graph")
	}
}

// TestWear deletes 30 % at random, stores as many anew, and again: every node stays in reach and recall stays.
func TestWear(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 600
	}
	for _, data := range []string{"mixture?d=12&ambient=48&clusters=20", "cube?d=3", "affine?d=20"} {
		x, q := split(generate(t, "synthetic:%s&n=%d&seed=7", data, n+100), 100)
		ix := built(t, x, Options{EfConstruction: 100})
		fresh, _ := recall(t, ix, x, q, 10, 40)
		rng := rand.New(rand.NewPCG(7, 8))
		for round := range 5 {
			gone := rng.Perm(n)[:n*3/10]
			ids := make([]uint32, len(gone))
			for i, id := range gone {
				ids[i] = uint32(id)
			}
			if got := ix.Delete(ids...); got != len(ids) {
				t.Fatalf("%d of %d deleted", got, len(ids))
			}
			if err := sound(ix); err != nil {
				t.Fatalf("%s, round %d, after the deletes: %v", data, round, err)
			}
			if err := ix.Add(background, ids, x.Gather(gone)); err != nil {
				t.Fatal(err)
			}
			if err := sound(ix); err != nil {
				t.Fatalf("%s, round %d: %v", data, round, err)
			}
			if s := ix.Stats(); s.Reachable != 1 || s.Nodes != n {
				t.Fatalf("%s, round %d: %+v", data, round, s)
			}
			if ix.n > n*5/4 {
				t.Fatalf("%s, round %d: %d slots for %d vectors: places are not used again", data, round, ix.n, n)
			}
		}
		lost := 0
		for i := range n {
			r, err := ix.Search(background, x.Row(i), index.Query{K: 1, Effort: 64})
			if err != nil {
				t.Fatal(err)
			}
			if r.Hits[0].Distance != 0 {
				lost++
			}
		}
		worn, _ := recall(t, ix, x, q, 10, 40)
		t.Logf("%s: recall@10 %.4f fresh, %.4f worn; %d of %d not found by themselves; %+v", data, fresh, worn, lost, n, ix.Stats())
		if worn < fresh-0.015 { // seen 0, 0, 0.005
			t.Errorf("%s: recall@10 fell from %.4f to %.4f", data, fresh, worn)
		}
		if lost > n/1000 {
			t.Errorf("%s: %d of %d vectors do not find themselves", data, lost, n)
		}
	}
}

// TestDuplicates: where the heuristic sees one place only, the tree holds the graph together.
func TestDuplicates(t *testing.T) {
	x := vec.NewMatrix(1000, 4)
	for i := range x.Rows {
		x.Row(i)[0] = float32(i / 250)
		x.Row(i)[1] = 1
	}
	for _, o := range []Options{{M: 2, EfConstruction: 2}, {M: 4}, {KeepPruned: true}} {
		ix := built(t, x, o)
		if err := sound(ix); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
		for i := range uint32(400) {
			ix.Delete(i * 2)
		}
		if err := sound(ix); err != nil {
			t.Errorf("%+v, after deletes: %v", o, err)
		}
		r, err := ix.Search(background, x.Row(999), index.Query{K: 600})
		if err != nil || len(r.Hits) != 600 {
			t.Errorf("%+v: %d hits of 600, %v", o, len(r.Hits), err)
		}
	}
}

func TestRandomChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{
			M:              rapid.IntRange(2, 6).Draw(t, "M"),
			EfConstruction: rapid.IntRange(1, 30).Draw(t, "efc"),
			KeepPruned:     rapid.Bool().Draw(t, "keep pruned"),
			Seed:           rapid.Uint64().Draw(t, "seed"),
		}
		ix, err := New(scalar.Float32(2), o)
		if err != nil {
			t.Fatal(err)
		}
		have := map[uint32]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				n := rapid.IntRange(1, 60).Draw(t, "n")
				ids, x := make([]uint32, n), vec.NewMatrix(n, 2)
				for i := range ids {
					ids[i] = uint32(rapid.IntRange(0, 300).Draw(t, "id"))
					have[ids[i]] = true
					x.Row(i)[0] = float32(rapid.IntRange(0, 9).Draw(t, "x"))
					x.Row(i)[1] = float32(rapid.IntRange(0, 9).Draw(t, "y"))
				}
				if err := ix.Add(background, ids, x); err != nil {
					t.Fatal(err)
				}
			},
			"delete": func(t *rapid.T) {
				ids := rapid.SliceOfN(rapid.Uint32Range(0, 300), 1, 60).Draw(t, "ids")
				ix.Delete(ids...)
				for _, id := range ids {
					delete(have, id)
				}
			},
			"save": func(t *rapid.T) {
				var b bytes.Buffer
				if _, err := ix.WriteTo(&b); err != nil {
					t.Fatal(err)
				}
				if ix, err = Read(&b, scalar.Read); err != nil {
					t.Fatal(err)
				}
				if rapid.Bool().Draw(t, "thaw") {
					ix.Delete()
				}
			},
			"": func(t *rapid.T) {
				if ix.Len() != len(have) {
					t.Fatalf("Len is %d, want %d", ix.Len(), len(have))
				}
				if ix.file == nil {
					if err := sound(ix); err != nil {
						t.Fatal(err)
					}
				}
				r, err := ix.Search(background, []float32{4, 5}, index.Query{K: 301})
				if err != nil || len(r.Hits) != len(have) {
					t.Fatalf("%d hits of %d, %v", len(r.Hits), len(have), err)
				}
			},
		})
	})
}

func TestKeepFindsAllThatMatch(t *testing.T) {
	x, q := split(generate(t, "synthetic:mixture?d=8&ambient=16&n=5020&seed=11"), 20)
	ix := built(t, x, Options{EfConstruction: 60})
	for _, every := range []uint32{1, 2, 10, 100, 1000} {
		keep := func(id uint32) bool { return id%every == every-1 }
		match := make([]int, 0, x.Rows)
		for i := range x.Rows {
			if keep(uint32(i)) {
				match = append(match, i)
			}
		}
		truth, err := neighbors.Exact(background, q, x.Gather(match), neighbors.Options{K: min(10, len(match))})
		if err != nil {
			t.Fatal(err)
		}
		share, cost := 0.0, 0
		for i := range q.Rows {
			r, err := ix.Search(background, q.Row(i), index.Query{K: 10, Keep: keep})
			if err != nil || len(r.Hits) != min(10, len(match)) {
				t.Fatalf("one in %d: %d hits of %d, %v", every, len(r.Hits), min(10, len(match)), err)
			}
			_, exact := truth.Row(i)
			share += index.Recall(r.Hits, exact) / float64(q.Rows)
			cost += r.Distances / q.Rows
		}
		t.Logf("one in %d: recall@10 %.3f, %d distances", every, share, cost)
		if share < 0.98 { // seen 1.000 in each
			t.Errorf("one in %d: recall@10 is %.3f", every, share)
		}
	}
}

func TestKeysOrderAsDistances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float32().Draw(t, "a"), rapid.Float32().Draw(t, "b")
		i, j := rapid.Uint32Max(maxSlots).Draw(t, "i"), rapid.Uint32Max(maxSlots).Draw(t, "j")
		x, y := keyOf(a, i), keyOf(b, j)
		if distanceOf(x) != a || slotOf(x) != i {
			t.Fatalf("%v, %d came back as %v, %d", a, i, distanceOf(x), slotOf(x))
		}
		if want := a < b || a == b && i < j; (x < y) != want {
			t.Fatalf("(%v, %d) before (%v, %d): %v, want %v", a, i, b, j, x < y, want)
		}
	})
}

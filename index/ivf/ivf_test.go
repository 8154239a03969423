package ivf

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/flat"
	"github.com/latent-go/latent/index/indextest"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/quantize/product"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

var (
	_ index.Index = (*Index)(nil)

	background = context.Background()
)

// readCodec knows the codecs of these tests.
func readCodec(r io.Reader) (quantize.Codec, error) {
	all, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if c, err := product.Read(bytes.NewReader(all)); err == nil {
		return c, nil
	}
	return scalar.Read(bytes.NewReader(all))
}

func read(r io.Reader, _ vec.Metric) (index.Index, error)     { return Read(r, readCodec) }
func openFile(path string, _ vec.Metric) (index.Index, error) { return Open(path, readCodec) }
func f32(x vec.Matrix) (quantize.Codec, error)                { return scalar.Float32(x.Cols), nil }
func sq8(x vec.Matrix) (quantize.Codec, error)                { return scalar.FitInt8(x, scalar.Options{}) }
func pq(o product.Options) func(vec.Matrix) (quantize.Codec, error) {
	return func(x vec.Matrix) (quantize.Codec, error) { return product.Fit(background, x, o) }
}

// trained returns an empty index for vectors like the rows of x.
func trained(t testing.TB, x vec.Matrix, o Options, fit func(vec.Matrix) (quantize.Codec, error)) *Index {
	t.Helper()
	lists, err := Train(background, x, o)
	if err != nil {
		t.Fatal(err)
	}
	if o.Metric == vec.Cosine {
		x = normalized(x)
	}
	if o.Residual {
		if x, err = lists.Residuals(background, x); err != nil {
			t.Fatal(err)
		}
	}
	c, err := fit(x)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := New(c, lists)
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

func TestIndex(t *testing.T) {
	const lists = 10
	for name, c := range map[string]struct {
		fit       func(vec.Matrix) (quantize.Codec, error)
		residual  bool
		effort    int
		recall    float64
		tolerance float64
		metrics   []vec.Metric
	}{
		"all":             {f32, false, lists, 1, 0, nil},                                                                           // exact
		"all of residual": {f32, true, lists, 0.999, 0, []vec.Metric{vec.Euclidean, vec.Cosine, vec.Manhattan}},                     // seen 1; not exact, for ties are rounded
		"three":           {f32, false, 3, 0.99, 0, []vec.Metric{vec.Euclidean, vec.InnerProduct}},                                  // seen 1
		"sq8":             {sq8, true, lists, 0.96, 5e-2, []vec.Metric{vec.Euclidean, vec.InnerProduct}},                            // seen 0.987, 0.988
		"pq":              {pq(product.Options{M: 12}), false, lists, 0.75, 0.12, []vec.Metric{vec.Manhattan}},                      // seen 0.813
		"blocks":          {pq(product.Options{M: 23, Bits: 4}), false, lists, 0.55, 0.12, []vec.Metric{vec.Euclidean, vec.Cosine}}, // seen 0.757, 0.605
		"residual blocks": {pq(product.Options{M: 24, Bits: 4}), true, lists, 0.75, 0.12, nil},                                      // seen 0.810 to 0.904
	} {
		if testing.Short() && name != "all" && name != "residual blocks" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			made := map[vec.Metric]*Index{} // trained once a metric
			indextest.Run(t, func(t *testing.T, dim int, m vec.Metric) index.Index {
				if made[m] == nil {
					made[m] = trained(t, indextest.Vectors(2000, dim, 100), Options{Lists: lists, Metric: m, Residual: c.residual}, c.fit)
				}
				ix, err := New(made[m].Codec(), made[m].Lists())
				if err != nil {
					t.Fatal(err)
				}
				return ix
			}, indextest.Options{Metrics: c.metrics, Effort: c.effort, Recall: c.recall, Tolerance: c.tolerance, Read: read, Open: openFile})
		})
	}
}

// TestAnyOrder: the same hits, in some order.
func TestAnyOrder(t *testing.T) {
	x := indextest.Vectors(2000, 8, 1)
	ix := trained(t, x, Options{Lists: 20}, f32)
	if err := ix.Add(background, nil, x); err != nil {
		t.Fatal(err)
	}
	for i, k := range []int{1, 5, 17, 100, 300} {
		q := index.Query{K: k, Effort: 10}
		want, err := ix.Search(background, x.Row(i), q)
		if err != nil {
			t.Fatal(err)
		}
		q.AnyOrder = true
		got, err := ix.Search(background, x.Row(i), q)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got.Hits, func(a, b index.Hit) int { return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.ID, b.ID)) })
		if len(want.Hits) != k || !slices.Equal(got.Hits, want.Hits) {
			t.Errorf("k=%d: %v, want %v", k, got.Hits, want.Hits)
		}
	}
}

// TestFewLists: where the lists asked for hold too few, others are looked into until there are enough, and no more.
func TestFewLists(t *testing.T) {
	x := indextest.Vectors(2000, 8, 1)
	ix := trained(t, x, Options{Lists: 50}, f32)
	if err := ix.Add(background, nil, x); err != nil {
		t.Fatal(err)
	}
	for _, k := range []int{100, 300} {
		res, err := ix.Search(background, x.Row(5), index.Query{K: k, Effort: 1})
		if err != nil || len(res.Hits) != k {
			t.Fatalf("%d hits, want %d (error %v)", len(res.Hits), k, err)
		}
		if most := ix.Lists().Len() + k + slices.Max(ix.Sizes()); res.Distances > most {
			t.Errorf("%d distances for %d hits, want at most %d", res.Distances, k, most)
		}
	}
}

// TestRough: where codes say which of many lists may be near, those looked into are the nearest but for a few, and none twice.
func TestRough(t *testing.T) {
	x, queries := indextest.Vectors(4000, 16, 1), indextest.Vectors(25, 16, 2)
	for m := vec.Euclidean; m <= vec.Manhattan; m++ {
		ix := trained(t, x, Options{Lists: 300, Metric: m}, pq(product.Options{M: 5, Bits: 4}))
		if err := ix.Add(background, nil, x); err != nil {
			t.Fatal(err)
		}
		if ix.rough == nil {
			t.Fatal("no codes of centroids")
		}
		s := newScanner(ix)
		missed := 0
		for i := range queries.Rows {
			s.reset(queries.Row(i), 1)
			got := slices.Clone(s.nearest(10))
			want := slices.Clone(s.nearest(300))
			for _, l := range want[:10] {
				if !slices.Contains(got, l) {
					missed++
				}
			}
			at := -1
			for _, l := range got {
				next := slices.Index(want, l)
				if next <= at {
					t.Fatalf("%v: lists %v, in order %v", m, got, want)
				}
				at = next
			}
			res, err := ix.Search(background, queries.Row(i), index.Query{K: x.Rows, Effort: 10})
			if err != nil {
				t.Fatal(err)
			}
			ids := map[uint32]bool{}
			for _, h := range res.Hits {
				ids[h.ID] = true
			}
			if len(ids) != x.Rows || len(res.Hits) != x.Rows {
				t.Fatalf("%v: %d hits with %d IDs, want %d", m, len(res.Hits), len(ids), x.Rows)
			}
		}
		if missed > 2 { // of 250; seen 0
			t.Errorf("%v: %d of 250 nearest lists missed", m, missed)
		}
	}
}

// With every list looked into, an answer is that of a flat index over the same codes: what lists, residuals and blocks add
// is bookkeeping. Distances of residuals differ by rounding, and in blocks by the step of the tables.
func TestAgreesWithFlat(t *testing.T) {
	x, queries := indextest.Vectors(1000, 20, 1), indextest.Vectors(30, 20, 2)
	for m := vec.Euclidean; m <= vec.Manhattan; m++ {
		for name, fit := range map[string]func(vec.Matrix) (quantize.Codec, error){"f32": f32, "sq8": sq8, "pq": pq(product.Options{M: 5})} {
			ix := trained(t, x, Options{Lists: 17, Metric: m}, fit)
			truth := flat.New(ix.Codec(), m)
			for _, to := range []index.Index{ix, truth} {
				if err := to.Add(background, nil, x); err != nil {
					t.Fatal(err)
				}
			}
			batch, err := ix.SearchBatch(background, queries, index.Query{K: 7, Effort: 17})
			if err != nil {
				t.Fatal(err)
			}
			for i := range queries.Rows {
				want, err := truth.Search(background, queries.Row(i), index.Query{K: 7})
				if err != nil {
					t.Fatal(err)
				}
				got, err := ix.Search(background, queries.Row(i), index.Query{K: 7, Effort: 17})
				if err != nil || !slices.Equal(got.Hits, want.Hits) || got.Distances != x.Rows+17 {
					t.Fatalf("%s, %v, query %d: %v (%v), want %v", name, m, i, got, err, want)
				}
				if !slices.Equal(batch[i].Hits, got.Hits) || batch[i].Distances != got.Distances {
					t.Fatalf("%s, %v, query %d: %v in a batch, %v alone", name, m, i, batch[i], got)
				}
			}
		}
	}
}

// The distance to a residual's code is that to the vector that it stands for.
func TestResidualDistances(t *testing.T) {
	x, queries := indextest.Vectors(600, 20, 1), indextest.Vectors(10, 20, 2)
	for m := vec.Euclidean; m <= vec.Manhattan; m++ {
		for name, c := range map[string]struct {
			fit   func(vec.Matrix) (quantize.Codec, error)
			error float64 // of the tables' steps
		}{"sq8": {sq8, 0}, "pq": {pq(product.Options{M: 7}), 0}, "blocks": {pq(product.Options{M: 10, Bits: 4}), 0.5}} {
			ix := trained(t, x, Options{Lists: 9, Metric: m, Residual: true}, c.fit)
			if err := ix.Add(background, nil, x); err != nil {
				t.Fatal(err)
			}
			for i := range queries.Rows {
				q := queries.Row(i)
				if m == vec.Cosine {
					vec.Normalize(q, q)
				}
				got, err := ix.Search(background, q, index.Query{K: x.Rows})
				if err != nil || len(got.Hits) != x.Rows {
					t.Fatalf("%d hits of %d, %v", len(got.Hits), x.Rows, err)
				}
				for _, h := range got.Hits {
					v, _ := ix.Vector(h.ID)
					want := float64(m.Distance(q, v))
					if m == vec.Cosine { // of codes it is not scaled back to length 1
						want = 1 - float64(vec.Dot(q, v))
					}
					if !(math.Abs(float64(h.Distance)-want) <= 2e-3+c.error) {
						t.Fatalf("%s, %v: ID %d is at %v, its vector at %v", name, m, h.ID, h.Distance, want)
					}
				}
			}
		}
	}
}

// More effort finds more, and costs more.
func TestEffort(t *testing.T) {
	x, queries := vec.NewMatrix(4000, 16), vec.NewMatrix(50, 16)
	r := rand.New(rand.NewPCG(1, 1))
	for _, m := range []vec.Matrix{x, queries} {
		for i := range m.Data {
			m.Data[i] = float32(r.NormFloat64())
		}
	}
	ix := trained(t, x, Options{Lists: 64}, f32)
	if err := ix.Add(background, nil, x); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, n := range ix.Sizes() {
		sum += n
	}
	if sum != x.Rows {
		t.Errorf("lists have %d vectors of %d", sum, x.Rows)
	}
	search := func(effort int) (found map[[2]uint32]bool, cost int) {
		found = map[[2]uint32]bool{}
		for i := range queries.Rows {
			res, err := ix.Search(background, queries.Row(i), index.Query{K: 10, Effort: effort})
			if err != nil {
				t.Fatal(err)
			}
			cost += res.Distances
			for _, h := range res.Hits {
				found[[2]uint32{uint32(i), h.ID}] = true
			}
		}
		return found, cost
	}
	truth, _ := search(64)
	last, lastCost := 0.0, 0
	for _, effort := range []int{1, 4, 16, 64, 1000} {
		found, cost := search(effort)
		n := 0
		for h := range truth {
			if found[h] {
				n++
			}
		}
		recall := float64(n) / float64(len(truth))
		t.Logf("effort %d: recall %.3f, %d distances a query", effort, recall, cost/queries.Rows)
		if recall < last || cost < lastCost || effort < 64 && recall > 0.99 {
			t.Errorf("effort %d: recall %v after %v, cost %d after %d", effort, recall, last, cost, lastCost)
		}
		last, lastCost = recall, cost
	}
	if _, cost := search(0); cost/queries.Rows > x.Rows/4 { // 4 lists of 64
		t.Errorf("%d distances a query where Effort is left to the index", cost/queries.Rows)
	}
}

// Built in parts, as from a stream, an index is the one built at once.
func TestStream(t *testing.T) {
	x := indextest.Vectors(900, 12, 4)
	whole := trained(t, x, Options{Lists: 12}, pq(product.Options{M: 6, Bits: 4}))
	parts, err := New(whole.Codec(), whole.Lists())
	if err != nil {
		t.Fatal(err)
	}
	if err := whole.Add(background, nil, x); err != nil {
		t.Fatal(err)
	}
	for lo := 0; lo < x.Rows; lo += 100 {
		if err := parts.Add(background, nil, x.Slice(lo, lo+100)); err != nil {
			t.Fatal(err)
		}
	}
	var a, b bytes.Buffer
	if _, err := whole.WriteTo(&a); err != nil {
		t.Fatal(err)
	}
	if _, err := parts.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("built in parts it is another index")
	}
}

func TestRefuses(t *testing.T) {
	x := indextest.Vectors(50, 8, 5)
	if _, err := Train(background, x, Options{Lists: 51}); !errors.Is(err, vec.ErrTooFew) {
		t.Errorf("more lists than vectors: %v", err)
	}
	if _, err := Train(background, vec.NewMatrix(50, 8), Options{Lists: 2, Metric: vec.Cosine}); !errors.Is(err, vec.ErrZero) {
		t.Errorf("zero vectors under cosine: %v", err)
	}
	lists, err := Train(background, x, Options{})
	if err != nil || lists.Len() != 14 { // 2√50
		t.Fatalf("%v, %v", lists, err)
	}
	if _, err := New(scalar.Float32(9), lists); !errors.Is(err, vec.ErrDim) {
		t.Errorf("a codec of another dimension: %v", err)
	}
	if _, err := lists.Residuals(background, vec.NewMatrix(3, 9)); !errors.Is(err, vec.ErrDim) {
		t.Errorf("residuals of another dimension: %v", err)
	}
	cosine, err := Train(background, x, Options{Lists: 2, Metric: vec.Cosine})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cosine.Residuals(background, vec.Matrix{Rows: 3, Cols: 8, Data: make([]float32, 20)}); !errors.Is(err, vec.ErrDim) {
		t.Errorf("residuals of fewer values than rows: %v", err)
	}
}

// Files whose parts do not fit together, though their checksums do.
func TestRejects(t *testing.T) {
	codec, err := artifact.Bytes("codec", scalar.Float32(2))
	if err != nil {
		t.Fatal(err)
	}
	good := header{Dim: 2, Lists: 2, Vectors: 3}
	floats := func(n int) []float32 { return make([]float32, n) }
	for name, c := range map[string]struct {
		h                header
		centroids, extra []float32
		sizes, ids       []uint32
		codes            int
	}{
		"good":             {good, floats(4), nil, []uint32{1, 2}, []uint32{5, 6, 7}, 24},
		"an ID twice":      {good, floats(4), nil, []uint32{1, 2}, []uint32{5, 6, 5}, 24},
		"too few IDs":      {good, floats(4), nil, []uint32{1, 2}, []uint32{5, 6}, 24},
		"too few codes":    {good, floats(4), nil, []uint32{1, 2}, []uint32{5, 6, 7}, 16},
		"too many codes":   {good, floats(4), nil, []uint32{1, 2}, []uint32{5, 6, 7}, 32},
		"sizes":            {good, floats(4), nil, []uint32{1, 1}, []uint32{5, 6, 7}, 24},
		"large sizes":      {good, floats(4), nil, []uint32{1, 1 << 31}, []uint32{5, 6, 7}, 24},
		"lists":            {good, floats(4), nil, []uint32{3}, []uint32{5, 6, 7}, 24},
		"centroids":        {good, floats(5), nil, []uint32{1, 2}, []uint32{5, 6, 7}, 24},
		"NaN":              {good, []float32{1, 2, 3, float32(math.NaN())}, nil, []uint32{1, 2}, []uint32{5, 6, 7}, 24},
		"extra":            {good, floats(4), floats(3), []uint32{1, 2}, []uint32{5, 6, 7}, 24},
		"no extra":         {header{Dim: 2, Lists: 2, Vectors: 3, Residual: true}, floats(4), nil, []uint32{1, 2}, []uint32{5, 6, 7}, 24},
		"dimension":        {header{Dim: 4, Lists: 1, Vectors: 3}, floats(4), nil, []uint32{3}, []uint32{5, 6, 7}, 24},
		"no lists":         {header{Dim: 2, Lists: 0, Vectors: 0}, nil, nil, nil, nil, 0},
		"negative vectors": {header{Dim: 2, Lists: 2, Vectors: -1}, floats(4), nil, []uint32{1, 2}, []uint32{5, 6, 7}, 24},
	} {
		var b bytes.Buffer
		if _, err := artifact.Write(&b, kind, version, artifact.JSON("meta", c.h), codec, artifact.Numbers("centroids", c.centroids),
			artifact.Numbers("sizes", c.sizes), artifact.Numbers("ids", c.ids), artifact.Section{Name: "codes", Data: make([]byte, c.codes)},
			artifact.Numbers("extra", c.extra)); err != nil {
			t.Fatal(err)
		}
		_, err := Read(&b, readCodec)
		var bad *artifact.CorruptError
		if name == "good" && err != nil || name != "good" && !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	x := indextest.Vectors(60, 4, 6)
	for _, o := range []Options{{Lists: 3}, {Lists: 2, Residual: true}} {
		ix := trained(f, x, o, pq(product.Options{M: 3, Bits: 4}))
		if err := ix.Add(background, nil, x); err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := ix.WriteTo(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ix, err := Read(bytes.NewReader(b), readCodec)
		if err != nil {
			return
		}
		q := make([]float32, ix.Dim())
		q[0] = 1
		if res, err := ix.Search(background, q, index.Query{K: 3}); err != nil || len(res.Hits) > min(3, ix.Len()) {
			t.Errorf("%v, %v", res, err)
		}
	})
}

func TestClose(t *testing.T) {
	x := indextest.Vectors(40, 6, 7)
	ix := trained(t, x, Options{Lists: 4}, f32)
	if err := ix.Add(background, nil, x); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ivf")
	if err := artifact.Save(path, ix); err != nil {
		t.Fatal(err)
	}
	opened, err := Open(path, scalar.Read)
	if err != nil || opened.Len() != 40 {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil || opened.Len() != 0 {
		t.Errorf("closed, it holds %d vectors: %v", opened.Len(), err)
	}
	if res, err := opened.Search(background, x.Row(0), index.Query{K: 1}); err != nil || len(res.Hits) != 0 {
		t.Errorf("closed, it finds %v: %v", res, err)
	}
	if !strings.Contains(ix.Codec().String(), "f32") {
		t.Error(ix.Codec())
	}
}

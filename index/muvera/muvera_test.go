package muvera

import (
	"context"
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/vec"
)

// units returns n random vectors of length 1.
func units(r *rand.Rand, n, d int) vec.Matrix {
	x := vec.NewMatrix(n, d)
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	for i := range n {
		vec.Normalize(x.Row(i), x.Row(i))
	}
	return x
}

func mustNew(t testing.TB, dim int, o Options) *Encoder {
	t.Helper()
	e, err := New(dim, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func query(t testing.TB, e *Encoder, x vec.Matrix) []float32 {
	t.Helper()
	v, err := e.EncodeQuery(nil, x)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func document(t testing.TB, e *Encoder, x vec.Matrix) []float32 {
	t.Helper()
	v, err := e.EncodeDocument(nil, x)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(float64(got[i]-want[i])) <= tol) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

func chamfer64(q, p vec.Matrix) float64 {
	var sum float64
	for i := range q.Rows {
		best := math.Inf(-1)
		for j := range p.Rows {
			var dot float64
			for k := range q.Cols {
				dot += float64(q.Row(i)[k]) * float64(p.Row(j)[k])
			}
			best = max(best, dot)
		}
		sum += best
	}
	return sum
}

// encode64 is the definition: section 2.1 of the paper, with a matrix S given, and the fill that searches all tokens.
func encode64(e *Encoder, x vec.Matrix, isDocument bool) []float32 {
	var out []float32
	for r := range e.o.Repetitions {
		w := vec.NewMatrix(e.rows, e.dim)
		e.draw(w, r)
		planes := max(e.o.Bits, 0)
		code := make([]int, x.Rows)
		for i := range x.Rows {
			for b := range planes {
				if vec.Dot(w.Row(b), x.Row(i)) > 0 {
					code[i] |= 1 << b
				}
			}
		}
		for c := range e.clusters {
			sum, n := make([]float32, e.dim), 0
			nearest := 0
			for i := range code {
				if code[i] == c {
					add(sum, x.Row(i))
					n++
				}
				if bits.OnesCount(uint(code[i]^c)) < bits.OnesCount(uint(code[nearest]^c)) {
					nearest = i
				}
			}
			switch {
			case isDocument && n == 0 && !e.o.LeaveEmpty:
				sum = slices.Clone(x.Row(nearest))
			case isDocument && n > 0:
				vec.Scale(sum, sum, 1/float32(n))
			}
			if e.projects() {
				for i := range e.o.Inner {
					out = append(out, vec.Dot(w.Row(planes+i), sum))
				}
			} else {
				out = append(out, sum...)
			}
		}
	}
	return out
}

func TestDefinition(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := rapid.IntRange(1, 40).Draw(rt, "d")
		o := Options{
			Repetitions: rapid.IntRange(1, 4).Draw(rt, "repetitions"),
			Bits:        rapid.SampledFrom([]int{OneCluster, 1, 2, 3, 6}).Draw(rt, "bits"),
			Inner:       rapid.IntRange(1, d).Draw(rt, "inner"),
			InnerKind:   Projection(rapid.IntRange(0, 1).Draw(rt, "kind")),
			LeaveEmpty:  rapid.Bool().Draw(rt, "leave"),
			Seed:        rapid.Uint64().Draw(rt, "seed"),
		}
		e := mustNew(t, d, o)
		x := units(rand.New(rand.NewPCG(o.Seed, 1)), rapid.IntRange(1, 30).Draw(rt, "tokens"), d)
		before := slices.Clone(x.Data)
		near(t, "query", query(t, e, x), encode64(e, x, false), 1e-4)
		near(t, "document", document(t, e, x), encode64(e, x, true), 1e-4)
		if !slices.Equal(before, x.Data) {
			t.Fatal("the tokens were changed")
		}
		if e.Dim() != len(encode64(e, x, true)) {
			t.Fatalf("Dim %d", e.Dim())
		}
	})
}

// TestOneSided is lemma A.3: without inner projection the estimate never exceeds Chamfer, and meets it for documents
// of one token.
func TestOneSided(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for trial := range 300 {
		d := 1 + r.IntN(48)
		e := mustNew(t, d, Options{Repetitions: 1 + r.IntN(3), Bits: 1 + r.IntN(6), Inner: d, Seed: uint64(trial)})
		q, p := units(r, 1+r.IntN(20), d), units(r, 1+r.IntN(40), d)
		want := chamfer64(q, p)
		if got := float64(e.Estimate(query(t, e, q), document(t, e, p))); !(got <= want+1e-5) {
			t.Fatalf("trial %d: estimate %v exceeds Chamfer %v", trial, got, want)
		}
		one := p.Slice(0, 1)
		if got, want := float64(e.Estimate(query(t, e, q), document(t, e, one))), chamfer64(q, one); !(math.Abs(got-want) <= 1e-4) {
			t.Fatalf("trial %d: one token: estimate %v, Chamfer %v", trial, got, want)
		}
	}
}

func TestSets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	e := mustNew(t, 24, Options{Repetitions: 3, Bits: 4, Inner: 8, Seed: 7})
	q, p := units(r, 11, 24), units(r, 19, 24)

	sum := query(t, e, q.Slice(0, 4))
	add(sum, query(t, e, q.Slice(4, 11)))
	near(t, "a query is the sum of its parts", query(t, e, q), sum, 1e-5)

	twice := vec.Matrix{Rows: 38, Cols: 24, Data: append(slices.Clone(p.Data), p.Data...)}
	near(t, "every token twice", document(t, e, twice), document(t, e, p), 1e-5)

	order := r.Perm(p.Rows)
	same := document(t, mustNew(t, 24, Options{Repetitions: 3, Bits: 4, Inner: 8, Seed: 7, LeaveEmpty: true}), p.Gather(order))
	near(t, "another order", same, document(t, mustNew(t, 24, Options{Repetitions: 3, Bits: 4, Inner: 8, Seed: 7, LeaveEmpty: true}), p), 1e-5)

	nonZero := 0
	for _, v := range query(t, e, q) {
		if v != 0 {
			nonZero++
		}
	}
	if most := q.Rows * 8 * 3; nonZero > most {
		t.Errorf("%d values of a query are not zero, lemma A.1 says at most %d", nonZero, most)
	}
	full := document(t, e, p)
	for b := range len(full) / 8 {
		if vec.Norm(full[8*b:8*b+8]) == 0 {
			t.Errorf("block %d of a document is empty", b)
		}
	}

	again := document(t, mustNew(t, 24, Options{Repetitions: 3, Bits: 4, Inner: 8, Seed: 7}), p)
	if !slices.Equal(again, full) {
		t.Error("the same seed gives another encoding")
	}
	if slices.Equal(document(t, mustNew(t, 24, Options{Repetitions: 3, Bits: 4, Inner: 8, Seed: 8}), p), full) {
		t.Error("another seed gives the same encoding")
	}
	if query(t, e, q); !slices.Equal(document(t, e, p), full) {
		t.Error("the same encoder gives another encoding")
	}
}

func TestOneCluster(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	e := mustNew(t, 10, Options{Repetitions: 2, Bits: OneCluster, Inner: 10})
	q, p := units(r, 3, 10), units(r, 5, 10)
	sum, mean := make([]float32, 10), make([]float32, 10)
	for i := range q.Rows {
		add(sum, q.Row(i))
	}
	for i := range p.Rows {
		add(mean, p.Row(i))
	}
	vec.Scale(mean, mean, 1.0/5)
	if got, want := e.Estimate(query(t, e, q), document(t, e, p)), vec.Dot(sum, mean); !(math.Abs(float64(got-want)) < 1e-5) {
		t.Errorf("estimate %v, want %v", got, want)
	}
}

// TestProjections checks that projections keep inner products in expectation, with an error that falls with the root
// of the target dimension.
func TestProjections(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	q, p := units(r, 6, 32), units(r, 30, 32)
	spread := func(o Options) (bias, sd float64) {
		const draws = 200
		var sum, sum2 float64
		for s := range uint64(draws) {
			o.Seed, o.Repetitions, o.Bits = s, 1, 3
			exact := o
			exact.Inner, exact.Final = 32, 0
			e, x := mustNew(t, 32, o), mustNew(t, 32, exact)
			diff := float64(e.Estimate(query(t, e, q), document(t, e, p))-x.Estimate(query(t, x, q), document(t, x, p))) / 6
			sum, sum2 = sum+diff, sum2+diff*diff
		}
		return sum / draws, math.Sqrt(sum2 / draws)
	}
	for _, c := range []struct {
		name     string
		few, two Options // the second has four times the dimensions
	}{
		{"inner signs", Options{Inner: 4}, Options{Inner: 16}},
		{"inner sketch", Options{Inner: 4, InnerKind: CountSketch}, Options{Inner: 16, InnerKind: CountSketch}},
		{"final signs", Options{Inner: 32, Final: 16}, Options{Inner: 32, Final: 64}},
		{"final sketch", Options{Inner: 32, Final: 16, FinalKind: CountSketch}, Options{Inner: 32, Final: 64, FinalKind: CountSketch}},
	} {
		b4, s4 := spread(c.few)
		b16, s16 := spread(c.two)
		if math.Abs(b4) > 4*s4/math.Sqrt(200) || math.Abs(b16) > 4*s16/math.Sqrt(200) {
			t.Errorf("%s: bias %v and %v, spread %v and %v", c.name, b4, b16, s4, s16)
		}
		if ratio := s4 / s16; ratio < 1.5 || ratio > 2.7 { // 2 in theory
			t.Errorf("%s: spread falls by %v with 4 times the dimensions, want about 2 (%v, %v)", c.name, ratio, s4, s16)
		}
	}
}

func TestFindNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for range 200 {
		planes := r.IntN(8)
		in := make([]int, 1+r.IntN(12))
		for i := range in {
			in[i] = r.IntN(1 << planes)
		}
		got := make([]int64, 1<<planes)
		findNearest(got, in)
		for c, g := range got {
			want := 0
			for i := range in {
				if bits.OnesCount(uint(in[i]^c)) < bits.OnesCount(uint(in[want]^c)) {
					want = i
				}
			}
			if int(uint32(g)) != want || int(g>>32) != bits.OnesCount(uint(in[want]^c)) {
				t.Fatalf("tokens %v: cluster %d has nearest %d at %d, want %d", in, c, uint32(g), g>>32, want)
			}
		}
	}
}

func TestBadOptions(t *testing.T) {
	for _, c := range []struct {
		dim int
		o   Options
	}{{0, Options{}}, {-1, Options{}}, {8, Options{Inner: 9}}, {8, Options{Inner: -1}}, {8, Options{Bits: 17}}, {8, Options{Bits: -2}},
		{8, Options{Repetitions: -1}}, {8, Options{Final: 1e6}}, {8, Options{Final: -1}}, {8, Options{FinalKind: 2}},
		{64, Options{Repetitions: 1 << 20}}, {1 << 24, Options{Bits: OneCluster, Inner: 1, Repetitions: 1 << 24}}, {8, Options{Repetitions: math.MaxInt}}} {
		if _, err := New(c.dim, c.o); err == nil {
			t.Errorf("New(%d, %+v) has no error", c.dim, c.o)
		}
	}
	if e := mustNew(t, 128, Options{}); e.Dim() != 10240 {
		t.Errorf("the default has %d dimensions, want the 10,240 of the paper", e.Dim())
	}
	if e := mustNew(t, 3, Options{}); e.Dim() != 20*32*3 {
		t.Errorf("tokens of 3 dimensions: %d", e.Dim())
	}
	if e := mustNew(t, 128, Options{Final: 100}); e.Dim() != 100 || len(query(t, e, units(rand.New(rand.NewPCG(1, 1)), 2, 128))) != 100 {
		t.Error("final projection has another length")
	}
}

func TestBadTokens(t *testing.T) {
	e := mustNew(t, 4, Options{})
	nan := vec.NewMatrix(2, 4)
	nan.Data[5] = float32(math.NaN())
	docs, _ := NewDocuments(units(rand.New(rand.NewPCG(1, 1)), 3, 4), []int{0, 1, 3}, nil)
	ix, err := Build(context.Background(), docs, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		x    vec.Matrix
		want error
	}{{vec.Matrix{Cols: 4}, vec.ErrTooFew}, {vec.Matrix{}, vec.ErrTooFew}, {vec.NewMatrix(1, 5), vec.ErrDim}, {nan, vec.ErrNotFinite}} {
		_, err1 := e.EncodeQuery(nil, c.x)
		_, err2 := e.EncodeDocument(nil, c.x)
		_, err3 := docs.Scores(nil, c.x, []uint32{0})
		_, err4 := docs.Search(context.Background(), c.x, 1, nil)
		_, err5 := ix.Search(context.Background(), c.x, Query{K: 1})
		for i, err := range []error{err1, err2, err3, err4, err5} {
			if !errors.Is(err, c.want) {
				t.Errorf("%d tokens of %d, call %d: %v, want %v", c.x.Rows, c.x.Cols, i, err, c.want)
			}
		}
	}
}

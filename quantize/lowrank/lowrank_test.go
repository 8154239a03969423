package lowrank

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/cluster"
	"github.com/latent-go/latent/dataset/catalog"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

var _ quantize.Codec = (*Codec)(nil)

func gaussian(rng *rand.Rand, n, d int) vec.Matrix {
	x := vec.NewMatrix(n, d)
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

func fit(t testing.TB, x vec.Matrix, o Options) *Codec {
	t.Helper()
	c, err := Fit(context.Background(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func loss(c quantize.Codec, x vec.Matrix) (sum float64) {
	for i := range x.Rows {
		sum += float64(vec.SquaredL2(x.Row(i), c.Decode(nil, c.Encode(nil, x.Row(i)))))
	}
	return sum
}

// The error is the sum of its two parts, since the basis is orthonormal.
func TestPythagoras(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	x := gaussian(rng, 300, 24)
	for rank := 1; rank <= 6; rank++ {
		c := fit(t, x, Options{Sub: 6, Rank: rank, Clusters: 20})
		for a := range rank {
			for b := range rank {
				var dot, want float64
				for i := range 6 {
					dot += float64(c.Basis().Row(i)[a]) * float64(c.Basis().Row(i)[b])
				}
				if a == b {
					want = 1
				}
				if !(math.Abs(dot-want) <= 1e-6) {
					t.Errorf("rank %d: columns %d and %d of the basis have product %v", rank, a, b, dot)
				}
			}
		}
		lost, words := c.Errors(x)
		if all := loss(c, x); !(math.Abs(all-lost-words) <= 1e-4*all) {
			t.Errorf("rank %d: error %v, in parts %v and %v", rank, all, lost, words)
		}
		if rank == 6 && !(lost < 1e-3) {
			t.Errorf("a full rank loses %v", lost)
		}
	}
}

// Planted centres come back, at their rank but not below.
func TestPlanted(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	const m, rank, k = 8, 3, 12
	p, centres := gaussian(rng, m, rank), gaussian(rng, k, rank)
	words := vec.MulT(vec.Matrix{}, centres, p)
	x := vec.NewMatrix(500, 2*m)
	for i := range x.Rows {
		for g := range 2 {
			copy(x.Row(i)[g*m:], words.Row(rng.IntN(k)))
		}
	}
	var all float64
	for _, v := range x.Data {
		all += float64(v) * float64(v)
	}
	if got := loss(fit(t, x, Options{Sub: m, Rank: rank, Clusters: k}), x); !(got <= 1e-9*all) {
		t.Errorf("rank %d loses %v of %v", rank, got, all)
	}
	if got := loss(fit(t, x, Options{Sub: m, Rank: rank - 1, Clusters: k}), x); !(got > 0.01*all) {
		t.Errorf("rank %d loses only %v of %v", rank-1, got, all)
	}
}

// Each round leaves less error than the one before, or as much, and the first is principal components and k-means.
func TestRoundsLowerTheError(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	x := gaussian(rng, 400, 16)
	for i := range x.Data {
		x.Data[i] *= x.Data[i] * x.Data[i] // heavy tails, for which principal components are not the best map
	}
	last := math.Inf(1)
	var first float64
	for _, rounds := range []int{1, 2, 4, 8, 16} {
		got := loss(fit(t, x, Options{Sub: 8, Rank: 3, Clusters: 32, Rounds: rounds}), x)
		if !(got <= last*(1+1e-5)) {
			t.Errorf("%d rounds leave %v, fewer left %v", rounds, got, last)
		}
		if last = got; first == 0 {
			first = got
		}
	}
	t.Logf("16 rounds leave %.4f of what one leaves", last/first)
	if !(last < 0.9995*first) { // seen 0.9981: principal components are a good start
		t.Errorf("16 rounds leave %.4f of what one leaves", last/first)
	}
}

// At full rank the codec is k-means.
func TestFullRankIsKMeans(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(4, 4)), 500, 4)
	r, err := cluster.KMeans(t.Context(), x, cluster.Options{K: 16})
	if err != nil {
		t.Fatal(err)
	}
	got := loss(fit(t, x, Options{Sub: 4, Rank: 4, Clusters: 16}), x)
	if !(math.Abs(got-r.Inertia) < 0.05*r.Inertia) { // both local optima; seen 0.99
		t.Errorf("error %v, of k-means %v", got, r.Inertia)
	}
}

func TestWaterFill(t *testing.T) {
	for _, tt := range []struct {
		values []float64 // rising
		bits   float64
		level  float64
		active int
	}{
		{[]float64{1, 1, 1, 1, 1, 1, 1, 1}, 8, 0.25, 8},
		{[]float64{1. / 16, 1. / 16, 1. / 16, 16}, 4, 1. / 16, 1},
		{[]float64{0.25, 1, 4}, 1, 1, 1},
		{[]float64{0.25, 1, 4}, 2, 0.5, 2},
		{[]float64{0, 0, 0}, 8, 0, 1},
		{[]float64{-1e-20, 3}, 8, 3. / 65536, 1},
	} {
		if level, active := waterFill(tt.values, tt.bits); math.Abs(level-tt.level) > 1e-12 || active != tt.active {
			t.Errorf("%v with %v bits: level %v with %d active, want %v with %d", tt.values, tt.bits, level, active, tt.level, tt.active)
		}
	}
}

// The components of a spectrum that falls by half which eight bits reach.
func TestEstimateRank(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(5, 5)), 4000, 8)
	for i := range x.Rows {
		for j := range 8 {
			x.Row(i)[j] *= float32(math.Exp2(-float64(j) / 2))
		}
	}
	rank, err := EstimateRank(x, 8, 256)
	if err != nil {
		t.Fatal(err)
	}
	// With j components log₂θ = -((0+1+…+j-1) + 16)/j: -5.2 for five, -5.17 for six, below 2⁻⁵ of the sixth; the
	// seventh, 2⁻⁶, is below that.
	if rank != 6 {
		t.Errorf("rank %d, want 6", rank)
	}
	if c := fit(t, x, Options{}); c.String() != "lrvq:8,8" {
		t.Errorf("%v, want lrvq:8,8", c)
	}
}

func TestCodec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 9).Draw(t, "m")
		d := m * rapid.IntRange(1, 4).Draw(t, "pieces")
		n := rapid.IntRange(1, 12).Draw(t, "n")
		x := gaussian(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), n, d)
		c, err := Fit(context.Background(), x, Options{Sub: m, Clusters: rapid.IntRange(2, 9).Draw(t, "k"), Rank: rapid.IntRange(0, m).Draw(t, "rank"), Rounds: 2})
		if err != nil {
			t.Fatal(err)
		}
		var codes []byte
		for i := range n {
			codes = c.Encode(codes, x.Row(i))
		}
		if len(codes) != n*c.CodeSize() {
			t.Fatalf("%d rows took %d bytes", n, len(codes))
		}
		for metric := vec.Euclidean; metric <= vec.Manhattan; metric++ {
			q, dst, at := x.Row(0), make([]float32, n), make([]float32, 1)
			s := c.Scorer(metric, q)
			s.Distances(dst, codes)
			s.DistancesAt(at, codes, []uint32{uint32(n - 1)})
			for i, got := range dst {
				v := c.Decode(nil, codes[i*c.CodeSize():(i+1)*c.CodeSize()])
				want := float64(metric.Distance(q, v))
				if metric == vec.Cosine {
					want = 1 - float64(vec.Dot(q, v))
				}
				scale := 1 + float64(vec.Dot(q, q)+vec.Dot(v, v))
				if !(math.Abs(float64(got)-want) <= 1e-5*scale) {
					t.Fatalf("%v: at %v, want %v", metric, got, want)
				}
			}
			if at[0] != dst[n-1] {
				t.Fatalf("%v: at %v by number, want %v", metric, at[0], dst[n-1])
			}
			if n := testing.AllocsPerRun(1, func() { s.Reset(q); s.Distances(dst, codes) }); n != 0 {
				t.Fatalf("%v: %v allocations a query", metric, n)
			}
		}
		var file bytes.Buffer
		size, err := c.WriteTo(&file)
		if err != nil || size != int64(file.Len()) {
			t.Fatalf("WriteTo: %d of %d bytes, %v", size, file.Len(), err)
		}
		whole := bytes.Clone(file.Bytes())
		file.WriteString("what follows")
		again, err := Read(&file)
		if err != nil || file.String() != "what follows" || !bytes.Equal(again.Encode(nil, x.Row(0)), codes[:c.CodeSize()]) {
			t.Fatalf("read as %v, %v, and left %q", again, err, file.String())
		}
		var corrupt *artifact.CorruptError
		if _, err := Read(bytes.NewReader(whole[:rapid.IntRange(0, len(whole)-1).Draw(t, "cut")])); !errors.As(err, &corrupt) {
			t.Fatalf("cut short: %v", err)
		}
	})
}

func TestRefuses(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(6, 6)), 4, 16)
	bad := x.Clone()
	bad.Data[7] = float32(math.NaN())
	for _, tt := range []struct {
		x    vec.Matrix
		o    Options
		want error
	}{{bad, Options{}, vec.ErrNotFinite}, {vec.Matrix{}, Options{}, vec.ErrTooFew}, {x, Options{Sub: 5}, vec.ErrDim}} {
		if _, err := Fit(t.Context(), tt.x, tt.o); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.o, err, tt.want)
		}
	}
	for _, o := range []Options{{Rank: 9}, {Rank: -1}, {Clusters: 1}, {Clusters: 257}, {Sub: -8}, {Rounds: -1}} {
		if _, err := Fit(t.Context(), x, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Fit(done, x, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, m := range []any{meta{4, 2, 1}, meta{4, 2, 2}, meta{-4, 2, 1}, meta{5, 2, 1}, meta{1 << 30, 1, 1}, "no"} {
		for _, numbers := range [][]float32{{1, 0}, {1, 0, 0, 1}, {float32(math.NaN()), 0}, {3e38, 3e38}, nil} {
			var b bytes.Buffer
			if _, err := artifact.Write(&b, kind, 1, artifact.JSON("meta", m), artifact.Numbers("basis", numbers), artifact.Numbers("codebook", numbers)); err != nil {
				f.Fatal(err)
			}
			f.Add(b.Bytes(), []byte{0, 200})
		}
	}
	f.Fuzz(func(t *testing.T, b, code []byte) {
		c, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		if got := c.Encode(nil, make([]float32, c.Dim())); len(got) != c.CodeSize() {
			t.Errorf("a code of %d bytes, want %d", len(got), c.CodeSize())
		}
		if len(code) >= c.CodeSize() { // any bytes are scored without a panic
			c.Decode(nil, code[:c.CodeSize()])
			c.Scorer(vec.Euclidean, make([]float32, c.Dim())).Distances(make([]float32, 1), code)
		}
		var again bytes.Buffer
		if _, err := c.WriteTo(&again); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&again); err != nil {
			t.Errorf("does not read again: %v", err)
		}
	})
}

// BenchmarkTable codes 1,000 and 20,000 rows of glove-100, where `latent data get` has put it, as a table would be, in
// pieces of 2 to 10 numbers: the share of the squared length that is lost, and the bytes of a row with its part of
// codebooks. The baseline has a codebook for each piece of 10, which is product quantisation.
func BenchmarkTable(b *testing.B) {
	data, err := catalog.Load(b.Context(), "glove-100", catalog.Options{Offline: true})
	if err != nil {
		b.Skip(err)
	}
	for _, n := range []int{1000, 20_000} {
		x := data.Train.Slice(0, n)
		all := 0.0
		for _, v := range x.Data {
			all += float64(v) * float64(v)
		}
		for _, shape := range [][2]int{{10, 4}, {10, 7}, {10, 10}, {5, 3}, {5, 5}, {2, 2}} {
			b.Run(fmt.Sprintf("n=%d/lrvq:%d,%d", n, shape[0], shape[1]), func(b *testing.B) {
				var c *Codec
				for b.Loop() {
					c = fit(b, x, Options{Sub: shape[0], Rank: shape[1]})
				}
				b.ReportMetric(loss(c, x)/all, "lost")
				b.ReportMetric(float64(c.CodeSize())+float64(c.SizeBytes())/float64(n), "bytes/row")
			})
		}
		b.Run(fmt.Sprintf("n=%d/product", n), func(b *testing.B) {
			for b.Loop() {
				lost := 0.0
				for g := range 10 {
					piece := vec.NewMatrix(n, 10)
					for i := range n {
						copy(piece.Row(i), x.Row(i)[10*g:])
					}
					r, err := cluster.KMeans(b.Context(), piece, cluster.Options{K: 256})
					if err != nil {
						b.Fatal(err)
					}
					lost += r.Inertia
				}
				b.ReportMetric(lost/all, "lost")
				b.ReportMetric(10+4*256*100/float64(n), "bytes/row")
			}
		})
	}
}

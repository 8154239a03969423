package latent

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/dataset/catalog"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/quantize/scalar"
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

func encodeAll(c quantize.Codec, x vec.Matrix) (codes []byte) {
	for i := range x.Rows {
		codes = c.Encode(codes, x.Row(i))
	}
	return codes
}

// loss is the squared error of codec c over x, in float64.
func loss(c quantize.Codec, x vec.Matrix) (sum float64) {
	for i := range x.Rows {
		for j, v := range c.Decode(nil, c.Encode(nil, x.Row(i))) {
			sum += (float64(v) - float64(x.Row(i)[j])) * (float64(v) - float64(x.Row(i)[j]))
		}
	}
	return sum
}

// The best values for few numbers, against all ways to cut them into parts.
func TestFitIsTheBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 11).Draw(t, "n")
		x := vec.Matrix{Rows: n, Cols: 1, Data: rapid.SliceOfN(rapid.Map(rapid.IntRange(-9, 9), func(i int) float32 { return float32(i) }), n, n).Draw(t, "x")}
		b := rapid.IntRange(1, 3).Draw(t, "bits")
		c, err := Fit(x, Options{Bits: float64(b), Even: true})
		if err != nil {
			t.Fatal(err)
		}
		s := slices.Sorted(slices.Values(x.Data))
		best := math.Inf(1)
		for mask := range 1 << (n - 1) { // bit i cuts behind number i
			parts, sum, from := 1, 0.0, 0
			for i := range n {
				if i == n-1 || mask>>i&1 == 1 {
					mean := 0.0
					for _, v := range s[from : i+1] {
						mean += float64(v) / float64(i+1-from)
					}
					for _, v := range s[from : i+1] {
						sum += (float64(v) - mean) * (float64(v) - mean)
					}
					from = i + 1
					if i < n-1 {
						parts++
					}
				}
			}
			if parts <= 1<<b {
				best = min(best, sum)
			}
		}
		if got := loss(c, x); !(math.Abs(got-best) <= 1e-4*(1+best)) {
			t.Fatalf("%v in %d values %v: squared error %v, best %v", s, 1<<b, c.Values(0), got, best)
		}
	})
}

// The best quantisers of a Gaussian lose 0.3634, 0.1175, 0.03454, 0.009497 (Max 1960, table I).
func TestGaussian(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(1, 1)), 4000, 8)
	for b, want := range map[int]float64{1: 0.3634, 2: 0.1175, 3: 0.03454, 4: 0.009497} {
		c, err := Fit(x, Options{Bits: float64(b), Even: true})
		if err != nil {
			t.Fatal(err)
		}
		got := loss(c, x) / float64(len(x.Data))
		t.Logf("%v: %.5f, best for the distribution %.5f", c, got, want)
		if !(math.Abs(got-want) < 0.04*want) { // seen within 2 %
			t.Errorf("%v: %.5f of the variance is lost, want %.5f", c, got, want)
		}
	}
}

// Spread as water fills: from variances 4ⁱ each doubling of the deviation earns one bit more.
func TestBitsGoWhereTheySaveTheMost(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(2, 2)), 4000, 5)
	for i := range x.Rows {
		for j, scale := range []float32{16, 8, 4, 2, 0} {
			x.Row(i)[j] *= scale
		}
	}
	c, err := Fit(x, Options{Bits: 2}) // 10 in all
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.width); got != "[4 3 2 1 0]" || c.Bits() != 10 || c.CodeSize() != 2 || c.String() != "lloyd:2" {
		t.Errorf("bits %s, %d in all, codes of %d bytes, %v; want [4 3 2 1 0], 10, 2, lloyd:2", got, c.Bits(), c.CodeSize(), c)
	}
	even, err := Fit(x, Options{Bits: 2, Even: true})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := loss(c, x), loss(even, x); !(a < b/2) { // seen 0.35
		t.Errorf("spread, bits lose %v, evenly %v", a, b)
	}
}

func draw(t *rapid.T) *Codec {
	values := make([][]float32, rapid.IntRange(1, 20).Draw(t, "d"))
	for i := range values {
		n := rapid.SampledFrom([]int{1, 2, 3, 4, 10, 16, 100, 255, 256}).Draw(t, "n")
		values[i] = rapid.SliceOfN(rapid.Float32Range(-100, 100), n, n).Draw(t, "values")
		slices.Sort(values[i])
	}
	c, err := New(values)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCodec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := draw(t)
		rows := rapid.IntRange(1, 4).Draw(t, "rows")
		x := vec.Matrix{Rows: rows, Cols: c.Dim(), Data: rapid.SliceOfN(rapid.Float32Range(-150, 150), rows*c.Dim(), rows*c.Dim()).Draw(t, "x")}
		codes := encodeAll(c, x)
		if len(codes) != rows*c.CodeSize() || c.CodeSize() != (c.Bits()+7)/8 {
			t.Fatalf("%d rows took %d bytes", rows, len(codes))
		}
		q := rapid.SliceOfN(rapid.Float32Range(-150, 150), c.Dim(), c.Dim()).Draw(t, "q")
		decoded := vec.NewMatrix(rows, c.Dim())
		for i := range rows {
			code := codes[i*c.CodeSize() : (i+1)*c.CodeSize()]
			v := c.Decode(decoded.Row(i), code)
			for j, got := range v {
				for _, other := range c.Values(j) {
					if math.Abs(float64(other)-float64(x.Row(i)[j])) < math.Abs(float64(got)-float64(x.Row(i)[j])) {
						t.Fatalf("%v became %v, and %v is nearer", x.Row(i)[j], got, other)
					}
				}
			}
			if !bytes.Equal(c.Encode(nil, v), code) {
				t.Fatal("what was decoded is encoded otherwise")
			}
		}
		for m := vec.Euclidean; m <= vec.Manhattan; m++ {
			s := c.Scorer(m, make([]float32, c.Dim()))
			s.Reset(q)
			dst, at := make([]float32, rows), make([]float32, 1)
			s.Distances(dst, codes)
			s.DistancesAt(at, codes, []uint32{uint32(rows - 1)})
			for i, got := range dst {
				var want, scale float64
				for j, v := range decoded.Row(i) {
					a, b := float64(q[j]), float64(v)
					term := -a * b
					switch m {
					case vec.Euclidean:
						term = (a - b) * (a - b)
					case vec.Manhattan:
						term = math.Abs(a - b)
					}
					want, scale = want+term, scale+math.Abs(term)
				}
				if m == vec.Cosine {
					want, scale = want+1, scale+1
				}
				if !(math.Abs(float64(got)-want) <= float64(c.Dim()+4)*0x1p-24*scale+0x1p-140) { // the last for products below what float32 holds in full
					t.Fatalf("%v: at %v, want %v", m, got, want)
				}
			}
			if at[0] != dst[rows-1] {
				t.Fatalf("%v: at %v by number, want %v", m, at[0], dst[rows-1])
			}
			if n := testing.AllocsPerRun(1, func() { s.Reset(q); s.Distances(dst, codes) }); n != 0 {
				t.Fatalf("%v: %v allocations a query", m, n)
			}
		}
		var file bytes.Buffer
		n, err := c.WriteTo(&file)
		if err != nil || n != int64(file.Len()) {
			t.Fatalf("WriteTo: %d of %d bytes, %v", n, file.Len(), err)
		}
		whole := bytes.Clone(file.Bytes())
		file.WriteString("what follows")
		again, err := Read(&file)
		if err != nil || file.String() != "what follows" || !bytes.Equal(encodeAll(again, x), codes) {
			t.Fatalf("read as %v, %v, and left %q", again, err, file.String())
		}
		var corrupt *artifact.CorruptError
		if _, err := Read(bytes.NewReader(whole[:rapid.IntRange(0, len(whole)-1).Draw(t, "cut")])); !errors.As(err, &corrupt) {
			t.Fatalf("cut short: %v", err)
		}
	})
}

func TestTiesGoToTheLowerValue(t *testing.T) {
	c, err := New([][]float32{{-1, 1, 1, 3}, {5}})
	if err != nil {
		t.Fatal(err)
	}
	for x, want := range map[float32]int{-9: 0, -1: 0, 0: 0, 0.001: 1, 1: 1, 2: 1, 2.1: 3, 99: 3, float32(math.Inf(1)): 3, float32(math.Inf(-1)): 0} {
		if got := c.Nearest(0, x); got != want {
			t.Errorf("%v is nearest to value %d, want %d", x, got, want)
		}
	}
	if got := c.Nearest(0, float32(math.NaN())); got != 0 {
		t.Errorf("NaN is value %d", got)
	}
	if c.Bits() != 2 || c.CodeSize() != 1 {
		t.Errorf("%d bits in %d bytes, want 2 in 1", c.Bits(), c.CodeSize())
	}
}

func TestConstantDataTakesNoBytes(t *testing.T) {
	x := vec.NewMatrix(5, 3)
	for i := range x.Data {
		x.Data[i] = 0.5
	}
	c, err := Fit(x, Options{})
	if err != nil || c.CodeSize() != 0 {
		t.Fatalf("%v of %d bytes, %v", c, c.CodeSize(), err)
	}
	d := []float32{9, 9}
	c.Scorer(vec.Euclidean, []float32{0.5, 0.5, 1.5}).Distances(d, nil)
	if d[0] != 1 || d[1] != 1 || c.Decode(nil, nil)[1] != 0.5 {
		t.Errorf("at %v, want 1; decoded as %v", d, c.Decode(nil, nil))
	}
}

func TestRefuses(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(3, 3)), 4, 3)
	bad := x.Clone()
	bad.Data[7] = float32(math.NaN())
	for _, tt := range []struct {
		x    vec.Matrix
		want error
	}{{bad, vec.ErrNotFinite}, {vec.Matrix{}, vec.ErrTooFew}, {vec.NewMatrix(3, 0), vec.ErrTooFew}} {
		if _, err := Fit(tt.x, Options{}); !errors.Is(err, tt.want) {
			t.Errorf("%d×%d: %v, want %v", tt.x.Rows, tt.x.Cols, err, tt.want)
		}
	}
	for _, o := range []Options{{Bits: -1}, {Bits: 8.5}, {Bits: math.NaN()}, {Bits: 2.5, Even: true}} {
		if _, err := Fit(x, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	for _, values := range [][][]float32{nil, {{}}, {{2, 1}}, {{float32(math.Inf(1))}}, {make([]float32, 257)}} {
		if _, err := New(values); err == nil {
			t.Errorf("%v are accepted", values)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, counts := range [][]uint16{{1}, {2, 1}, {3}, {300}, {0, 3}, nil} {
		for _, values := range [][]float32{{1, 2, 3}, {3, 1, 2}, {1, float32(math.NaN()), 3}, nil} {
			var b bytes.Buffer
			if _, err := artifact.Write(&b, kind, 1, artifact.Numbers("counts", counts), artifact.Numbers("values", values)); err != nil {
				f.Fatal(err)
			}
			f.Add(b.Bytes(), []byte{1, 2, 3})
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

// BenchmarkRecall scans Fashion-MNIST, where `latent data get` has put it: mean squared error, and how many of the 10
// nearest are among the first 10 and 50 by code.
func BenchmarkRecall(b *testing.B) {
	data, err := catalog.Load(b.Context(), "fashion-mnist", catalog.Options{Offline: true})
	if err != nil {
		b.Skip(err)
	}
	x, queries := data.Train, data.Test.Slice(0, 100)
	truth, err := neighbors.Exact(b.Context(), queries, x, neighbors.Options{K: 10})
	if err != nil {
		b.Fatal(err)
	}
	var codecs []quantize.Codec
	for _, o := range []Options{{Bits: 1}, {Bits: 2}, {Bits: 3}, {Bits: 4}, {Bits: 4, Even: true}} {
		c, err := Fit(x, o)
		if err != nil {
			b.Fatal(err)
		}
		codecs = append(codecs, c)
	}
	for _, fit := range []func(vec.Matrix, scalar.Options) (*scalar.Codec, error){scalar.FitInt4, scalar.FitInt8} {
		c, err := fit(x, scalar.Options{})
		if err != nil {
			b.Fatal(err)
		}
		codecs = append(codecs, c)
	}
	for _, c := range codecs {
		b.Run(fmt.Sprintf("%v/bytes=%d", c, c.CodeSize()), func(b *testing.B) {
			codes, dst := encodeAll(c, x), make([]float32, x.Rows)
			s := c.Scorer(vec.Euclidean, queries.Row(0))
			var in10, in50 int
			for q := range queries.Rows {
				s.Reset(queries.Row(q))
				s.Distances(dst, codes)
				top := vec.NewTopK(50)
				for i, d := range dst {
					top.Push(d, uint32(i))
				}
				ids, _ := top.Append(nil, nil)
				near, _ := truth.Row(q)
				for i, id := range ids {
					if slices.Contains(near, id) {
						in50++
						if i < 10 {
							in10++
						}
					}
				}
			}
			for b.Loop() {
				s.Distances(dst, codes)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*x.Rows), "ns/vector")
			b.ReportMetric(loss(c, x.Slice(0, 2000))/2000, "squared-error")
			b.ReportMetric(float64(in10)/float64(10*queries.Rows), "recall@10in10")
			b.ReportMetric(float64(in50)/float64(10*queries.Rows), "recall@10in50")
		})
	}
}

func BenchmarkFit(b *testing.B) {
	x := gaussian(rand.New(rand.NewPCG(4, 4)), 4096, 100)
	for _, o := range []Options{{}, {Bits: 4, Even: true}} {
		b.Run(fmt.Sprintf("even=%v/d=100", o.Even), func(b *testing.B) {
			for b.Loop() {
				if _, err := Fit(x, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

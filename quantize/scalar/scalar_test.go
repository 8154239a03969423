package scalar

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/artifact"
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

// all returns one codec of each kind, fitted to x.
func all(t *testing.T, x vec.Matrix) []*Codec {
	t.Helper()
	codecs := []*Codec{Float32(x.Cols), Float16(x.Cols)}
	for _, fit := range []func(vec.Matrix, Options) (*Codec, error){FitInt8, FitInt4} {
		for _, o := range []Options{{}, {Global: true}, {Clip: NoClip}} {
			c, err := fit(x, o)
			if err != nil {
				t.Fatal(err)
			}
			codecs = append(codecs, c)
		}
	}
	return codecs
}

func encodeAll(c *Codec, x vec.Matrix) []byte {
	var codes []byte
	for i := range x.Rows {
		codes = c.Encode(codes, x.Row(i))
	}
	return codes
}

// Every scorer is compared with the exact distance, in float64, between the query and the decoded vector.
func TestScorerMeasuresToTheDecodedVector(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, d := range []int{1, 2, 7, 16, 31, 33, 100, 257} {
		x := gaussian(rng, 9, d)
		for i := range x.Data {
			x.Data[i] += 3 // so that the ranges do not lie about 0
		}
		for _, c := range all(t, x) {
			checkScorer(t, c, x, rng)
		}
	}
}

func checkScorer(t *testing.T, c *Codec, x vec.Matrix, rng *rand.Rand) {
	t.Helper()
	codes, size := encodeAll(c, x), c.CodeSize()
	ids := make([]uint32, 2*x.Rows)
	for i := range ids {
		ids[i] = uint32(rng.IntN(x.Rows))
	}
	shifted := append([]byte{0}, codes...)[1:] // the same codes, not aligned for any wider number
	q := make([]float32, c.Dim())
	for m := vec.Euclidean; m <= vec.Manhattan; m++ {
		s := c.Scorer(m, q)
		for i := range q {
			q[i] = float32(rng.NormFloat64())
		}
		s.Reset(q)
		kept := append([]float32(nil), q...)
		dst, at := make([]float32, x.Rows), make([]float32, len(ids))
		check := func(got float32, id int) {
			t.Helper()
			want, bound := exact(c, m, q, codes[id*size:(id+1)*size])
			if !(math.Abs(float64(got)-want) <= bound) {
				t.Fatalf("%v under %v, d=%d: code %d at %v, want %v ± %v", c, m, c.Dim(), id, got, want, bound)
			}
		}
		for _, codes := range [][]byte{codes, shifted} {
			s.Distances(dst, codes)
			s.DistancesAt(at, codes, ids)
			for i, got := range dst {
				check(got, i)
			}
			for i, got := range at {
				check(got, int(ids[i]))
			}
		}
		if n := testing.AllocsPerRun(10, func() {
			s.Reset(q)
			s.Distances(dst, codes)
			s.DistancesAt(at, codes, ids)
		}); n != 0 {
			t.Errorf("%v under %v: %v allocations a query, want none", c, m, n)
		}
		for i := range q {
			if q[i] != kept[i] {
				t.Fatalf("%v under %v changed the query", c, m)
			}
		}
	}
}

// exact is the distance in float64 to what code decodes to, and the rounding that float32 may show: n additions, and a
// few roundings of each term, of values as large as the query, the offset and the vector.
func exact(c *Codec, m vec.Metric, q []float32, code []byte) (want, bound float64) {
	var scale float64
	for i, x := range c.Decode(nil, code) {
		a, b, lo := float64(q[i]), float64(x), 0.0
		if c.lo != nil {
			lo = math.Abs(float64(c.lo[i]))
		}
		switch m {
		case vec.Euclidean:
			want += (a - b) * (a - b)
			scale += (math.Abs(a) + math.Abs(b) + lo) * (math.Abs(a) + math.Abs(b) + lo)
		case vec.Manhattan:
			want += math.Abs(a - b)
			scale += math.Abs(a) + math.Abs(b) + lo
		default:
			want -= a * b
			scale += math.Abs(a) * (math.Abs(b) + lo)
		}
	}
	if m == vec.Cosine {
		want++
		scale++
	}
	return want, float64(len(q)+6) * 0x1p-24 * scale
}

func TestFloat32KeepsEveryBit(t *testing.T) {
	c := Float32(6)
	v := []float32{1.5, float32(math.Inf(-1)), math.SmallestNonzeroFloat32, 0, float32(math.Copysign(0, -1)), float32(math.NaN())}
	code := c.Encode([]byte("head"), v)
	if string(code[:4]) != "head" || len(code) != 4+c.CodeSize() {
		t.Fatalf("Encode does not append: %q", code)
	}
	for i, got := range c.Decode(nil, code[4:]) {
		if math.Float32bits(got) != math.Float32bits(v[i]) {
			t.Errorf("value %d came back as %v, want %v", i, got, v[i])
		}
	}
}

func TestFloat16RoundsAndClamps(t *testing.T) {
	c := Float16(3)
	inf := float32(math.Inf(1))
	for _, tt := range []struct{ in, want []float32 }{
		{[]float32{65504, 65520, 1e9}, []float32{65504, 65504, 65504}},
		{[]float32{-inf, inf, -7e4}, []float32{-65504, 65504, -65504}},
		{[]float32{1 + 0x1p-11, 1 + 3*0x1p-11, 0x1p-24}, []float32{1, 1 + 0x1p-9, 0x1p-24}},
	} {
		got := c.Decode(nil, c.Encode(nil, tt.in))
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%v became %v, want %v", tt.in, got, tt.want)
			}
		}
	}
	rng := rand.New(rand.NewPCG(2, 2))
	for range 1000 {
		v := float32(rng.NormFloat64() * math.Exp2(float64(rng.IntN(15))))
		got := c.Decode(nil, c.Encode(nil, []float32{v, 0, 0}))[0]
		if e := math.Abs(float64(got) - float64(v)); !(e <= max(0x1p-11*math.Abs(float64(v)), 0x1p-25)) {
			t.Errorf("%v became %v", v, got)
		}
	}
}

// Inside its range a value comes back within half a step, outside as the nearer end.
func TestErrorBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.IntRange(1, 70).Draw(t, "d")
		n := rapid.IntRange(1, 20).Draw(t, "n")
		value := rapid.Float32Range(-1e6, 1e6)
		if rapid.Bool().Draw(t, "huge") {
			value = rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32)
		}
		x := vec.Matrix{Rows: n, Cols: d, Data: rapid.SliceOfN(value, n*d, n*d).Draw(t, "x")}
		o := Options{Global: rapid.Bool().Draw(t, "global"), Clip: rapid.SampledFrom([]float64{0, NoClip, 0.1}).Draw(t, "clip")}
		fit := rapid.SampledFrom([]func(vec.Matrix, Options) (*Codec, error){FitInt8, FitInt4}).Draw(t, "fit")
		c, err := fit(x, o)
		if err != nil {
			t.Fatal(err)
		}
		v := rapid.SliceOfN(value, d, d).Draw(t, "v")
		code := c.Encode(nil, v)
		got := c.Decode(nil, code)
		for i := range v {
			lo, hi := c.Range(i)
			want := max(float64(lo), min(float64(hi), float64(v[i])))
			// Half a step, and the rounding of lo + step·c in float32.
			bound := float64(c.step[i])/2 + 0x1p-22*max(math.Abs(float64(lo)), math.Abs(float64(hi)))
			if !(math.Abs(float64(got[i])-want) <= bound) {
				t.Fatalf("dimension %d: %v became %v; range %v to %v, step %v", i, v[i], got[i], lo, hi, c.step[i])
			}
		}
		if o.Clip == NoClip { // then all of the data is in range
			for i := range n {
				for j, v := range x.Row(i) {
					lo, hi := c.Range(j)
					slack := 0x1p-20 * max(math.Abs(float64(lo)), math.Abs(float64(hi)))
					if float64(v) < float64(lo)-slack || float64(v) > float64(hi)+slack {
						t.Fatalf("row %d, dimension %d: %v lies outside %v to %v", i, j, v, lo, hi)
					}
				}
			}
		}
		var b bytes.Buffer
		if _, err := c.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Encode(nil, v), code) {
			t.Fatal("read back, it encodes otherwise")
		}
	})
}

func TestConstantDimensionsCostNothing(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(3, 3)), 50, 5)
	for i := range x.Rows {
		x.Row(i)[1], x.Row(i)[3] = 7, 0
	}
	for _, c := range all(t, x)[2:] {
		if c.step[0] == c.step[1] {
			continue // one range for all
		}
		got := c.Decode(nil, c.Encode(nil, []float32{0, 7, 0, 0, 0}))
		if got[1] != 7 || got[3] != 0 {
			t.Errorf("%v: constants 7 and 0 became %v and %v", c, got[1], got[3])
		}
		if got := c.Decode(nil, c.Encode(nil, []float32{0, 9, 0, -2, 0})); got[1] != 7 || got[3] != 0 {
			t.Errorf("%v: 9 and -2 became %v and %v, want the ends of the range, 7 and 0", c, got[1], got[3])
		}
	}
}

// A value that is rare, and in no sample, is in range all the same.
func TestRareValuesAreInRange(t *testing.T) {
	x := vec.NewMatrix(3*sampleRows, 2)
	x.Row(1)[0], x.Row(7)[1] = 255, -30
	for _, c := range all(t, x)[2:] {
		if c.step[0] == c.step[1] {
			continue // one range for all, which has no exact 0
		}
		got := c.Decode(nil, c.Encode(nil, []float32{255, -30}))
		if lo, hi := c.Range(0); got[0] != 255 || got[1] != -30 {
			t.Errorf("%v of range %v to %v: 255 and -30 became %v", c, lo, hi, got)
		}
	}
}

// The figures that Options quotes.
func TestClippingHalvesTheErrorOfFourBits(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(4, 4)), 10_000, 8)
	mse := func(fit func(vec.Matrix, Options) (*Codec, error), o Options) float64 {
		c, err := fit(x, o)
		if err != nil {
			t.Fatal(err)
		}
		var sum float64
		for i := range x.Rows {
			sum += float64(vec.SquaredL2(x.Row(i), c.Decode(nil, c.Encode(nil, x.Row(i)))))
		}
		return sum / float64(len(x.Data))
	}
	// The best uniform quantiser of a unit Gaussian has an error of 0.01154 with 16 levels (Max 1960, table II).
	full, clipped := mse(FitInt4, Options{Clip: NoClip}), mse(FitInt4, Options{})
	t.Logf("4 bits: full range %.5f, clipped %.5f", full, clipped)
	if !(clipped < 0.0121 && clipped < 0.6*full) { // seen 0.01176 and 0.02158
		t.Errorf("4 bits: mean squared error %.5f, of the full range %.5f", clipped, full)
	}
	full, clipped = mse(FitInt8, Options{Clip: NoClip}), mse(FitInt8, Options{})
	t.Logf("8 bits: full range %.3g, clipped %.3g", full, clipped)
	if !(clipped <= full*1.0001) {
		t.Errorf("8 bits: mean squared error %.3g, of the full range %.3g", clipped, full)
	}
}

func TestFitRefuses(t *testing.T) {
	x := gaussian(rand.New(rand.NewPCG(5, 5)), 4, 3)
	bad := x.Clone()
	bad.Data[7] = float32(math.NaN())
	for _, fit := range []func(vec.Matrix, Options) (*Codec, error){FitInt8, FitInt4} {
		for _, tt := range []struct {
			x    vec.Matrix
			o    Options
			want error
		}{
			{bad, Options{}, vec.ErrNotFinite},
			{vec.Matrix{}, Options{}, vec.ErrTooFew},
			{vec.NewMatrix(3, 0), Options{}, vec.ErrTooFew},
			{vec.Matrix{Rows: 2, Cols: 2, Data: make([]float32, 3)}, Options{}, vec.ErrDim},
		} {
			if _, err := fit(tt.x, tt.o); !errors.Is(err, tt.want) {
				t.Errorf("%d×%d: %v, want %v", tt.x.Rows, tt.x.Cols, err, tt.want)
			}
		}
		for _, clip := range []float64{0.5, -0.1, math.NaN(), 2} {
			if _, err := fit(x, Options{Clip: clip}); err == nil {
				t.Errorf("Clip %v is accepted", clip)
			}
		}
	}
}

func TestReadStopsAtItsEnd(t *testing.T) {
	for _, c := range all(t, gaussian(rand.New(rand.NewPCG(6, 6)), 30, 17)) {
		var b bytes.Buffer
		n, err := c.WriteTo(&b)
		if err != nil || n != int64(b.Len()) {
			t.Fatalf("%v: WriteTo: %d of %d bytes, %v", c, n, b.Len(), err)
		}
		whole := bytes.Clone(b.Bytes())
		b.WriteString("what follows")
		got, err := Read(&b)
		if err != nil || got.Dim() != 17 || got.String() != c.String() || b.String() != "what follows" {
			t.Fatalf("%v: read as %v, %v, and left %q", c, got, err, b.String())
		}
		for cut := range len(whole) {
			var bad *artifact.CorruptError
			if _, err := Read(bytes.NewReader(whole[:cut])); !errors.As(err, &bad) {
				t.Fatalf("%v, cut to %d of %d bytes: %v", c, cut, len(whole), err)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	x := gaussian(rand.New(rand.NewPCG(7, 7)), 5, 3)
	write := func(kind string, sections ...artifact.Section) {
		var b bytes.Buffer
		if _, err := artifact.Write(&b, kind, 1, sections...); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	for _, k := range kinds {
		write(k.file, artifact.JSON("dim", 3), artifact.Numbers("lo", x.Row(0)), artifact.Numbers("step", x.Row(1)))
		write(k.file, artifact.JSON("dim", -1), artifact.Section{Name: "lo"}, artifact.Section{Name: "step"})
		write(k.file, artifact.JSON("dim", 2), artifact.Section{Name: "lo"}, artifact.Section{Name: "step"})
	}
	write("codec.sq8", artifact.JSON("dim", 2), artifact.Numbers("lo", []float32{1, 2}), artifact.Numbers("step", []float32{0, 3}))
	write("codec.sq4", artifact.JSON("dim", 1), artifact.Numbers("lo", []float32{float32(math.NaN())}), artifact.Numbers("step", []float32{1}))
	write("map.pca")
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		v := make([]float32, c.Dim())
		if got := len(c.Encode(nil, v)); got != c.CodeSize() {
			t.Errorf("%v of %d dimensions: a code of %d bytes, want %d", c, c.Dim(), got, c.CodeSize())
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

func BenchmarkDistances(b *testing.B) {
	x := gaussian(rand.New(rand.NewPCG(8, 8)), 1000, 768)
	sq8, err := FitInt8(x, Options{})
	if err != nil {
		b.Fatal(err)
	}
	sq4, err := FitInt4(x, Options{})
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]float32, x.Rows)
	for _, c := range []*Codec{Float32(768), Float16(768), sq8, sq4} {
		codes := encodeAll(c, x)
		for m := vec.Euclidean; m <= vec.Manhattan; m++ {
			b.Run(c.String()+"/"+m.String()+"/d=768", func(b *testing.B) {
				s := c.Scorer(m, x.Row(0))
				for b.Loop() {
					s.Distances(dst, codes)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*x.Rows), "ns/vector")
			})
		}
	}
}

package product

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

var (
	_ quantize.Blocked = (*Codec)(nil)

	background = context.Background()
)

// correlated draws rows in which neighbouring dimensions go together and the first vary most, about 3.
func correlated(r *rand.Rand, n, d int) vec.Matrix {
	x := vec.NewMatrix(n, d)
	for i := range n {
		walk := 0.0
		for j := range d {
			walk = 0.9*walk + r.NormFloat64()*math.Exp(-3*float64(j)/float64(d))
			x.Row(i)[j] = float32(walk) + 3
		}
	}
	return x
}

func fit(t testing.TB, x vec.Matrix, o Options) *Codec {
	t.Helper()
	c, err := Fit(background, x, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// random returns a codec of centroids drawn at random: what it is like does not depend on what fits well.
func random(r *rand.Rand, d, m, bits int, rotate bool) *Codec {
	mean, values := make([]float32, d), vec.NewMatrix(d, 1<<bits)
	for _, s := range [][]float32{mean, values.Data} {
		for i := range s {
			s[i] = float32(r.NormFloat64())
		}
	}
	var rotation vec.Matrix
	if rotate {
		g := vec.NewMatrix(d, d)
		for i := range d {
			for j := range d {
				g.Row(i)[j] = float32(r.NormFloat64()) / 8 / float32(d)
			}
			g.Row(i)[(i+1)%d]++
		}
		if rotation = polar(g); rotation.Rows == 0 {
			panic("no rotation")
		}
	}
	return newCodec(m, bits, mean, rotation, values)
}

// Each code is that of the nearest centroid of each part, by brute force in float64.
func TestEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		d := rapid.IntRange(1, 40).Draw(t, "d")
		m := rapid.IntRange(1, d).Draw(t, "m")
		c := random(r, d, m, rapid.SampledFrom([]int{4, 8}).Draw(t, "bits"), false)
		v := make([]float32, d)
		for i := range v {
			v[i] = float32(2 * r.NormFloat64())
		}
		code := c.Encode([]byte("head"), v)
		if string(code[:4]) != "head" || len(code) != 4+c.CodeSize() {
			t.Fatalf("Encode does not append: %q", code)
		}
		got := c.Decode(nil, code[4:])
		for j := range m {
			lo, hi := c.start(j), c.start(j+1)
			distance := func(k int) (s float64) {
				for i := lo; i < hi; i++ {
					e := float64(v[i]) - float64(c.mean[i]) - float64(c.values.Row(i)[k])
					s += e * e
				}
				return s
			}
			own := distance(c.at(code[4:], j))
			for k := range 1 << c.bits {
				if other := distance(k); !(own <= other+1e-4) {
					t.Fatalf("part %d: centroid %d at %v, %d is at %v", j, c.at(code[4:], j), own, k, other)
				}
			}
			for i := lo; i < hi; i++ {
				if want := c.mean[i] + c.values.Row(i)[c.at(code[4:], j)]; got[i] != want {
					t.Fatalf("value %d is decoded to %v, want %v", i, got[i], want)
				}
			}
		}
		if m%2 == 1 && c.bits == 4 && code[len(code)-1]>>4 != 0 {
			t.Fatal("padding is not zero")
		}
	})
}

// Every scorer is compared with the exact distance, in float64, between the query and the decoded vector, and blocks
// with that and what BlockError allows.
func TestScorer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		d := rapid.IntRange(1, 60).Draw(t, "d")
		m := rapid.IntRange(1, d).Draw(t, "m")
		bits := rapid.SampledFrom([]int{4, 8}).Draw(t, "bits")
		c := random(r, d, m, bits, rapid.Bool().Draw(t, "rotate"))
		const n = 64
		codes := make([]byte, n*c.CodeSize())
		blocks := make([]byte, n*c.CodeSize())
		for i := range n {
			code := codes[i*c.CodeSize() : (i+1)*c.CodeSize()]
			for j := range code {
				code[j] = byte(r.Uint32())
			}
			if m%2 == 1 && bits == 4 {
				code[len(code)-1] &= 15
			}
		}
		if bits == 4 {
			for _, i := range r.Perm(n) {
				c.Put(blocks, i, codes[i*c.CodeSize():(i+1)*c.CodeSize()])
			}
			for i := range n {
				if got := c.Get(nil, blocks, i); !bytes.Equal(got, codes[i*c.CodeSize():(i+1)*c.CodeSize()]) {
					t.Fatalf("code %d comes back from blocks as %x", i, got)
				}
			}
		}
		q, ids := make([]float32, d), []uint32{7, 0, n - 1, 7}
		for metric := vec.Euclidean; metric <= vec.Manhattan; metric++ {
			s := c.Scorer(metric, q).(*Scorer)
			for range 2 { // the second after Reset
				for i := range q {
					q[i] = float32(3 * r.NormFloat64())
				}
				s.Reset(q)
				got, at := make([]float32, n), make([]float32, len(ids))
				s.Distances(got, codes)
				s.DistancesAt(at, codes, ids)
				for i, id := range ids {
					if at[i] != got[id] {
						t.Fatalf("%v: DistancesAt gives %v, Distances %v", metric, at[i], got[id])
					}
				}
				inBlocks := make([]float32, n)
				if bits == 4 {
					s.BlockDistances(inBlocks, blocks)
				}
				for i := range n {
					want, scale := exact(metric, q, c, codes[i*c.CodeSize():(i+1)*c.CodeSize()])
					bound := float64(3*d+40) * 0x1p-24 * scale
					if !(math.Abs(float64(got[i])-want) <= bound) {
						t.Fatalf("%v, %v: %v, want %v within %v", c, metric, got[i], want, bound)
					}
					if e := float64(s.errorOf()); bits == 4 && !(math.Abs(float64(inBlocks[i])-want) <= bound+e*1.001) {
						t.Fatalf("%v, %v: in blocks %v, want %v within %v", c, metric, inBlocks[i], want, e)
					}
				}
			}
		}
	})
}

func (s *Scorer) errorOf() float32 {
	if s.c.bits != 4 {
		return 0
	}
	return s.BlockError()
}

// exact returns the distance, and the sum of the sizes of what was added up to get there, in tables or not.
func exact(metric vec.Metric, q []float32, c *Codec, code []byte) (want, scale float64) {
	v := c.Decode(nil, code)
	var size float64
	for i := range v {
		a, b, m := float64(q[i]), float64(v[i]), math.Abs(float64(c.mean[i]))
		switch metric {
		case vec.Euclidean:
			want += (a - b) * (a - b)
		case vec.Manhattan:
			want += math.Abs(a - b)
		default:
			want -= a * b
		}
		size += (math.Abs(a) + math.Abs(b) + 2*m) * (math.Abs(a) + math.Abs(b) + 2*m)
	}
	if metric == vec.Cosine {
		want++
	}
	if metric == vec.Manhattan {
		size = math.Sqrt(size * float64(len(v)))
	}
	return want, 2*size + 1
}

// Steps of the tables are limited by the sum of all, not by the widest, once there are many parts.
func TestManyParts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, m := range []int{255, 257, 300, 513} {
		c := random(r, m, m, 4, false)
		for i := range c.values.Rows { // all tables alike, and as wide as can be
			for k := range c.values.Row(i) {
				c.values.Row(i)[k] = float32(k)
			}
		}
		c = newCodec(m, 4, c.mean, vec.Matrix{}, c.values)
		blocks, dst := make([]byte, 32*c.CodeSize()), make([]float32, 32)
		var codes []byte
		for i := range 32 {
			code := make([]byte, c.CodeSize())
			for j := range code {
				code[j] = byte(i%16 | i%16<<4)
			}
			if m%2 == 1 {
				code[len(code)-1] &= 15
			}
			c.Put(blocks, i, code)
			codes = append(codes, code...)
		}
		q := make([]float32, m)
		for i := range q {
			q[i] = -1
		}
		s := c.Scorer(vec.InnerProduct, q).(*Scorer)
		s.BlockDistances(dst, blocks)
		want := make([]float32, 32)
		s.Distances(want, codes)
		for i := range dst {
			if e := s.BlockError(); !(math.Abs(float64(dst[i]-want[i])) <= float64(e)+1e-2) {
				t.Fatalf("M=%d, code %d: %v in blocks, %v, want within %v", m, i, dst[i], want[i], e)
			}
		}
	}
}

func squaredError(c *Codec, x vec.Matrix) (sum float64) {
	for i := range x.Rows {
		sum += float64(vec.SquaredL2(x.Row(i), c.Decode(nil, c.Encode(nil, x.Row(i)))))
	}
	return sum / float64(x.Rows)
}

// More bytes lose less, and a rotation less at the same bytes, also on data that was not trained on.
func TestFit(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	const d = 32
	x, held := correlated(r, 3000, d), correlated(r, 1000, d)
	variance := 0.0
	mean := meanOf(x)
	for i := range held.Rows {
		variance += float64(vec.SquaredL2(held.Row(i), mean)) / float64(held.Rows)
	}
	share := map[string]float64{}
	for _, o := range []Options{{M: 4, Bits: 4}, {M: 16, Bits: 4}, {M: 4}, {M: 8}, {M: 4, Rotate: true}, {M: 8, Bits: 4, Rotate: true}, {M: 8, Bits: 4}, {M: 32, Bits: 4}} {
		c := fit(t, x, o)
		share[c.String()] = squaredError(c, held) / variance
		if c.rotation.Rows > 0 {
			checkOrthonormal(t, c.rotation)
		}
	}
	t.Log(share)
	// Seen: pq:4x4 0.146, pq:8x4 0.085, pq:4 0.069, pq:16x4 0.043, opq:8x4 0.034, opq:4 0.029, pq:8 0.026, pq:32x4 0.0104.
	for _, pair := range [][2]string{{"pq:16x4", "pq:8x4"}, {"pq:8x4", "pq:4x4"}, {"pq:8", "pq:4"}, {"pq:4", "pq:4x4"}, {"opq:4", "pq:4"}, {"opq:8x4", "pq:8x4"}} {
		if !(share[pair[0]] < 0.9*share[pair[1]]) {
			t.Errorf("%s loses %.4f of the variance, %s %.4f", pair[0], share[pair[0]], pair[1], share[pair[1]])
		}
	}
	// Sixteen values a dimension: the best quantiser of a Gaussian loses 0.0095 (Lloyd-Max).
	if got := share["pq:32x4"]; !(got < 0.013) { // seen 0.0104
		t.Errorf("a part for each dimension loses %.4f", got)
	}
}

func checkOrthonormal(t *testing.T, r vec.Matrix) {
	t.Helper()
	g := vec.MulT(vec.Matrix{}, r, r)
	for i := range g.Rows {
		for j, v := range g.Row(i) {
			if i == j {
				v--
			}
			if !(math.Abs(float64(v)) < 1e-5) {
				t.Fatalf("rows %d and %d of the rotation have the product %v", i, j, v)
			}
		}
	}
}

// Rows that differ in few directions only: the rotation is still one.
func TestRotationOfLowRank(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, rank := range []int{0, 1, 3} {
		x := vec.NewMatrix(400, 12)
		for i := range x.Rows {
			for k := range rank {
				vec.AddScaled(x.Row(i), []float32{1, 2, 3, 4, 5, 6, -7, 8, float32(k), 0, 0, float32(3 * k)}, float32(r.NormFloat64()))
			}
		}
		c := fit(t, x, Options{M: 3, Rotate: true})
		checkOrthonormal(t, c.rotation)
		if e := squaredError(c, x); rank == 0 && e != 0 {
			t.Errorf("constant rows lose %v", e)
		}
	}
}

func TestSameSeedSameCodec(t *testing.T) {
	x := correlated(rand.New(rand.NewPCG(4, 4)), 600, 10)
	for _, o := range []Options{{M: 5}, {M: 3, Bits: 4, Rotate: true}} {
		var want []byte
		for _, procs := range []int{1, 3} {
			old := runtime.GOMAXPROCS(procs)
			got := encoded(t, fit(t, x, o))
			runtime.GOMAXPROCS(old)
			if want != nil && !bytes.Equal(got, want) {
				t.Errorf("%+v: another codec on %d processors", o, procs)
			}
			want = got
		}
	}
}

func encoded(t testing.TB, c *Codec) []byte {
	t.Helper()
	var b bytes.Buffer
	if n, err := c.WriteTo(&b); err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo: %d of %d bytes, %v", n, b.Len(), err)
	}
	return b.Bytes()
}

func TestRead(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, c := range []*Codec{random(r, 7, 3, 8, false), random(r, 7, 3, 4, true)} {
		b := encoded(t, c)
		in := bytes.NewBuffer(append(bytes.Clone(b), "what follows"...))
		back, err := Read(in)
		if err != nil || in.String() != "what follows" || back.String() != c.String() {
			t.Fatalf("%v: read as %v, %v, and left %q", c, back, err, in.String())
		}
		v := []float32{1, -2, 3, -4, 5, -6, 7}
		if !bytes.Equal(back.Encode(nil, v), c.Encode(nil, v)) {
			t.Errorf("%v: read back, it encodes otherwise", c)
		}
		for cut := 0; cut < len(b); cut += 7 {
			var bad *artifact.CorruptError
			if _, err := Read(bytes.NewReader(b[:cut])); !errors.As(err, &bad) {
				t.Fatalf("%v, cut to %d of %d bytes: %v", c, cut, len(b), err)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, c := range []*Codec{random(r, 5, 2, 8, false), random(r, 3, 3, 4, true)} {
		f.Add(encoded(f, c))
	}
	for _, h := range []header{{0, 0, 8}, {2, 3, 8}, {2, 1, 5}, {1 << 40, 1, 8}, {2, 1, 4}} {
		var b bytes.Buffer
		if _, err := artifact.Write(&b, kind, 1, artifact.JSON("meta", h), artifact.Numbers("mean", []float32{1, 2}),
			artifact.Numbers("rotation", []float32{1}), artifact.Numbers("centroids", []float32{float32(math.NaN())})); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		if got := len(c.Encode(nil, make([]float32, c.Dim()))); got != c.CodeSize() {
			t.Errorf("%v: a code of %d bytes, want %d", c, got, c.CodeSize())
		}
		if _, err := Read(bytes.NewReader(encoded(t, c.(*Codec)))); err != nil {
			t.Errorf("does not read again: %v", err)
		}
	})
}

func TestFitRefuses(t *testing.T) {
	x := correlated(rand.New(rand.NewPCG(7, 7)), 300, 4)
	bad := x.Clone()
	bad.Data[7] = float32(math.NaN())
	for _, tt := range []struct {
		x    vec.Matrix
		o    Options
		want error
	}{
		{bad, Options{}, vec.ErrNotFinite},
		{x.Slice(0, 255), Options{}, vec.ErrTooFew},
		{x.Slice(0, 15), Options{Bits: 4}, vec.ErrTooFew},
		{vec.Matrix{Rows: 300}, Options{}, vec.ErrTooFew},
		{correlated(rand.New(rand.NewPCG(8, 8)), 20, 30), Options{Bits: 4, Rotate: true}, vec.ErrTooFew},
		{x, Options{M: 5}, nil},
		{x, Options{M: -1}, nil},
		{x, Options{Bits: 5}, nil},
	} {
		if _, err := Fit(background, tt.x, tt.o); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%d×%d, %+v: %v, want %v", tt.x.Rows, tt.x.Cols, tt.o, err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := Fit(ctx, x, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func BenchmarkScorer(b *testing.B) {
	r := rand.New(rand.NewPCG(10, 10))
	const n, d = 3200, 784
	for _, c := range []*Codec{random(r, d, 98, 8, false), random(r, d, 196, 4, false), random(r, d, 392, 4, false)} {
		codes, dst, q := make([]byte, n*c.CodeSize()), make([]float32, n), make([]float32, d)
		for i := range codes {
			codes[i] = byte(r.Uint32())
		}
		s := c.Scorer(vec.Euclidean, q).(*Scorer)
		perRow := func(b *testing.B, n int) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/vector")
		}
		b.Run(fmt.Sprintf("%v/d=%d/reset", c, d), func(b *testing.B) {
			for b.Loop() {
				s.Reset(q)
				s.errorOf()
			}
		})
		b.Run(fmt.Sprintf("%v/d=%d/rows", c, d), func(b *testing.B) {
			for b.Loop() {
				s.Distances(dst, codes)
			}
			perRow(b, n)
		})
		if c.bits == 4 {
			b.Run(fmt.Sprintf("%v/d=%d/blocks", c, d), func(b *testing.B) {
				for b.Loop() {
					s.BlockDistances(dst, codes)
				}
				perRow(b, n)
			})
		}
		b.Run(fmt.Sprintf("%v/d=%d/encode", c, d), func(b *testing.B) {
			for b.Loop() {
				codes = c.Encode(codes[:0], q)
			}
		})
	}
}

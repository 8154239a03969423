package scalar

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

func TestFloat32KeepsEveryBit(t *testing.T) {
	c := Float32(5)
	v := []float32{1.5, float32(math.Inf(-1)), math.SmallestNonzeroFloat32, 0, float32(math.Copysign(0, -1))}
	code := c.Encode([]byte("head"), v)
	if string(code[:4]) != "head" || len(code) != 4+c.CodeSize() {
		t.Fatalf("Encode does not append: %q", code)
	}
	got := c.Decode(nil, code[4:])
	for i := range v {
		if math.Float32bits(got[i]) != math.Float32bits(v[i]) {
			t.Errorf("value %d came back as %v, want %v", i, got[i], v[i])
		}
	}
}

var metrics = []vec.Metric{vec.Euclidean, vec.Cosine, vec.InnerProduct, vec.Manhattan}

// checkScorer compares c's scorer with the exact distance, in float64, between the query and each decoded vector.
func checkScorer(t *testing.T, c quantize.Codec, x vec.Matrix, rng *rand.Rand) {
	t.Helper()
	var codes []byte
	for i := range x.Rows {
		codes = c.Encode(codes, x.Row(i))
	}
	q := make([]float32, c.Dim())
	ids := make([]uint32, 2*x.Rows)
	for i := range ids {
		ids[i] = uint32(rng.IntN(x.Rows))
	}
	// The same codes one byte further on: not aligned for any wider number.
	shifted := append([]byte{0}, codes...)[1:]
	for _, m := range metrics {
		s := c.Scorer(m, q)
		for i := range q {
			q[i] = float32(rng.NormFloat64())
		}
		if m == vec.Cosine {
			vec.Normalize(q, q)
		}
		s.Reset(q)
		dst, at := make([]float32, x.Rows), make([]float32, len(ids))
		for _, codes := range [][]byte{codes, shifted} {
			s.Distances(dst, codes)
			s.DistancesAt(at, codes, ids)
			for i := range dst {
				want, bound := exact(m, q, c.Decode(nil, codes[i*c.CodeSize():(i+1)*c.CodeSize()]))
				if !(math.Abs(float64(dst[i])-want) <= bound) {
					t.Fatalf("%v under %v, d=%d: code %d at %v, want %v ± %v", c, m, c.Dim(), i, dst[i], want, bound)
				}
			}
			for i, id := range ids {
				want, bound := exact(m, q, c.Decode(nil, codes[int(id)*c.CodeSize():(int(id)+1)*c.CodeSize()]))
				if !(math.Abs(float64(at[i])-want) <= bound) {
					t.Fatalf("%v under %v, d=%d: code %d by id at %v, want %v ± %v", c, m, c.Dim(), id, at[i], want, bound)
				}
			}
		}
		if n := testing.AllocsPerRun(10, func() {
			s.Reset(q)
			s.Distances(dst, codes)
			s.DistancesAt(at, codes, ids)
		}); n != 0 {
			t.Errorf("%v under %v: %v allocations a query, want none", c, m, n)
		}
	}
}

// exact is the distance in float64 and the rounding that a float32 sum of it may show.
func exact(m vec.Metric, q, x []float32) (want, bound float64) {
	var scale float64
	for i := range q {
		a, b := float64(q[i]), float64(x[i])
		switch m {
		case vec.Euclidean:
			want += (a - b) * (a - b)
			scale += a*a + b*b
		case vec.Manhattan:
			want += math.Abs(a - b)
			scale += math.Abs(a) + math.Abs(b)
		default:
			want -= a * b
			scale += math.Abs(a * b)
		}
	}
	if m == vec.Cosine {
		want++
		scale++
	}
	// Terms that the kernels take apart, such as (q-o)·s, are each within the scale; 4 leaves room for these.
	return want, 4 * float64(len(q)+4) * 0x1p-24 * scale
}

func gaussian(rng *rand.Rand, n, d int) vec.Matrix {
	x := vec.NewMatrix(n, d)
	for i := range x.Data {
		x.Data[i] = float32(rng.NormFloat64())
	}
	return x
}

func TestFloat32Scorer(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, d := range []int{1, 2, 7, 16, 33, 100} {
		checkScorer(t, Float32(d), gaussian(rng, 9, d), rng)
	}
}

func TestReadFloat32(t *testing.T) {
	var b bytes.Buffer
	n, err := Float32(17).WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo: %d of %d bytes, %v", n, b.Len(), err)
	}
	b.WriteString("what follows")
	c, err := Read(&b)
	if err != nil || c.Dim() != 17 || c.String() != "f32" || b.String() != "what follows" {
		t.Fatalf("Read: %v, %v, left %q", c, err, b.String())
	}
}

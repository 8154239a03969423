package dictionary

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/latent-go/latent/vec"
)

// random draws p unit atoms in R^m.
func random(r *rand.Rand, p, m int) vec.Matrix {
	x := vec.NewMatrix(p, m)
	for i := range p {
		for j := range m {
			x.Row(i)[j] = float32(r.NormFloat64())
		}
		vec.Normalize(x.Row(i), x.Row(i))
	}
	return x
}

// orthonormal draws m orthonormal atoms in R^m.
func orthonormal(r *rand.Rand, m int) vec.Matrix {
	x := random(r, m, m)
	for i := range m {
		for range 2 {
			for k := range i {
				vec.AddScaled(x.Row(i), x.Row(k), -vec.Dot(x.Row(i), x.Row(k)))
			}
		}
		vec.Normalize(x.Row(i), x.Row(i))
	}
	return x
}

func must(t testing.TB, atoms vec.Matrix, bias []float32) *Dictionary {
	t.Helper()
	d, err := New(atoms, bias)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func pursued(t testing.TB, d *Dictionary, x vec.Matrix, s Stop) *Codes {
	t.Helper()
	c, err := d.Pursue(context.Background(), x, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// left is the rows of x less what the codes stand for.
func left(d *Dictionary, x vec.Matrix, c *Codes) vec.Matrix {
	r := d.Decode(vec.Matrix{}, c)
	for i := range r.Data {
		r.Data[i] = x.Data[i] - r.Data[i]
	}
	return r
}

// step is the definition: the atom of largest product with r, in float64.
func step(atoms vec.Matrix, r []float64) (at int, v float64) {
	v = math.Inf(-1)
	for j := range atoms.Rows {
		var c float64
		for k, a := range atoms.Row(j) {
			c += float64(a) * r[k]
		}
		if c > v {
			at, v = j, c
		}
	}
	return at, v
}

// TestPursueIsBruteForce holds each step of a pursuit, with products followed through those between atoms, against one that
// looks at all atoms anew.
func TestPursueIsBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		p, m := rapid.IntRange(1, 60).Draw(t, "atoms"), rapid.IntRange(1, 20).Draw(t, "dim")
		steps := rapid.IntRange(1, 12).Draw(t, "steps")
		atoms, x, bias := random(r, p, m), random(r, 3, m), random(r, 1, m).Data
		d, err := New(atoms, bias)
		if err != nil {
			t.Fatal(err)
		}
		codes := make([]*Codes, steps+1)
		for k := range codes {
			if k > 0 {
				if codes[k], err = d.Pursue(context.Background(), x, Stop{K: k}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := range x.Rows {
			rest, z := make([]float64, m), make([]float64, p)
			var before float64
			for k := range rest {
				rest[k] = float64(x.Row(i)[k]) - float64(bias[k])
				before += rest[k] * rest[k]
			}
			length := math.Sqrt(before)
			for k := 1; k <= steps; k++ {
				at, v := step(atoms, rest)
				if v > 1e-4*length { // less is a matter of rounding
					z[at] += v
					var after, along float64
					for k, a := range atoms.Row(at) {
						rest[k] -= v * float64(a)
						after += rest[k] * rest[k]
						along += rest[k] * float64(a)
					}
					// What is left is orthogonal to the atom just taken, and has lost v².
					if math.Abs(along) > 1e-6*length || math.Abs(before-after-v*v) > 1e-6*before {
						t.Fatalf("step %d: %v along the atom, %v lost of %v, v²=%v", k, along, before-after, before, v*v)
					}
					before = after
				} else if v > 0 {
					break
				}
				index, value := codes[k].Row(i)
				got := make([]float64, p)
				for n, j := range index {
					if got[j] != 0 {
						t.Fatalf("feature %d is there twice", j)
					}
					got[j] = float64(value[n])
				}
				for j := range z {
					if !(math.Abs(got[j]-z[j]) <= 1e-5*length) {
						// Two atoms may be equally good within rounding; then what is left is equally short.
						var other float64
						for _, v := range left(d, x, codes[k]).Row(i) {
							other += float64(v) * float64(v)
						}
						if !(math.Abs(math.Sqrt(other)-math.Sqrt(before)) <= 1e-5*length) {
							t.Fatalf("step %d: atom %d has %v, want %v", k, j, got[j], z[j])
						}
						return
					}
				}
			}
		}
	})
}

// TestManyAtoms goes the way that needs no products between atoms.
func TestManyAtoms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	atoms, x := random(r, gramAtoms+1, 4), random(r, 20, 4)
	many, few := must(t, atoms, nil), must(t, atoms.Slice(0, gramAtoms), nil)
	a, b := pursued(t, many, x, Stop{K: 5}), pursued(t, few, x, Stop{K: 5})
	same := 0
	for i := range x.Rows {
		ai, av := a.Row(i)
		bi, bv := b.Row(i)
		if !slices.Contains(ai, gramAtoms) {
			same++
			if !slices.Equal(ai[:2], bi[:2]) || math.Abs(float64(av[0]-bv[0])) > 1e-5 {
				t.Errorf("row %d: %v %v, %v %v", i, ai, av, bi, bv)
			}
		}
	}
	if same < 15 {
		t.Errorf("the last atom is in all but %d rows", same)
	}
}

// TestErrorNeverGrows: with each further step less is left, whatever atoms and rows are.
func TestErrorNeverGrows(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	x := random(r, 50, 12)
	d := must(t, random(r, 40, 12), nil)
	before := slices.Repeat([]float32{1}, x.Rows)
	for k := 1; k <= 32; k++ {
		c := pursued(t, d, x, Stop{K: k})
		rest := left(d, x, c)
		for i := range x.Rows {
			if l := vec.Norm(rest.Row(i)); l > before[i]*(1+1e-5)+1e-6 {
				t.Fatalf("row %d: %v is left after %d steps, %v before", i, l, k, before[i])
			} else {
				before[i] = l
			}
		}
	}
}

// TestOrthonormal: sums of k orthonormal atoms are found exactly, the largest first.
func TestOrthonormal(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	const m, k = 16, 5
	d := must(t, orthonormal(r, m), nil)
	x := vec.NewMatrix(30, m)
	type part struct {
		atom uint32
		v    float32
	}
	for i := range x.Rows {
		var parts []part
		for n, j := range r.Perm(m)[:k] {
			parts = append(parts, part{uint32(j), float32(n + 1)})
			vec.AddScaled(x.Row(i), d.Atoms().Row(j), float32(n+1))
		}
		slices.Reverse(parts)
		index, value := pursued(t, d, x.Slice(i, i+1), Stop{K: m}).Row(0)
		if len(index) != k {
			t.Fatalf("row %d has %d features, want %d", i, len(index), k)
		}
		for n, want := range parts {
			if index[n] != want.atom || math.Abs(float64(value[n]-want.v)) > 1e-5 {
				t.Errorf("row %d, feature %d: %d × %v, want %d × %v", i, n, index[n], value[n], want.atom, want.v)
			}
		}
	}
}

// TestKnownRun is worked out by hand: two atoms 60° apart, x = (1, 1).
func TestKnownRun(t *testing.T) {
	h := float32(math.Sqrt(3) / 2)
	d := must(t, vec.Matrix{Rows: 2, Cols: 2, Data: []float32{1, 0, 0.5, h}}, nil)
	x := vec.Matrix{Rows: 1, Cols: 2, Data: []float32{1, 1}}
	c := pursued(t, d, x, Stop{K: 10})
	index, value := c.Row(0)
	want := []float64{0.5 + math.Sqrt(3)/2, 1 - (0.5+math.Sqrt(3)/2)/2}
	if !slices.Equal(index, []uint32{1, 0}) || math.Abs(float64(value[0])-want[0]) > 1e-6 || math.Abs(float64(value[1])-want[1]) > 1e-6 {
		t.Errorf("%v %v, want atom 1 × %v, then atom 0 × %v", index, value, want[0], want[1])
	}
	if rest := left(d, x, c).Row(0); math.Abs(float64(rest[0])) > 1e-6 || math.Abs(float64(rest[1])+0.1830127) > 1e-6 {
		t.Errorf("%v is left, want (0, -0.18301)", rest)
	}
	// Nothing is taken of what points away from all atoms.
	if c := pursued(t, must(t, d.Atoms().Slice(0, 1), nil), vec.Matrix{Rows: 1, Cols: 2, Data: []float32{-1, 0}}, Stop{}); len(c.Index) != 0 {
		t.Errorf("-atom has %v", c)
	}
}

func TestResidual(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	d, x := must(t, random(r, 200, 10), nil), random(r, 100, 10)
	loose, tight := pursued(t, d, x, Stop{Residual: 0.5}), pursued(t, d, x, Stop{Residual: 0.1})
	for _, c := range []struct {
		codes *Codes
		most  float32
	}{{loose, 0.5}, {tight, 0.1}} {
		rest := left(d, x, c.codes)
		for i := range x.Rows {
			if l := vec.Norm(rest.Row(i)); l > c.most+1e-5 {
				t.Fatalf("row %d: %v is left, want %v at most", i, l, c.most)
			}
		}
	}
	if loose.L0() >= tight.L0() {
		t.Errorf("%v features leave half, %v a tenth", loose.L0(), tight.L0())
	}
	if first := pursued(t, d, x, Stop{K: 1}); first.L0() != 1 {
		t.Errorf("%v features in one step", first.L0())
	}
}

// TestProcessors: codes do not depend on who computes them.
func TestProcessors(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	d, x := must(t, random(r, 300, 24), random(r, 1, 24).Data), random(r, 333, 24)
	many := pursued(t, d, x, Stop{K: 6})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one := pursued(t, d, x, Stop{K: 6})
	if !slices.Equal(many.Offsets, one.Offsets) || !slices.Equal(many.Index, one.Index) || !slices.Equal(many.Value, one.Value) {
		t.Error("codes differ")
	}
	if y := pursued(t, d, x.Slice(100, 101), Stop{K: 6}); !slices.Equal(y.Index, one.Index[one.Offsets[100]:one.Offsets[101]]) {
		t.Error("a row alone has another code")
	}
}

func TestRefuses(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		atoms vec.Matrix
		bias  []float32
		want  error
	}{
		{vec.Matrix{}, nil, vec.ErrTooFew},
		{vec.Matrix{Rows: 1, Cols: 1, Data: []float32{nan}}, nil, vec.ErrNotFinite},
		{vec.Matrix{Rows: 1, Cols: 1, Data: []float32{1}}, []float32{1, 2}, vec.ErrDim},
		{vec.Matrix{Rows: 1, Cols: 1, Data: []float32{1}}, []float32{nan}, vec.ErrNotFinite},
		{vec.Matrix{Rows: 1, Cols: 1, Data: []float32{2}}, nil, nil},
	} {
		if _, err := New(c.atoms, c.bias); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%v: %v, want %v", c.atoms, err, c.want)
		}
	}
	d := must(t, vec.Matrix{Rows: 1, Cols: 2, Data: []float32{1, 0}}, nil)
	x := vec.NewMatrix(1, 2)
	for _, s := range []Stop{{K: -1}, {Residual: -1}, {Residual: 1}, {Residual: math.NaN()}} {
		if _, err := d.Pursue(context.Background(), x, s); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
	if _, err := d.Pursue(context.Background(), vec.NewMatrix(1, 3), Stop{}); !errors.Is(err, vec.ErrDim) {
		t.Error(err)
	}
	if _, err := d.Pursue(context.Background(), vec.Matrix{Rows: 1, Cols: 2, Data: []float32{nan, 0}}, Stop{}); !errors.Is(err, vec.ErrNotFinite) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Pursue(ctx, x, Stop{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if c := pursued(t, d, vec.NewMatrix(2, 2), Stop{}); c.Len() != 2 || c.L0() != 0 {
		t.Errorf("zeros have %v", c)
	}
	if c := pursued(t, d, vec.Matrix{}, Stop{}); c.Len() != 0 || c.L0() != 0 {
		t.Errorf("no rows have %v", c)
	}
}

func TestBabel(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 1))
	if b := Babel(orthonormal(r, 8), 4); b > 1e-5 {
		t.Errorf("orthonormal atoms have %v", b)
	}
	twins := vec.Matrix{Rows: 3, Cols: 2, Data: []float32{1, 0, 1, 0, 0, 1}}
	if a, b := Babel(twins, 1), Babel(twins, 9); a != 1 || b != 1 {
		t.Errorf("two equal atoms and another have %v and %v, want 1", a, b)
	}
	atoms := random(r, 7, 3)
	var want float64 // over all pairs of others
	for j := range 7 {
		for a := range 7 {
			for b := range a {
				if a != j && b != j {
					want = max(want, math.Abs(float64(vec.Dot(atoms.Row(a), atoms.Row(j))))+math.Abs(float64(vec.Dot(atoms.Row(b), atoms.Row(j)))))
				}
			}
		}
	}
	if got := Babel(atoms, 2); math.Abs(got-want) > 1e-6 {
		t.Errorf("Babel %v, want %v", got, want)
	}
	d := must(t, twins, nil)
	c := &Codes{Features: 3, Offsets: []int{0, 2, 4, 5}, Index: []uint32{0, 1, 0, 2, 1}, Value: []float32{1, 1, 1, 1, 1}}
	if b, rows := d.CoactiveBabel(c, 1); b != 0.5 || rows != 2 {
		t.Errorf("%v over %d rows, want 0.5 over 2", b, rows)
	}
}

func TestEffectiveRank(t *testing.T) {
	c := &Codes{Features: 4, Offsets: []int{0, 1, 2, 3, 3}, Index: []uint32{0, 1, 2}, Value: []float32{1, 1, 1}}
	if r := c.EffectiveRank(); math.Abs(r-3) > 1e-9 {
		t.Errorf("diag(1, 1, 1, 0) has effective rank %v, want 3", r)
	}
	c = &Codes{Features: 4, Offsets: []int{0, 2, 4}, Index: []uint32{0, 3, 3, 0}, Value: []float32{1, 2, 4, 2}}
	if r := c.EffectiveRank(); math.Abs(r-1) > 1e-6 {
		t.Errorf("multiples of one row have effective rank %v, want 1", r)
	}
	if r := (&Codes{Features: 4, Offsets: []int{0}}).EffectiveRank(); r != 0 {
		t.Errorf("no codes have effective rank %v", r)
	}
}

func Example() {
	// Three directions in the plane, the third between the others.
	atoms := vec.Matrix{Rows: 3, Cols: 2, Data: []float32{1, 0, 0, 1, 0.6, 0.8}}
	d, err := New(atoms, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	x := vec.Matrix{Rows: 2, Cols: 2, Data: []float32{3, 4, 5, 1}}
	codes, err := d.Pursue(context.Background(), x, Stop{K: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range codes.Len() {
		features, values := codes.Row(i)
		fmt.Println(features, values)
	}
	fmt.Println(d.Decode(vec.Matrix{}, codes).Data)
	// Output:
	// [2] [5]
	// [0 1] [5 1]
	// [3 4 5 1]
}

func BenchmarkPursue(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, s := range [][2]int{{1024, 100}, {4096, 384}} {
		d, x := must(b, random(r, s[0], s[1]), nil), random(r, 2048, s[1])
		d.gram()
		for _, k := range []int{8, 32} {
			b.Run(fmt.Sprintf("atoms=%d/d=%d/k=%d", s[0], s[1], k), func(b *testing.B) {
				for b.Loop() {
					pursued(b, d, x, Stop{K: k})
				}
				b.ReportMetric(float64(b.N)*float64(x.Rows)/b.Elapsed().Seconds(), "vectors/s")
			})
		}
	}
}

func TestRecover(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	known := orthonormal(r, 6)
	parent := []int{-1, 0, 0, -1, 3, 3}
	perm := r.Perm(6)
	got, err := Recover(known.Gather(perm), known, parent)
	if err != nil || math.Abs(got.Cosine-1) > 1e-6 || math.Abs(got.Absorption) > 1e-6 {
		t.Errorf("the atoms themselves: %+v, %v", got, err)
	}
	for i, j := range got.Column {
		if perm[j] != i {
			t.Errorf("known atom %d is paired with %d, which is %d", i, j, perm[j])
		}
	}
	absorbed := known.Clone()
	for i, p := range parent {
		if p >= 0 {
			vec.AddScaled(absorbed.Row(i), known.Row(p), 1)
			vec.Normalize(absorbed.Row(i), absorbed.Row(i))
		}
	}
	if got, err := Recover(absorbed, known, parent); err != nil || math.Abs(got.Absorption-math.Sqrt(0.5)) > 1e-6 {
		t.Errorf("children with as much of their parents: %+v, %v", got, err)
	}
	if got, err := Recover(known.Slice(0, 2), known, parent); err != nil || math.Abs(got.Cosine-2./6) > 1e-6 {
		t.Errorf("two of six: %+v, %v", got, err)
	}
	for _, bad := range [][]int{{-1}, {9, 0, 0, -1, 3, 3}} {
		if _, err := Recover(known, known, bad); !errors.Is(err, vec.ErrDim) {
			t.Errorf("parents %v: %v", bad, err)
		}
	}
	if _, err := Recover(vec.Matrix{Cols: 6}, known, parent); !errors.Is(err, vec.ErrTooFew) {
		t.Error(err)
	}
}

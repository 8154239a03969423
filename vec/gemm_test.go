package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// products are the ways to write n×m sums over depth, each with operands made for it.
var products = []struct {
	name string
	run  func(dst, a, b Matrix) Matrix
	a, b func(n, depth int) (rows, cols int)
}{
	{"MulT", MulT, plainShape, plainShape},
	{"Mul", Mul, plainShape, turnedShape},
	{"TMul", TMul, turnedShape, turnedShape},
	{"MulT", func(dst, a, b Matrix) Matrix { return Pack(b).MulT(dst, a) }, plainShape, plainShape},
}

func plainShape(n, depth int) (int, int)  { return n, depth }
func turnedShape(n, depth int) (int, int) { return depth, n }

// at reads the value of row i (or column, where the operand is turned) and depth p.
func at(m Matrix, turned bool, i, p int) float64 {
	if turned {
		return float64(m.Row(p)[i])
	}
	return float64(m.Row(i)[p])
}

// checkProduct compares with sums in float64. A float32 sum of depth products, each rounded, is off by at most
// (depth+1)·2⁻²⁴ of the sum of their sizes, in whatever order: Higham, Accuracy and Stability, section 3.1.
func checkProduct(t *testing.T, name string, dst, a, b Matrix, depth int) {
	t.Helper()
	aTurned, bTurned := name == "TMul", name != "MulT"
	for i := range dst.Rows {
		for j := range dst.Cols {
			var want, size float64
			for p := range depth {
				v := at(a, aTurned, i, p) * at(b, bTurned, j, p)
				want += v
				size += math.Abs(v)
			}
			got := float64(dst.Row(i)[j])
			if !(math.Abs(got-want) <= float64(depth+2)*0x1p-24*size) {
				t.Fatalf("%s %d×%d, depth %d: [%d][%d] is %v, want %v within %.3g", name, dst.Rows, dst.Cols, depth, i, j, got, want, float64(depth+2)*0x1p-24*size)
			}
		}
	}
}

// TestProducts meets every kind of edge: each side of a vector, a tile, a panel, a block and a part of the depth.
func TestProducts(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		const room = 600 * 500
		newA, newB, newDst := arena(t, r, room), arena(t, r, room), arena(t, r, room)
		check := func(n, m, depth int) {
			for _, p := range products {
				a, b, dst := newA(p.a(n, depth)), newB(p.b(m, depth)), newDst(n, m)
				a0, b0 := a.Clone(), b.Clone()
				checkProduct(t, p.name, p.run(dst, a, b), a0, b0, depth)
				if !slices.Equal(a.Data, a0.Data) || !slices.Equal(b.Data, b0.Data) {
					t.Fatalf("%s %d×%d, depth %d: an operand was changed", p.name, n, m, depth)
				}
			}
		}
		for n := range 20 {
			if testing.Short() && n > 9 {
				break
			}
			for _, m := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 33, 47, 48, 49, 97} {
				check(n, m, 1+r.IntN(20))
			}
		}
		for _, depth := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 383, 384, 385, 386, 767, 768, 769, 1155} {
			check(9, 50, depth)
			check(8, 48, depth)
			check(2, 5, depth)
		}
		for _, n := range []int{maxRows - 1, maxRows + 1, maxRows + 9} {
			check(n, 17, 3)
			check(17, n, 3)
			check(n, maxCols+1, 2)
		}
		for range 40 {
			check(r.IntN(70), r.IntN(150), r.IntN(60))
		}
	})
}

// TestProductOfOdd checks that NaN and infinities reach the results they belong to and no others.
func TestProductOfOdd(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for range 20 {
			n, m, d := 8+r.IntN(20), 8+r.IntN(60), 1+r.IntN(30)
			a, b := noise(r, n, d), noise(r, m, d)
			i, j, p := r.IntN(n), r.IntN(m), r.IntN(d)
			a.Row(i)[p] = nan
			b.Row(j)[p] = inf
			got := MulT(Matrix{}, a, b)
			for y := range n {
				for x := range m {
					v := float64(got.Row(y)[x])
					switch {
					case y == i:
						if !math.IsNaN(v) {
							t.Fatalf("[%d][%d] is %v, its row of a has a NaN", y, x, v)
						}
					case x == j:
						if sign := a.Row(y)[p]; !math.IsInf(v, 1) && sign > 0 || !math.IsInf(v, -1) && sign < 0 {
							t.Fatalf("[%d][%d] is %v, want an infinity of the sign of %v", y, x, v, sign)
						}
					case math.IsNaN(v) || math.IsInf(v, 0):
						t.Fatalf("[%d][%d] is %v, from finite values", y, x, v)
					}
				}
			}
		}
	})
}

// TestProductsAreSteady checks that neither the number of goroutines nor the place of a row changes a bit.
func TestProductsAreSteady(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		a, b := noise(r, 300, 401), noise(r, 500, 401)
		want := MulT(Matrix{}, a, b)
		for _, procs := range []int{1, 3, 7} {
			old := runtime.GOMAXPROCS(procs)
			got := MulT(Matrix{}, a, b)
			runtime.GOMAXPROCS(old)
			if !slices.Equal(got.Data, want.Data) {
				t.Fatalf("GOMAXPROCS %d changes the result", procs)
			}
		}
		if got := Pack(b).MulT(Matrix{}, a); !slices.Equal(got.Data, want.Data) {
			t.Fatal("packing beforehand changes the result")
		}
		part := MulT(Matrix{}, a.Slice(101, 120), b)
		if !slices.Equal(part.Data, want.Slice(101, 120).Data) {
			t.Fatal("a row's result depends on the rows around it")
		}
	})
}

func TestProductPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"MulT inner": func() { MulT(Matrix{}, NewMatrix(2, 3), NewMatrix(2, 4)) },
		"Mul inner":  func() { Mul(Matrix{}, NewMatrix(2, 3), NewMatrix(2, 3)) },
		"TMul inner": func() { TMul(Matrix{}, NewMatrix(2, 3), NewMatrix(3, 3)) },
		"dst":        func() { MulT(NewMatrix(2, 3), NewMatrix(2, 3), NewMatrix(2, 3)) },
		"Gram acc":   func() { Gram(make([]float64, 5), NewMatrix(2, 3), nil) },
		"Gram mean":  func() { Gram(nil, NewMatrix(2, 3), make([]float32, 2)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func TestGram(t *testing.T) {
	onEach(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		newX := arena(t, r, 1537*50)
		for _, s := range [][2]int{{0, 3}, {1, 1}, {3, 2}, {5, 47}, {383, 48}, {385, 49}, {100, 8}, {100, 9}, {1537, 24}, {2000, 25}, {5, 500}, {50, 130}} {
			n, d := s[0], s[1]
			x, mean := newX(n, d), make([]float32, d)
			for i := range mean {
				mean[i] = float32(r.NormFloat64())
			}
			for _, mean := range [][]float32{nil, mean} {
				acc := make([]float64, d*d)
				for i := range d {
					acc[i*d+i] = 7 // what was there stays
				}
				Gram(acc, x, mean)
				for i := range d {
					for j := range d {
						var want, size float64
						for p := range n {
							a, b := float64(x.Row(p)[i]), float64(x.Row(p)[j])
							if mean != nil {
								a, b = float64(x.Row(p)[i]-mean[i]), float64(x.Row(p)[j]-mean[j])
							}
							want += a * b
							size += math.Abs(a * b)
						}
						if i == j {
							want += 7
						}
						if got := acc[i*d+j]; !(math.Abs(got-want) <= float64(maxDepth+8)*0x1p-24*size+1e-14) {
							t.Fatalf("n=%d d=%d mean=%v: [%d][%d] is %v, want %v", n, d, mean != nil, i, j, got, want)
						}
						if acc[i*d+j] != acc[j*d+i] {
							t.Fatalf("n=%d d=%d: not symmetric at [%d][%d]", n, d, i, j)
						}
					}
				}
			}
		}
	})
}

// TestGramKeepsDigits sums what float32 could not: 100,000 rows of ones and a small part that varies.
func TestGramKeepsDigits(t *testing.T) {
	const n, d = 100_000, 3
	x := NewMatrix(n, d)
	for i := range x.Data {
		x.Data[i] = 1 + float32(i%7)/1024
	}
	var want float64
	for i := range n {
		want += float64(x.Row(i)[0]) * float64(x.Row(i)[1])
	}
	acc := Gram(nil, x, nil)
	if rel := math.Abs(acc[1]-want) / want; rel > 1e-6 { // seen 3e-8; one float32 sum is off by 2e-5 and more
		t.Errorf("[0][1] is %v, want %v: off by %.2g", acc[1], want, rel)
	}
}

func TestGramIsSteady(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	x := noise(r, 3000, 150)
	want := Gram(nil, x, nil)
	for _, procs := range []int{1, 5} {
		old := runtime.GOMAXPROCS(procs)
		got := Gram(nil, x, nil)
		runtime.GOMAXPROCS(old)
		if !slices.Equal(got, want) {
			t.Fatalf("GOMAXPROCS %d changes the result", procs)
		}
	}
}

// arena gives matrices of noise that begin or end, by chance, where memory may not be touched.
func arena(t *testing.T, r *rand.Rand, room int) func(rows, cols int) Matrix {
	before, after := guarded[float32](t, room)
	return func(rows, cols int) Matrix {
		place := before
		if r.IntN(2) == 0 {
			place = after
		}
		m := Matrix{Rows: rows, Cols: cols, Data: place(rows * cols)}
		if m.Data == nil {
			m.Data = []float32{} // not the zero Matrix, which would be allocated
		}
		for i := range m.Data {
			m.Data[i] = float32(r.NormFloat64())
		}
		return m
	}
}

func ExampleMulT() {
	a, _ := FromRows([][]float32{{1, 2}, {3, 4}})
	b, _ := FromRows([][]float32{{1, 0}, {0, 1}, {1, 1}})
	fmt.Println(MulT(Matrix{}, a, b).Data)
	// Output: [1 2 3 3 4 7]
}

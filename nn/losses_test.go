package nn_test

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
	"github.com/latent-go/latent/vec"
)

func eye(n, d int) vec.Matrix {
	m := vec.NewMatrix(n, d)
	for i := range min(n, d) {
		m.Row(i)[i] = 1
	}
	return m
}

func same(n, d int) vec.Matrix {
	m := vec.NewMatrix(n, d)
	for i := range n {
		m.Row(i)[1] = 2
	}
	return m
}

// close is whether two numbers agree to within 1e-9, which float64 has to spare in all tests here.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*max(1, math.Abs(want))) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestContrast(t *testing.T) {
	const n, tau = 5, 0.5
	info := func(in []*Node) *Node { return nn.InfoNCE(in[0], in[1], tau) }
	ntx := func(in []*Node) *Node { return nn.NTXent(in[0], in[1], tau) }
	e := math.Exp(1 / tau)
	near(t, "InfoNCE of orthogonal things", nntest.Run(t, info, eye(n, 7), eye(n, 7))[0], math.Log(e+n-1)-1/tau)
	near(t, "InfoNCE of equal things", nntest.Run(t, info, same(n, 7), same(n, 7))[0], math.Log(n))
	near(t, "NTXent of orthogonal things", nntest.Run(t, ntx, eye(n, 7), eye(n, 7))[0], math.Log(e+2*n-2)-1/tau)
	near(t, "NTXent of equal things", nntest.Run(t, ntx, same(n, 7), same(n, 7))[0], math.Log(2*n-1))
	a, b := nntest.Random(n, 4, 1), nntest.Random(n, 4, 2)
	nntest.Gradients(t, info, a, b)
	nntest.Gradients(t, ntx, a, b)
}

func TestCrossEntropy(t *testing.T) {
	classes := func(z *Node) *Node { // 0, 1, 2, 0, 1
		return Reshape(ModScalar(Iota(z.Graph(), shapes.Make(dtypes.Int32, z.Shape().Dim(0)), 0), 3), -1, 1)
	}
	entropy := func(in []*Node) *Node { l, _ := nn.CrossEntropy(in[0], classes(in[0])); return l }
	accuracy := func(in []*Node) *Node { _, m := nn.CrossEntropy(in[0], classes(in[0])); return m["accuracy"] }
	z := eye(5, 3) // rows 3 and 4 name no class, and the first of equal logits is taken
	near(t, "cross-entropy", nntest.Run(t, entropy, z)[0], (3*(math.Log(math.E+2)-1)+2*math.Log(3))/5)
	near(t, "accuracy", nntest.Run(t, accuracy, z)[0], 4./5)
	nntest.Gradients(t, entropy, nntest.Random(5, 3, 1))
}

// singular are the singular values of a matrix.
func singular(m vec.Matrix) []float64 {
	d := mat.NewDense(m.Rows, m.Cols, nil)
	for i := range m.Rows {
		for j, v := range m.Row(i) {
			d.Set(i, j, float64(v))
		}
	}
	var svd mat.SVD
	if !svd.Factorize(d, mat.SVDNone) {
		panic("no singular values")
	}
	return svd.Values(nil)
}

func TestNuclearNorm(t *testing.T) {
	f := func(in []*Node) *Node { return nn.NuclearNorm(in[0]) }
	for _, m := range []vec.Matrix{nntest.Random(5, 8, 1), nntest.Random(8, 5, 2), nntest.Random(1, 4, 3), nntest.Random(6, 6, 4)} {
		want := 0.0
		for _, s := range singular(m) {
			want += s
		}
		near(t, "nuclear norm", nntest.Run(t, f, m)[0], want)
		nntest.Gradients(t, f, m)
	}
	near(t, "nuclear norm of zeros", nntest.Run(t, f, vec.NewMatrix(3, 4))[0], 0)
	near(t, "nuclear norm of equal rows", nntest.Run(t, f, same(4, 6))[0], 4) // one singular value, √4·2
	// Several at once are each alone.
	m := nntest.Random(6, 4, 5)
	got := nntest.Run(t, func(in []*Node) *Node { return nn.NuclearNorm(Reshape(in[0], 2, 3, 4)) }, m)
	for i := range 2 {
		near(t, "one of several", got[i], nntest.Run(t, f, vec.Matrix{Rows: 3, Cols: 4, Data: m.Data[i*12 : i*12+12]})[0])
	}
}

func TestMMCR(t *testing.T) {
	loss := func(views int, local float64) func(in []*Node) *Node {
		return func(in []*Node) *Node { return nn.MMCR(in[0], views, local) }
	}
	// Four orthogonal things, three equal views each; each thing's own norm is √3.
	x := vec.NewMatrix(12, 6)
	for i := range 12 {
		x.Row(i)[i/3] = 3
	}
	near(t, "MMCR at its best", nntest.Run(t, loss(3, 0), x)[0], -4)
	near(t, "MMCR with the local term", nntest.Run(t, loss(3, 0.1), x)[0], -4+0.1*math.Sqrt(3))
	near(t, "MMCR of equal things", nntest.Run(t, loss(3, 0), same(12, 6))[0], -math.Sqrt(4))
	// Two things at 60°.
	two := vec.Matrix{Rows: 2, Cols: 2, Data: []float32{1, 0, 1, float32(math.Sqrt(3))}}
	if got := nntest.Run(t, loss(1, 0), two)[0]; !(math.Abs(got+1.931852) < 1e-6) { // √1.5 + √0.5
		t.Errorf("MMCR at 60° is %v", got)
	}
	z := nntest.Random(12, 5, 1)
	nntest.Gradients(t, loss(3, 0), z)
	nntest.Gradients(t, loss(3, 0.5), z)
}

func TestLogDet(t *testing.T) {
	m := nntest.Random(9, 6, 1)
	d := mat.NewDense(9, 6, nil)
	for i := range 9 {
		for j, v := range m.Row(i) {
			d.Set(i, j, float64(v))
		}
	}
	var g mat.Dense
	g.Mul(d.T(), d)
	want, _ := mat.LogDet(&g)
	f := func(in []*Node) *Node { return nn.LogDet(Einsum("ki,kj->ij", in[0], in[0])) }
	near(t, "log det", nntest.Run(t, f, m)[0], want)
	nntest.Gradients(t, f, m)
	near(t, "log det of one number", nntest.Run(t, func(in []*Node) *Node { return nn.LogDet(in[0]) }, vec.Matrix{Rows: 1, Cols: 1, Data: []float32{4}})[0], math.Log(4))
}

func TestMCR2(t *testing.T) {
	const eps = 0.5
	rate := func(in []*Node) *Node { return nn.CodingRate(in[0], eps) }
	// Eight orthonormal rows in eight dimensions: each has an eigenvalue of 1 + 1/eps².
	near(t, "rate of orthonormal rows", nntest.Run(t, rate, eye(8, 8))[0], 4*math.Log(1+1/(eps*eps)))
	near(t, "rate of more columns than rows", nntest.Run(t, rate, eye(4, 8))[0], 2*math.Log(1+2/(eps*eps)))
	// Two classes of four, each in a subspace of its own.
	member := vec.NewMatrix(8, 3) // the third class is empty
	for i := range 8 {
		member.Row(i)[i/4] = 1
	}
	loss := func(in []*Node) *Node { return nn.MCR2(in[0], in[1], eps) }
	want := 4*math.Log(1+1/(eps*eps)) - 2*(4./16)*4*math.Log(1+2/(eps*eps))
	near(t, "reduction for orthogonal subspaces", nntest.Run(t, loss, eye(8, 8), member)[0], -want)
	// What has one class only saves nothing.
	one := vec.NewMatrix(8, 1)
	for i := range 8 {
		one.Row(i)[0] = 1
	}
	z := nntest.Random(8, 5, 3)
	near(t, "reduction for one class", nntest.Run(t, loss, z, one)[0], 0)
	nntest.Gradients(t, rate, z)
	nntest.Gradients(t, rate, nntest.Random(3, 5, 4))
	nntest.Gradients(t, func(in []*Node) *Node { return nn.MCR2(in[0], Softmax(in[1], 1), eps) }, z, nntest.Random(8, 3, 5))
}

func TestStraight(t *testing.T) {
	x := vec.Matrix{Rows: 2, Cols: 4, Data: []float32{-1.6, -0.4, 0.4, 2.3, 0.9, -3, 0.2, 0.6}}
	for _, c := range []struct {
		name      string
		f, smooth func(x *Node) *Node
		want      []float64
	}{
		{"round", nn.StraightRound, Identity, []float64{-2, 0, 0, 2, 1, -3, 0, 1}},
		{"sign", nn.StraightSign, func(x *Node) *Node { return ClipScalar(x, -1, 1) }, []float64{-1, -1, 1, 1, 1, -1, 1, 1}},
		{"top", func(x *Node) *Node { return Top2(x) }, func(x *Node) *Node { return Top2(x) }, []float64{0, 0, 0.4, 2.3, 0.9, 0, 0, 0.6}},
		{"straight top", func(x *Node) *Node { return nn.StraightTop(x, 2) }, Identity, []float64{0, 0, 0.4, 2.3, 0.9, 0, 0, 0.6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := nntest.Run(t, func(in []*Node) *Node { return c.f(in[0]) }, x)
			for i, v := range got {
				if float32(v) != float32(c.want[i]) {
					t.Errorf("value %d is %v, want %v", i, v, c.want[i])
				}
			}
			square := func(f func(*Node) *Node) func(in []*Node) *Node { return func(in []*Node) *Node { return f(in[0]) } }
			nntest.GradientsAs(t, square(c.f), square(c.smooth), x)
		})
	}
}

func Top2(x *Node) *Node { return nn.Top(x, 2) }

func TestVectorQuantize(t *testing.T) {
	z := vec.Matrix{Rows: 3, Cols: 2, Data: []float32{0.9, 0.1, -0.2, 0.1, 0.2, 2}}
	codes := vec.Matrix{Rows: 3, Cols: 2, Data: []float32{0, 0, 1, 0, 0, 3}}
	got := nntest.Run(t, func(in []*Node) *Node { return nn.VectorQuantize(in[0], in[1]).Values }, z, codes)
	if want := []float64{1, 0, 0, 0, 0, 3}; !slices.Equal(got, want) {
		t.Errorf("values %v, want %v", got, want)
	}
	ids := nntest.Run(t, func(in []*Node) *Node {
		return ConvertDType(nn.VectorQuantize(in[0], in[1]).Codes, dtypes.Float64)
	}, z, codes)
	if !slices.Equal(ids, []float64{1, 0, 2}) {
		t.Errorf("codes %v", ids)
	}
	commit := nntest.Run(t, func(in []*Node) *Node { return nn.VectorQuantize(in[0], in[1]).Commit }, z, codes)[0]
	if want := (0.01 + 0.01 + 0.04 + 0.01 + 0.04 + 1) / 3; !(math.Abs(commit-want) < 1e-6) { // inputs are float32
		t.Errorf("commitment %v, want %v", commit, want)
	}
	// The two parts have each its own half of the gradient of the whole distance.
	part := func(codebook, commit float64) func(in []*Node) *Node {
		return func(in []*Node) *Node {
			q := nn.VectorQuantize(in[0], in[1])
			return Add(MulScalar(q.Codebook, codebook), MulScalar(q.Commit, commit))
		}
	}
	half := func(in []*Node) *Node { return nn.VectorQuantize(in[0], in[1]).Commit } // as a value, it is the distance
	nntest.GradientsAs(t, part(1, 1), half, z, codes)
	nntest.GradientsAs(t, func(in []*Node) *Node { return nn.VectorQuantize(in[0], codesOf(in[0], codes)).Commit },
		func(in []*Node) *Node { return nn.VectorQuantize(in[0], codesOf(in[0], codes)).Commit }, z)
	nntest.GradientsAs(t, func(in []*Node) *Node { return nn.VectorQuantize(in[0], codesOf(in[0], codes)).Values },
		func(in []*Node) *Node { return in[0] }, z)
}

// codesOf is a codebook that is no input.
func codesOf(x *Node, m vec.Matrix) *Node {
	rows := make([][]float64, m.Rows)
	for i := range rows {
		for _, v := range m.Row(i) {
			rows[i] = append(rows[i], float64(v))
		}
	}
	return Const(x.Graph(), rows)
}

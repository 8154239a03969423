package manifold

import (
	"context"
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
	"github.com/latent-go/latent/vec"
)

var retractions = map[string]Retraction{"polar": Polar, "QR": QR, "Cayley": Cayley}

// orthonormal returns n×k columns that are orthonormal to float32.
func orthonormal(n, k int, seed uint64) vec.Matrix {
	var qr mat.QR
	m := nntest.Random(n, k, seed)
	a := mat.NewDense(n, k, nil)
	for i := range n {
		for j := range k {
			a.Set(i, j, float64(m.Row(i)[j]))
		}
	}
	qr.Factorize(a)
	var q mat.Dense
	qr.QTo(&q)
	for i := range n {
		for j := range k {
			m.Row(i)[j] = float32(q.At(i, j))
		}
	}
	return m
}

// off is how far xᵀx is from 1, at most, for x n×k row by row.
func off[T float32 | float64](x []T, k int) (most float64) {
	for a := range k {
		for b := range k {
			var s float64
			for i := 0; i < len(x); i += k {
				s += float64(x[i+a]) * float64(x[i+b])
			}
			if a == b {
				s--
			}
			if !(math.Abs(s) <= most) {
				most = math.Abs(s)
			}
		}
	}
	return most
}

// TestTangent: what Tangent leaves is orthogonal to every tangent, and it leaves a tangent as it is.
func TestTangent(t *testing.T) {
	for _, size := range [][2]int{{5, 5}, {9, 3}, {7, 1}} {
		x, d, e := orthonormal(size[0], size[1], 1), nntest.Random(size[0], size[1], 2), nntest.Random(size[0], size[1], 3)
		for _, kind := range []Kind{Stiefel, Grassmann} {
			out := nntest.Run(t, func(in []*Node) *Node {
				x := polar(in[0], 3) // orthonormal to float64
				tangent := Tangent(kind, x, in[1])
				rest := Sub(in[1], tangent)
				other := Tangent(kind, x, in[2])
				xt := MatMul(Transpose(x, 0, 1), tangent)
				leaves := Add(xt, Transpose(xt, 0, 1))
				if kind == Grassmann {
					leaves = xt
				}
				return Concatenate([]*Node{
					Reshape(ReduceAllMax(Abs(leaves)), 1), // xᵀξ is skew, or 0
					Reshape(ReduceAllMax(Abs(Sub(Tangent(kind, x, tangent), tangent))), 1),
					Reshape(ReduceAllSum(Mul(rest, other)), 1),
				}, 0)
			}, x, d, e)
			for i, v := range out {
				if !(math.Abs(v) <= 1e-12) {
					t.Errorf("%v, kind %d: property %d is off by %v", size, kind, i, v)
				}
			}
		}
	}
}

// TestRetract: the result is on the manifold whatever the step; along t·s it leaves x in the direction s, and
// Polar's without acceleration beside the normal one that the manifold forces.
func TestRetract(t *testing.T) {
	for name, how := range retractions {
		for _, size := range [][2]int{{6, 6}, {12, 3}, {8, 1}} {
			x, d := orthonormal(size[0], size[1], 4), nntest.Random(size[0], size[1], 5)
			run := func(length float64, f func(x, s *Node) *Node) []float64 {
				return nntest.Run(t, func(in []*Node) *Node {
					x := polar(in[0], 3)
					s := Tangent(Stiefel, x, in[1])
					s = MulScalar(Div(s, Sqrt(ReduceAllSum(Square(s)))), length)
					return f(x, s)
				}, x, d)
			}
			for _, length := range []float64{0, 1e-3, 0.5, 3} {
				y := run(length, func(x, s *Node) *Node { return Retract(how, x, s) })
				if got := off(y, size[1]); !(got <= 1e-6) { // seen 3e-8 for Cayley at 0.5, else 1e-15
					t.Errorf("%s of %v, a step of %v: off the manifold by %v", name, size, length, got)
				}
			}
			const h = 1e-3
			first := run(h, func(x, s *Node) *Node {
				return DivScalar(Sub(Sub(Retract(how, x, s), Retract(how, x, Neg(s))), MulScalar(s, 2)), 2*h)
			})
			second := run(h, func(x, s *Node) *Node {
				return Tangent(Stiefel, x, DivScalar(Sub(Add(Retract(how, x, s), Retract(how, x, Neg(s))), MulScalar(x, 2)), h*h))
			})
			if got := largest(first); !(got <= 2e-6) { // O(h²)
				t.Errorf("%s of %v leaves in another direction: %v", name, size, got)
			}
			if got := largest(second); how == Polar && !(got <= 1e-4) {
				t.Errorf("%s of %v has an acceleration of %v", name, size, got)
			}
		}
	}
}

func largest(v []float64) (most float64) {
	for _, x := range v {
		if !(math.Abs(x) <= most) {
			most = math.Abs(x)
		}
	}
	return most
}

// TestSphere: for one column the geodesic is a great circle, and retractions follow it as their formulas say.
func TestSphere(t *testing.T) {
	const length = 0.8
	x, d := orthonormal(10, 1, 6), nntest.Random(10, 1, 7)
	angle := map[string]float64{ // of the step
		"polar":  math.Atan(length),
		"QR":     math.Atan(length),
		"Cayley": 2 * math.Atan(length/2),
	}
	for name, how := range retractions {
		got := nntest.Run(t, func(in []*Node) *Node {
			x := polar(in[0], 3)
			s := Tangent(Stiefel, x, in[1])
			s = Div(s, Sqrt(ReduceAllSum(Square(s))))
			want := Add(MulScalar(x, math.Cos(angle[name])), MulScalar(s, math.Sin(angle[name])))
			return Sub(Retract(how, x, MulScalar(s, length)), want)
		}, x, d)
		if !(largest(got) <= 1e-7) {
			t.Errorf("%s is %v off the great circle", name, largest(got))
		}
	}
}

// TestGradient: along a retraction a function changes as its gradient on the manifold says.
func TestGradient(t *testing.T) {
	x, d, a := orthonormal(9, 3, 8), nntest.Random(9, 3, 9), nntest.Random(9, 9, 10)
	for _, kind := range []Kind{Stiefel, Grassmann} {
		f := func(a, x *Node) *Node { // tr(xᵀa·aᵀx), which depends on the span alone
			return ReduceAllSum(Square(MatMul(Transpose(a, 0, 1), x)))
		}
		const h = 1e-4
		got := nntest.Run(t, func(in []*Node) *Node {
			x := polar(in[0], 3)
			s := MulScalar(Tangent(kind, x, in[1]), h)
			difference := DivScalar(Sub(f(in[2], Retract(Polar, x, s)), f(in[2], Retract(Polar, x, Neg(s)))), 2*h)
			grad := Tangent(kind, x, Gradient(f(in[2], x), x)[0])
			return Concatenate([]*Node{Reshape(difference, 1), Reshape(DivScalar(ReduceAllSum(Mul(grad, s)), h), 1)}, 0)
		}, x, d, a)
		if !(math.Abs(got[0]-got[1]) <= 1e-5*math.Abs(got[1])) {
			t.Errorf("kind %d: the slope is %v, differences say %v", kind, got[1], got[0])
		}
	}
}

// known is a symmetric n×n matrix with eigenvalues n, n-1, … 1, and its eigenvectors as columns.
func known(n int, seed uint64) (a, vectors vec.Matrix) {
	vectors = orthonormal(n, n, seed)
	scaled := vectors.Clone()
	for i := range n {
		for j := range n {
			scaled.Row(i)[j] *= float32(n - j)
		}
	}
	return vec.MulT(vec.Matrix{}, scaled, vectors), vectors
}

// train takes steps on a matrix n×k that begins somewhere on the manifold, and calls each after every one.
func train(t *testing.T, n, k, steps int, rate float64, o SGD, objective func(x, data *Node) *Node, data vec.Matrix, each func(step int, x []float32)) {
	t.Helper()
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	l := func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
		x := scope.WithInitializer(Orthonormal(scope)).VariableWithShape("x", shapes.Make(dtypes.Float32, n, k)).NodeValue(in[0])
		free := scope.VariableWithValue("free", float32(3)).NodeValue(in[0])
		return Add(objective(x, in[0]), Square(free)), nil
	}
	feed, err := nn.Batches(nn.BatchOptions{Size: data.Rows, InOrder: true}, nn.Rows(data))
	if err != nil {
		t.Fatal(err)
	}
	look := func(step int) {
		x, _, err := w.Float32("/x")
		if err != nil {
			t.Fatal(err)
		}
		if got := off(x, k); !(got <= 1e-5) { // seen 1e-6
			t.Fatalf("off the manifold by %v after step %d", got, step)
		}
		each(step, x)
	}
	if err := w.Init(l, feed); err != nil {
		t.Fatal(err)
	}
	look(0)
	_, err = nn.Train(context.Background(), w, l, feed, nn.Options{Steps: steps, Every: 1, Rate: rate, Schedule: nn.Cosine, Optimizer: o, Each: func(r nn.Record) error {
		look(r.Step)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	free, _, err := w.Float32("/free")
	if err != nil {
		t.Fatal(err)
	}
	if !(math.Abs(float64(free[0])) < 3) {
		t.Errorf("the free variable stays at %v", free[0])
	}
	if v := w.Store.GetVariable("/x"); !v.Trainable {
		t.Error("the variable is left as one that does not learn")
	}
}

func on(kind Kind) func(string) Kind {
	return func(path string) Kind {
		if path == "/x" {
			return kind
		}
		return Free
	}
}

// TestLeadingSubspace: descent on the Rayleigh quotient comes to the span of the leading eigenvectors, and never leaves
// the manifold.
func TestLeadingSubspace(t *testing.T) {
	const n, k = 12, 3
	a, vectors := known(n, 2)
	rayleigh := func(x, a *Node) *Node { return Neg(ReduceAllSum(Mul(x, MatMul(a, x)))) }
	for name, o := range map[string]SGD{
		"polar": {On: on(Grassmann)}, "QR": {On: on(Grassmann), Retraction: QR}, "Cayley": {On: on(Grassmann), Retraction: Cayley},
		"momentum": {On: on(Grassmann), Momentum: 0.8}, "Stiefel": {On: on(Stiefel)},
	} {
		t.Run(name, func(t *testing.T) {
			var value float64
			var end []float32
			rate := 0.05
			if o.Momentum > 0 {
				rate = 0.01
			}
			train(t, n, k, 400, rate, o, rayleigh, a, func(_ int, x []float32) {
				value, end = 0, x
				for j := range k {
					for i := range n {
						for l := range n {
							value += float64(x[i*k+j]) * float64(a.Row(i)[l]) * float64(x[l*k+j])
						}
					}
				}
			})
			if want := float64(n + n - 1 + n - 2); !(math.Abs(value-want) <= 1e-3) { // seen 2e-6
				t.Errorf("the quotient is %v, want %v", value, want)
			}
			for j := range k { // each leading eigenvector lies within the span
				var inside float64
				for c := range k {
					var s float64
					for i := range n {
						s += float64(vectors.Row(i)[j]) * float64(end[i*k+c])
					}
					inside += s * s
				}
				if !(inside > 0.999) {
					t.Errorf("eigenvector %d is within the span to %v", j, inside)
				}
			}
		})
	}
}

// TestProcrustes: of all rotations and reflections the one that takes b to a best is UVᵀ of a·bᵀ's decomposition. A path
// of steps keeps the sign of the determinant, so that the sign of the target is chosen to be that of the start.
func TestProcrustes(t *testing.T) {
	const n = 5
	for name, how := range retractions {
		var start []float32
		train(t, n, n, 1, 1e-6, SGD{On: on(Stiefel), Retraction: how}, func(x, a *Node) *Node { return ReduceAllSum(Mul(x, a)) }, nntest.Random(n, n, 3),
			func(step int, x []float32) {
				if step == 0 {
					start = x
				}
			})
		target := orthonormal(n, n, 5)
		if math.Signbit(determinant(target.Data, n)) != math.Signbit(determinant(start, n)) {
			for i := range n {
				target.Row(i)[0] *= -1
			}
		}
		scale, _ := known(n, 6)
		m := vec.Mul(vec.Matrix{}, target, scale) // whose polar factor is the target, as scale is symmetric and positive
		var end []float32
		train(t, n, n, 500, 0.05, SGD{On: on(Stiefel), Retraction: how}, func(x, m *Node) *Node { return Neg(ReduceAllSum(Mul(x, m))) }, m,
			func(_ int, x []float32) { end = x })
		var far float64
		for i, v := range target.Data {
			far = max(far, math.Abs(float64(v-end[i])))
		}
		if !(far <= 1e-3) { // seen 3e-6
			t.Errorf("%s: the rotation is off by %v", name, far)
		}
	}
}

func determinant(x []float32, n int) float64 {
	m := mat.NewDense(n, n, nil)
	for i, v := range x {
		m.Set(i/n, i%n, float64(v))
	}
	return mat.Det(m)
}

// TestOrthonormal: every size begins on the manifold, square ones, too, whose least singular value is small.
func TestOrthonormal(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {40, 1}, {30, 30}, {128, 128}, {200, 20}} {
		for seed := range uint64(3) {
			w, err := nn.New(seed)
			if err != nil {
				t.Fatal(err)
			}
			f, err := w.Func(func(scope *model.Scope, in []*Node) []*Node {
				return []*Node{scope.WithInitializer(Orthonormal(scope)).VariableWithShape("x", shapes.Make(dtypes.Float32, size[0], size[1])).NodeValue(in[0])}
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Call(nn.Tensor(vec.NewMatrix(1, 1))); err != nil {
				t.Fatal(err)
			}
			x, _, err := w.Float32("/x")
			if err != nil {
				t.Fatal(err)
			}
			if got := off(x, size[1]); !(got <= 1e-5) { // seen 2e-6
				t.Errorf("%v, seed %d: off by %v", size, seed, got)
			}
			f.Close()
		}
	}
}

func TestErrors(t *testing.T) {
	for name, o := range map[string]SGD{
		"momentum": {On: on(Stiefel), Momentum: 1}, "kind": {On: func(string) Kind { return 9 }}, "wide": {On: on(Stiefel)},
	} {
		w, err := nn.New(1)
		if err != nil {
			t.Fatal(err)
		}
		l := func(scope *model.Scope, in []*Node) (*Node, nn.Metrics) {
			n, k := 4, 2
			if name == "wide" {
				n, k = k, n
			}
			return ReduceAllSum(scope.VariableWithShape("x", shapes.Make(dtypes.Float32, n, k)).NodeValue(in[0])), nil
		}
		feed, err := nn.Batches(nn.BatchOptions{}, nn.Rows(vec.NewMatrix(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = nn.Train(context.Background(), w, l, feed, nn.Options{Steps: 1, Optimizer: o})
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		t.Log(fmt.Sprint(name, ": ", err))
	}
}

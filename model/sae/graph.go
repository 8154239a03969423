package sae

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

// net is what learns: the variables of a kind, and its loss.
type net struct {
	o   Options // complete
	dim int
}

const (
	firstThreshold = 0.05 // of JumpReLU, where rows have length 1
	bandwidth      = 0.05 // within which its thresholds learn
	firstPenalty   = 1e-3
	// Thresholds learn as logarithms of this base, so to say: faster than the rest, as there are thousands of steps here
	// where the paper takes hundreds of thousands.
	thresholdUnit = 5
)

// parts are the variables in a graph. Only JumpReLU has thresholds, and MP neither encoder nor offset.
type parts struct {
	atoms, bias     *graph.Node // (features, dim), (dim)
	encoder, offset *graph.Node // (features, dim), (features)
	threshold       *graph.Node // (features): the logarithm over thresholdUnit
}

// jumps are the thresholds of JumpReLU.
func (p parts) jumps() *graph.Node { return graph.Exp(graph.MulScalar(p.threshold, thresholdUnit)) }

// variables makes those of a kind, or finds them: atoms in random directions, and the encoder at first the same, as Gao et
// al. 2024 have it; where half of all features are above 0 at first, so much shorter that rows keep their length.
func (n *net) variables(scope *model.Scope, g *graph.Graph) parts {
	variable := func(name string, start model.VariableInitializer, dims ...int) *graph.Node {
		v := scope.WithInitializer(start).VariableWithShape(name, shapes.Make(dtypes.Float32, dims...))
		v.SetTrainable(name != "bias" || !n.o.Uncentered)
		return v.NodeValue(g)
	}
	var first *graph.Node
	directions := func(g *graph.Graph, s shapes.Shape) *graph.Node {
		if first == nil { // both start in one graph
			first = graph.L2Normalize(scope.RandomNormal(g, s), 1)
			return first
		}
		if n.o.Kind == ReLU || n.o.Kind == JumpReLU {
			return graph.MulScalar(first, min(1, 2*float64(n.dim)/float64(n.o.Features)))
		}
		return first
	}
	zero := initializer.Zero
	p := parts{atoms: variable("atoms", directions, n.o.Features, n.dim), bias: variable("bias", zero, n.dim)}
	if n.o.Kind == MP {
		return p
	}
	p.encoder, p.offset = variable("encoder", directions, n.o.Features, n.dim), variable("offset", zero, n.o.Features)
	if n.o.Kind == JumpReLU {
		p.threshold = variable("threshold", func(g *graph.Graph, s shapes.Shape) *graph.Node {
			return graph.AddScalar(graph.Zeros(g, s), math.Log(firstThreshold)/thresholdUnit)
		}, n.o.Features)
	}
	return p
}

// loss builds a step from a batch: rows, (batch, dim), and for kinds that count features what the feed says that a value
// must exceed to count, (batch, 1).
func (n *net) loss(scope *model.Scope, in []*graph.Node) (*graph.Node, nn.Metrics) {
	p := n.variables(scope, in[0].Graph())
	t := n.explain(p, in)
	train.AddPerStepUpdateGraphFn(scope, in[0].Graph(), func(scope *model.Scope, g *graph.Graph) { // atoms have length 1 again after each step
		v := scope.GetVariable("atoms")
		v.SetNodeValue(graph.L2Normalize(v.NodeValue(g), 1))
	})
	loss := t.left
	if t.heads != nil {
		loss = graph.Add(loss, t.heads)
	}
	if t.cost != nil {
		loss = graph.Add(loss, graph.Mul(n.penalty(scope, t.l0), t.cost))
	}
	return loss, nn.Metrics{"l0": graph.StopGradient(t.l0), "unexplained": t.left}
}

// terms are what a loss is made of, scalars.
type terms struct {
	left  *graph.Node // mean squared length of what is left of rows: of rows of length 1 on average, the share not explained
	heads *graph.Node // the same of the prefixes of Matryoshka, each by itself, summed; else nil
	cost  *graph.Node // what a penalty is to be put on; nil if features are counted
	l0    *graph.Node // features a row
}

// explain writes rows as features, and looks at what is left.
func (n *net) explain(p parts, in []*graph.Node) (t terms) {
	x := graph.Sub(in[0], graph.ExpandAxes(p.bias, 0))
	x.AssertDims(-1, n.dim)
	if n.o.Kind == MP {
		x, t.l0 = n.pursue(x, p.atoms)
		t.left = meanSquare(x)
		return t
	}
	z, cost, l0 := n.read(p, x, in[1:])
	t = terms{left: meanSquare(graph.Sub(x, graph.Dot(z, p.atoms).Product())), cost: cost, l0: l0}
	if n.o.Kind == Matryoshka {
		t.heads = graph.ScalarZero(x.Graph(), x.DType())
		for _, k := range prefixes(n.o.Features) {
			z, atoms := graph.Slice(z, graph.AxisRange(), graph.AxisRangeFromStart(k)), graph.Slice(p.atoms, graph.AxisRangeFromStart(k))
			t.heads = graph.Add(t.heads, meanSquare(graph.Sub(x, graph.Dot(z, atoms).Product())))
		}
	}
	return t
}

// read returns the features of rows less the bias, (batch, features), of every kind but MP; and their cost and number.
func (n *net) read(p parts, x *graph.Node, threshold []*graph.Node) (z, cost, l0 *graph.Node) {
	a := graph.Add(nn.MulT(x, p.encoder), graph.ExpandAxes(p.offset, 0))
	a.AssertDims(x.Shape().Dim(0), n.o.Features)
	switch n.o.Kind {
	case ReLU:
		z = graph.MaxScalar(a, 0)
		return z, graph.ReduceAllMean(graph.ReduceSum(z, 1)), count(z)
	case JumpReLU:
		z, l0 = jump(a, graph.ExpandAxes(p.jumps(), 0))
		return z, l0, l0
	}
	z = graph.Mul(a, graph.PositiveIndicator(graph.StopGradient(graph.Sub(a, threshold[0]))))
	return z, nil, count(z)
}

// pursue takes K steps of matching pursuit: j = argmax_j ⟨r, d_j⟩, v = max(⟨r, d_j⟩, 0), r ← r - v·d_j. The choice of j is
// taken to be constant; the gradient flows through v and d_j. It returns what is left and how many steps took anything.
func (n *net) pursue(x, atoms *graph.Node) (left, l0 *graph.Node) {
	g := x.Graph()
	r := x
	enough := graph.MulScalar(graph.ReduceAndKeep(graph.Square(graph.StopGradient(x)), graph.ReduceSum, 1), n.o.Residual*n.o.Residual)
	l0 = graph.ScalarZero(g, x.DType())
	for range n.o.K {
		c := nn.MulT(graph.StopGradient(r), graph.StopGradient(atoms))
		d := graph.Gather(atoms, graph.ExpandAxes(graph.ArgMax(c, 1, dtypes.Int32), 1))
		v := graph.MaxScalar(graph.ReduceAndKeep(graph.Mul(r, d), graph.ReduceSum, 1), 0)
		if n.o.Residual > 0 { // rows that have enough stay as they are
			v = graph.Mul(v, graph.PositiveIndicator(graph.Sub(graph.ReduceAndKeep(graph.Square(graph.StopGradient(r)), graph.ReduceSum, 1), enough)))
		}
		r = graph.Sub(r, graph.Mul(v, d))
		l0 = graph.Add(l0, graph.ReduceAllMean(graph.PositiveIndicator(v)))
	}
	return r, l0
}

// jump is JumpReLU: a where it is above t, else 0, and the mean number of those. Neither has a gradient at t, so it is taken
// of the step smoothed over the bandwidth: ∂z/∂t = -t·κ and ∂‖z‖₀/∂t = -κ, with κ = 1/bandwidth within half of it around t.
// Source: Rajamanoharan et al. 2024, equations 11 and 12.
func jump(a, t *graph.Node) (z, l0 *graph.Node) {
	above := graph.PositiveIndicator(graph.StopGradient(graph.Sub(a, t)))
	near := graph.PositiveIndicator(graph.StopGradient(graph.AddScalar(graph.Neg(graph.Abs(graph.Sub(a, t))), bandwidth/2.0)))
	k := graph.MulScalar(near, 1/bandwidth)
	still := graph.Sub(t, graph.StopGradient(t)) // 0, with the gradient of t
	z = graph.Sub(graph.Mul(a, above), graph.Mul(graph.Mul(graph.StopGradient(t), k), still))
	l0 = graph.ReduceAllMean(graph.ReduceSum(graph.Sub(above, graph.Mul(k, still)), 1))
	return z, l0
}

// penalty is what a feature costs: more after each step that had more than K features a row, less after one that had less. It
// can grow a thousandfold in the first third of training.
func (n *net) penalty(scope *model.Scope, l0 *graph.Node) *graph.Node {
	g := l0.Graph()
	v := scope.VariableWithValue("penalty", float32(firstPenalty)).SetTrainable(false)
	now := v.NodeValue(g)
	if scope.IsTraining(g) {
		speed := min(20/float64(max(n.o.Train.Steps, 1)), 0.1)
		off := graph.ClipScalar(graph.AddScalar(graph.MulScalar(graph.StopGradient(l0), 1/float64(n.o.K)), -1), -1, 1)
		v.SetNodeValue(graph.Mul(now, graph.Exp(graph.MulScalar(off, speed))))
	}
	return now
}

// prefixes are the numbers of first features that Matryoshka learns to do with, beside all.
func prefixes(p int) (parts []int) {
	for _, share := range []int{16, 8, 4, 2} {
		if k := p / share; k > 0 {
			parts = append(parts, k)
		}
	}
	return parts
}

// meanSquare is the mean over rows of their squared length.
func meanSquare(r *graph.Node) *graph.Node {
	return graph.ReduceAllMean(graph.ReduceSum(graph.Square(r), 1))
}

// count is the mean number a row of values above 0.
func count(z *graph.Node) *graph.Node {
	return graph.ReduceAllMean(graph.ReduceSum(graph.PositiveIndicator(graph.StopGradient(z)), 1))
}

// feed yields batches of the rows, drawn at random, with the thresholds that choose features where the kind counts them. It
// looks at the weights for that, once they are there.
func (s *scaled) feed(n *net, w *nn.Weights) nn.Feed {
	size := n.o.Batch
	ids := make([]int, size)
	rows := vec.NewMatrix(size, n.dim)
	return nn.FeedFunc(s.x.Rows/size, n.o.Seed, func(r *rand.Rand, epoch, i int) (nn.Batch, error) {
		for k := range ids {
			ids[k] = r.IntN(s.x.Rows)
		}
		s.rows(rows, ids)
		b := nn.Batch{Inputs: []*tensors.Tensor{nn.Tensor(rows)}}
		if n.o.Kind == TopK || n.o.Kind == BatchTopK || n.o.Kind == Matryoshka {
			t, err := n.thresholds(w, rows)
			if err != nil {
				return nn.Batch{}, err
			}
			b.Inputs = append(b.Inputs, nn.Tensor(vec.Matrix{Rows: size, Cols: 1, Data: t}))
		}
		return b, nil
	})
}

// thresholds returns for each row, centred and scaled, the value above which its features count. It lies half-way between
// the last feature chosen and the first that is not, so it makes no difference how a sum was rounded. GoMLX could choose
// by sorting, but its Go backend takes ten seconds to sort a batch.
func (n *net) thresholds(w *nn.Weights, x vec.Matrix) ([]float32, error) {
	out := make([]float32, x.Rows)
	if w.Store.GetVariable("/atoms") == nil {
		return out, nil
	}
	m, err := n.model(w, nil)
	if err != nil {
		return nil, err
	}
	a := vec.NewMatrix(x.Rows, n.o.Features)
	err = vec.Blocks(context.Background(), x.Rows, encodeRows, func(lo, hi int) error {
		m.negative(a.Slice(lo, hi), m.dict.Centered(vec.Matrix{}, x.Slice(lo, hi)))
		if n.o.Kind == TopK {
			for i := lo; i < hi; i++ {
				out[i] = -between(a.Row(i), n.o.K)
			}
		}
		return nil
	})
	if n.o.Kind != TopK {
		t := -between(a.Data, n.o.K*x.Rows)
		for i := range out {
			out[i] = t
		}
	}
	return out, err
}

// between is a value with the k least of a below it and the others above, or 0 if that is less.
func between(a []float32, k int) float32 {
	if k >= len(a) {
		return 0
	}
	top := vec.NewTopK(k + 1)
	top.PushAll(a, numbers(len(a)))
	_, d := top.Append(nil, nil)
	return min(d[k-1]/2+d[k]/2, 0)
}

// numbers returns 0 to n-1.
func numbers(n int) []uint32 {
	out := make([]uint32, n)
	for i := range out {
		out[i] = uint32(i)
	}
	return out
}

// values is a copy of a variable as a matrix; what has one axis becomes one row.
func (n *net) values(w *nn.Weights, name string) (vec.Matrix, error) {
	v, dims, err := w.Float32("/" + name)
	if err != nil {
		return vec.Matrix{}, err
	}
	if len(dims) == 2 {
		return vec.Matrix{Rows: dims[0], Cols: dims[1], Data: v}, nil
	}
	return vec.Matrix{Rows: 1, Cols: len(v), Data: v}, nil
}

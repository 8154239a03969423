package sae

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/dataset/synthetic"
	"github.com/latent-go/latent/explain/dictionary"
	"github.com/latent-go/latent/model/modeltest"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
	"github.com/latent-go/latent/vec"
)

// each runs a test for each kind; a short one leaves out those that differ from another in little.
func each(t *testing.T, f func(t *testing.T, k Kind)) {
	for _, k := range Kinds() {
		if testing.Short() && (k == TopK || k == ReLU || k == Matryoshka) {
			continue
		}
		t.Run(k.String(), func(t *testing.T) { f(t, k) })
	}
}

// TestModel is the suite of the zoo. Kinds that count features have all that are above 0 in it, as the suite's batches come
// without thresholds.
func TestModel(t *testing.T) {
	each(t, func(t *testing.T, k Kind) {
		n := &net{o: Options{Kind: k, Features: 24, K: 8}, dim: 6}
		modeltest.Run(t, modeltest.Model{
			Loss: n.loss,
			Inputs: func(rows int, seed uint64) []nn.Input {
				x := nntest.Random(rows, 6, seed)
				vec.Scale(x.Data, x.Data, 0.4) // length 1, about
				return []nn.Input{nn.Rows(x), nn.Values(make([]float32, rows))}
			},
			Outputs: func(scope *model.Scope, in []*graph.Node) []*graph.Node {
				p := n.variables(scope, in[0].Graph())
				if k == MP {
					r, _ := n.pursue(in[0], p.atoms)
					return []*graph.Node{r}
				}
				z, _, _ := n.read(p, in[0], in[1:])
				return []*graph.Node{z}
			},
			Shapes: map[bool][][]int{true: {{8, 6}}, false: {{8, 24}}}[k == MP],
			Watch:  "unexplained",
			Learnt: 0.01, // seen 1e-7 at most, and 0.0009 of matryoshka
		})
	})
}

// smallTree is rows of a tree, and options to learn them in a second.
func smallTree(t testing.TB, k Kind) (vec.Matrix, Options) {
	g, err := synthetic.Tree{N: 600, Seed: 1}.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return g.X, Options{Kind: k, Features: 40, K: 3, Batch: 64, Seed: 1, Train: nn.Options{Epochs: 20, Rate: 1e-2}}
}

// begun is a network for rows that has learnt nothing yet, its weights, and what it is to learn from.
func begun(t testing.TB, x vec.Matrix, o Options, seed uint64) (*net, *nn.Weights, *scaled, nn.Feed) {
	t.Helper()
	o, err := o.complete(x)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newScaled(x, false)
	if err != nil {
		t.Fatal(err)
	}
	n := &net{o: o, dim: x.Cols}
	w, err := nn.New(seed)
	if err != nil {
		t.Fatal(err)
	}
	f := s.feed(n, w)
	if err := w.Init(n.loss, f); err != nil {
		t.Fatal(err)
	}
	return n, w, s, f
}

// fits are models of smallTree, each made once.
var fits [len(kindNames)]struct {
	sync.Once
	m   *Model
	err error
}

func fitted(t testing.TB, k Kind) (*Model, vec.Matrix) {
	t.Helper()
	x, o := smallTree(t, k)
	f := &fits[k]
	f.Do(func() { f.m, _, f.err = Fit(context.Background(), x, o) })
	if f.err != nil {
		t.Fatal(f.err)
	}
	return f.m, x
}

func encoded(t testing.TB, m *Model, x vec.Matrix, s dictionary.Stop) *dictionary.Codes {
	t.Helper()
	c, err := m.Encode(context.Background(), x, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestGradients checks each loss against finite differences. Those of JumpReLU are those of the step smoothed by hand.
func TestGradients(t *testing.T) {
	const rows, dim, features = 3, 4, 7
	each(t, func(t *testing.T, k Kind) {
		n := &net{o: Options{Kind: k, Features: features, K: 2}, dim: dim}
		x, atoms, encoder := nntest.Random(rows, dim, 1), nntest.Random(features, dim, 2), nntest.Random(features, dim, 3)
		bias, offset, threshold := nntest.Random(1, dim, 4), nntest.Random(1, features, 5), nntest.Random(1, features, 6)
		build := func(in []*graph.Node) (parts, []*graph.Node) {
			p := parts{atoms: in[1], bias: graph.Reshape(in[2], dim), encoder: in[3], offset: graph.Reshape(in[4], features), threshold: graph.Reshape(in[5], features)}
			above := graph.ConstAsDType(in[0].Graph(), in[0].DType(), [][]float64{{0.3}, {0.1}, {0.7}})
			return p, []*graph.Node{in[0], above}
		}
		f := func(in []*graph.Node) *graph.Node {
			p, rows := build(in)
			terms := n.explain(p, rows)
			loss := terms.left
			if terms.heads != nil {
				loss = graph.Add(loss, graph.MulScalar(terms.heads, 0.7))
			}
			if terms.cost != nil {
				loss = graph.Add(loss, graph.MulScalar(terms.cost, 0.3))
			}
			return loss
		}
		smooth := f
		if k == JumpReLU {
			base := make([][]float64, rows) // the values of features at the inputs, as they are
			for i := range base {
				for j := range features {
					s := float64(offset.Data[j])
					for c := range dim {
						s += (float64(x.Row(i)[c]) - float64(bias.Data[c])) * float64(encoder.Row(j)[c])
					}
					base[i] = append(base[i], s)
				}
			}
			above, near := make([][]float64, rows), make([][]float64, rows)
			at := make([]float64, features)
			hits := 0
			for i := range base {
				above[i], near[i] = make([]float64, features), make([]float64, features)
				for j, a := range base[i] {
					at[j] = math.Exp(thresholdUnit * float64(threshold.Data[j]))
					if a > at[j] {
						above[i][j] = 1
					}
					if math.Abs(a-at[j]) < bandwidth/2 {
						near[i][j] = 1 / bandwidth
						hits++
					}
				}
			}
			smooth = func(in []*graph.Node) *graph.Node {
				p, rows := build(in)
				g := in[0].Graph()
				value := func(v any) *graph.Node { return graph.ConstAsDType(g, in[0].DType(), v) }
				x := graph.Sub(rows[0], graph.ExpandAxes(p.bias, 0))
				a := graph.Add(nn.MulT(x, p.encoder), graph.ExpandAxes(p.offset, 0))
				moved := graph.ExpandAxes(graph.Sub(p.jumps(), value(at)), 0)
				step := graph.Sub(value(above), graph.Mul(value(near), moved))
				z := graph.Sub(graph.Mul(a, value(above)), graph.Mul(graph.Mul(graph.ExpandAxes(value(at), 0), value(near)), moved))
				l0 := graph.ReduceAllMean(graph.ReduceSum(step, 1))
				return graph.Add(meanSquare(graph.Sub(x, graph.Dot(z, p.atoms).Product())), graph.MulScalar(l0, 0.3))
			}
			if hits == 0 {
				// Put one threshold where a value is, so that it has a gradient.
				j := 0
				for base[0][j] <= 0.1 {
					j++
				}
				threshold.Data[j] = float32(math.Log(base[0][j]-bandwidth/8) / thresholdUnit)
				at[j], near[0][j], above[0][j] = math.Exp(thresholdUnit*float64(threshold.Data[j])), 1/bandwidth, 1
				for i := 1; i < rows; i++ {
					above[i][j] = 0
					if base[i][j] > at[j] {
						above[i][j] = 1
					}
				}
			}
		}
		nntest.GradientsAs(t, f, smooth, x, atoms, bias, encoder, offset, threshold)
	})
}

// graphCodes are the codes of rows by GoMLX alone, (rows, features): for MP, a step is an argmax and the atom gathered. Our kernels are checked and timed against it.
func graphCodes(m *Model) func(in []*graph.Node) *graph.Node {
	return func(in []*graph.Node) *graph.Node {
		g := in[0].Graph()
		matrix := func(x vec.Matrix) *graph.Node {
			return graph.ConstTensor(g, tensors.FromFlatDataAndDimensions(x.Data, x.Rows, x.Cols))
		}
		row := func(v []float32) *graph.Node { return graph.ExpandAxes(graph.Const(g, v), 0) }
		x, atoms := graph.Sub(in[0], row(m.dict.Bias())), matrix(m.dict.Atoms())
		if m.kind == MP {
			z := graph.Zeros(g, shapes.Make(dtypes.Float32, x.Shape().Dim(0), m.Features()))
			for range m.k {
				c := nn.MulT(x, atoms)
				j := graph.ArgMax(c, 1, dtypes.Int32)
				hot := graph.OneHot(j, m.Features(), dtypes.Float32)
				v := graph.MaxScalar(graph.ReduceAndKeep(c, graph.ReduceMax, 1), 0)
				z, x = graph.Add(z, graph.Mul(v, hot)), graph.Sub(x, graph.Mul(v, graph.Gather(atoms, graph.ExpandAxes(j, 1))))
			}
			return z
		}
		a := graph.Add(nn.MulT(x, matrix(m.encoder)), row(m.offset))
		if m.kind == TopK {
			z := graph.ZerosLike(a)
			for rest, i := a, 0; i < m.k; i++ {
				hot := graph.OneHot(graph.ArgMax(rest, 1, dtypes.Int32), m.Features(), dtypes.Float32)
				z = graph.Add(z, graph.Mul(graph.MaxScalar(a, 0), hot))
				rest = graph.Sub(rest, graph.MulScalar(hot, 1e9))
			}
			return z
		}
		return graph.Mul(a, graph.PositiveIndicator(graph.Sub(a, row(m.threshold))))
	}
}

func onGraph(t testing.TB, m *Model) func(x vec.Matrix) vec.Matrix {
	t.Helper()
	w, err := nn.New(1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := w.Func(func(_ *model.Scope, in []*graph.Node) []*graph.Node { return []*graph.Node{graphCodes(m)(in)} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return func(x vec.Matrix) vec.Matrix {
		in := nn.Tensor(x)
		defer in.FinalizeAll()
		out, err := f.Call(in)
		if err != nil {
			t.Fatal(err)
		}
		defer out[0].FinalizeAll()
		z, err := nn.Matrix(out[0])
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
}

// TestGraphAgrees holds codes against those of the graph.
func TestGraphAgrees(t *testing.T) {
	each(t, func(t *testing.T, k Kind) {
		m, x := fitted(t, k)
		codes := encoded(t, m, x, dictionary.Stop{})
		z := onGraph(t, m)(x)
		off := 0
		for i := range x.Rows {
			index, value := codes.Row(i)
			row := slices.Clone(z.Row(i))
			size := vec.Norm(x.Row(i))
			for n, j := range index {
				row[j] -= value[n]
			}
			for _, v := range row {
				if math.Abs(float64(v)) > 1e-5*float64(size) {
					off++
					break
				}
			}
		}
		if off > x.Rows/100 { // a choice may turn on rounding; seen 0
			t.Errorf("%d of %d rows have other codes", off, x.Rows)
		}
	})
}

// TestLossAgrees: what the loss says is left of a batch is what encoding and decoding it leaves.
func TestLossAgrees(t *testing.T) {
	each(t, func(t *testing.T, k Kind) {
		if k == BatchTopK || k == Matryoshka {
			t.Skip("a batch has a threshold of its own")
		}
		x, o := smallTree(t, k)
		if k == MP {
			o.K, o.Residual = 6, 0.5
		}
		n, w, _, f := begun(t, x, o, 2)
		if _, err := nn.Train(context.Background(), w, n.loss, f, nn.Options{Steps: 20, Rate: 1e-2}); err != nil {
			t.Fatal(err)
		}
		b, err := f.Batch(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := nn.Matrix(b.Inputs[0])
		if err != nil {
			t.Fatal(err)
		}
		left, err := w.Func(func(scope *model.Scope, in []*graph.Node) []*graph.Node {
			e := n.explain(n.variables(scope, in[0].Graph()), in)
			return []*graph.Node{e.left, e.l0}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer left.Close()
		out, err := left.Call(b.Inputs...)
		if err != nil {
			t.Fatal(err)
		}
		m, err := n.model(w, nil)
		if err != nil {
			t.Fatal(err)
		}
		codes := encoded(t, m, rows, dictionary.Stop{})
		got := float64(vec.SquaredL2(m.Decode(vec.Matrix{}, codes).Data, rows.Data)) / float64(rows.Rows)
		if want := float64(tensors.ToScalar[float32](out[0])); math.Abs(got-want) > 1e-4*want {
			t.Errorf("encoding leaves %v, the loss says %v", got, want)
		}
		if l0 := float64(tensors.ToScalar[float32](out[1])); k != MP && math.Abs(codes.L0()-l0) > 1e-4 {
			t.Errorf("%v features a row, the loss says %v", codes.L0(), l0)
		} else if k == MP && !(l0 >= codes.L0() && l0 < 6) { // steps, which may come back to a feature; some rows have enough
			t.Errorf("%v features a row in %v steps", codes.L0(), l0)
		}
	})
}

// above is how many features of a row are above 0, by definition.
func above(m *Model, x []float32) (n int) {
	for j := range m.Features() {
		a := float64(m.offset[j])
		for c, v := range x {
			a += (float64(v) - float64(m.dict.Bias()[c])) * float64(m.encoder.Row(j)[c])
		}
		if a > 0 {
			n++
		}
	}
	return n
}

// TestCounts: TopK has exactly K features a row, BatchTopK so many on average, and what is limited has the largest.
func TestCounts(t *testing.T) {
	each(t, func(t *testing.T, k Kind) {
		m, x := fitted(t, k)
		codes := encoded(t, m, x, dictionary.Stop{})
		for i := range codes.Len() {
			index, value := codes.Row(i)
			if n := len(index); n > 3 && (k == TopK || k == MP) || k == TopK && n != min(3, above(m, x.Row(i))) {
				t.Fatalf("row %d has %d features", i, n)
			}
			for _, v := range value {
				if !(v > 0) {
					t.Fatalf("row %d has a feature of %v", i, v)
				}
			}
		}
		if l0 := codes.L0(); (k == BatchTopK || k == Matryoshka) && math.Abs(l0-3) > 0.01 {
			t.Errorf("%v features a row, want 3", l0)
		}
		if k == MP {
			return
		}
		two := encoded(t, m, x, dictionary.Stop{K: 2})
		for i := range codes.Len() {
			all, values := codes.Row(i)
			got, top := two.Row(i)
			sorted := slices.Clone(values)
			slices.SortFunc(sorted, func(a, b float32) int {
				if a > b {
					return -1
				}
				return 1
			})
			if want := sorted[:min(2, len(sorted))]; !slices.Equal(top, want) {
				t.Fatalf("row %d: the largest two are %v of %v, want %v", i, top, got, want)
			}
			for _, j := range got {
				if !slices.Contains(all, j) {
					t.Fatalf("row %d has feature %d of two, not of all", i, j)
				}
			}
		}
	})
}

// TestBatch: a batch's thresholds choose K features a row, or K a row on average.
func TestBatch(t *testing.T) {
	for _, k := range []Kind{TopK, BatchTopK, Matryoshka} {
		x, o := smallTree(t, k)
		n, w, _, f := begun(t, x, o, 3)
		b, err := f.Batch(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		z, err := w.Func(func(scope *model.Scope, in []*graph.Node) []*graph.Node {
			p := n.variables(scope, in[0].Graph())
			z, _, _ := n.read(p, graph.Sub(in[0], graph.ExpandAxes(p.bias, 0)), in[1:])
			return []*graph.Node{z}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		out, err := z.Call(b.Inputs...)
		if err != nil {
			t.Fatal(err)
		}
		codes, err := nn.Matrix(out[0])
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for i := range codes.Rows {
			here := 0
			for _, v := range codes.Row(i) {
				if v != 0 {
					here++
				}
			}
			if k == TopK && here != n.o.K {
				t.Errorf("topk: row %d has %d features, want %d", i, here, o.K)
			}
			total += here
		}
		if total != n.o.K*codes.Rows {
			t.Errorf("%v: %d features in %d rows, want %d", k, total, codes.Rows, n.o.K*codes.Rows)
		}
	}
}

// TestLearns: every kind explains most of a tree's rows with few features.
func TestLearns(t *testing.T) {
	each(t, func(t *testing.T, k Kind) {
		m, x := fitted(t, k)
		r, err := m.Report(context.Background(), x, dictionary.Stop{}, 3)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("explained %.3f, %.2f features a row, dead %.2f", r.Explained, r.L0, r.Dead)
		if r.Explained < 0.7 || r.L0 > 4.5 { // seen 0.81 to 0.997, and 1.6 to 3
			t.Errorf("explained %v with %v features a row", r.Explained, r.L0)
		}
	})
}

// TestScale: where rows lie and how long they are makes no difference, but to codes, which scale along.
func TestScale(t *testing.T) {
	each(t, func(t *testing.T, k Kind) {
		x, o := smallTree(t, k)
		o.Train.Epochs = 2
		moved := x.Clone()
		for i := range moved.Data {
			moved.Data[i] = 8*moved.Data[i] + 64 // exact
		}
		for i := range x.Data { // as rounded by that
			x.Data[i] = (moved.Data[i] - 64) / 8
		}
		a, _, err := Fit(context.Background(), x, o)
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := Fit(context.Background(), moved, o)
		if err != nil {
			t.Fatal(err)
		}
		ca, cb := encoded(t, a, x, dictionary.Stop{}), encoded(t, b, moved, dictionary.Stop{})
		if math.Abs(ca.L0()-cb.L0()) > 0.05 {
			t.Errorf("%v and %v features a row", ca.L0(), cb.L0())
		}
		ya, yb := a.Decode(vec.Matrix{}, ca), b.Decode(vec.Matrix{}, cb)
		var off, sum float64
		for i := range ya.Data {
			off += math.Pow(float64(yb.Data[i]-64)/8-float64(ya.Data[i]), 2)
			sum += math.Pow(float64(ya.Data[i]), 2)
		}
		if off > 1e-8*sum { // seen 1e-10 at most
			t.Errorf("decoded vectors differ by %v of their squared length", off/sum)
		} else {
			t.Logf("off %v", off/sum)
		}
	})
}

// TestSame: the same seed gives the same model, on one processor, too.
func TestSame(t *testing.T) {
	each(t, func(t *testing.T, k Kind) {
		x, o := smallTree(t, k)
		o.Train.Epochs = 2
		file := func(o Options) []byte {
			m, _, err := Fit(context.Background(), x, o)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if _, err := m.WriteTo(&b); err != nil {
				t.Fatal(err)
			}
			return b.Bytes()
		}
		a := file(o)
		before := runtime.GOMAXPROCS(1)
		b := file(o)
		runtime.GOMAXPROCS(before)
		if !bytes.Equal(a, b) {
			t.Error("the same seed gives another model")
		}
		o.Seed++
		if bytes.Equal(a, file(o)) {
			t.Error("another seed gives the same model")
		}
	})
}

func TestSaveAndLoad(t *testing.T) {
	each(t, func(t *testing.T, k Kind) {
		m, x := fitted(t, k)
		path := filepath.Join(t.TempDir(), "model.sae")
		if err := artifact.Save(path, m); err != nil {
			t.Fatal(err)
		}
		got, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.Kind() != k || got.K() != 3 || got.Features() != 40 || got.Dim() != 20 {
			t.Errorf("%v of %d features, %d a row, for %d dimensions", got.Kind(), got.Features(), got.K(), got.Dim())
		}
		a, b := encoded(t, m, x, dictionary.Stop{}), encoded(t, got, x, dictionary.Stop{})
		if !slices.Equal(a.Index, b.Index) || !slices.Equal(a.Value, b.Value) || !slices.Equal(m.Decode(vec.Matrix{}, a).Data, got.Decode(vec.Matrix{}, b).Data) {
			t.Error("what was loaded has other codes")
		}
	})
}

// tiny writes a model of each kind by hand.
func tiny(t testing.TB, k Kind) []byte {
	h := header{Kind: k, K: 1, Features: 2, Dim: 2}
	unit := vec.Matrix{Rows: 2, Cols: 2, Data: []float32{1, 0, 0.6, 0.8}}
	m, err := newModel(h, unit, unit, []float32{1, 2}, []float32{0, 1}, []float32{0, 0.5})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func FuzzRead(f *testing.F) {
	for _, k := range Kinds() {
		b := tiny(f, k)
		f.Add(b)
		f.Add(b[:len(b)-9])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := m.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&out)
		if err != nil || again.Kind() != m.Kind() || again.Features() != m.Features() {
			t.Fatalf("what was read cannot be written and read: %v", err)
		}
		x := vec.NewMatrix(3, m.Dim())
		c, err := m.Encode(context.Background(), x, dictionary.Stop{K: 1})
		if err != nil {
			t.Fatal(err)
		}
		m.Decode(vec.Matrix{}, c)
	})
}

func TestReadRefuses(t *testing.T) {
	write := func(h header, sections ...artifact.Section) []byte {
		var b bytes.Buffer
		if _, err := artifact.Write(&b, fileKind, fileVersion, append([]artifact.Section{artifact.JSON("header", h)}, sections...)...); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	atoms, bias := artifact.Numbers("atoms", []float32{1, 0}), artifact.Numbers("bias", []float32{0, 0})
	good := header{Kind: MP, K: 1, Features: 1, Dim: 2}
	if _, err := Read(bytes.NewReader(write(good, atoms, bias))); err != nil {
		t.Fatal(err)
	}
	linear := header{Kind: ReLU, K: 1, Features: 1, Dim: 2}
	for name, b := range map[string][]byte{
		"no features":        write(header{Kind: MP, K: 1, Dim: 2}, atoms, bias),
		"no atoms":           write(good, bias),
		"too many features":  write(header{Kind: MP, K: 1, Features: 2, Dim: 2}, atoms, bias),
		"short bias":         write(good, atoms, artifact.Numbers("bias", []float32{0})),
		"long atom":          write(good, artifact.Numbers("atoms", []float32{2, 0}), bias),
		"NaN":                write(good, artifact.Numbers("atoms", []float32{float32(math.NaN()), 0}), bias),
		"no encoder":         write(linear, atoms, bias),
		"negative threshold": write(linear, atoms, bias, artifact.Numbers("encoder", []float32{1, 0}), artifact.Numbers("offset", []float32{1}), artifact.Numbers("threshold", []float32{-1})),
		"topk of too many":   write(header{Kind: TopK, K: 2, Features: 1, Dim: 2}, atoms, bias),
	} {
		var bad *artifact.CorruptError
		if _, err := Read(bytes.NewReader(b)); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	ctx := context.Background()
	nan := vec.Matrix{Rows: 2, Cols: 1, Data: []float32{1, float32(math.NaN())}}
	same := vec.Matrix{Rows: 2, Cols: 2, Data: []float32{1, 2, 1, 2}}
	x, _ := smallTree(t, MP)
	for _, c := range []struct {
		x    vec.Matrix
		o    Options
		want error
	}{
		{vec.Matrix{}, Options{}, vec.ErrTooFew},
		{nan, Options{}, vec.ErrNotFinite},
		{same, Options{}, vec.ErrZero},
		{x, Options{Features: -1}, nil},
		{x, Options{K: -1}, nil},
		{x, Options{Kind: TopK, Features: 4, K: 5}, nil},
		{x, Options{Kind: 77}, nil},
		{x, Options{Batch: -1}, nil},
		{x, Options{Residual: 1}, nil},
		{x, Options{Kind: ReLU, Residual: 0.1}, nil},
	} {
		if _, _, err := Fit(ctx, c.x, c.o); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.o, err, c.want)
		}
	}
	m, _ := fitted(t, ReLU)
	for _, s := range []dictionary.Stop{{K: -1}, {K: 41}, {Residual: 0.1}} {
		if _, err := m.Encode(ctx, x, s); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
	if _, err := m.Encode(ctx, vec.NewMatrix(1, 3), dictionary.Stop{}); !errors.Is(err, vec.ErrDim) {
		t.Error(err)
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, _, err := Fit(stopped, x, Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := ParseKind("pca"); err == nil {
		t.Error("pca is a kind")
	}
	for _, k := range Kinds() {
		var back Kind
		if b, err := k.MarshalText(); err != nil || back.UnmarshalText(b) != nil || back != k {
			t.Errorf("%v reads back as %v", k, back)
		}
	}
}

// TestRevive: features that no row has come back.
func TestRevive(t *testing.T) {
	x, o := smallTree(t, TopK)
	n, w, s, _ := begun(t, x, o, 1)
	offset, _ := n.values(w, "offset")
	for j := range 10 {
		offset.Data[j] = -10 // no row has it
	}
	if err := w.SetFloat32("/offset", offset.Data); err != nil {
		t.Fatal(err)
	}
	dead := func() (n10 int) {
		m, err := n.model(w, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range encoded(t, m, s.rows(vec.Matrix{}, rand.New(rand.NewPCG(1, 1)).Perm(x.Rows)), dictionary.Stop{}).Counts()[:10] {
			if c == 0 {
				n10++
			}
		}
		return n10
	}
	before := dead()
	if err := n.move(context.Background(), w, s, rand.New(rand.NewPCG(1, 2))); err != nil {
		t.Fatal(err)
	}
	offset, _ = n.values(w, "offset")
	if after := dead(); before != 10 || after > 5 || offset.Data[3] != 0 { // seen 0
		t.Errorf("%d of 10 features were dead, %d are", before, after)
	}
}

func BenchmarkEncode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	const p, d, k, rows = 1024, 100, 8, 1024
	gauss := func(n, m int) vec.Matrix {
		x := vec.NewMatrix(n, m)
		for i := range x.Data {
			x.Data[i] = float32(r.NormFloat64())
		}
		return x
	}
	atoms := gauss(p, d)
	for i := range p {
		vec.Normalize(atoms.Row(i), atoms.Row(i))
	}
	x := gauss(rows, d)
	for _, kind := range []Kind{MP, TopK, JumpReLU} {
		threshold := make([]float32, p)
		for i := range threshold {
			threshold[i] = 2.4 // 8 of 1,024 are above
		}
		m, err := newModel(header{Kind: kind, K: k}, atoms, atoms, make([]float32, d), make([]float32, p), threshold)
		if err != nil {
			b.Fatal(err)
		}
		g := onGraph(b, m)
		run := func(name string, f func()) {
			b.Run(fmt.Sprintf("kind=%v/features=%d/d=%d/k=%d/%s", kind, p, d, k, name), func(b *testing.B) {
				f()
				for b.Loop() {
					f()
				}
				b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "vectors/s")
			})
		}
		run("vec", func() { encoded(b, m, x, dictionary.Stop{}) })
		run("graph", func() { g(x) })
	}
}

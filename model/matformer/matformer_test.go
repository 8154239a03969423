package matformer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/model/modeltest"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/nntest"
	"github.com/latent-go/latent/vec"
)

var tiny = Options{Tokens: 3, Size: 4, Classes: 3, Width: 8, Heads: 2, Layers: 2}

func samples(n int, seed uint64) []nn.Input {
	y := make([]int, n)
	for i := range y {
		y[i] = i % 3
	}
	return []nn.Input{nn.Rows(nntest.Random(n, 12, seed)), nn.Classes(y)}
}

func batches(t testing.TB, n int, seed uint64) nn.Feed {
	t.Helper()
	f, err := nn.Batches(nn.BatchOptions{Size: 8, InOrder: true}, samples(n, seed)...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func outputs(m *Model) func(scope *model.Scope, in []*Node) []*Node {
	return func(scope *model.Scope, in []*Node) []*Node {
		z := m.Encode(nil)(scope, in[0])
		return []*Node{z, m.Classify(scope, z), m.Encode(Plan{4, 16})(scope, in[0])}
	}
}

// TestOneOf: eight samples, again and again, at a level drawn for each batch.
func TestOneOf(t *testing.T) {
	m := New(tiny)
	modeltest.Run(t, modeltest.Model{
		Loss: m.Loss,
		Feed: func(seed uint64) (nn.Feed, error) {
			b, err := nn.Batches(nn.BatchOptions{Size: 8, InOrder: true}, samples(8, seed)...)
			if err != nil {
				return nil, err
			}
			return m.OneOf(repeated{b, 8}, seed), nil
		},
		Outputs: outputs(m),
		Shapes:  [][]int{{8, 8}, {8, 3}, {8, 8}},
		Learn:   nn.Options{Steps: 80},
		Learnt:  0.05, // seen 0.002
	})
}

// repeated is the first batch of a feed, so many times an epoch.
type repeated struct {
	nn.Feed
	n int
}

func (f repeated) Len() int                         { return f.n }
func (f repeated) Batch(_, _ int) (nn.Batch, error) { return f.Feed.Batch(0, 0) }

func TestJoint(t *testing.T) {
	m := New(tiny)
	modeltest.Run(t, modeltest.Model{
		Loss:    m.Joint,
		Inputs:  samples,
		Outputs: outputs(m),
		Shapes:  [][]int{{8, 8}, {8, 3}, {8, 8}},
		Learn:   nn.Options{Steps: 40},
		Learnt:  0.05, // seen 0.0057
	})
}

// trained is a model that has learnt a little, so that no part of it is as it began.
func trained(t testing.TB, m *Model) *nn.Weights {
	t.Helper()
	w, err := nn.New(3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nn.Train(t.Context(), w, m.Loss, m.OneOf(batches(t, 32, 5), 1), nn.Options{Steps: 8, Rate: 1e-2}); err != nil {
		t.Fatal(err)
	}
	return w
}

func apply(t testing.TB, w *nn.Weights, f func(scope *model.Scope, x *Node) *Node, x vec.Matrix) vec.Matrix {
	t.Helper()
	y, err := w.Apply(t.Context(), f, x)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// TestExtract: a part that is cut out has the vectors of the part within the whole, bit for bit, and as many parameters as
// Count says; that holds for levels and for any other plan.
func TestExtract(t *testing.T) {
	m := New(tiny)
	w := trained(t, m)
	x := nntest.Random(9, 12, 7)
	plans := append(m.Chain(), Plan{1, 32}, Plan{32, 1}, Plan{7, 13}, nil)
	for _, p := range plans {
		small, sw, err := m.Extract(w, p)
		if err != nil {
			t.Fatal(err)
		}
		if sw.Count() != m.Count(p) || small.Count(nil) != m.Count(p) {
			t.Errorf("plan %v: %d parameters, counted %d and %d", p, sw.Count(), m.Count(p), small.Count(nil))
		}
		want, got := apply(t, w, m.Encode(p), x), apply(t, sw, small.Encode(nil), x)
		if !slices.Equal(got.Data, want.Data) {
			t.Errorf("plan %v: cut out, its vectors are others", p)
		}
		if p != nil && p[0]+p[1] < 64 && slices.Equal(want.Data, apply(t, w, m.Encode(nil), x).Data) {
			t.Errorf("plan %v: its vectors are those of the whole", p)
		}
	}
}

// TestZeroed: a part is the whole with all other units at 0.
func TestZeroed(t *testing.T) {
	m := New(tiny)
	w := trained(t, m)
	x := nntest.Random(9, 12, 8)
	p := Plan{5, 16}
	part := apply(t, w, m.Encode(p), x)
	for l, n := range p {
		for _, name := range []string{"weights", "biases"} {
			path := fmt.Sprintf("/layer%d/wide/dense/%s", l, name)
			v, dims, err := w.Float32(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := range v {
				if i%dims[len(dims)-1] >= n {
					v[i] = 0
				}
			}
			if err := w.SetFloat32(path, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	whole := apply(t, w, m.Encode(nil), x)
	for i, v := range whole.Data {
		if d := math.Abs(float64(v - part.Data[i])); !(d <= 2e-6) { // rounding of sums of 32; seen 2.4e-7
			t.Fatalf("number %d is %v with all other units at 0, %v without them", i, v, part.Data[i])
		}
	}
}

// descent is plain gradient descent with a rate of 1, so that a step is the gradient.
type descent struct{}

func (descent) UpdateGraphWithGradients(scope *model.Scope, gradients []*Node, _ dtypes.DType) {
	g, i := gradients[0].Graph(), 0
	for v := range scope.IterVariables() {
		if v.Trainable && v.InUseByGraph(g) {
			v.SetNodeValue(Sub(v.NodeValue(g), gradients[i]))
			i++
		}
	}
}

// gradients of a loss by variable: how it changes in a step of descent.
func gradients(t *testing.T, w *nn.Weights, l nn.Loss, b nn.Batch) map[string][]float64 {
	t.Helper()
	c, err := w.Clone()
	if err != nil {
		t.Fatal(err)
	}
	tr, err := nn.NewTrainer(c, l, nn.Options{Optimizer: descent{}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Step(b); err != nil {
		t.Fatal(err)
	}
	out := map[string][]float64{}
	for v := range w.Variables() {
		before, _, err := w.Float32(v.Path())
		if err != nil {
			t.Fatal(err)
		}
		after, _, err := c.Float32(v.Path())
		if err != nil {
			t.Fatal(err)
		}
		d := make([]float64, len(before))
		for i := range d {
			d[i] = float64(before[i]) - float64(after[i])
		}
		out[v.Path()] = d
	}
	return out
}

// TestGradients: the step of a level leaves the units beyond it as they are, and the joint one is the mean of all.
func TestGradients(t *testing.T) {
	m := New(tiny)
	w := trained(t, m)
	batch := func(variant int) nn.Batch {
		b, err := batches(t, 8, 9).Batch(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		b.Variant = variant
		return b
	}
	levels := len(m.Options().Shares)
	mean := map[string][]float64{}
	for i := range levels {
		units := m.Level(i)[0]
		for path, d := range gradients(t, w, m.Loss, batch(i)) {
			if mean[path] == nil {
				mean[path] = make([]float64, len(d))
			}
			inside, outside := 0, 0
			for j, v := range d {
				mean[path][j] += v / float64(levels)
				unit := 0 // that a number belongs to
				switch {
				case strings.Contains(path, "/wide/"):
					unit = j % 32
				case strings.HasSuffix(path, "/narrow/dense/weights"):
					unit = j / 8
				}
				if v != 0 && unit < units {
					inside++
				}
				if v != 0 && unit >= units {
					outside++
				}
			}
			if outside > 0 {
				t.Errorf("level %d: %d numbers of %s beyond its %d units learn", i, outside, path, units)
			}
			if inside == 0 && !strings.HasSuffix(path, "/key/dense/biases") { // which softmax cannot see
				t.Errorf("level %d: %s does not learn", i, path)
			}
		}
	}
	for path, d := range gradients(t, w, m.Joint, batch(0)) {
		for j, v := range d {
			if !(math.Abs(v-mean[path][j]) <= 1e-6) { // float32 weights of about 1; seen 1.2e-7
				t.Fatalf("%s: number %d of the joint gradient is %v, the mean of levels %v", path, j, v, mean[path][j])
			}
		}
	}
}

// TestPlain: with one level there is nothing to draw, and a plan of equal shares is a level.
func TestPlain(t *testing.T) {
	o := tiny
	o.Shares = []float64{1}
	m := New(o)
	var all []*nn.Weights
	for _, f := range []nn.Feed{batches(t, 24, 1), m.OneOf(batches(t, 24, 1), 4)} {
		w, err := nn.New(2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nn.Train(t.Context(), w, m.Loss, f, nn.Options{Steps: 5}); err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	if err := modeltest.Same(all[0], all[1]); err != nil {
		t.Error(err)
	}
	if c := m.Chain(); len(c) != 1 || !slices.Equal(c[0], m.Options().Hidden) {
		t.Errorf("the chain of one level is %v", c)
	}
}

// TestMixNMatch: plans keep to their budget, grow with it, and hold no more than two neighbouring levels, rising with depth.
func TestMixNMatch(t *testing.T) {
	m := New(Options{Tokens: 4, Size: 4, Classes: 2, Width: 16, Layers: 5})
	chain := m.Chain()
	if len(chain) != 3*5+1 || !slices.Equal(chain[0], m.Level(3)) || !slices.Equal(chain[len(chain)-1], m.Level(0)) {
		t.Fatalf("chain %v", chain)
	}
	level := func(units int) int {
		for i := range 4 {
			if m.Level(i)[0] == units {
				return i
			}
		}
		t.Fatalf("%d units are of no level", units)
		return 0
	}
	least, most := m.Count(chain[0]), m.Count(nil)
	before := 0
	r := rand.New(rand.NewPCG(1, 2))
	budgets := []int{least, most, most + 1}
	for range 200 {
		budgets = append(budgets, least+r.IntN(most-least+10))
	}
	slices.Sort(budgets)
	for _, budget := range budgets {
		p, err := m.MixNMatch(budget)
		if err != nil {
			t.Fatal(err)
		}
		n := m.Count(p)
		if n > budget || n < before {
			t.Errorf("budget %d: plan %v has %d parameters, a smaller budget had %d", budget, p, n, before)
		}
		before = n
		if !slices.IsSorted(p) || level(p[0])-level(p[len(p)-1]) > 1 {
			t.Errorf("budget %d: plan %v is steep", budget, p)
		}
		if next := slices.IndexFunc(chain, func(q Plan) bool { return slices.Equal(p, q) }) + 1; next < len(chain) && m.Count(chain[next]) <= budget {
			t.Errorf("budget %d: plan %v where %v would do", budget, p, chain[next])
		}
	}
	if before != most {
		t.Errorf("with room for all, %d of %d parameters", before, most)
	}
	if _, err := m.MixNMatch(least - 1); !errors.Is(err, vec.ErrTooFew) {
		t.Errorf("a budget below the smallest: %v", err)
	}
}

func TestErrors(t *testing.T) {
	m := New(tiny)
	w := trained(t, m)
	for _, p := range []Plan{{1}, {0, 4}, {4, 33}} {
		if _, _, err := m.Extract(w, p); !errors.Is(err, vec.ErrDim) {
			t.Errorf("plan %v: %v", p, err)
		}
		if _, err := w.Apply(t.Context(), m.Encode(p), vec.NewMatrix(1, 12)); !errors.Is(err, vec.ErrDim) {
			t.Errorf("plan %v: %v", p, err)
		}
	}
	other := tiny
	other.Hidden = Plan{32, 31}
	if _, _, err := New(other).Extract(w, nil); !errors.Is(err, vec.ErrDim) {
		t.Errorf("weights of another model: %v", err)
	}
	for _, change := range []func(*Options){
		func(o *Options) { o.Heads = 3 },
		func(o *Options) { o.Classes = 0 },
		func(o *Options) { o.Layers = -1 },
		func(o *Options) { o.Hidden = Plan{4} },
		func(o *Options) { o.Hidden = Plan{4, 0} },
		func(o *Options) { o.Shares = []float64{0.5} },
		func(o *Options) { o.Shares = []float64{1, 1} },
		func(o *Options) { o.Shares = []float64{1, math.NaN()} },
		func(o *Options) { o.Shares = []float64{} },
	} {
		o := tiny
		change(&o)
		if _, err := New(o).MixNMatch(1 << 20); err == nil {
			t.Errorf("%+v is a model", o)
		}
	}
}

func TestPatches(t *testing.T) {
	x, err := vec.FromRows([][]float32{{
		0, 1, 2, 3,
		4, 5, 6, 7,
		8, 9, 10, 11,
		12, 13, 14, 15,
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Patches(x, 4, 2)
	if want := []float32{0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15}; err != nil || !slices.Equal(got.Data, want) {
		t.Errorf("%v, %v", got.Data, err)
	}
	for _, bad := range [][2]int{{4, 3}, {4, 0}, {3, 1}, {0, 1}} {
		if _, err := Patches(x, bad[0], bad[1]); !errors.Is(err, vec.ErrDim) {
			t.Errorf("side %d, patch %d: %v", bad[0], bad[1], err)
		}
	}
}

func ExampleModel_MixNMatch() {
	m := New(Options{Tokens: 16, Size: 49, Classes: 10, Width: 32})
	for _, budget := range []int{20_000, 25_000, 40_000} {
		p, err := m.MixNMatch(budget)
		fmt.Println(p, m.Count(p), err)
	}
	// Output:
	// [16 16 32] 19818 <nil>
	// [32 32 64] 23978 <nil>
	// [64 128 128] 36458 <nil>
}

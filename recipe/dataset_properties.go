package recipe

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/measure/sharpness"
	"github.com/latent-go/latent/model/classifier"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/vec"
)

// latent reproduce dataset-properties: about 4 minutes on 2 cores.
var datasetProperties = Recipe{
	Name: "dataset-properties", Paper: 24, Package: "measure/sharpness",
	Claim: "How sharply labels change (K_F), measured before training, goes with the test loss and with how much an attack adds to the error; " +
		"error falls with the number of rows the more slowly the more dimensions the data has; and learned features have at most the dimensions of the data.",
	Data: "24 random pairs of Fashion-MNIST classes a seed, 500 + 500 images to train a network 784-128-64-2 on and as many to test it; 16 made data sets a seed, of 2 to 16 " +
		"dimensions and four gaps between their two classes; and a fixed smooth function of a cube of 2 to 16 dimensions, learned by the nearest neighbour. The paper trains VGGs and ResNets on 4 natural and 7 radiology sets, which we do not have.",
	Minutes: 4, Run: runDatasetProperties,
}

// propertyScale is how much of everything dataset-properties looks at.
type propertyScale struct {
	made int // rows of a made data set to train on, and again to test

	pairs, rows, epochs int // rows a class, to train on and again to test
	sizes               []int
	counts              []int // of the law of dimension
	queries             int
}

func runDatasetProperties(ctx context.Context, e *Env) (*Evidence, error) {
	s := propertyScale{made: 1000, pairs: 24, rows: 500, epochs: 80, sizes: []int{784, 128, 64, 2}, counts: []int{250, 500, 1000, 2000, 4000, 8000}, queries: 1000}
	if e.Miniature {
		s = propertyScale{made: 64, pairs: 6, rows: 30, epochs: 3, sizes: []int{64, 16, 8, 2}, counts: []int{50, 100, 200}, queries: 50}
	}
	ev := &Evidence{
		Measure:  "Spearman's correlation with the test loss, over pairs of classes; higher predicts better",
		Baseline: Figures{Method: "intrinsic dimension d_data"},
		Ours:     Figures{Method: "label sharpness K_F"},
	}
	if err := s.ofPairs(ctx, e, ev); err != nil {
		return nil, err
	}
	if err := s.ofMadeSets(ctx, e, ev); err != nil {
		return nil, err
	}
	if err := s.ofDimension(ctx, e, ev); err != nil {
		return nil, err
	}
	ev.Notes = append(ev.Notes,
		"Pixels are divided by 255. Sharpness is over all training rows of a pair; the attack is the fast gradient sign method, one step of 8/255, then kept between 0 and 1.",
		"The paper's main finding, that loss rises with d_data within a domain and more steeply for radiology, cannot be seen in pairs of one data set, whose dimensions hardly differ; our figure for d_data is no evidence against it.",
		"Dimensions are by maximum likelihood with 20 neighbours, of the 1,000 training rows and of the 64 features of the last hidden layer on them.")
	return ev, nil
}

// pairRun is what is known of one pair of classes and of the network that learned it.
type pairRun struct {
	a, b                   int
	k, data, repr          float64
	loss, wrong, underFGSM float64 // on test rows
}

func (s propertyScale) ofPairs(ctx context.Context, e *Env, ev *Evidence) error {
	all, err := pictureSet(ctx, e, "fashion-mnist", 255, 20*s.rows)
	if err != nil {
		return err
	}
	byClass := make([][]int, 10)
	for i, c := range all.y {
		byClass[c] = append(byClass[c], i)
	}
	const attack = 8. / 255
	var ofLoss, ofAttack, ofError, ofDim, within []float64
	var runs []pairRun
	var observed []sharpness.Observation
	for n, seed := range e.Seeds {
		r := rand.New(rand.NewPCG(seed, 0x24))
		var pairs [][2]int
		for a := range 10 {
			for b := range a {
				pairs = append(pairs, [2]int{b, a})
			}
		}
		r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		var of []pairRun
		for i, p := range pairs[:s.pairs] {
			e.Progress("pairs of classes", n*s.pairs+i, len(e.Seeds)*s.pairs)
			run, err := s.learn(ctx, all, byClass, p, attack, r, seed)
			if err != nil {
				return fmt.Errorf("classes %d and %d: %w", p[0], p[1], err)
			}
			of = append(of, run)
			observed = append(observed, sharpness.Observation{N: 2 * s.rows, K: run.k, Dim: run.data, Loss: run.loss})
		}
		column := func(f func(pairRun) float64) (out []float64) {
			for _, p := range of {
				out = append(out, f(p))
			}
			return out
		}
		k, loss := column(func(p pairRun) float64 { return p.k }), column(func(p pairRun) float64 { return p.loss })
		ofLoss = append(ofLoss, spearman(k, loss))
		ofError = append(ofError, spearman(k, column(func(p pairRun) float64 { return p.wrong })))
		ofAttack = append(ofAttack, spearman(k, column(func(p pairRun) float64 { return p.underFGSM - p.wrong })))
		ofDim = append(ofDim, spearman(column(func(p pairRun) float64 { return p.data }), loss))
		inside := 0.0
		for _, p := range of {
			if p.repr <= p.data {
				inside += 1 / float64(len(of))
			}
		}
		within = append(within, inside)
		runs = append(runs, of...)
	}
	ev.Baseline.Values, ev.Ours.Values = ofDim, ofLoss
	ev.Checks = append(ev.Checks,
		AtLeast("Spearman of K_F and test loss, least of seeds", least(ofLoss), 0.45),
		AtLeast("Spearman of K_F and the error that the attack adds, least of seeds", least(ofAttack), 0.45),
		AtLeast("share of pairs with d_repr ≤ d_data, least of seeds", least(within), 0.9))
	t := NamedTable{"Over pairs of classes", report.Table{Head: []string{"Spearman's correlation of", "mean ± sd over seeds"}, Left: 1}}
	for _, row := range []struct {
		name   string
		values []float64
	}{{"K_F and test loss", ofLoss}, {"K_F and test error", ofError}, {"K_F and the error that the attack adds", ofAttack}, {"d_data and test loss", ofDim}} {
		f := Figures{Values: row.values}
		t.Rows = append(t.Rows, []string{row.name, plusMinus(f.Mean(), f.SD())})
	}
	ev.Tables = append(ev.Tables, t)
	if law, err := sharpness.FitLaw(observed); err == nil {
		ev.Notes = append(ev.Notes, "The law fitted over all pairs, on logarithms: "+law.Verdict)
	}
	ev.pairTables(runs, s.pairs)
	return nil
}

// learn measures the training rows of a pair of classes, trains a network on them, tests it and attacks it.
func (s propertyScale) learn(ctx context.Context, all *pictures, byClass [][]int, pair [2]int, attack float32, r *rand.Rand, seed uint64) (pairRun, error) {
	run := pairRun{a: pair[0], b: pair[1]}
	var trainIDs, testIDs []int
	for _, c := range pair {
		rows := byClass[c]
		for i, at := range r.Perm(len(rows))[:2*s.rows] {
			if i < s.rows {
				trainIDs = append(trainIDs, rows[at])
			} else {
				testIDs = append(testIDs, rows[at])
			}
		}
	}
	train, test := all.rows(trainIDs), all.rows(testIDs)
	for _, p := range []*pictures{train, test} {
		for i, c := range p.y {
			p.y[i] = 0
			if c == pair[1] {
				p.y[i] = 1
			}
		}
	}
	k, err := sharpness.Label(ctx, train.x, train.y, sharpness.Options{Rows: train.x.Rows, Seed: seed})
	if err != nil {
		return run, err
	}
	run.k = float64(k.K)
	m := newMLP(seed, s.sizes...)
	if err := m.train(ctx, train.x, train.y, training{epochs: s.epochs, batch: 64, rate: 1e-3, decay: 1e-4, seed: seed}, nil); err != nil {
		return run, err
	}
	out := m.layers(train.x)
	for x, d := range map[*vec.Matrix]*float64{&train.x: &run.data, &out[len(out)-2]: &run.repr} {
		estimate, err := dimension.MLE(ctx, *x, dimension.Options{K: 20, Sample: -1})
		if err != nil {
			return run, err
		}
		*d = estimate.Value
	}
	run.loss, run.wrong = m.score(test.x, test.y)
	_, _, _, dx := m.gradient(test.x, test.y, true)
	moved := test.x.Clone()
	for i, g := range dx.Data {
		switch {
		case g > 0:
			moved.Data[i] = min(moved.Data[i]+attack, 1)
		case g < 0:
			moved.Data[i] = max(moved.Data[i]-attack, 0)
		}
	}
	_, run.underFGSM = m.score(moved, test.y)
	return run, nil
}

// pairTables shows the pairs, those of the first seed in a table.
func (ev *Evidence) pairTables(runs []pairRun, first int) {
	t := NamedTable{"Pairs of the first seed, by sharpness", report.Table{Head: []string{"classes", "K_F", "d_data", "d_repr", "test loss", "in error, %", "under attack, %"}, Left: 1}}
	loss, attacked := report.Series{Name: "pairs", Points: true}, report.Series{Name: "pairs", Points: true}
	dims := report.Series{Name: "pairs", Points: true}
	for _, p := range runs {
		label := fmt.Sprintf("classes %d and %d", p.a, p.b)
		loss.X, loss.Y, loss.Labels = append(loss.X, p.k), append(loss.Y, p.loss), append(loss.Labels, label)
		attacked.X, attacked.Y, attacked.Labels = append(attacked.X, p.k), append(attacked.Y, 100*(p.underFGSM-p.wrong)), append(attacked.Labels, label)
		dims.X, dims.Y, dims.Labels = append(dims.X, p.data), append(dims.Y, p.repr), append(dims.Labels, label)
	}
	sorted := append([]pairRun(nil), runs[:first]...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].k < sorted[j].k })
	for _, p := range sorted {
		t.Rows = append(t.Rows, []string{fmt.Sprintf("%d and %d", p.a, p.b), fmt.Sprintf("%.3f", p.k), fmt.Sprintf("%.1f", p.data), fmt.Sprintf("%.1f", p.repr),
			fmt.Sprintf("%.4f", p.loss), fmt.Sprintf("%.1f", 100*p.wrong), fmt.Sprintf("%.1f", 100*p.underFGSM)})
	}
	ev.Tables = append(ev.Tables, t)
	zero := 0.0
	ev.Charts = append(ev.Charts,
		report.Lines{Title: "Sharpness and test loss, all seeds", X: "label sharpness K_F", Y: "test loss", LogY: true, Series: []report.Series{loss}},
		report.Lines{Title: "Sharpness and attack, all seeds", X: "label sharpness K_F", Y: "error added, percentage points", Series: []report.Series{attacked}},
		report.Lines{Title: "Dimension of data and of features, all seeds", X: "d_data", Y: "d_repr", MinY: &zero, Series: []report.Series{dims}})
}

// madeSet is a data set whose dimension and gap between classes are set, and what became of the network that learned it.
type madeSet struct {
	dim              int
	gap              float64 // share of rows that is left out, those whose function is nearest to its median
	k, wrong, attack float64 // wrong and attack on test rows, of which attack is what the attack adds
}

// ofMadeSets attacks networks that learned the sign of a smooth function of a cube, of several dimensions and several gaps
// between its classes: K_F varies by the latter within one dimension, where pairs of pictures have but one dimension.
func (s propertyScale) ofMadeSets(ctx context.Context, e *Env, ev *Evidence) error {
	dims, gaps := []int{2, 4, 8, 16}, []float64{0, 0.2, 0.4, 0.6}
	var overall, within []float64
	t := NamedTable{"Made data sets, means over seeds", report.Table{Head: []string{"dimension m", "gap", "K_F", "in error, %", "added by the attack, %"}}}
	means := make([]madeSet, len(dims)*len(gaps))
	for n, seed := range e.Seeds {
		var k, added, apart []float64
		for i, d := range dims {
			var kd, addedD []float64
			for j, gap := range gaps {
				e.Progress("made data sets", (n*len(dims)+i)*len(gaps)+j, len(e.Seeds)*len(dims)*len(gaps))
				m, err := s.madeRun(ctx, d, gap, seed)
				if err != nil {
					return fmt.Errorf("%d dimensions with a gap of %v: %w", d, gap, err)
				}
				kd, addedD = append(kd, m.k), append(addedD, m.attack)
				at := &means[i*len(gaps)+j]
				*at = madeSet{d, gap, at.k + m.k/float64(len(e.Seeds)), at.wrong + m.wrong/float64(len(e.Seeds)), at.attack + m.attack/float64(len(e.Seeds))}
			}
			k, added = append(k, kd...), append(added, addedD...)
			apart = append(apart, spearman(kd, addedD))
		}
		overall = append(overall, spearman(k, added))
		within = append(within, Figures{Values: apart}.Mean())
	}
	for _, m := range means {
		t.Rows = append(t.Rows, []string{fmt.Sprint(m.dim), fmt.Sprint(m.gap), fmt.Sprintf("%.3f", m.k), fmt.Sprintf("%.1f", 100*m.wrong), fmt.Sprintf("%.1f", 100*m.attack)})
	}
	ev.Tables = append(ev.Tables, t)
	ev.Checks = append(ev.Checks,
		AtLeast("Spearman of K_F and the error that the attack adds, over made sets of one dimension, mean of dimensions, least of seeds", least(within), 0.45))
	f := Figures{Values: overall}
	ev.Notes = append(ev.Notes, "Made data sets: rows are a cube of m dimensions rotated into 64, classes whether a smooth function is above its median, and the gap the share of rows nearest to it, which are left out; "+
		"networks 64-64-64-2 by package nn, attacked by one step of 0.02. Over all of them, whose dimensions differ, Spearman of K_F and the error added is "+plusMinus(f.Mean(), f.SD())+".")
	return nil
}

func (s propertyScale) madeRun(ctx context.Context, d int, gap float64, seed uint64) (madeSet, error) {
	const ambient = 64
	m := madeSet{dim: d, gap: gap}
	r := rand.New(rand.NewPCG(seed, uint64(d)))
	teach := teacher(d, r)
	basis := vec.NewMatrix(ambient, d)
	for j := range basis.Data {
		basis.Data[j] = float32(r.NormFloat64() / math.Sqrt(ambient))
	}
	row := func(x []float32) float64 {
		for j := range x {
			x[j] = r.Float32()
		}
		return teach(x)
	}
	values := make([]float64, 2001)
	for i := range values {
		values[i] = row(make([]float32, d))
	}
	slices.Sort(values)
	median := values[1000]
	for i, v := range values {
		values[i] = math.Abs(v - median)
	}
	slices.Sort(values)
	least := values[int(gap*2000)]
	draw := func() (vec.Matrix, []int) {
		x, y := vec.NewMatrix(s.made, d), make([]int, s.made)
		for i := range s.made {
			v := row(x.Row(i))
			for math.Abs(v-median) < least {
				v = row(x.Row(i))
			}
			if v > median {
				y[i] = 1
			}
		}
		return vec.MulT(vec.Matrix{}, x, basis), y
	}
	x, y := draw()
	test, want := draw()
	k, err := sharpness.Label(ctx, x, y, sharpness.Options{Rows: x.Rows, Seed: seed})
	if err != nil {
		return m, err
	}
	m.k = float64(k.K)
	w, err := nn.New(seed)
	if err != nil {
		return m, err
	}
	feed, err := nn.Batches(nn.BatchOptions{Size: 64, Seed: seed}, nn.Rows(x), nn.Classes(y))
	if err != nil {
		return m, err
	}
	if _, err := nn.Train(ctx, w, classifier.Loss(propertyNet{}), feed, nn.Options{Epochs: s.epochs / 2, Schedule: nn.Cosine}); err != nil {
		return m, err
	}
	wrong := func(x vec.Matrix) (float64, error) {
		f, err := nn.Batches(nn.BatchOptions{InOrder: true, Rest: true}, nn.Rows(x), nn.Classes(want))
		if err != nil {
			return 0, err
		}
		got, err := nn.Evaluate(ctx, w, classifier.Loss(propertyNet{}), f)
		return 1 - got["accuracy"], err
	}
	if m.wrong, err = wrong(test); err != nil {
		return m, err
	}
	moved, err := nn.FGSM(ctx, w, classifier.Loss(propertyNet{}), test, want, 0.02, -100, 100)
	if err != nil {
		return m, err
	}
	m.attack, err = wrong(moved)
	m.attack -= m.wrong
	return m, err
}

// propertyNet is a network 64-64-64-2.
type propertyNet struct{}

func (propertyNet) Logits(scope *model.Scope, x *Node) *Node { return nn.MLP(scope, x, 64, 64, 2) }
func (propertyNet) String() string                           { return "64-64-64-2" }

// ofDimension learns a function of a cube by the nearest neighbour, from more and more rows.
func (s propertyScale) ofDimension(ctx context.Context, e *Env, ev *Evidence) error {
	dims := []int{2, 4, 8, 16}
	const ambient = 64
	rates := make([][]float64, len(dims))
	errs := make([][][]float64, len(dims)) // by dimension, number of rows, seed
	for i := range dims {
		errs[i] = make([][]float64, len(s.counts))
	}
	order := math.Inf(1)
	for n, seed := range e.Seeds {
		e.Progress("law of dimension", n, len(e.Seeds))
		for i, d := range dims {
			r := rand.New(rand.NewPCG(seed, uint64(d)))
			teach := teacher(d, r)
			basis := vec.NewMatrix(ambient, d) // random directions, nearly orthogonal; distances are kept in the mean
			for j := range basis.Data {
				basis.Data[j] = float32(r.NormFloat64() / math.Sqrt(ambient))
			}
			draw := func(n int) (vec.Matrix, []float64) {
				x := vec.NewMatrix(n, d)
				y := make([]float64, n)
				for k := range x.Data {
					x.Data[k] = r.Float32()
				}
				for k := range y {
					y[k] = teach(x.Row(k))
				}
				return vec.MulT(vec.Matrix{}, x, basis), y
			}
			queries, want := draw(s.queries)
			base, known := draw(s.counts[len(s.counts)-1])
			var mse []float64
			for c, count := range s.counts {
				t, err := neighbors.Exact(ctx, queries, base.Slice(0, count), neighbors.Options{K: 1})
				if err != nil {
					return err
				}
				var sum float64
				for q, id := range t.IDs {
					sum += (known[id] - want[q]) * (known[id] - want[q]) / float64(len(want))
				}
				mse = append(mse, sum)
				errs[i][c] = append(errs[i][c], sum)
			}
			rate, err := sharpness.Rate(s.counts, mse)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], rate)
			if i > 0 {
				order = min(order, rate-rates[i-1][n])
			}
		}
	}
	ev.Checks = append(ev.Checks, AtLeast("least rise of the slope of log error against log rows from one dimension of the data to the next", order, 0.01))
	t := NamedTable{"Error of the nearest neighbour against rows", report.Table{Head: []string{"dimension m", "slope of log error", "-2/m"}}}
	chart := report.Lines{Title: "Error against rows, by the dimension of the data", X: "rows", Y: "mean squared error", LogX: true, LogY: true}
	for i, d := range dims {
		f := Figures{Values: rates[i]}
		t.Rows = append(t.Rows, []string{fmt.Sprint(d), plusMinus(f.Mean(), f.SD()), fmt.Sprintf("%.3f", -2/float64(d))})
		line := report.Series{Name: fmt.Sprintf("m = %d", d)}
		for c, count := range s.counts {
			line.X, line.Y = append(line.X, float64(count)), append(line.Y, Figures{Values: errs[i][c]}.Mean())
		}
		chart.Series = append(chart.Series, line)
	}
	ev.Tables, ev.Charts = append(ev.Tables, t), append(ev.Charts, chart)
	return nil
}

// teacher is a fixed smooth function of d numbers, of variance about 1.
func teacher(d int, r *rand.Rand) func(x []float32) float64 {
	const waves = 8
	var k [waves][]float64
	var phase [waves]float64
	for w := range k {
		for range d {
			k[w] = append(k[w], 3*r.NormFloat64()/math.Sqrt(float64(d)))
		}
		phase[w] = 2 * math.Pi * r.Float64()
	}
	return func(x []float32) float64 {
		var y float64
		for w := range k {
			at := phase[w]
			for j, v := range x {
				at += k[w][j] * float64(v)
			}
			y += math.Sin(at) * math.Sqrt(2./waves)
		}
		return y
	}
}

package recipe

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/latent-go/latent/measure/similarity"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/vec"
)

// latent reproduce convergent-learning: about 1 minute on 2 cores.
var convergentLearning = Recipe{
	Name: "convergent-learning", Paper: 29, Package: "measure/similarity",
	Claim: "Networks trained from different random starts learn many of the same units, which a one-to-one matching finds far above chance; " +
		"other units of the one network follow from a few units of the other; and some subspaces are shared though the units in them are not.",
	Data: "The 1,797 handwritten digits of scikit-learn, and for each seed two networks 64-128-64-10 from different starts, ReLU units, dead ones dropped. " +
		"Then two codes made with a known answer. The paper has four AlexNets on ImageNet, and takes a channel for a unit.",
	Minutes: 1, Run: runConvergentLearning,
}

func runConvergentLearning(ctx context.Context, e *Env) (*Evidence, error) {
	digits, err := pictureSet(ctx, e, "digits", 16, 200)
	if err != nil {
		return nil, err
	}
	sizes, epochs := []int{digits.x.Cols, 128, 64, 10}, 60
	if e.Miniature {
		sizes, epochs = []int{digits.x.Cols, 24, 12, 10}, 5
	}
	ev := &Evidence{
		Measure:  "held-out loss of predicting a unit of one network, as a share of its variance, first layer; lower is better",
		Baseline: Figures{Method: "the best single unit of the other network"},
		Ours:     Figures{Method: fmt.Sprintf("lasso on at most %d units a target", mostUnits)},
	}
	layers := make([]layerFigures, len(sizes)-2)
	for i, seed := range e.Seeds {
		e.Progress("two networks and their units", i, len(e.Seeds))
		var out [2][]vec.Matrix
		for j := range out {
			m := newMLP(2*seed+uint64(j), sizes...)
			if err := m.train(ctx, digits.x, digits.y, training{epochs: epochs, batch: 64, rate: 1e-3, seed: 2*seed + uint64(j)}, nil); err != nil {
				return nil, err
			}
			out[j] = m.layers(digits.x)
			for l := range layers {
				out[j][l] = alive(out[j][l])
			}
			_, wrong := m.score(digits.x, digits.y)
			layers[0].wrong = append(layers[0].wrong, wrong)
		}
		for l := range layers {
			r, err := similarity.Compare(ctx, out[0][l], out[1][l], similarity.Options{
				Measures: []string{"cka-debiased", "one-to-one", "best-for-a"}, Targets: sizes[l+1], Lambdas: []float64{.3, .1, .07, .05, .03, .01, .001}, Seed: seed,
			})
			if err != nil {
				return nil, fmt.Errorf("layer %d: %w", l+1, err)
			}
			if err := layers[l].add(ctx, r, out[0][l], out[1][l]); err != nil {
				return nil, fmt.Errorf("layer %d: %w", l+1, err)
			}
		}
		ev.Baseline.Values = append(ev.Baseline.Values, layers[0].single[i])
		ev.Ours.Values = append(ev.Ours.Values, layers[0].few[i])
	}
	known, err := knownAnswers(ctx, e)
	if err != nil {
		return nil, err
	}
	var aboveNull, overMatching, removed = math.Inf(1), math.Inf(1), math.Inf(1)
	rise := math.Inf(-1)
	for _, l := range layers {
		for i := range e.Seeds {
			aboveNull = min(aboveNull, l.pairs[i]-l.null[i])
			overMatching = min(overMatching, l.semi[i]-l.pairs[i])
			removed = min(removed, 1-l.few[i]/l.single[i])
			rise = max(rise, l.rise[i])
		}
	}
	ev.Checks = []Check{
		AtLeast("mean correlation of one-to-one pairs less that of shuffled rows, least of layers and seeds", aboveNull, 0.4),
		AtLeast("semi-matching less one-to-one, least of layers and seeds", overMatching, 0),
		AtLeast(fmt.Sprintf("share of the best single unit's loss that at most %d units remove, least of layers and seeds", mostUnits), removed, 0.5),
		AtMost("rise of the held-out loss as the penalty falls, most of layers and seeds", rise, 0.01),
		AtLeast("share of a planted permutation (noise of 0.1 sd) that one-to-one matching finds, least of seeds", known.permutation, 1),
		AtLeast("agreement (ARI) of groups with planted subspaces, least of seeds", known.ari, 0.9),
		AtMost("mean correlation of one-to-one pairs in planted subspaces, most of seeds", known.pairs, 0.8),
	}
	for l := range layers {
		ev.Tables = append(ev.Tables, layers[l].table(l+1))
	}
	ev.Charts = append(ev.Charts, layers[0].curves("Correlation of matched units, layer 1, sorted"), layers[0].path(), layers[0].heat)
	ev.Notes = []string{
		"Losses are of held-out tenths of the rows, where the paper's are halved squared errors of its training rows: 1 here is its 0.5.",
		"The networks classify their training rows almost without error (" + fmt.Sprintf("%.1f %% wrong at most", 100*most(layers[0].wrong)) + "); the units are looked at on the same rows, as in the paper's released program.",
		"Shared subspaces are checked where they were planted. In the trained networks spectral clustering sees no gap between groups, and makes as many as the tables say: on 1,797 digits every unit goes a little with all others.",
		fmt.Sprintf("Units that fire for less than %g %% of the rows count as dead: one that fires for a single row of a held-out tenth cannot be predicted, and would decide a mean loss alone. Where only units that never fire are dead, one of three seeds has such a unit in layer 2, and 15 units remove 0.31 of the loss there in place of 0.59.", 100*deadBelow),
		"Near twins are fewer than in the paper's first layer: see the share of pairs that correlate 0.8 and up.",
	}
	return ev, nil
}

// deadBelow is the share of rows for which a unit must fire.
const deadBelow = 0.01

// alive leaves out the columns of x that are above 0 in too few rows.
func alive(x vec.Matrix) vec.Matrix {
	var keep []int
	for j := range x.Cols {
		fires := 0
		for i := range x.Rows {
			if x.Row(i)[j] > 0 {
				fires++
			}
		}
		if float64(fires) >= deadBelow*float64(x.Rows) {
			keep = append(keep, j)
		}
	}
	out := vec.NewMatrix(x.Rows, len(keep))
	for i := range x.Rows {
		for j, c := range keep {
			out.Row(i)[j] = x.Row(i)[c]
		}
	}
	return out
}

// mostUnits is how many units a target may take on average.
const mostUnits = 15

// layerFigures are what was found of one layer, for each seed.
type layerFigures struct {
	wrong                            []float64 // share of rows in error, of all networks
	units                            []string
	cka, pairs, semi, null, mutual   []float64
	groups                           []float64 // with units of both networks
	twins, alone                     []float64 // share of pairs at 0.8 and up, and below 0.3
	single, few, fewUnits, all, rise []float64
	sparse                           [][]similarity.SparsePoint
	sorted, semiSorted               []float64 // of the first seed
	heat                             report.Heatmap
}

func (f *layerFigures) add(ctx context.Context, r *similarity.Report, a, b vec.Matrix) error {
	score := func(name string) similarity.Score { s, _ := r.Score(name); return s }
	u := r.Units
	f.units = append(f.units, fmt.Sprintf("%d, %d", r.DimA-len(u.DeadA), r.DimB-len(u.DeadB)))
	f.cka = append(f.cka, score("cka-debiased").Value)
	f.pairs, f.null = append(f.pairs, score("one-to-one").Value), append(f.null, score("one-to-one").Chance)
	f.semi = append(f.semi, max(score("best-for-a").Value, 0))
	var twins, alone float64
	for _, m := range u.OneToOne {
		if m.R >= .8 {
			twins += 1 / float64(len(u.OneToOne))
		}
		if m.R < .3 {
			alone += 1 / float64(len(u.OneToOne))
		}
	}
	f.twins, f.alone = append(f.twins, twins), append(f.alone, alone)
	groups := 0.0
	for _, g := range u.Groups {
		if len(g.A) > 0 && len(g.B) > 0 {
			groups++
		}
	}
	f.groups = append(f.groups, groups)
	few, units, rise := math.NaN(), math.NaN(), math.Inf(-1)
	for i, p := range u.Sparse.Path {
		if p.Weights <= mostUnits {
			few, units = p.Loss, p.Weights
		}
		if i > 0 {
			rise = max(rise, p.Loss-u.Sparse.Path[i-1].Loss)
		}
	}
	f.single, f.few, f.fewUnits, f.all = append(f.single, u.Sparse.Single), append(f.few, few), append(f.fewUnits, units), append(f.all, u.Sparse.LeastSquares)
	f.rise = append(f.rise, rise)
	f.sparse = append(f.sparse, u.Sparse.Path)
	p, err := similarity.NewPair(ctx, a, b)
	if err != nil {
		return err
	}
	info, err := p.UnitsByInformation(ctx, 0)
	if err != nil {
		return err
	}
	same, err := samePairs(info, u.OneToOne)
	if err != nil {
		return err
	}
	f.mutual = append(f.mutual, same)
	if len(f.heat.Values) > 0 {
		return nil
	}
	for _, m := range u.OneToOne {
		f.sorted = append(f.sorted, m.R)
	}
	for _, m := range u.ForA {
		f.semiSorted = append(f.semiSorted, m.R)
	}
	live, err := p.Units()
	if err != nil {
		return err
	}
	f.heat = matched(live, u.OneToOne)
	return nil
}

// samePairs is the share of pairs that matching by mutual information also makes.
func samePairs(info *similarity.Units, pairs []similarity.Match) (float64, error) {
	others, err := info.OneToOne(false)
	if err != nil {
		return 0, err
	}
	partner := map[int]int{}
	for _, m := range others {
		partner[m.A] = m.B
	}
	same := 0.0
	for _, m := range pairs {
		if b, ok := partner[m.A]; ok && b == m.B {
			same += 1 / float64(len(pairs))
		}
	}
	return same, nil
}

// matched is the correlation of the units of both networks, ordered by their pairs.
func matched(u *similarity.Units, pairs []similarity.Match) report.Heatmap {
	rows, cols := map[int]int{}, map[int]int{}
	for i, c := range u.A {
		rows[c] = i
	}
	for j, c := range u.B {
		cols[c] = j
	}
	const shown = 40
	h := report.Heatmap{Title: "Correlation of units, by pairs from best to worst, layer 1", X: "unit of the second network", Y: "unit of the first"}
	n := min(shown, len(pairs))
	for i := range n {
		var row []float64
		for j := range n {
			row = append(row, u.R.At(rows[pairs[i*len(pairs)/n].A], cols[pairs[j*len(pairs)/n].B]))
		}
		h.Values = append(h.Values, row)
	}
	return h
}

func (f *layerFigures) table(layer int) NamedTable {
	t := NamedTable{fmt.Sprintf("Layer %d", layer), report.Table{Head: []string{"", "each seed"}, Left: 2}}
	row := func(name string, values []float64) {
		s := ""
		for i, v := range values {
			if i > 0 {
				s += ", "
			}
			s += fmt.Sprintf("%.3f", v)
		}
		t.Rows = append(t.Rows, []string{name, s})
	}
	live := ""
	for i, u := range f.units {
		if i > 0 {
			live += "; "
		}
		live += u
	}
	t.Rows = append(t.Rows, []string{"live units of both networks", live})
	row("CKA, debiased", f.cka)
	row("one-to-one, mean correlation", f.pairs)
	row("semi-matching, mean correlation", f.semi)
	row("one-to-one with shuffled rows", f.null)
	row("pairs that correlate 0.8 and up", f.twins)
	row("pairs below 0.3", f.alone)
	row("pairs that matching by mutual information makes too", f.mutual)
	row("groups with units of both networks", f.groups)
	row("loss with the best single unit", f.single)
	for i := range f.sparse[0] {
		var loss, units []float64
		for _, p := range f.sparse {
			loss, units = append(loss, p[i].Loss), append(units, p[i].Weights)
		}
		row(fmt.Sprintf("loss with lasso, penalty %g (%.1f units)", f.sparse[0][i].Lambda, Figures{Values: units}.Mean()), loss)
	}
	row("loss with least squares", f.all)
	return t
}

func (f *layerFigures) curves(title string) report.Lines {
	line := func(name string, y []float64) report.Series {
		s := report.Series{Name: name, Y: y}
		for i := range y {
			s.X = append(s.X, float64(i+1))
		}
		return s
	}
	zero := 0.0
	return report.Lines{Title: title, X: "unit", Y: "correlation", MinY: &zero, Series: []report.Series{line("one to one", f.sorted), line("semi-matching", f.semiSorted)}}
}

func (f *layerFigures) path() report.Lines {
	zero := 0.0
	c := report.Lines{Title: "Few to one: units of the second network, layer 1", X: "units of the first that are used, mean", Y: "loss, held out", MinY: &zero}
	for i, p := range f.sparse {
		s := report.Series{Name: fmt.Sprintf("seed %d", i+1)}
		for _, x := range p {
			s.X, s.Y = append(s.X, x.Weights), append(s.Y, x.Loss)
		}
		c.Series = append(c.Series, s)
	}
	c.Marks = []report.Mark{{At: Figures{Values: f.single}.Mean(), Label: "best single unit", Horizontal: true}}
	return c
}

func most(v []float64) float64 {
	m := math.Inf(-1)
	for _, x := range v {
		m = max(m, x)
	}
	return m
}

// known is what matchers find of what was planted, at worst over seeds.
type known struct{ permutation, ari, pairs float64 }

// knownAnswers plants a permutation, and subspaces of three units each that a random rotation mixes.
func knownAnswers(ctx context.Context, e *Env) (known, error) {
	k := known{permutation: 1, ari: 1}
	n, d := 2000, 30
	if e.Miniature {
		n = 400
	}
	for i, seed := range e.Seeds {
		e.Progress("planted codes", i, len(e.Seeds))
		r := rand.New(rand.NewPCG(seed, 0x29))
		a := vec.NewMatrix(n, d)
		for i := range a.Data {
			a.Data[i] = float32(r.NormFloat64())
		}
		perm := r.Perm(d)
		turned, mixed := vec.NewMatrix(n, d), vec.NewMatrix(n, d)
		rotations := make([][3][3]float64, d/3)
		for g := range rotations {
			rotations[g] = turn(r)
		}
		for i := range n {
			for j, p := range perm {
				turned.Row(i)[p] = a.Row(i)[j] + float32(0.1*r.NormFloat64())
				var v float64
				for c := range 3 {
					v += rotations[j/3][j%3][c] * float64(a.Row(i)[j/3*3+c])
				}
				mixed.Row(i)[p] = float32(v + 0.1*r.NormFloat64())
			}
		}
		share, _, _, err := unitsFound(ctx, a, turned, perm, seed)
		if err != nil {
			return k, err
		}
		_, pairs, groups, err := unitsFound(ctx, a, mixed, perm, seed)
		if err != nil {
			return k, err
		}
		k.permutation, k.ari, k.pairs = min(k.permutation, share), min(k.ari, groups), max(k.pairs, pairs)
	}
	return k, nil
}

// unitsFound compares what matchers find in b, whose column perm[j] was made from column j of a or its group of three, with
// that: the share of columns paired so, the mean correlation of pairs, and the agreement of groups.
func unitsFound(ctx context.Context, a, b vec.Matrix, perm []int, seed uint64) (share, r, ari float64, err error) {
	p, err := similarity.NewPair(ctx, a, b)
	if err != nil {
		return 0, 0, 0, err
	}
	u, err := p.Units()
	if err != nil {
		return 0, 0, 0, err
	}
	pairs, err := u.OneToOne(false)
	if err != nil {
		return 0, 0, 0, err
	}
	right := 0
	for _, m := range pairs {
		r += m.R / float64(len(pairs))
		if perm[m.A] == m.B {
			right++
		}
	}
	groups, err := u.Groups(ctx, len(perm)/3, seed)
	if err != nil {
		return 0, 0, 0, err
	}
	d := len(perm)
	got, want := make([]int, 2*d), make([]int, 2*d)
	for g, members := range groups {
		for _, c := range members.A {
			got[c] = g
		}
		for _, c := range members.B {
			got[d+c] = g
		}
	}
	for j, c := range perm {
		want[j], want[d+c] = j/3, j/3
	}
	return float64(right) / float64(len(pairs)), r, adjustedRand(got, want), nil
}

// adjustedRand is how far two groupings agree: 1 if they are the same, 0 by chance. Source: Hubert and Arabie 1985.
func adjustedRand(a, b []int) float64 {
	pairs := func(n float64) float64 { return n * (n - 1) / 2 }
	ofA, ofB, both := map[int]float64{}, map[int]float64{}, map[[2]int]float64{}
	for i := range a {
		ofA[a[i]]++
		ofB[b[i]]++
		both[[2]int{a[i], b[i]}]++
	}
	var sumA, sumB, sum float64
	for _, n := range ofA {
		sumA += pairs(n)
	}
	for _, n := range ofB {
		sumB += pairs(n)
	}
	for _, n := range both {
		sum += pairs(n)
	}
	chance := sumA * sumB / pairs(float64(len(a)))
	return (sum - chance) / ((sumA+sumB)/2 - chance)
}

// turn draws a rotation or reflection of three dimensions, by Gram and Schmidt.
func turn(r *rand.Rand) (q [3][3]float64) {
	for i := range q {
		for j := range q[i] {
			q[i][j] = r.NormFloat64()
		}
		for _, p := range q[:i] {
			dot := p[0]*q[i][0] + p[1]*q[i][1] + p[2]*q[i][2]
			for j := range p {
				q[i][j] -= dot * p[j]
			}
		}
		length := math.Sqrt(q[i][0]*q[i][0] + q[i][1]*q[i][1] + q[i][2]*q[i][2])
		for j := range q[i] {
			q[i][j] /= length
		}
	}
	return q
}

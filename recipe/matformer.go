package recipe

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"

	"github.com/latent-go/latent/model/matformer"
	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/vec"
)

// latent reproduce matformer: about 5 minutes on 2 cores.
var matformerRecipe = Recipe{
	Name: "matformer", Paper: 37, Package: "model/matformer", Minutes: 5,
	Claim: "One transformer whose feed-forward blocks are nested, trained at one of its sizes at a time, gives at every size what a transformer of that size trained alone does, " +
		"also at sizes it was never trained at; its sizes agree with one another more than models trained apart, and the smallest can query a gallery of the whole.",
	Data: "Fashion-MNIST, 32,000 images seen once and 4,000 held back, as 16 patches of 7×7; width 32, 2 heads, 3 layers, feed-forward blocks of 128, 64, 32 and 16 units (XL, L, M, S), 500 steps of 64. " +
		"The paper has language models of up to 850 million parameters and ViT-B and L on ImageNet.",
	Run: runMatFormer,
}

// matformerScale is how much is learnt, and from what.
type matformerScale struct {
	o             matformer.Options
	side, patch   int
	steps, batch  int
	held, gallery int
}

// matformerLevels are the paper's names of the sizes, and of the models trained here in this order: ours, the same with all
// levels at once, and one model a size.
var matformerLevels = []string{"XL", "L", "M", "S"}

const (
	matOne = iota
	matJoint
	matAlone // and what follows it: XL, L, M, S
)

// matformerSeen is what a model makes of the images held back.
type matformerSeen struct {
	loss, accuracy float64
	class          []int
	z              vec.Matrix
}

// matformerTrained is a model of any training.
type matformerTrained struct {
	m *matformer.Model
	w *nn.Weights
}

// matformerRun is all that is measured of a seed.
type matformerRun struct {
	one, joint, alone, cut []matformerSeen // by level; cut is the XL that was trained alone, at the units of a level
	chain                  []matformerSeen // of one's Mix'n'Match plans
	near, apart            []matformerHits // by level: queries against the gallery of the whole, of one model and of models trained apart
	own                    matformerHits   // of S trained alone, against its own gallery
}

// matformerHits say how well queries find.
type matformerHits struct{ first, overlap float64 }

func runMatFormer(ctx context.Context, e *Env) (*Evidence, error) {
	s := matformerScale{o: matformer.Options{Tokens: 16, Size: 49, Classes: 10, Width: 32, Heads: 2}, side: 28, patch: 7, steps: 500, batch: 64, held: 4000, gallery: 5000}
	if e.Miniature {
		s = matformerScale{o: matformer.Options{Tokens: 16, Size: 4, Classes: 10, Width: 8, Heads: 2, Layers: 2}, side: 8, patch: 2, steps: 6, batch: 16, held: 60, gallery: 60}
	}
	all, err := pictureSet(ctx, e, "fashion-mnist", 255, 400)
	if err != nil {
		return nil, err
	}
	if all.x, err = matformer.Patches(all.x, s.side, s.patch); err != nil {
		return nil, err
	}
	models := matAlone + len(matformerLevels)
	trained := make([][]matformerTrained, len(e.Seeds))
	runs := make([]*matformerRun, len(e.Seeds))
	sets := make([]struct{ train, test *pictures }, len(e.Seeds))
	for i, seed := range e.Seeds {
		order := rand.New(rand.NewPCG(seed, 0x3a7f)).Perm(all.x.Rows)
		sets[i].test, sets[i].train = all.rows(order[:s.held]), all.rows(order[s.held:min(s.held+s.steps*s.batch, len(order))])
		trained[i] = make([]matformerTrained, models)
	}
	var done atomic.Int32
	total := models * len(e.Seeds)
	e.Progress("trainings", 0, total)
	// These nets are too small for one to keep the machine busy.
	err = vec.Blocks(ctx, total, 1, func(job, _ int) error {
		i, k := job/models, job%models
		var err error
		if trained[i][k], err = s.train(ctx, k, sets[i].train, e.Seeds[i]); err != nil {
			return fmt.Errorf("seed %d, model %d: %w", e.Seeds[i], k, err)
		}
		e.Progress("trainings", int(done.Add(1)), total)
		return nil
	})
	if err != nil {
		return nil, err
	}
	e.Progress("measuring", 0, len(e.Seeds))
	err = vec.Blocks(ctx, len(e.Seeds), 1, func(i, _ int) error {
		var err error
		runs[i], err = s.measure(ctx, trained[i], sets[i].train, sets[i].test)
		return err
	})
	if err != nil {
		return nil, err
	}
	return matformerEvidence(trained[0][matOne].m, runs), nil
}

// train trains one of the models, each from weights and in an order of batches of its own.
func (s matformerScale) train(ctx context.Context, k int, train *pictures, seed uint64) (matformerTrained, error) {
	m, steps := matformer.New(s.o), s.steps
	if k >= matAlone {
		o := s.o
		o.Hidden, o.Shares = m.Level(k-matAlone), []float64{1}
		m = matformer.New(o)
	}
	own := seed*100 + uint64(k)
	w, err := nn.New(own)
	if err != nil {
		return matformerTrained{}, err
	}
	feed, err := nn.Batches(nn.BatchOptions{Size: s.batch, Seed: own}, nn.Rows(train.x), nn.Classes(train.y))
	if err != nil {
		return matformerTrained{}, err
	}
	loss := m.Loss
	switch k {
	case matOne:
		feed = m.OneOf(feed, own)
	case matJoint: // as many passes through parts as the others have
		loss, steps = m.Joint, max(1, steps/len(matformerLevels))
	}
	_, err = nn.Train(ctx, w, loss, feed, nn.Options{Steps: steps, Rate: 2e-3, WarmUp: steps / 10, Schedule: nn.Cosine, Optimizer: nn.AdamW{Decay: 0.05}})
	return matformerTrained{m, w}, err
}

// see shows images to a part of a model, cut out.
func (t matformerTrained) see(ctx context.Context, p matformer.Plan, set *pictures) (out matformerSeen, err error) {
	m, w, err := t.m.Extract(t.w, p)
	if err != nil {
		return out, err
	}
	if out.z, err = w.Apply(ctx, m.Encode(nil), set.x); err != nil {
		return out, err
	}
	logits, err := w.Apply(ctx, m.Classify, out.z)
	if err != nil {
		return out, err
	}
	for i, y := range set.y {
		row, best := logits.Row(i), 0
		var sum float64
		for j, v := range row {
			if v > row[best] {
				best = j
			}
			sum += math.Exp(float64(v - row[y]))
		}
		out.class = append(out.class, best)
		out.loss += math.Log(sum) / float64(len(set.y))
		if best == y {
			out.accuracy += 1 / float64(len(set.y))
		}
	}
	return out, nil
}

func (s matformerScale) measure(ctx context.Context, models []matformerTrained, train, test *pictures) (*matformerRun, error) {
	ids := make([]int, s.gallery)
	for i := range ids {
		ids[i] = i
	}
	gallery := train.rows(ids)
	one, xl, small := models[matOne], models[matAlone], models[matAlone+len(matformerLevels)-1]
	var first error
	see := func(t matformerTrained, p matformer.Plan, set *pictures) matformerSeen {
		out, err := t.see(ctx, p, set)
		if first == nil {
			first = err
		}
		return out
	}
	r := &matformerRun{}
	for i := range matformerLevels {
		p := one.m.Level(i)
		r.one = append(r.one, see(one, p, test))
		r.joint = append(r.joint, see(models[matJoint], p, test))
		r.alone = append(r.alone, see(models[matAlone+i], nil, test))
		r.cut = append(r.cut, see(xl, p, test))
	}
	for _, p := range one.m.Chain() {
		r.chain = append(r.chain, see(one, p, test))
	}
	ours, plain, own := see(one, nil, gallery), see(xl, nil, gallery), see(small, nil, gallery)
	if first != nil {
		return nil, first
	}
	var err error
	if r.near, err = matformerFind(ctx, r.one, ours, test.y, gallery.y); err != nil {
		return nil, err
	}
	if r.apart, err = matformerFind(ctx, r.alone, plain, test.y, gallery.y); err != nil {
		return nil, err
	}
	hits, err := matformerFind(ctx, r.alone[len(r.alone)-1:], own, test.y, gallery.y)
	if err != nil {
		return nil, err
	}
	r.own = hits[0]
	return r, nil
}

// matformerFind looks for the queries of each level in a gallery: how often the nearest by cosine is of the class, and what
// share of the ten nearest is among those of the first level's queries.
func matformerFind(ctx context.Context, levels []matformerSeen, gallery matformerSeen, y, of []int) ([]matformerHits, error) {
	const k = 10
	var truth neighbors.Table
	var out []matformerHits
	for i, l := range levels {
		t, err := neighbors.Exact(ctx, l.z, gallery.z, neighbors.Options{K: k, Metric: vec.Cosine})
		if err != nil {
			return nil, err
		}
		if i == 0 {
			truth = t
		}
		var h matformerHits
		for q := range l.z.Rows {
			ids, _ := t.Row(q)
			if of[ids[0]] == y[q] {
				h.first += 1 / float64(l.z.Rows)
			}
			want, _ := truth.Row(q)
			for _, a := range ids {
				for _, b := range want {
					if a == b {
						h.overlap += 1 / float64(k*l.z.Rows)
					}
				}
			}
		}
		out = append(out, h)
	}
	return out, nil
}

// matformerAgree is the share of images that two models give the same class.
func matformerAgree(a, b matformerSeen) float64 {
	n := 0
	for i, c := range a.class {
		if c == b.class[i] {
			n++
		}
	}
	return float64(n) / float64(len(a.class))
}

func matformerEvidence(m *matformer.Model, runs []*matformerRun) *Evidence {
	over := func(f func(r *matformerRun) float64) (v []float64) {
		for _, r := range runs {
			v = append(v, f(r))
		}
		return v
	}
	mean := func(f func(r *matformerRun) float64) float64 { return Figures{Values: over(f)}.Mean() }
	const xl = 0
	s := len(matformerLevels) - 1
	ev := &Evidence{
		Measure:  "share of images held back that S and XL give the same class; higher is better",
		Baseline: Figures{"a transformer of each size, trained alone", over(func(r *matformerRun) float64 { return matformerAgree(r.alone[s], r.alone[xl]) })},
		Ours:     Figures{"matformer, cut to each size", over(func(r *matformerRun) float64 { return matformerAgree(r.one[s], r.one[xl]) })},
	}
	sizes := NamedTable{"Accuracy on images held back", report.Table{Left: 1, Head: []string{"size", "parameters", "matformer, one size a step", "matformer, all sizes a step", "trained alone", "XL trained alone, cut"}}}
	agree := NamedTable{"Share of images that get the same class as from XL", report.Table{Left: 1, Head: []string{"size", "matformer, one size a step", "matformer, all sizes a step", "trained alone", "XL trained alone, cut"}}}
	find := NamedTable{"Queries of a size against 5,000 training images as XL sees them: the nearest is of the class; of the ten nearest, the share that XL's own query finds", report.Table{Left: 1,
		Head: []string{"queries of", "matformer: class", "share", "trained alone: class", "share"}}}
	cell := func(f func(r *matformerRun) float64) string { return mpFigure(over(f)) }
	for i, name := range matformerLevels {
		sizes.Rows = append(sizes.Rows, []string{name, fmt.Sprint(m.Count(m.Level(i))),
			cell(func(r *matformerRun) float64 { return r.one[i].accuracy }), cell(func(r *matformerRun) float64 { return r.joint[i].accuracy }),
			cell(func(r *matformerRun) float64 { return r.alone[i].accuracy }), cell(func(r *matformerRun) float64 { return r.cut[i].accuracy })})
		find.Rows = append(find.Rows, []string{name,
			cell(func(r *matformerRun) float64 { return r.near[i].first }), cell(func(r *matformerRun) float64 { return r.near[i].overlap }),
			cell(func(r *matformerRun) float64 { return r.apart[i].first }), cell(func(r *matformerRun) float64 { return r.apart[i].overlap })})
		if i > 0 {
			agree.Rows = append(agree.Rows, []string{name,
				cell(func(r *matformerRun) float64 { return matformerAgree(r.one[i], r.one[xl]) }), cell(func(r *matformerRun) float64 { return matformerAgree(r.joint[i], r.joint[xl]) }),
				cell(func(r *matformerRun) float64 { return matformerAgree(r.alone[i], r.alone[xl]) }), cell(func(r *matformerRun) float64 { return matformerAgree(r.cut[i], r.cut[xl]) })})
		}
	}
	chain := m.Chain()
	mixed := NamedTable{"Mix'n'Match: units of each layer, the smaller size first", report.Table{Left: 1, Head: []string{"units", "parameters", "loss, nats", "above the line between the sizes mixed", "accuracy"}}}
	for j, p := range chain {
		mixed.Rows = append(mixed.Rows, []string{fmt.Sprint([]int(p)), fmt.Sprint(m.Count(p)), cell(func(r *matformerRun) float64 { return r.chain[j].loss }),
			cell(func(r *matformerRun) float64 { return matformerAbove(m, r, j) }), cell(func(r *matformerRun) float64 { return r.chain[j].accuracy })})
	}
	ev.Tables = append(ev.Tables, sizes, agree, mixed, find)
	line := report.Lines{Title: "Loss of sizes and of mixtures of them, mean of seeds", X: "parameters", Y: "loss on images held back, nats"}
	draw := func(name string, plans []matformer.Plan, points bool, f func(r *matformerRun, j int) float64) {
		c := report.Series{Name: name, Points: points}
		for j, p := range plans {
			c.X, c.Y = append(c.X, float64(m.Count(p))), append(c.Y, mean(func(r *matformerRun) float64 { return f(r, j) }))
		}
		line.Series = append(line.Series, c)
	}
	var levels []matformer.Plan
	for i := range matformerLevels {
		levels = append(levels, m.Level(i))
	}
	draw("matformer, Mix'n'Match", chain, false, func(r *matformerRun, j int) float64 { return r.chain[j].loss })
	draw("matformer, all sizes a step", levels, true, func(r *matformerRun, j int) float64 { return r.joint[j].loss })
	draw("trained alone", levels, true, func(r *matformerRun, j int) float64 { return r.alone[j].loss })
	draw("XL trained alone, cut", levels, true, func(r *matformerRun, j int) float64 { return r.cut[j].loss })
	ev.Charts = append(ev.Charts, line)

	behind := math.Inf(-1) // of any size, on the mean of seeds
	for i := range matformerLevels {
		behind = max(behind, mean(func(r *matformerRun) float64 { return r.alone[i].accuracy - r.one[i].accuracy }))
	}
	outside, above := math.Inf(-1), math.Inf(-1)
	for j := range chain {
		outside = max(outside, most(over(func(r *matformerRun) float64 {
			return max(r.chain[j].loss-r.one[s].loss, r.one[xl].loss-r.chain[j].loss)
		})))
		above = max(above, mean(func(r *matformerRun) float64 { return matformerAbove(m, r, j) }))
	}
	falls := over(func(r *matformerRun) float64 {
		var n, l []float64
		for j, p := range chain {
			n, l = append(n, float64(m.Count(p))), append(l, r.chain[j].loss)
		}
		return spearman(n, l)
	})
	ev.Checks = []Check{
		AtMost("accuracy of XL less that of S, both of matformer", mean(func(r *matformerRun) float64 { return r.one[xl].accuracy - r.one[s].accuracy }), 0.025),
		AtLeast("accuracy of S less that of the XL trained alone, cut to S", mean(func(r *matformerRun) float64 { return r.one[s].accuracy - r.cut[s].accuracy }), 0.06),
		AtMost("accuracy of the XL trained alone less that of matformer's", mean(func(r *matformerRun) float64 { return r.alone[xl].accuracy - r.one[xl].accuracy }), 0.02),
		AtMost("accuracy of a model trained alone less that of matformer's size, most of sizes", behind, 0.025),
		AtMost("loss of any Mix'n'Match plan beyond those of S and XL, most of plans and seeds", outside, 0.02),
		AtMost("loss of a Mix'n'Match plan above the line between the sizes it mixes, most of plans", above, 0.02),
		AtMost("Spearman of parameters and loss over plans, most of seeds", most(falls), -0.7),
		AtLeast("share of images that S and XL class alike, less that of models trained alone", ev.Ours.Mean()-ev.Baseline.Mean(), 0.02),
		AtMost("first neighbours of the class in XL's gallery: queries of XL less those of S", mean(func(r *matformerRun) float64 { return r.near[xl].first - r.near[s].first }), 0.025),
		AtLeast("first neighbours of the class in XL's gallery: queries of S less those of an S trained alone", mean(func(r *matformerRun) float64 { return r.near[s].first - r.apart[s].first }), 0.2),
	}
	ev.Notes = append(ev.Notes,
		"Where a check does not say otherwise it is of the mean over seeds. All bounds were set before the first run.",
		"Each model has 500 steps; matformer's are shared by its four sizes, so that training it takes as long as training one of them. The one that learns all sizes each step has 125, as many passes, which is few.",
		"Models trained alone start from other weights and see batches in another order. Against its own gallery, the S trained alone finds a first neighbour of the class for "+cell(func(r *matformerRun) float64 { return r.own.first })+" of the queries.",
		"The smallest feed-forward block has an eighth of the units, but S nearly half of the parameters, as attention is shared whole: sizes lie closer together than in the paper's language models.",
		"ReLU in place of GELU. Agreement of classes stands for that of words, which is what speculative decoding lives on; decoding itself was not run.")
	return ev
}

// matformerAbove is by how much the loss of plan j of the chain lies above the line between the sizes that it mixes, over the
// number of parameters.
func matformerAbove(m *matformer.Model, r *matformerRun, j int) float64 {
	layers := m.Options().Layers
	lo := j / layers * layers
	if lo == j {
		return 0
	}
	share := float64(j-lo) / float64(layers) // parameters grow by as much with each layer
	return r.chain[j].loss - (1-share)*r.chain[lo].loss - share*r.chain[lo+layers].loss
}

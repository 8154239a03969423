package recipe

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/model/classifier"
	"github.com/latent-go/latent/nn/subspace"
	"github.com/latent-go/latent/report"
	"github.com/latent-go/latent/vec"
)

// latent reproduce landscape-dimension: about 4 minutes on 2 cores.
var landscapeDimension = Recipe{
	Name: "landscape-dimension", Paper: 11, Package: "nn/subspace",
	Claim: "Nets learn in a random subspace of their parameters of few dimensions; how many it takes to reach 90 % of the accuracy (d_int90) says how hard the task is: it " +
		"hardly depends on the width of the net, is less for a convolutional net on images, far more for shuffled labels, and compresses the net.",
	Data: "Fashion-MNIST, 5,000 images held back; fully connected nets of two hidden layers of 32, 64 and 200, trained 600 steps of 128; LeNet, 500 steps of 32; 1,000 images by heart. " +
		"The paper has MNIST and others, trained to the end.",
	Minutes: 4, Run: runLandscape,
}

// landscapeTask is one search for a dimension, for each seed.
type landscapeTask struct {
	name    string
	net     classifier.Net
	o       classifier.LandscapeOptions
	byHeart int  // learn so many images by heart; 0 to test on images held back
	shuffle bool // their labels
	images  bool // are 16×16 or more
}

func landscapeTasks(e *Env) []landscapeTask {
	net := func(w int) classifier.Net { return classifier.MLP{Hidden: []int{w, w}, Classes: 10} }
	dense := classifier.LandscapeOptions{Also: []int{64, 128}, Rates: landscapeRates}
	heart := classifier.LandscapeOptions{From: 400, Max: 1 << 14, Finest: 1.5, Rates: landscapeRates}
	lenet := classifier.LandscapeOptions{Steps: 500, Batch: 32, Finest: 1.5, Rates: landscapeRates}
	count := 1000
	if e.Miniature {
		dense = classifier.LandscapeOptions{Steps: 6, Batch: 16, From: 8, Max: 32, Finest: 2, Rates: []float64{0.1}, BaseRates: []float64{0.003}}
		heart, lenet, count = dense, dense, 40
	}
	middle := dense
	middle.Also = append([]int{landscapeFew}, dense.Also...)
	return []landscapeTask{
		{name: "width 32", net: net(32), o: dense},
		{name: "width 64", net: net(64), o: middle},
		{name: "width 200", net: net(200), o: dense},
		{name: "LeNet", net: classifier.LeNet{Classes: 10}, o: lenet, images: true},
		{name: "by heart", net: net(64), o: heart, byHeart: count},
		{name: "by heart, labels shuffled", net: net(64), o: heart, byHeart: count, shuffle: true},
	}
}

var landscapeRates = []float64{0.1, 0.3}

// landscapeFew is how many numbers a linear layer on 80 random projections of the pixels learns: it is trained directly,
// and compared with a net in as many dimensions.
const landscapeFew = 80*10 + 10

// landscapeProjected are 80 random projections of pictures.
func landscapeProjected(p *pictures, seed uint64) *pictures {
	r := rand.New(rand.NewPCG(seed, 0x9809))
	random := vec.NewMatrix(80, p.x.Cols)
	for i := range random.Data {
		random.Data[i] = float32(r.NormFloat64() / math.Sqrt(float64(p.x.Cols)))
	}
	return &pictures{vec.MulT(vec.Matrix{}, p.x, random), p.y}
}

func runLandscape(ctx context.Context, e *Env) (*Evidence, error) {
	all, err := pictureSet(ctx, e, "fashion-mnist", 255, 400)
	if err != nil {
		return nil, err
	}
	held := 5000
	if e.Miniature {
		held = 100
	}
	order := rand.New(rand.NewPCG(0, 0x1a9d)).Perm(all.x.Rows)
	test, train := all.rows(order[:held]), all.rows(order[held:])
	tasks := landscapeTasks(e)
	found := make([][]*classifier.Report, len(tasks)) // by task, seed
	for i := range found {
		found[i] = make([]*classifier.Report, len(e.Seeds))
	}
	narrow := make([]float64, len(e.Seeds)) // accuracy of the linear layer
	var done atomic.Int32
	jobs := len(e.Seeds) * (len(tasks) + 1)
	e.Progress("trainings", 0, jobs)
	err = vec.Blocks(ctx, jobs, 1, func(job, _ int) error {
		s, i := job/(len(tasks)+1), job%(len(tasks)+1)
		seed := e.Seeds[s]
		var err error
		if i == len(tasks) {
			o := tasks[1].o
			o.Seed, o.BaseRates = seed, []float64{0.003, 0.01, 0.03, 0.1}
			_, narrow[s], err = classifier.Direct(ctx, classifier.MLP{Classes: 10}, landscapeSet(landscapeProjected(train, seed)), landscapeSet(landscapeProjected(test, seed)), o)
		} else {
			found[i][s], err = tasks[i].run(ctx, train, test, seed)
		}
		e.Progress("trainings", int(done.Add(1)), jobs)
		return err
	})
	if err != nil {
		return nil, err
	}
	ev := &Evidence{
		Measure:  fmt.Sprintf("accuracy on images held back with %d numbers trained; higher is better", landscapeFew),
		Baseline: Figures{Method: "a linear layer on 80 random projections of the pixels", Values: narrow},
		Ours:     Figures{Method: "as many dimensions of a net of widths 64 and 64"},
	}
	for s := range e.Seeds {
		ev.Ours.Values = append(ev.Ours.Values, landscapeAt(found[1][s], landscapeFew))
	}
	landscapeJudge(ev, tasks, found)
	toy := landscapeToy(e)
	ev.Checks = append(ev.Checks, AtLeast("share of toy problems of 10 constraints solved in exactly 10 dimensions and no fewer", toy, 1))
	ev.Notes = append(ev.Notes,
		"Training is short, of all parameters and in subspaces alike, so that 90 % is asked of less than these nets can do.",
		"Rates: the better of 0.001 and 0.003 for all parameters, of 0.1 and 0.3 at the first dimension of a search for subspaces, by training loss; they fall with the root of the dimension.",
		"LeNet sees a fifth of the images that the other nets see, for the time it takes; its search has coarser steps.",
		"A dimension is where the line between the two nearest trainings crosses the target, over log d; one training each, so that it wavers from seed to seed.",
		"By heart: accuracy on the 1,000 images learnt from. Beyond 16,384 dimensions it is not looked further; the paper's 190,000 for shuffled labels is of 50,000 images and a larger net.",
		"Subspaces are Fastfood's throughout. The paper's numbers are of MNIST: 750 dimensions for widths 200, 290 for LeNet.")
	return ev, nil
}

func landscapeSet(p *pictures) classifier.Set { return classifier.Set{X: p.x, Y: p.y} }

func (t landscapeTask) run(ctx context.Context, train, test *pictures, seed uint64) (*classifier.Report, error) {
	if t.byHeart > 0 {
		ids := make([]int, t.byHeart)
		for i := range ids {
			ids[i] = i
		}
		train = train.rows(ids)
		if t.shuffle {
			rand.New(rand.NewPCG(seed, 0x5b)).Shuffle(len(train.y), func(i, j int) { train.y[i], train.y[j] = train.y[j], train.y[i] })
		}
		test = train
	}
	if t.images && train.x.Cols == 64 { // of a miniature
		train, test = landscapeTiled(train), landscapeTiled(test)
	}
	t.o.Seed = seed
	r, err := classifier.Landscape(ctx, t.net, landscapeSet(train), landscapeSet(test), t.o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	return r, nil
}

// landscapeTiled repeats rows of 64 numbers to images of 16×16.
func landscapeTiled(p *pictures) *pictures {
	out := &pictures{vec.NewMatrix(p.x.Rows, 256), p.y}
	for i := range p.x.Rows {
		for j := range 4 {
			copy(out.x.Row(i)[64*j:], p.x.Row(i))
		}
	}
	return out
}

// landscapeAt is the accuracy in d dimensions, or the nearest that was tried.
func landscapeAt(r *classifier.Report, d int) float64 {
	best := r.Dimension.Curve[0]
	for _, p := range r.Dimension.Curve {
		if math.Abs(float64(p.Dim-d)) < math.Abs(float64(best.Dim-d)) {
			best = p
		}
	}
	return best.Score
}

func landscapeJudge(ev *Evidence, tasks []landscapeTask, found [][]*classifier.Report) {
	dims := make([]Figures, len(tasks))
	t := NamedTable{"The dimension of each task", report.Table{Left: 1,
		Head: []string{"", "parameters", "accuracy with all", "d_int90", "compression", "bits, of", "bits of all"}}}
	curves := report.Lines{Title: "Accuracy in random subspaces, relative to all parameters", X: "dimensions", Y: "of the accuracy with all parameters", LogX: true,
		Marks: []report.Mark{{At: 0.9, Label: "90 %", Horizontal: true}}}
	fall := 0.0
	missed := 0
	for i, task := range tasks {
		var base, ratio Figures
		points := map[int][]float64{}
		for _, r := range found[i] {
			dims[i].Values, base.Values, ratio.Values = append(dims[i].Values, r.Dimension.Dim), append(base.Values, r.Baseline), append(ratio.Values, r.Compression)
			if !r.Dimension.Reached {
				missed++
			}
			for j, p := range r.Dimension.Curve {
				points[p.Dim] = append(points[p.Dim], p.Score/r.Baseline)
				if j > 0 {
					fall = max(fall, r.Dimension.Curve[j-1].Score-p.Score)
				}
			}
		}
		r := found[i][0]
		t.Rows = append(t.Rows, []string{task.name, fmt.Sprint(r.Parameters), plusMinus(base.Mean(), base.SD()), plusMinus(dims[i].Mean(), dims[i].SD()),
			fmt.Sprintf("%.0f", ratio.Mean()), fmt.Sprint(subspace.DescriptionBits(int(math.Ceil(dims[i].Mean())), 32)), fmt.Sprint(r.FullBits)})
		curves.Series = append(curves.Series, landscapeSeries(task.name, points))
	}
	ev.Tables, ev.Charts = append(ev.Tables, t), append(ev.Charts, curves)
	least, most := math.Inf(1), 0.0
	for _, f := range dims[:3] {
		least, most = min(least, f.Mean()), max(most, f.Mean())
	}
	ev.Checks = append(ev.Checks,
		AtLeast("d_int90 of fully connected nets, least of widths", least, 300),
		AtMost("d_int90 of fully connected nets, greatest of widths", most, 800),
		AtMost("the greatest of these over the least, where parameters differ 7.5 times", most/least, 1.6),
		AtMost("d_int90 of LeNet over that of width 200", dims[3].Mean()/dims[2].Mean(), 1),
		AtLeast("d_int90 of 1,000 shuffled labels by heart over that of true ones", dims[5].Mean()/dims[4].Mean(), 3),
		AtMost("most that accuracy falls from one dimension to the next larger", fall, 0.01),
		AtLeast("accuracy in a subspace, less that of a linear layer of as many numbers", ev.Ours.Mean()-ev.Baseline.Mean(), 0))
	if missed > 0 {
		ev.Notes = append(ev.Notes, fmt.Sprintf("%d of the searches ended at their largest dimension without the target: the figure is a lower bound.", missed))
	}
}

// landscapeSeries joins points of several seeds: their mean at each dimension.
func landscapeSeries(name string, points map[int][]float64) report.Series {
	s := report.Series{Name: name}
	for _, d := range slices.Sorted(maps.Keys(points)) {
		s.X, s.Y = append(s.X, float64(d)), append(s.Y, Figures{Values: points[d]}.Mean())
	}
	return s
}

// landscapeToy is the share of subspaces in which the paper's toy problem, ten groups of 100 parameters of which group i
// must sum to i, has a solution from exactly ten dimensions on: by least squares, exactly.
func landscapeToy(e *Env) float64 {
	seeds := 30
	if e.Miniature {
		seeds = 2
	}
	solved := 0
	for seed := range seeds {
		if landscapeLeft(9, uint64(seed)) > 1e-4 && landscapeLeft(10, uint64(seed)) < 1e-8 {
			solved++
		}
	}
	return float64(solved) / float64(seeds)
}

// landscapeLeft is what d dimensions leave of the toy problem's loss.
func landscapeLeft(d int, seed uint64) float64 {
	p, err := subspace.NewDense(d, 1000, false, seed)
	if err != nil {
		panic(err) // sizes are ours
	}
	a, want := mat.NewDense(10, d, nil), mat.NewVecDense(10, nil)
	column := make([]float32, 1000)
	for j := range d {
		one := make([]float32, d)
		one[j] = 1
		p.Apply(column, one)
		for i, v := range column {
			a.Set(i/100, j, a.At(i/100, j)+float64(v))
		}
	}
	for i := range 10 {
		want.SetVec(i, float64(i+1))
	}
	var svd mat.SVD
	if !svd.Factorize(a, mat.SVDThin) {
		return math.NaN()
	}
	var u mat.Dense
	svd.UTo(&u)
	for j := range d {
		c := u.ColView(j)
		want.AddScaledVec(want, -mat.Dot(c, want), c)
	}
	return mat.Dot(want, want)
}

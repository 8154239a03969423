package classifier

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/nn/subspace"
	"github.com/latent-go/latent/vec"
)

// Set is rows with a class each, from 0.
type Set struct {
	X vec.Matrix
	Y []int
}

func (s Set) check(name string) error {
	if s.X.Rows < 2 || s.X.Cols < 1 {
		return fmt.Errorf("classifier: %d %s rows of %d numbers; want 2 or more: %w", s.X.Rows, name, s.X.Cols, vec.ErrTooFew)
	}
	if len(s.Y) != s.X.Rows {
		return fmt.Errorf("classifier: %d labels for %d %s rows: %w", len(s.Y), s.X.Rows, name, vec.ErrDim)
	}
	if err := s.X.Check(); err != nil {
		return fmt.Errorf("classifier: %s rows: %w", name, err)
	}
	return nil
}

// LandscapeOptions say how a landscape is looked at. The zero value asks for 0.9 of what all parameters reach.
type LandscapeOptions struct {
	Fraction float64 // of the accuracy with all parameters that is asked for; 0 means 0.9
	Steps    int     // of each training; 0 means 600
	Batch    int     // rows a step; 0 means 128
	// Rates are tried at the first dimension; the one whose training ends with the least loss is kept. In d dimensions it is
	// √(From/d) of that, so that a step moves the parameters as far. nil means 0.03, 0.1 and 0.3. BaseRates are likewise
	// those of training all parameters; nil means 0.001 and 0.003.
	Rates, BaseRates []float64
	From             int     // the first dimension; 0 means 256
	Max              int     // the largest; 0 means all parameters
	Finest           float64 // the factor that a search ends within; 0 means 1.25
	Also             []int   // dimensions that are tried besides, for the curve
	Family           subspace.Family
	Seed             uint64 // of the start, the order of rows and the projections
	Progress         func(trials, about int)
}

// Report is how many numbers it takes to learn a task: the intrinsic dimension of its objective landscape.
type Report struct {
	Net        string              `json:"net"`
	Parameters int                 `json:"parameters"` // D
	Rows       int                 `json:"rows"`       // learnt from
	TestRows   int                 `json:"test_rows"`  // that accuracy is of
	Cols       int                 `json:"cols"`
	Classes    int                 `json:"classes"`
	Chance     float64             `json:"chance"`    // share of the most frequent class of the test rows
	Baseline   float64             `json:"baseline"`  // accuracy with all parameters
	Fraction   float64             `json:"fraction"`  // of it that was asked for
	Dimension  *subspace.Dimension `json:"dimension"` // d_int, with the curve
	// Compression is how many times fewer numbers describe the net: D over d_int. The seed draws the rest.
	Compression float64         `json:"compression"`
	Bits        int             `json:"bits"`      // to say it: d_int float32 and a seed
	FullBits    int             `json:"full_bits"` // D float32
	Steps       int             `json:"steps"`
	Rate        float64         `json:"rate"`      // at the first dimension
	BaseRate    float64         `json:"base_rate"` // of all parameters
	Family      subspace.Family `json:"family"`
	Seed        uint64          `json:"seed"`
	Notes       []string        `json:"notes,omitempty"`
}

// Landscape trains a net with all of its parameters, then in random subspaces, and searches for the smallest dimension in
// which accuracy on the test rows reaches a fraction of what all parameters reach. It takes about ten trainings. To ask how
// many numbers it takes to learn rows by heart, hand in the same rows twice. Source: Li et al. 2018, arXiv 1804.08838.
func Landscape(ctx context.Context, net Net, train, test Set, o LandscapeOptions) (*Report, error) {
	p, err := probe(net, train, test, o)
	if err != nil {
		return nil, err
	}
	defer p.Model.Close()
	f, err := p.Search(ctx)
	if err != nil {
		return nil, fmt.Errorf("classifier: %w", err)
	}
	r := &Report{
		Net: net.String(), Parameters: f.Parameters, Rows: train.X.Rows, TestRows: test.X.Rows, Cols: train.X.Cols,
		Classes: 1 + max(slices.Max(train.Y), slices.Max(test.Y)), Chance: chance(test.Y), Baseline: f.Baseline, Fraction: p.Fraction,
		Dimension: f.Dimension, Steps: p.Steps, Rate: f.Rate, BaseRate: f.BaseRate, Family: cmp.Or(o.Family, subspace.Fastfood), Seed: o.Seed,
	}
	r.Compression = float64(r.Parameters) / r.Dimension.Dim
	r.Bits, r.FullBits = subspace.DescriptionBits(int(math.Ceil(r.Dimension.Dim)), 32), 32*r.Parameters
	r.remark()
	return r, nil
}

// Direct trains all parameters of a net as Landscape does, and returns how many there are and the accuracy on the test rows.
func Direct(ctx context.Context, net Net, train, test Set, o LandscapeOptions) (parameters int, accuracy float64, err error) {
	p, err := probe(net, train, test, o)
	if err != nil {
		return 0, 0, err
	}
	defer p.Model.Close()
	for _, b := range p.Model.Blocks() {
		parameters += b.Size
	}
	accuracy, _, err = p.Whole(ctx)
	return parameters, accuracy, err
}

func probe(net Net, train, test Set, o LandscapeOptions) (*subspace.Probe, error) {
	if err := train.check("training"); err != nil {
		return nil, err
	}
	if err := test.check("test"); err != nil {
		return nil, err
	}
	if train.X.Cols != test.X.Cols {
		return nil, fmt.Errorf("classifier: training rows of %d numbers, test rows of %d: %w", train.X.Cols, test.X.Cols, vec.ErrDim)
	}
	if o.Fraction == 0 {
		o.Fraction = 0.9
	}
	if !(o.Fraction > 0 && o.Fraction <= 1) {
		return nil, fmt.Errorf("classifier: a fraction of %v; want above 0 and up to 1", o.Fraction)
	}
	w, err := nn.New(o.Seed)
	if err != nil {
		return nil, err
	}
	p := &subspace.Probe{Metric: "accuracy", Fraction: o.Fraction, Steps: cmp.Or(o.Steps, 600), Rates: o.Rates, BaseRates: o.BaseRates,
		From: o.From, Max: o.Max, Finest: o.Finest, Also: o.Also, Space: subspace.Options{Family: o.Family}, Seed: o.Seed, Progress: o.Progress}
	if p.Train, err = nn.Batches(nn.BatchOptions{Size: o.Batch, Seed: o.Seed}, nn.Rows(train.X), nn.Classes(train.Y)); err != nil {
		return nil, err
	}
	if p.Test, err = nn.Batches(nn.BatchOptions{Size: 250, InOrder: true, Rest: true}, nn.Rows(test.X), nn.Classes(test.Y)); err != nil {
		return nil, err
	}
	p.Model, err = subspace.Of(w, Loss(net), p.Train)
	return p, err
}

// remark notes what makes the dimension mean less.
func (r *Report) remark() {
	if r.Dimension.Target <= 1.1*r.Chance {
		r.Notes = append(r.Notes, fmt.Sprintf("The target accuracy, %.3f, is hardly above that of always naming the most frequent class, %.3f: the dimension says little.",
			r.Dimension.Target, r.Chance))
	}
	if !r.Dimension.Reached {
		r.Notes = append(r.Notes, fmt.Sprintf("No subspace of up to %.0f dimensions reached the target in %d steps.", r.Dimension.Dim, r.Steps))
	}
	if r.Dimension.Reached && r.Dimension.Dim > float64(r.Parameters)/4 {
		r.Notes = append(r.Notes, "The dimension is more than a quarter of the parameters, where random subspaces say little: take a wider net.")
	}
}

func chance(y []int) float64 {
	counts := map[int]int{}
	most := 0
	for _, c := range y {
		counts[c]++
		most = max(most, counts[c])
	}
	return float64(most) / float64(len(y))
}

// Prepare shuffles rows and holds a quarter of them back to test with, 5,000 at most, and scales all: every column less its
// mean, over the root mean square of what is left in all columns, both of the training rows.
func Prepare(x vec.Matrix, y []int, seed uint64) (train, test Set, err error) {
	all := Set{x, y}
	if err := all.check("labelled"); err != nil {
		return train, test, err
	}
	if x.Rows < 8 {
		return train, test, fmt.Errorf("classifier: %d rows; want 8 or more to learn from some and test with others: %w", x.Rows, vec.ErrTooFew)
	}
	order := rand.New(rand.NewPCG(seed, 0x591)).Perm(x.Rows)
	held := min(x.Rows/4, 5000)
	take := func(ids []int) Set {
		s := Set{x.Gather(ids), make([]int, len(ids))}
		for i, id := range ids {
			s.Y[i] = y[id]
		}
		return s
	}
	test, train = take(order[:held]), take(order[held:])
	mean := make([]float64, x.Cols)
	for i := range train.X.Rows {
		for j, v := range train.X.Row(i) {
			mean[j] += float64(v) / float64(train.X.Rows)
		}
	}
	var square float64
	for i := range train.X.Rows {
		for j, v := range train.X.Row(i) {
			square += (float64(v) - mean[j]) * (float64(v) - mean[j])
		}
	}
	scale := math.Sqrt(square / float64(len(train.X.Data)))
	if scale == 0 {
		return train, test, fmt.Errorf("classifier: all rows are equal: %w", vec.ErrZero)
	}
	for _, s := range []Set{train, test} {
		for i := range s.X.Rows {
			row := s.X.Row(i)
			for j := range row {
				row[j] = float32((float64(row[j]) - mean[j]) / scale)
			}
		}
	}
	return train, test, nil
}

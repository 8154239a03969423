package subspace

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

// Probe asks how many dimensions a task takes from where a model stands: it trains over and over from there, with all
// parameters and in random subspaces. What is not said otherwise has a recommended value at 0.
type Probe struct {
	Model       *Model
	Train, Test nn.Feed
	Metric      string  // of Test, that is to be high, such as "accuracy"
	Fraction    float64 // of the metric with all parameters that is asked for; 0 means 0.9
	Baseline    float64 // the metric with all parameters, where it is known; 0 trains to know it

	Space Options // of the subspaces; the dimension and the seed are the probe's
	Steps int     // of each training; 0 means 1,000
	// Rates are tried at the first dimension; the one whose training ends with the least loss is kept. In d dimensions it is
	// √(From/d) of that, so that a step moves the parameters as far. nil means 0.03, 0.1 and 0.3. BaseRates are likewise
	// those of training all parameters; nil means 0.001 and 0.003.
	Rates, BaseRates []float64
	// Tune tries all Rates at every dimension, for the same factor. It is worth its time with PerBlock: a tensor of fewer
	// numbers than d moves further than the factor allows for.
	Tune   bool
	From   int     // the first dimension; 0 means 256
	Max    int     // the largest; 0 means all parameters
	Finest float64 // the factor that a search ends within; 0 means 1.25
	Also   []int   // dimensions that are tried besides, for the curve
	Seed   uint64  // of the projections

	Progress func(trainings, about int)
}

// Found is what a probe finds.
type Found struct {
	Parameters int
	Baseline   float64 // the metric with all parameters
	BaseRate   float64 // that was best, if a training told
	Rate       float64 // that was best at the first dimension
	Dimension  *Dimension
}

// run is a probe at work.
type run struct {
	Probe
	start []float32
	done  int
}

func (p Probe) run() (*run, error) {
	if p.Fraction == 0 {
		p.Fraction = 0.9
	}
	if p.Rates == nil {
		p.Rates = []float64{0.03, 0.1, 0.3}
	}
	if p.BaseRates == nil {
		p.BaseRates = []float64{0.001, 0.003}
	}
	if p.From == 0 {
		p.From = 256
	}
	if p.Max == 0 || p.Max > p.Model.size {
		p.Max = p.Model.size
	}
	p.From = min(p.From, p.Max)
	start, err := p.Model.Point()
	return &run{Probe: p, start: start}, err
}

// Whole trains all parameters, and returns the metric and the best rate. The model ends where it began.
func (p Probe) Whole(ctx context.Context) (score, rate float64, err error) {
	r, err := p.run()
	if err != nil {
		return 0, 0, err
	}
	defer r.back()
	return r.best(ctx, 0, r.BaseRates)
}

// Search finds the smallest dimension that reaches the fraction that is asked for. The model ends where it began.
func (p Probe) Search(ctx context.Context) (*Found, error) {
	r, err := p.run()
	if err != nil {
		return nil, err
	}
	defer r.back()
	f := &Found{Parameters: r.Model.size, Baseline: r.Baseline}
	if f.Baseline == 0 {
		if f.Baseline, f.BaseRate, err = r.best(ctx, 0, r.BaseRates); err != nil {
			return nil, fmt.Errorf("all parameters: %w", err)
		}
	}
	trial := func(ctx context.Context, d int) (score float64, err error) {
		if f.Rate == 0 {
			score, f.Rate, err = r.best(ctx, d, r.Rates)
			return score, err
		}
		rates := []float64{f.Rate}
		if r.Tune {
			rates = slices.Clone(r.Rates)
		}
		for i := range rates {
			rates[i] *= math.Sqrt(float64(r.From) / float64(d))
		}
		score, _, err = r.best(ctx, d, rates)
		return score, err
	}
	f.Dimension, err = Search(ctx, trial, SearchOptions{Target: r.Fraction * f.Baseline, From: r.From, Max: r.Max, Finest: r.Finest})
	if err != nil {
		return nil, err
	}
	for _, d := range r.Also {
		if slices.ContainsFunc(f.Dimension.Curve, func(p Point) bool { return p.Dim == d }) {
			continue
		}
		score, err := trial(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("dimension %d: %w", d, err)
		}
		f.Dimension.Curve = append(f.Dimension.Curve, Point{d, score})
	}
	slices.SortFunc(f.Dimension.Curve, func(a, b Point) int { return a.Dim - b.Dim })
	return f, nil
}

func (r *run) back() { _ = r.Model.SetPoint(r.start) } // it has stood there before

// best trains at each rate in a subspace of d dimensions, 0 being all, and returns the metric of the training whose loss
// ends least, and its rate. A rate at which training diverges is passed over, if there is another.
func (r *run) best(ctx context.Context, d int, rates []float64) (score, rate float64, err error) {
	least := math.Inf(1)
	var failed error
	for _, x := range rates {
		s, loss, err := r.once(ctx, d, x)
		r.done++
		if r.Progress != nil {
			r.Progress(r.done, max(r.done, len(r.BaseRates)+len(r.Rates)+len(r.Also)+4))
		}
		if ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
		var diverged *nn.DivergedError
		switch {
		case errors.As(err, &diverged):
			failed = err
		case err != nil:
			return 0, 0, err
		case loss < least || rate == 0:
			score, rate, least = s, x, loss
		}
	}
	if rate == 0 {
		return 0, 0, failed
	}
	return score, rate, nil
}

func (r *run) once(ctx context.Context, d int, rate float64) (score, loss float64, err error) {
	if err := r.Model.SetPoint(r.start); err != nil {
		return 0, 0, err
	}
	o := Options{}
	if d > 0 {
		o = r.Space
		o.Dim, o.Seed = d, r.Seed+uint64(d)<<20
	}
	s, err := New(r.Model.blocks, o)
	switch {
	case o.Scales && errors.Is(err, vec.ErrTooFew): // no number is left to learn beside the factors
	case err != nil:
		return 0, 0, err
	default:
		fit, err := r.Model.Fit(ctx, s, r.Train, Training{Steps: r.Steps, Rate: rate})
		if err != nil {
			return 0, 0, err
		}
		loss = fit.Loss
	}
	e, err := r.Model.Evaluate(ctx, r.Test)
	if err != nil {
		return 0, 0, err
	}
	score, ok := e[r.Metric]
	if !ok {
		return 0, 0, fmt.Errorf("there is no metric %q", r.Metric)
	}
	return score, loss, nil
}

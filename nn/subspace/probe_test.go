package subspace

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/latent-go/latent/nn"
)

func TestProbe(t *testing.T) {
	ctx := context.Background()
	feed := groups(t)
	_, m := modelOf(t, feed)
	start := point(t, m)
	for name, space := range map[string]Options{"one projection": {}, "SAID": {PerBlock: true, Scales: true}} {
		p := Probe{Model: m, Train: feed, Test: feed, Metric: "accuracy", Space: space, Steps: 120, From: 16, Rates: []float64{1e30, 0.1},
			BaseRates: []float64{0.03}, Also: []int{3, 40}, Seed: 5}
		f, err := p.Search(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if f.Parameters != len(start) || !(f.Baseline > 0.9) || f.BaseRate != 0.03 || f.Rate != 0.1 { // seen 0.98; 1e30 diverges, or ends worse
			t.Errorf("%s: %+v", name, f)
		}
		d := f.Dimension
		if !d.Reached || !(d.Dim > 1 && d.Dim < 60) { // seen 10 and 13
			t.Errorf("%s: %+v", name, d)
		}
		dims := []int{}
		for _, q := range d.Curve {
			dims = append(dims, q.Dim)
		}
		if !slices.IsSorted(dims) || !slices.Contains(dims, 3) || !slices.Contains(dims, 40) || len(slices.Compact(slices.Clone(dims))) != len(dims) {
			t.Errorf("%s: tried %v", name, dims)
		}
		if !slices.Equal(point(t, m), start) {
			t.Fatalf("%s: the model does not end where it began", name)
		}
		known := p
		known.Baseline = f.Baseline
		again, err := known.Search(ctx)
		if err != nil {
			t.Fatal(err)
		}
		known.Tune = true // the other rate is never the better one
		if tuned, err := known.Search(ctx); err != nil || tuned.Dimension.Dim != d.Dim {
			t.Errorf("%s: with all rates at every dimension %+v, %v", name, tuned, err)
		}
		if again.Dimension.Dim != d.Dim || again.BaseRate != 0 {
			t.Errorf("%s: with the baseline known %+v, without %+v", name, again.Dimension, d)
		}
	}
	score, rate, err := (Probe{Model: m, Train: feed, Test: feed, Metric: "accuracy", Steps: 50}).Whole(ctx)
	if err != nil || score <= 0 || rate <= 0 {
		t.Errorf("all parameters: %v at %v, %v", score, rate, err)
	}
	if _, err := (Probe{Model: m, Train: feed, Test: feed, Metric: "beauty", Steps: 2}).Search(ctx); err == nil {
		t.Error("a metric that there is not went through")
	}
	var diverged *nn.DivergedError
	if _, err := (Probe{Model: m, Train: feed, Test: feed, Metric: "accuracy", Steps: 300, BaseRates: []float64{1e38}}).Search(ctx); !errors.As(err, &diverged) {
		t.Errorf("a rate of 1e38: %v", err)
	}
}

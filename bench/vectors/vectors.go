// Package vectors reads what the benchmarks search.
package vectors

import (
	"context"
	"fmt"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

// Args reads what a command's arguments name, BASE.npy QUERIES.npy METRIC and some more, which are returned, and finds the
// k exact neighbours of the queries.
func Args(ctx context.Context, args []string, k int) (truth *plan.Truth, more []string, err error) {
	if len(args) < 3 {
		return nil, nil, fmt.Errorf("%d arguments, want BASE.npy QUERIES.npy METRIC [PLAN ...]", len(args))
	}
	base, queries, m, err := Load(args[0], args[1], args[2])
	if err != nil {
		return nil, nil, err
	}
	truth, err = plan.NewTruth(ctx, queries, base, nil, m, k, nil)
	return truth, args[3:], err
}

// Load reads the files of base and queries, and the name of a metric.
func Load(basePath, queryPath, metric string) (base, queries vec.Matrix, m vec.Metric, err error) {
	if m, err = vec.ParseMetric(metric); err != nil {
		return base, queries, m, err
	}
	for path, to := range map[string]*vec.Matrix{basePath: &base, queryPath: &queries} {
		set, err := dataset.Load(path, dataset.Options{VectorsOnly: true})
		if err != nil {
			return base, queries, m, err
		}
		*to = set.X
	}
	return base, queries, m, nil
}

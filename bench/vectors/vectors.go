// Package vectors reads what the benchmarks search.
package vectors

import (
	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/vec"
)

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

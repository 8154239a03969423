package cluster

import (
	"context"
	"math/rand/v2"
)

// miniBatch moves each centroid to the mean of all rows that the batches so far have brought it.
func (s *rows) miniBatch(ctx context.Context, res *Result, o Options, r *rand.Rand) error {
	c := res.Centroids
	counts, members := make([]int, c.Rows), make([][]uint32, c.Rows)
	sum, part := make([]float64, s.Cols), make([]float32, s.Cols)
	ids := make([]int, min(o.Batch, s.Rows))
	assign, distances := make([]uint32, len(ids)), make([]float32, len(ids))
	for ; res.Iterations < o.Iterations; res.Iterations++ {
		for i := range ids {
			ids[i] = r.IntN(s.Rows)
		}
		batch := s.pick(ids)
		if _, err := batch.assign(ctx, c, assign, distances, false); err != nil {
			return err
		}
		for i, a := range assign {
			members[a] = append(members[a], uint32(i))
		}
		for j, m := range members {
			if len(m) == 0 {
				continue
			}
			for i, v := range c.Row(j) {
				sum[i] = float64(v) * float64(counts[j])
			}
			batch.add(sum, part, m)
			counts[j] += len(m)
			batch.mean(c.Row(j), sum, counts[j])
			members[j] = m[:0]
		}
		if o.Progress != nil {
			o.Progress(res.Iterations+1, o.Iterations)
		}
	}
	return nil
}

package cluster

import (
	"context"
	"fmt"
	"slices"

	"github.com/latent-go/latent/vec"
)

// rows are what is clustered.
type rows struct {
	vec.Matrix
	scale []float32 // Spherical: what takes each row to length 1
	// shift, if not nil, is taken from rows and centroids before they are multiplied. Distances from products lose
	// what the vectors have in common, which matters once that is larger than what they differ in.
	shift []float32
}

func newRows(x vec.Matrix, spherical bool) (*rows, error) {
	s := &rows{Matrix: x}
	if !spherical {
		s.shift = shiftOf(x)
		return s, nil
	}
	s.scale = make([]float32, x.Rows)
	for i := range s.scale {
		norm := vec.Norm(x.Row(i))
		if norm == 0 {
			return nil, fmt.Errorf("cluster: row %d has no direction, which Spherical needs: %w", i, vec.ErrZero)
		}
		s.scale[i] = 1 / norm
	}
	return s, nil
}

// shiftOf returns the mean of some rows, if it is far from zero for how the rows spread.
func shiftOf(x vec.Matrix) []float32 {
	const most, far = 256, 4
	n := min(x.Rows, most)
	sum, squares := make([]float64, x.Cols), 0.0
	for i := range n {
		for j, v := range x.Row(i * x.Rows / n) {
			sum[j] += float64(v)
			squares += float64(v) * float64(v)
		}
	}
	mean, length := make([]float32, x.Cols), 0.0
	for j := range mean {
		m := sum[j] / float64(n)
		mean[j] = float32(m)
		length += m * m
	}
	if length < far*(squares/float64(n)-length) {
		return nil
	}
	return mean
}

func (s *rows) pick(ids []int) *rows {
	p := &rows{Matrix: s.Gather(ids), shift: s.shift}
	if s.scale != nil {
		p.scale = make([]float32, len(ids))
		for i, id := range ids {
			p.scale[i] = s.scale[id]
		}
	}
	return p
}

// distance is the squared distance of row i to c.
func (s *rows) distance(i int, c []float32) float32 {
	if s.scale != nil {
		return max(0, 2-2*s.scale[i]*vec.Dot(s.Row(i), c))
	}
	return vec.SquaredL2(s.Row(i), c)
}

const (
	blockRows = 128 // multiplied at a time, with
	blockCols = 480 // centroids, so that both and their products fit into the level 2 cache
)

// distancesTo writes the squared distances of row i to the rows ids of c.
func (s *rows) distancesTo(dst []float32, i int, c vec.Matrix, ids []uint32) {
	if s.scale == nil {
		vec.SquaredL2sAt(dst, s.Row(i), c.Data, ids)
		return
	}
	vec.DotsAt(dst, s.Row(i), c.Data, ids)
	for j, v := range dst {
		dst[j] = max(0, 2-2*s.scale[i]*v)
	}
}

// prepared are centroids, shifted, to be multiplied with many rows.
type prepared struct {
	parts []part
	most  float32 // the largest of the norms
}

// part is some of the centroids, from first on.
type part struct {
	first  int
	packed *vec.Packed
	norms  []float32 // squared
}

func (s *rows) prepare(c vec.Matrix) *prepared {
	shifted, norms := c, make([]float32, c.Rows)
	if s.shift != nil {
		shifted = c.Clone()
	}
	for j := range norms {
		row := shifted.Row(j)
		if s.shift != nil {
			vec.AddScaled(row, s.shift, -1)
		}
		norms[j] = vec.Dot(row, row)
	}
	p := &prepared{most: slices.Max(norms)}
	for j := 0; j < c.Rows; j += blockCols {
		end := min(j+blockCols, c.Rows)
		p.parts = append(p.parts, part{first: j, packed: vec.Pack(shifted.Slice(j, end)), norms: norms[j:end]})
	}
	return p
}

// multiply writes the products of the rows of x with the part's centroids to room, and returns them.
func (p part) multiply(room []float32, x vec.Matrix) vec.Matrix {
	return p.packed.MulT(vec.Matrix{Rows: x.Rows, Cols: len(p.norms), Data: room[:x.Rows*len(p.norms)]}, x)
}

// assign writes for each row the nearest centroid and the distance to it, and returns how many rows have another than
// before. With keep, what assign holds is a centroid to be left only for a nearer one.
func (s *rows) assign(ctx context.Context, c vec.Matrix, assign []uint32, distances []float32, keep bool) (changed int, err error) {
	all := s.prepare(c)
	blocks := (s.Rows + blockRows - 1) / blockRows
	moved := make([]int, blocks)
	many := max(1, blocks/32) // that a goroutine takes at a time, with one set of buffers
	err = vec.Blocks(ctx, blocks, many, func(from, to int) error {
		products := make([]float32, blockRows*min(blockCols, c.Rows))
		var buffer []float32
		if s.shift != nil {
			buffer = make([]float32, blockRows*s.Cols)
		}
		for b := from; b < to; b++ {
			lo, hi := b*blockRows, min((b+1)*blockRows, s.Rows)
			x := s.Slice(lo, hi)
			if s.shift != nil {
				x.Data = buffer[:len(x.Data)]
				copy(x.Data, s.Slice(lo, hi).Data)
				for i := range x.Rows {
					vec.AddScaled(x.Row(i), s.shift, -1)
				}
			}
			var best [blockRows]uint32
			var least [blockRows]float32
			for _, p := range all.parts {
				products := p.multiply(products, x)
				for i := range x.Rows {
					row := products.Row(i)
					j := vec.ArgMinSum(row, p.norms, -2)
					if v := p.norms[j] - 2*row[j]; p.first == 0 || v < least[i] {
						best[i], least[i] = uint32(p.first+j), v
					}
				}
			}
			for i := lo; i < hi; i++ {
				to := best[i-lo]
				d := s.distance(i, c.Row(int(to)))
				if keep && to != assign[i] {
					if old := s.distance(i, c.Row(int(assign[i]))); !(d < old) {
						to, d = assign[i], old
					}
				}
				if to != assign[i] {
					moved[b]++
				}
				assign[i], distances[i] = to, d
			}
		}
		return nil
	})
	for _, m := range moved {
		changed += m
	}
	return changed, err
}

// lloyd moves res.Centroids to the means of the rows nearest to them, and again. It returns the last assignment.
func (s *rows) lloyd(ctx context.Context, res *Result, o Options) (assign []uint32, distances []float32, err error) {
	assign, distances = make([]uint32, s.Rows), make([]float32, s.Rows)
	var b *bounds
	trial := newTrial(s, o.K)
	for keep := false; ; keep = true {
		var changed int
		if b != nil {
			changed, err = b.assign(ctx, res.Centroids, assign, distances)
		} else {
			changed, err = s.assign(ctx, res.Centroids, assign, distances, keep)
		}
		if err != nil {
			return nil, nil, err
		}
		if b == nil && o.Iterations-res.Iterations > fewLeft {
			pays, err := trial.pays(ctx, res.Centroids)
			if err != nil {
				return nil, nil, err
			}
			if pays {
				b = newBounds(s, o.K)
			}
		}
		inertia := 0.0
		for _, d := range distances {
			inertia += float64(d)
		}
		res.History = append(res.History, inertia)
		if o.Progress != nil {
			o.Progress(res.Iterations, o.Iterations)
		}
		sizes := make([]int, o.K)
		for _, a := range assign {
			sizes[a]++
		}
		n := len(res.History)
		switch {
		case res.Iterations == o.Iterations, inertia == 0:
			return assign, distances, nil
		case n > 1 && res.History[n-2]-inertia < o.Tolerance*inertia:
			return assign, distances, nil
		case n > 1 && changed == 0 && !slices.Contains(sizes, 0):
			return assign, distances, nil
		}
		if err := s.update(ctx, res.Centroids, sizes, assign, distances); err != nil {
			return nil, nil, err
		}
		res.Iterations++
	}
}

// update moves each centroid to the mean of its rows, after seeing to it that it has one.
func (s *rows) update(ctx context.Context, c vec.Matrix, sizes []int, assign []uint32, distances []float32) error {
	if slices.Contains(sizes, 0) {
		s.fillEmpty(c, sizes, assign, distances)
	}
	// The rows of each cluster, one cluster after another: each is summed by one goroutine, in the order of the rows.
	end, at := make([]int, c.Rows), 0
	for j, n := range sizes {
		end[j] = at
		at += n
	}
	members := make([]uint32, s.Rows)
	for i, a := range assign {
		members[end[a]] = uint32(i)
		end[a]++
	}
	return vec.Blocks(ctx, c.Rows, 1+c.Rows/64, func(lo, hi int) error {
		part, sum := make([]float32, s.Cols), make([]float64, s.Cols)
		for j := lo; j < hi; j++ {
			clear(sum)
			if s.add(sum, part, members[end[j]-sizes[j]:end[j]]); sizes[j] > 0 {
				s.mean(c.Row(j), sum, sizes[j])
			}
		}
		return nil
	})
}

// add adds rows to sum, with part for what float32 can hold of it.
func (s *rows) add(sum []float64, part []float32, members []uint32) {
	const few = 16 // rows whose sum in float32 is good enough
	for lo := 0; lo < len(members); lo += few {
		clear(part)
		for _, i := range members[lo:min(lo+few, len(members))] {
			w := float32(1)
			if s.scale != nil {
				w = s.scale[i]
			}
			vec.AddScaled(part, s.Row(int(i)), w)
		}
		for j, v := range part {
			sum[j] += float64(v)
		}
	}
}

// mean writes the mean of n rows that sum to sum; Spherical its direction, and nothing if it has none.
func (s *rows) mean(c []float32, sum []float64, n int) {
	mean := make([]float32, len(c))
	for j, v := range sum {
		mean[j] = float32(v / float64(n))
	}
	if s.scale != nil && vec.Normalize(mean, mean) == 0 {
		return
	}
	copy(c, mean)
}

// fillEmpty moves the centroid of each empty cluster onto the row that is farthest from its own, if it is not alone
// there, and takes in the rows that are nearer to it than to theirs.
func (s *rows) fillEmpty(c vec.Matrix, sizes []int, assign []uint32, distances []float32) {
	for j := range sizes {
		if sizes[j] > 0 {
			continue
		}
		far := -1
		for i, d := range distances {
			if sizes[assign[i]] > 1 && d > 0 && (far < 0 || d > distances[far]) {
				far = i
			}
		}
		if far < 0 {
			return // no row would come nearer
		}
		at := c.Row(j)
		copy(at, s.Row(far))
		if s.scale != nil {
			vec.Normalize(at, at)
		}
		for i, old := range distances {
			if d := s.distance(i, at); (d < old || i == far) && sizes[assign[i]] > 1 {
				sizes[assign[i]]--
				sizes[j]++
				assign[i], distances[i] = uint32(j), d
			}
		}
	}
}

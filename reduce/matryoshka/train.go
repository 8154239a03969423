package matryoshka

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/latent-go/latent/neighbors"
	"github.com/latent-go/latent/vec"
)

// A step looks at some rows and, for each, at some of its near neighbours and of those that follow them; all of these
// together are what each row is to tell its neighbours from.
const (
	anchors   = 64
	positives = 5    // of the near ones
	negatives = 8    // of the following
	following = 50   // neighbours beyond the near ones that are hard to tell from these
	sharpness = 0.05 // of the softmax, as a share of the spread of cosines
)

// train turns head, k×d with orthonormal rows, in place. Its loss for a row and a prefix is -Σ ln p over the row's near
// neighbours in the pool, where p is the softmax of cosines of the prefix over the pool, as sharp as these cosines spread;
// the loss of a step is the weighted mean over rows and prefixes. Steps follow the mean gradient of late, scaled by its size of
// late, as Adam's do but alike in all directions: directions that hold next to nothing must not move as much as others. Rows stay orthonormal
// by Newton's iteration for the nearest such matrix, 3/2·R - 1/2·RRᵀR, which is a retraction for steps as small as these.
func train(ctx context.Context, x, head vec.Matrix, t neighbors.Table, rate float64, o Options) error {
	wide := t.K
	rng := rand.New(rand.NewPCG(o.Seed, 0x737465702e))
	first, second := make([]float64, len(head.Data)), 0.0
	scale := rate / math.Sqrt(float64(head.Cols))
	var pool []int
	for step := range o.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		o.Progress(step, o.Steps)
		pool = pool[:0]
		n := min(anchors, x.Rows)
		for range n {
			pool = append(pool, rng.IntN(x.Rows))
		}
		for _, a := range pool[:n] {
			ids, _ := t.Row(a)
			for range positives {
				pool = append(pool, int(ids[rng.IntN(min(near, wide))]))
			}
			for range negatives {
				pool = append(pool, int(ids[rng.IntN(wide)]))
			}
		}
		rows := x.Gather(pool)
		g := vec.TMul(vec.Matrix{}, gradient(vec.MulT(vec.Matrix{}, rows, head), pool, n, t, o), rows)
		eta := scale * 0.5 * (1 + math.Cos(math.Pi*float64(step)/float64(o.Steps)))
		const b1, b2 = 0.9, 0.99
		c1, c2 := 1-math.Pow(b1, float64(step+1)), 1-math.Pow(b2, float64(step+1))
		var squares float64
		for i, v := range g.Data {
			first[i] = b1*first[i] + (1-b1)*float64(v)
			squares += float64(v) * float64(v)
		}
		second = b2*second + (1-b2)*squares/float64(len(g.Data))
		eta /= c1 * (math.Sqrt(second/c2) + 1e-30)
		for i, v := range first {
			head.Data[i] -= float32(eta * v)
		}
		for range 2 {
			retract(head)
		}
	}
	for range 8 { // what is left of the rounding
		retract(head)
	}
	o.Progress(o.Steps, o.Steps)
	return nil
}

func retract(r vec.Matrix) {
	g := vec.MulT(vec.Matrix{}, r, r)
	p := vec.Mul(vec.Matrix{}, g, r)
	for i := range r.Data {
		r.Data[i] = 1.5*r.Data[i] - 0.5*p.Data[i]
	}
}

// gradient is that of the loss by z, the pool's rows turned by the head. The first n of the pool are the rows to learn from.
func gradient(z vec.Matrix, pool []int, n int, t neighbors.Table, o Options) vec.Matrix {
	out := vec.NewMatrix(z.Rows, z.Cols)
	for i, k := range o.Dims {
		u := prefix(z, k)
		lengths := make([]float32, z.Rows)
		for r := range u.Rows {
			lengths[r] = vec.Normalize(u.Row(r), u.Row(r))
		}
		s := vec.MulT(vec.Matrix{}, u.Slice(0, n), u)
		softmax(s, pool, t, o.Weights[i]/float64(n))
		// By u: of a cosine s = u·v, the pool's side and the row's own.
		du := vec.TMul(vec.Matrix{}, s, u.Slice(0, n))
		own := vec.Mul(vec.Matrix{}, s, u)
		for r := range n {
			vec.AddScaled(du.Row(r), own.Row(r), 1)
		}
		for r := range u.Rows {
			if lengths[r] == 0 {
				continue
			}
			vec.AddScaled(du.Row(r), u.Row(r), -vec.Dot(du.Row(r), u.Row(r)))
			vec.AddScaled(out.Row(r)[:k], du.Row(r), 1/lengths[r])
		}
	}
	return out
}

// softmax turns cosines s, of the first rows of the pool with all of it, into weight times the gradient of the loss by them.
func softmax(s vec.Matrix, pool []int, t neighbors.Table, weight float64) {
	p := make([]float64, s.Cols)
	for r := range s.Rows {
		row := s.Row(r)
		ids, _ := t.Row(pool[r])
		ids = ids[:min(near, len(ids))]
		var sum, squares float64
		for _, v := range row {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		m := sum / float64(len(row))
		heat := sharpness*math.Sqrt(max(0, squares/float64(len(row))-m*m)) + 1e-6
		var total, wanted float64
		for j, v := range row {
			p[j] = 0
			if pool[j] == pool[r] {
				continue
			}
			p[j] = vec.Exp((float64(v) - 1) / heat)
			total += p[j]
			if slices.Contains(ids, uint32(pool[j])) {
				wanted++
			}
		}
		for j := range row {
			d := 0.0
			if pool[j] != pool[r] && total > 0 && wanted > 0 {
				d = p[j] / total
				if slices.Contains(ids, uint32(pool[j])) {
					d -= 1 / wanted
				}
			}
			row[j] = float32(weight * d / heat)
		}
	}
}

package recipe

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/latent-go/latent/vec"
)

// mlp is a classifier of fully connected layers with ReLU between them, trained with Adam: the small network that
// recipes look into where a paper looks into networks. It is no framework; the gradients are written out.
type mlp struct {
	w []vec.Matrix // of layer l: out × in
	b [][]float32
}

// newMLP draws the weights of layers between sizes, as He et al. 2015 do for ReLU.
func newMLP(seed uint64, sizes ...int) *mlp {
	r := rand.New(rand.NewPCG(seed, 0x317))
	m := &mlp{}
	for l := range len(sizes) - 1 {
		w := vec.NewMatrix(sizes[l+1], sizes[l])
		for i := range w.Data {
			w.Data[i] = float32(r.NormFloat64() * math.Sqrt(2/float64(sizes[l])))
		}
		m.w, m.b = append(m.w, w), append(m.b, make([]float32, sizes[l+1]))
	}
	return m
}

// layers are the outputs of all layers for the rows of x, n×in; the last are the logits, n×classes, without ReLU.
func (m *mlp) layers(x vec.Matrix) []vec.Matrix {
	var out []vec.Matrix
	for l, w := range m.w {
		x = vec.MulT(vec.Matrix{}, x, w)
		for i := range x.Rows {
			row := x.Row(i)
			for j, b := range m.b[l] {
				row[j] += b
				if l < len(m.w)-1 {
					row[j] = max(row[j], 0)
				}
			}
		}
		out = append(out, x)
	}
	return out
}

// score is the mean cross-entropy in nats and the share of rows that are put into the wrong class.
func (m *mlp) score(x vec.Matrix, y []int) (loss, wrong float64) {
	out := m.layers(x)
	return softmax(out[len(out)-1], y)
}

// softmax turns logits into the gradient of their mean cross-entropy, in place, and returns that and the share in error.
func softmax(z vec.Matrix, y []int) (loss, wrong float64) {
	n := float64(z.Rows)
	for i := range z.Rows {
		row := z.Row(i)
		top := 0
		for j, v := range row {
			if v > row[top] {
				top = j
			}
		}
		if top != y[i] {
			wrong += 1 / n
		}
		var sum float64
		high, at := float64(row[top]), float64(row[y[i]])
		for _, v := range row {
			sum += math.Exp(float64(v) - high)
		}
		loss += (math.Log(sum) + high - at) / n
		for j, v := range row {
			row[j] = float32(math.Exp(float64(v)-high) / sum / n)
		}
		row[y[i]] -= float32(1 / n)
	}
	return loss, wrong
}

// gradient is the loss of a batch and what it changes by with each weight, each bias, and each number of x, which is nil
// unless wanted.
func (m *mlp) gradient(x vec.Matrix, y []int, wantX bool) (loss float64, w []vec.Matrix, b [][]float32, dx vec.Matrix) {
	out := m.layers(x)
	w, b = make([]vec.Matrix, len(m.w)), make([][]float32, len(m.w))
	d := out[len(out)-1]
	loss, _ = softmax(d, y)
	for l := len(m.w) - 1; l >= 0; l-- {
		in := x
		if l > 0 {
			in = out[l-1]
		}
		w[l] = vec.TMul(vec.Matrix{}, d, in)
		b[l] = make([]float32, d.Cols)
		for i := range d.Rows {
			vec.AddScaled(b[l], d.Row(i), 1)
		}
		if l == 0 && !wantX {
			break
		}
		d = vec.Mul(vec.Matrix{}, d, m.w[l])
		if l > 0 {
			for i, v := range in.Data {
				if v <= 0 {
					d.Data[i] = 0
				}
			}
		}
	}
	return loss, w, b, d
}

// training is how an mlp is fitted.
type training struct {
	epochs, batch int
	rate          float64
	decay         float64 // L2, added to the gradient
	seed          uint64  // of the order of rows
}

// train fits the network to rows and their classes by Adam, and calls each after every epoch, the first being 1.
func (m *mlp) train(ctx context.Context, x vec.Matrix, y []int, o training, each func(epoch int) error) error {
	r := rand.New(rand.NewPCG(o.seed, 0x7a1))
	var params [][]float32
	for l := range m.w {
		params = append(params, m.w[l].Data, m.b[l])
	}
	first, second := zerosLike(params), zerosLike(params)
	step := 0
	for epoch := 1; epoch <= o.epochs; epoch++ {
		order := r.Perm(x.Rows)
		for lo := 0; lo < len(order); lo += o.batch {
			if err := ctx.Err(); err != nil {
				return err
			}
			ids := order[lo:min(lo+o.batch, len(order))]
			labels := make([]int, len(ids))
			for i, id := range ids {
				labels[i] = y[id]
			}
			loss, w, b, _ := m.gradient(x.Gather(ids), labels, false)
			if math.IsNaN(loss) || math.IsInf(loss, 0) {
				return fmt.Errorf("training diverged in epoch %d: loss %v", epoch, loss)
			}
			step++
			for l := range w {
				adam(params[2*l], w[l].Data, first[2*l], second[2*l], step, o)
				adam(params[2*l+1], b[l], first[2*l+1], second[2*l+1], step, o)
			}
		}
		if each != nil {
			if err := each(epoch); err != nil {
				return err
			}
		}
	}
	return nil
}

func zerosLike(params [][]float32) [][]float32 {
	out := make([][]float32, len(params))
	for i, p := range params {
		out[i] = make([]float32, len(p))
	}
	return out
}

// adam takes step number t. Source: Kingma and Ba 2015, algorithm 1.
func adam(p, g, first, second []float32, t int, o training) {
	const b1, b2, eps = 0.9, 0.999, 1e-8
	rate := o.rate * math.Sqrt(1-math.Pow(b2, float64(t))) / (1 - math.Pow(b1, float64(t)))
	for i := range p {
		d := float64(g[i]) + o.decay*float64(p[i])
		u := b1*float64(first[i]) + (1-b1)*d
		v := b2*float64(second[i]) + (1-b2)*d*d
		first[i], second[i] = float32(u), float32(v)
		p[i] -= float32(rate * u / (math.Sqrt(v) + eps))
	}
}

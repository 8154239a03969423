package sentence

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/latent-go/latent/vec"
)

// layer is one block of the transformer (Devlin et al. 2019, after Vaswani et al. 2017), its norms after each sum:
//
//	x ← norm(x + attention(x)·Wo + bo)
//	x ← norm(x + gelu(x·Wu + bu)·Wd + bd)
type layer struct {
	qkv      linear // query, key and value in one product
	out      linear
	up, down linear
	afterOut layerNorm
	afterAll layerNorm
}

// linear is x·Wᵀ + b.
type linear struct {
	w *vec.Packed
	b []float32
}

func (l linear) apply(dst, x vec.Matrix) vec.Matrix {
	dst = l.w.MulT(dst, x)
	for i := range dst.Rows {
		vec.AddScaled(dst.Row(i), l.b, 1)
	}
	return dst
}

// work is the room that a batch's layers take in turn.
type work struct {
	qkv, mixed, y, h vec.Matrix
	scores           []float32
}

func newWork(n, d int, layers []layer) *work {
	h := 0
	for _, l := range layers {
		h = max(h, len(l.up.b))
	}
	return &work{vec.NewMatrix(n, 3*d), vec.NewMatrix(n, d), vec.NewMatrix(n, d), vec.NewMatrix(n, h), nil}
}

// apply sends the tokens of several texts, one a row of x, through the layer.
func (l *layer) apply(x vec.Matrix, texts []span, heads int, w *work) {
	l.qkv.apply(w.qkv, x)
	for _, t := range texts {
		attend(w.mixed, w.qkv, t, heads, w)
	}
	l.out.apply(w.y, w.mixed)
	add(x, w.y)
	l.afterOut.apply(x)
	h := vec.Matrix{Rows: x.Rows, Cols: len(l.up.b), Data: w.h.Data[:x.Rows*len(l.up.b)]}
	l.up.apply(h, x)
	gelu(h.Data)
	l.down.apply(w.y, h)
	add(x, w.y)
	l.afterAll.apply(x)
}

// attend writes to the rows of dst that text t has, for each head, the values of t's tokens weighted by
// softmax(q·k/√size).
func attend(dst, qkv vec.Matrix, t span, heads int, w *work) {
	n, d := t.hi-t.lo, dst.Cols
	size := d / heads
	factor := float32(1 / math.Sqrt(float64(size)))
	w.scores = slices.Grow(w.scores[:0], n)[:n]
	for i := t.lo; i < t.hi; i++ {
		clear(dst.Row(i))
		for at := 0; at < d; at += size {
			q := qkv.Row(i)[at : at+size]
			for j := range n {
				w.scores[j] = vec.Dot(q, qkv.Row(t.lo + j)[d+at:d+at+size])
			}
			softmax(w.scores, factor)
			mixed := dst.Row(i)[at : at+size]
			for j, p := range w.scores {
				vec.AddScaled(mixed, qkv.Row(t.lo + j)[2*d+at:2*d+at+size], p)
			}
		}
	}
}

// softmax turns scores s into exp(f·s)/Σ exp(f·s).
func softmax(s []float32, f float32) {
	top := slices.Max(s)
	sum := float32(0)
	for i, v := range s {
		s[i] = exp(f * (v - top))
		sum += s[i]
	}
	vec.Scale(s, s, 1/sum)
}

// exp is eˣ for x ≤ 0, to 3 units in the last place: 2ⁿ·2ᶠ with a polynomial for 2ᶠ, |f| ≤ ½.
func exp(x float32) float32 {
	if x < -87 {
		return 0
	}
	y := x * math.Log2E
	n := float32(math.Floor(float64(y + 0.5)))
	f := (y - n) * math.Ln2
	p := 1 + f*(1+f*(1./2+f*(1./6+f*(1./24+f*(1./120+f*(1./720))))))
	return math.Float32frombits(uint32(127+int32(n))<<23) * p
}

// layerNorm makes each row's mean 0 and variance 1, and then scales and shifts each column.
type layerNorm struct{ scale, shift []float32 }

// layerEps is what BERT adds to the variance.
const layerEps = 1e-12

func (l layerNorm) apply(x vec.Matrix) {
	for i := range x.Rows {
		row := x.Row(i)
		var sum, squares float64
		for _, v := range row {
			sum += float64(v)
		}
		mean := sum / float64(len(row))
		for _, v := range row {
			squares += (float64(v) - mean) * (float64(v) - mean)
		}
		m, f := float32(mean), float32(1/math.Sqrt(squares/float64(len(row))+layerEps))
		for j, v := range row {
			row[j] = (v-m)*f*l.scale[j] + l.shift[j]
		}
	}
}

// geluTable has Φ(x), the normal distribution's function, at steps of 1/256 from −6 to 6. Between them a straight line
// is off by less than 5e-7: h²/8 times the most that Φ bends, 0.242.
var geluTable = sync.OnceValue(func() []float32 {
	t := make([]float32, 12*256+2)
	for i := range t {
		t[i] = float32(0.5 * math.Erfc(-(float64(i)/256-6)/math.Sqrt2))
	}
	return t
})

// gelu replaces each x with x·Φ(x) (Hendrycks and Gimpel 2016, the exact form).
func gelu(x []float32) {
	t := geluTable()
	for i, v := range x {
		at := (v + 6) * 256
		switch {
		case at < 0:
			x[i] = 0
		case at < 12*256:
			n := int(at)
			x[i] = v * (t[n] + (at-float32(n))*(t[n+1]-t[n]))
		}
	}
}

func add(x, y vec.Matrix) { vec.AddScaled(x.Data, y.Data[:len(x.Data)], 1) }

// reader takes tensors by name, and remembers the first that is missing or of another shape.
type reader struct {
	weights map[string]vec.Matrix
	err     error
}

// matrix returns the tensor of that name, rows×cols; -1 for either means any. After an error it is empty.
func (r *reader) matrix(name string, rows, cols int) vec.Matrix {
	x, ok := r.weights[name]
	if !ok {
		if x, ok = r.weights["bert."+name]; !ok && r.err == nil {
			r.err = fmt.Errorf("no tensor %q: %w", name, ErrModel)
		}
	}
	if ok && (rows >= 0 && x.Rows != rows || cols >= 0 && x.Cols != cols) && r.err == nil {
		r.err = fmt.Errorf("tensor %q is %d×%d, want %d×%d (-1: any): %w", name, x.Rows, x.Cols, rows, cols, ErrModel)
	}
	if r.err != nil {
		return vec.Matrix{}
	}
	return x
}

func (r *reader) norm(name string, d int) layerNorm {
	return layerNorm{r.matrix(name+".weight", 1, d).Data, r.matrix(name+".bias", 1, d).Data}
}

// linear reads one layer, or stacks several of the same input into one.
func (r *reader) linear(rows, cols int, names ...string) linear {
	var w, b []float32
	for _, name := range names {
		m := r.matrix(name+".weight", rows, cols)
		w, b = append(w, m.Data...), append(b, r.matrix(name+".bias", 1, m.Rows).Data...)
	}
	if r.err != nil {
		return linear{}
	}
	return linear{vec.Pack(vec.Matrix{Rows: len(b), Cols: cols, Data: w}), b}
}

func (r *reader) layer(prefix string, d int) layer {
	l := layer{
		qkv:      r.linear(d, d, prefix+"attention.self.query", prefix+"attention.self.key", prefix+"attention.self.value"),
		out:      r.linear(d, d, prefix+"attention.output.dense"),
		up:       r.linear(-1, d, prefix+"intermediate.dense"),
		afterOut: r.norm(prefix+"attention.output.LayerNorm", d),
		afterAll: r.norm(prefix+"output.LayerNorm", d),
	}
	l.down = r.linear(d, len(l.up.b), prefix+"output.dense")
	return l
}

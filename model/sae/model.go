package sae

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"sync"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/explain/dictionary"
	"github.com/latent-go/latent/nn"
	"github.com/latent-go/latent/vec"
)

// Model is a fitted sparse autoencoder. It is immutable and safe for concurrent use.
type Model struct {
	kind      Kind
	k         int
	residual  float64
	dict      *dictionary.Dictionary
	encoder   vec.Matrix // features × dim; of MP none, nor what follows
	offset    []float32  // a feature's value is encoder·(x-bias) + offset,
	threshold []float32  // if it is above this

	against *vec.Packed // -encoder: kernels look for what is least
}

func newModel(h header, atoms, encoder vec.Matrix, bias, offset, threshold []float32) (*Model, error) {
	d, err := dictionary.New(atoms, bias)
	if err != nil {
		return nil, err
	}
	m := &Model{kind: h.Kind, k: h.K, residual: h.Residual, dict: d, encoder: encoder, offset: offset, threshold: threshold}
	if m.kind != MP {
		less := vec.NewMatrix(encoder.Rows, encoder.Cols)
		vec.Scale(less.Data, encoder.Data, -1)
		m.against = vec.Pack(less)
	}
	return m, nil
}

// model is the network as it stands, for the data as they are; for centred and scaled rows if s is nil. All kinds scale: codes
// of vectors twice as long are twice as large, if offsets and thresholds are.
func (n *net) model(w *nn.Weights, s *scaled) (*Model, error) {
	atoms, err := n.values(w, "atoms")
	if err != nil {
		return nil, err
	}
	bias, err := n.values(w, "bias")
	if err != nil {
		return nil, err
	}
	scale := float32(1)
	if s != nil {
		scale = s.scale
		for j := range bias.Data {
			bias.Data[j] = s.mean[j] + bias.Data[j]/scale
		}
	}
	h := header{n.o.Kind, n.o.K, n.o.Residual, n.o.Features, n.dim}
	if n.o.Kind == MP {
		return newModel(h, atoms, vec.Matrix{}, bias.Data, nil, nil)
	}
	encoder, err := n.values(w, "encoder")
	if err != nil {
		return nil, err
	}
	offset, err := n.values(w, "offset")
	if err != nil {
		return nil, err
	}
	vec.Scale(offset.Data, offset.Data, 1/scale)
	threshold := make([]float32, n.o.Features)
	if n.o.Kind == JumpReLU {
		t, err := n.values(w, "threshold")
		if err != nil {
			return nil, err
		}
		for i, v := range t.Data {
			threshold[i] = float32(math.Exp(thresholdUnit*float64(v))) / scale
		}
	}
	return newModel(h, atoms, encoder, bias.Data, offset.Data, threshold)
}

// settleValues is how many values of features are looked at to find a threshold.
const settleValues = 1 << 23

// settle gives a model that learnt with K features a row in a batch the threshold that does so for the rows of x, of which it
// looks at some, evenly spaced.
func (m *Model) settle(x vec.Matrix) {
	if m.kind != BatchTopK && m.kind != Matryoshka {
		return
	}
	n := min(x.Rows, max(256, settleValues/m.Features()))
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i * x.Rows / n
	}
	a := m.negative(vec.Matrix{}, m.dict.Centered(vec.Matrix{}, x.Gather(ids)))
	t := -between(a.Data, m.k*n)
	for i := range m.threshold {
		m.threshold[i] = t
	}
}

// Kind says how the model chooses features.
func (m *Model) Kind() Kind { return m.kind }

// Features is the number of features.
func (m *Model) Features() int { return m.dict.Len() }

// Dim is the dimension of the vectors.
func (m *Model) Dim() int { return m.dict.Dim() }

// K is how many features a row it learnt with: exactly, at most, or on average, as the kind has it.
func (m *Model) K() int { return m.k }

// Dictionary returns the features' directions.
func (m *Model) Dictionary() *dictionary.Dictionary { return m.dict }

// encodeRows are multiplied with the encoder at a time.
const encodeRows = 64

// Encode finds the features of the rows of x, n×d. The zero Stop has as many as the model learnt with; an MP may take more
// or fewer steps, or go on until little is left, and another kind have at most K, the largest. Rows of another dimension
// give vec.ErrDim, values that are not finite vec.ErrNotFinite. Features come by falling value if their number was limited, in
// the order of their choice from MP, and by number otherwise. Time O(n·p·d); see [dictionary.Dictionary.Pursue]. The result does
// not depend on the number of processors.
func (m *Model) Encode(ctx context.Context, x vec.Matrix, s dictionary.Stop) (*dictionary.Codes, error) {
	if m.kind == MP {
		if s == (dictionary.Stop{}) {
			s = dictionary.Stop{K: m.k, Residual: m.residual}
		}
		return m.dict.Pursue(ctx, x, s)
	}
	if s.Residual != 0 {
		return nil, fmt.Errorf("sae: stop at a residual of %v: %v chooses all features at once; give a K", s.Residual, m.kind)
	}
	if s.K < 0 || s.K > m.Features() {
		return nil, fmt.Errorf("sae: %d features a row of %d; want 0 or more, up to all", s.K, m.Features())
	}
	if s.K == 0 && m.kind == TopK {
		s.K = m.k
	}
	if x.Cols != m.Dim() && x.Rows > 0 {
		return nil, fmt.Errorf("sae: vectors have %d values, the model takes %d: %w", x.Cols, m.Dim(), vec.ErrDim)
	}
	if err := x.Check(); err != nil {
		return nil, fmt.Errorf("sae: %w", err)
	}
	all := numbers(m.Features())
	return dictionary.Collect(ctx, x.Rows, m.Features(), encodeRows, func(lo, hi int, add func([]uint32, []float32)) error {
		w := buffers.Get().(*buffer)
		defer buffers.Put(w)
		w.grow((hi - lo) * (m.Features() + m.Dim()))
		r := m.dict.Centered(vec.Matrix{Rows: hi - lo, Cols: m.Dim(), Data: w.data[:(hi-lo)*m.Dim()]}, x.Slice(lo, hi))
		a := m.negative(vec.Matrix{Rows: hi - lo, Cols: m.Features(), Data: w.data[(hi-lo)*m.Dim() : (hi-lo)*(m.Dim()+m.Features())]}, r)
		for i := range a.Rows {
			m.choose(w, a.Row(i), all, s.K)
			add(w.index, w.value)
		}
		return nil
	})
}

// buffer is what a goroutine encodes in.
type buffer struct {
	data, value []float32
	index       []uint32
	top         *vec.TopK
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func (w *buffer) grow(n int) {
	if len(w.data) < n {
		w.data = make([]float32, n)
	}
}

// choose leaves the code of a row in w, given the values of all features, with the sign turned.
func (m *Model) choose(w *buffer, a []float32, all []uint32, k int) {
	w.index, w.value = w.index[:0], w.value[:0]
	if k == 0 {
		w.index = vec.AtMostSum(w.index, a, m.threshold, 1, 1, -smallest)
		for _, j := range w.index {
			w.value = append(w.value, -a[j])
		}
		return
	}
	w.top = w.top.For(k)
	if m.kind == TopK {
		w.top.PushAll(a, all)
	} else {
		w.index = vec.AtMostSum(w.index, a, m.threshold, 1, 1, -smallest)
		for _, j := range w.index {
			w.top.Push(a[j], j)
		}
	}
	w.index, w.value = w.top.Append(w.index[:0], w.value)
	for i, v := range w.value {
		if w.value[i] = -v; v >= 0 {
			w.index, w.value = w.index[:i], w.value[:i]
			break
		}
	}
}

// smallest is the least float32 above 0.
const smallest = 0x1p-149

// negative writes to dst the values of all features of centred rows, with the sign turned, in its caller's goroutine.
func (m *Model) negative(dst, r vec.Matrix) vec.Matrix {
	dst = m.against.MulT(dst, r)
	for i := range dst.Rows {
		vec.AddScaled(dst.Row(i), m.offset, -1)
	}
	return dst
}

// Decode writes to dst, n×d, the vectors that codes stand for, and returns it. A zero dst is allocated.
func (m *Model) Decode(dst vec.Matrix, c *dictionary.Codes) vec.Matrix { return m.dict.Decode(dst, c) }

const (
	fileKind    = "sae"
	fileVersion = 1
)

type header struct {
	Kind     Kind
	K        int
	Residual float64
	Features int
	Dim      int
}

// WriteTo writes the model as an artifact, which Read reads.
func (m *Model) WriteTo(w io.Writer) (int64, error) {
	s := []artifact.Section{
		artifact.JSON("header", header{m.kind, m.k, m.residual, m.Features(), m.Dim()}),
		artifact.Numbers("atoms", m.dict.Atoms().Data),
		artifact.Numbers("bias", m.dict.Bias()),
	}
	if m.kind != MP {
		s = append(s, artifact.Numbers("encoder", m.encoder.Data), artifact.Numbers("offset", m.offset), artifact.Numbers("threshold", m.threshold))
	}
	return artifact.Write(w, fileKind, fileVersion, s...)
}

// Read reads the model that WriteTo wrote, and not a byte further. What does not fit together gives an *artifact.CorruptError.
func Read(r io.Reader) (*Model, error) { return artifact.Load(r, fileKind, fileVersion, fromFile) }

// Load reads a model from a file that artifact.Save wrote.
func Load(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("sae: %w", err)
	}
	defer f.Close()
	m, err := Read(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("sae: %s: %w", path, err)
	}
	return m, nil
}

func fromFile(f *artifact.File) (*Model, error) {
	var h header
	if err := f.Decode("header", &h); err != nil {
		return nil, err
	}
	if int(h.Kind) >= len(kindNames) || h.Features < 1 || h.Features > maxFeatures || h.Dim < 1 || h.K < 1 || h.Kind == TopK && h.K > h.Features ||
		!(h.Residual >= 0 && h.Residual < 1) {
		return nil, f.Reject("a %v of %d features for %d dimensions, with %d a row and a residual of %v", h.Kind, h.Features, h.Dim, h.K, h.Residual)
	}
	var err error
	section := func(name string, n int) (s []float32) {
		if err != nil {
			return nil
		}
		if s, err = artifact.Slice[float32](f, name); err != nil {
			return nil
		}
		if len(s)/n*n != len(s) || len(s) == 0 {
			err = f.Reject("section %s has %d numbers", name, len(s))
			return nil
		}
		if e := (vec.Matrix{Rows: 1, Cols: len(s), Data: s}).Check(); e != nil {
			err = f.Reject("section %s: %v", name, e)
		}
		return s
	}
	matrix := func(name string) vec.Matrix {
		m := vec.Matrix{Rows: h.Features, Cols: h.Dim, Data: section(name, h.Dim)}
		if err == nil && len(m.Data)/h.Dim != h.Features {
			err = f.Reject("section %s has %d numbers; want %d × %d", name, len(m.Data), h.Features, h.Dim)
		}
		return m
	}
	row := func(name string, n int) []float32 {
		s := section(name, n)
		if err == nil && len(s) != n {
			err = f.Reject("section %s has %d numbers; want %d", name, len(s), n)
		}
		return s
	}
	atoms, bias := matrix("atoms"), row("bias", h.Dim)
	var encoder vec.Matrix
	var offset, threshold []float32
	if h.Kind != MP {
		encoder, offset, threshold = matrix("encoder"), row("offset", h.Features), row("threshold", h.Features)
		for i, t := range threshold {
			if t < 0 && err == nil {
				err = f.Reject("threshold %d is %v, below 0", i, t)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	m, err := newModel(h, atoms, encoder, bias, offset, threshold)
	if err != nil {
		return nil, f.Reject("%v", err)
	}
	return m, nil
}

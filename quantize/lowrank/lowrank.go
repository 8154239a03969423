// Package lowrank is the codec "lrvq": a vector is cut into pieces of m numbers, and each piece is a codeword in fewer
// dimensions, under one map for all of them. One small codebook serves a whole matrix, so it suits tables and weights that
// are few or short, where a codebook for each piece (package product) would outweigh what it saves.
//
//	c, err := lowrank.Fit(ctx, w, lowrank.Options{Sub: 8}) // a byte for 8 numbers
//	codes := c.Encode(nil, w.Row(0))
//
// A piece w is Ps + what P loses, with s = Pᵀw in r ≤ m dimensions, and s is the nearest of k codewords: w becomes P·C[a].
// As P is orthonormal, |W-Ŵ|² = |W-PPᵀW|² + |S-C[a]|². Fit lowers that sum in turns: codewords by k-means, then the best
// orthonormal P for the codewords (Procrustes), and so on; it never rises.
//
// Source: Zhu, Zhou and Zhao 2023, LR²VQ, arXiv 2211.11397: the low-rank form, the parameters m, k and r, and an estimate of
// r. They train all on the loss of a task; this package minimises the squared error instead, for which a rank below m can
// only cost: what it buys is a smaller codebook. Where rows are many, package product loses less at the same bytes.
package lowrank

import (
	"context"
	"fmt"
	"io"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/cluster"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

// Options say how small codes are. The zero Options make a byte of 8 numbers.
type Options struct {
	Sub      int    // m, numbers in a piece, which divides the dimension; 0 is 8
	Rank     int    // r, dimensions of codewords, 1 to m; 0 is m, which loses least; see EstimateRank
	Clusters int    // k, codewords, 2 to 256, or fewer if there are fewer pieces; 0 is 256
	Rounds   int    // of P and codewords in turns after the first; 0 is 10
	Seed     uint64 // of the k-means and the sample
}

const (
	maxDim      = 1 << 24
	maxSub      = 1 << 10
	maxClusters = 256
	sample      = 1 << 16 // pieces that Fit learns from
)

// Codec keeps a byte for each piece of a vector. It is immutable and safe for concurrent use.
type Codec struct {
	dim      int
	basis    vec.Matrix // m×r, P
	codebook vec.Matrix // k×r, C
	words    vec.Matrix // k×m, CPᵀ
}

// Fit returns the codec for vectors like the rows of x, learnt from at most 65,536 evenly spaced pieces. A Sub that does not
// divide x.Cols gives vec.ErrDim, no rows vec.ErrTooFew, a value that is not finite vec.ErrNotFinite.
func Fit(ctx context.Context, x vec.Matrix, o Options) (*Codec, error) {
	pieces, err := o.check(x)
	if err != nil {
		return nil, fmt.Errorf("lowrank: fit: %w", err)
	}
	if n := pieces.Rows; n > sample {
		ids := make([]int, sample)
		for i := range ids {
			ids[i] = i * n / sample
		}
		pieces = pieces.Gather(ids)
	}
	_, vectors, err := spectrum(pieces)
	if err != nil {
		return nil, err
	}
	basis := vec.NewMatrix(o.Sub, o.Rank)
	for i := range o.Sub {
		for j := range o.Rank {
			basis.Row(i)[j] = float32(vectors.At(i, o.Sub-1-j)) // eigenvalues come in rising order
		}
	}
	s := vec.Mul(vec.Matrix{}, pieces, basis)
	r, err := cluster.KMeans(ctx, s, cluster.Options{K: min(o.Clusters, pieces.Rows), Seed: o.Seed})
	if err != nil {
		return nil, fmt.Errorf("lowrank: fit: %w", err)
	}
	for range o.Rounds {
		if basis, err = procrustes(pieces, r); err != nil {
			return nil, err
		}
		s = vec.Mul(s, pieces, basis)
		r, err = cluster.KMeans(ctx, s, cluster.Options{Start: r.Centroids, Iterations: 2, Seed: o.Seed})
		if err != nil {
			return nil, fmt.Errorf("lowrank: fit: %w", err)
		}
	}
	return newCodec(x.Cols, basis, r.Centroids), nil
}

// check fills in defaults and returns the pieces of x, a view.
func (o *Options) check(x vec.Matrix) (pieces vec.Matrix, err error) {
	if o.Sub == 0 {
		o.Sub = 8
	}
	if o.Clusters == 0 {
		o.Clusters = maxClusters
	}
	if o.Rank == 0 {
		o.Rank = o.Sub
	}
	if o.Rounds == 0 {
		o.Rounds = 10
	}
	if err := x.Check(); err != nil {
		return x, err
	}
	switch {
	case x.Rows == 0 || x.Cols == 0:
		return x, fmt.Errorf("no values in %d×%d: %w", x.Rows, x.Cols, vec.ErrTooFew)
	case o.Sub < 1 || o.Sub > maxSub || x.Cols%o.Sub != 0:
		return x, fmt.Errorf("pieces of %d numbers; let Sub be 1 to %d, and a divisor of the %d dimensions: %w", o.Sub, maxSub, x.Cols, vec.ErrDim)
	case o.Rank < 0 || o.Rank > o.Sub:
		return x, fmt.Errorf("a rank of %d; let Rank be 1 to Sub, which is %d", o.Rank, o.Sub)
	case o.Clusters < 2 || o.Clusters > maxClusters:
		return x, fmt.Errorf("%d clusters; want 2 to %d", o.Clusters, maxClusters)
	case o.Rounds < 0:
		return x, fmt.Errorf("%d rounds; want 1 or more, or 0 for 10", o.Rounds)
	}
	return vec.Matrix{Rows: x.Rows * (x.Cols / o.Sub), Cols: o.Sub, Data: x.Data}, nil
}

// spectrum returns eigenvalues, in rising order, and eigenvectors of the mean of wwᵀ.
func spectrum(pieces vec.Matrix) ([]float64, *mat.Dense, error) {
	m := pieces.Cols
	second := mat.NewSymDense(m, vec.Gram(nil, pieces, nil))
	second.ScaleSym(1/float64(pieces.Rows), second)
	var e mat.EigenSym
	if !e.Factorize(second, true) {
		return nil, nil, fmt.Errorf("lowrank: the eigenvectors of %d×%d second moments were not found", m, m)
	}
	var vectors mat.Dense
	e.VectorsTo(&vectors)
	return e.Values(nil), &vectors, nil
}

// procrustes returns the orthonormal P that minimises Σ|w - P·C[a]|²: UVᵀ of the singular vectors of Σ w·C[a]ᵀ.
func procrustes(pieces vec.Matrix, r *cluster.Result) (vec.Matrix, error) {
	m, rank := pieces.Cols, r.Centroids.Cols
	cross := mat.NewDense(m, rank, nil)
	sums := make([]float64, r.Centroids.Rows*m) // of each cluster's pieces
	for i, a := range r.Assign {
		for j, w := range pieces.Row(i) {
			sums[int(a)*m+j] += float64(w)
		}
	}
	for k := range r.Centroids.Rows {
		for i, w := range sums[k*m : (k+1)*m] {
			for j, c := range r.Centroids.Row(k) {
				cross.Set(i, j, cross.At(i, j)+w*float64(c))
			}
		}
	}
	var svd mat.SVD
	var u, v, p mat.Dense
	if !svd.Factorize(cross, mat.SVDThin) {
		return vec.Matrix{}, fmt.Errorf("lowrank: the singular vectors of %d×%d products were not found", m, rank)
	}
	svd.UTo(&u)
	svd.VTo(&v)
	p.Mul(&u, v.T())
	basis := vec.NewMatrix(m, rank)
	for i := range m {
		for j := range rank {
			basis.Row(i)[j] = float32(p.At(i, j))
		}
	}
	return basis, nil
}

// EstimateRank returns the rank at which log₂k bits are best spent on the pieces of x, of sub numbers each: how many of
// their principal components get bits if they are Gaussian (reverse water-filling, Cover and Thomas, theorem 10.3.3).
// Zeros are the defaults of Options. It gives errors as Fit does.
func EstimateRank(x vec.Matrix, sub, clusters int) (int, error) {
	o := Options{Sub: sub, Clusters: clusters}
	pieces, err := o.check(x)
	if err != nil {
		return 0, fmt.Errorf("lowrank: estimate: %w", err)
	}
	values, _, err := spectrum(pieces)
	if err != nil {
		return 0, err
	}
	_, rank := waterFill(values, math.Log2(float64(o.Clusters)))
	return rank, nil
}

// waterFill returns the level θ at which Σ ½log₂(λ/θ) over the λ above θ, of values in rising order, is bits, and how
// many there are, 1 at least.
func waterFill(values []float64, bits float64) (level float64, active int) {
	sum := 0.0
	for i := len(values) - 1; i >= 0 && values[i] > 0; i-- {
		if active > 0 && values[i] <= level {
			break
		}
		active++
		sum += math.Log2(values[i])
		level = math.Exp2((sum - 2*bits) / float64(active))
	}
	return level, max(1, active)
}

func newCodec(dim int, basis, codebook vec.Matrix) *Codec {
	return &Codec{dim: dim, basis: basis, codebook: codebook, words: vec.MulT(vec.Matrix{}, codebook, basis)}
}

// Dim is the dimension of the vectors.
func (c *Codec) Dim() int { return c.dim }

// CodeSize is the length of a code: a byte for each piece.
func (c *Codec) CodeSize() int { return c.dim / c.basis.Rows }

// SizeBytes is what the map and the codewords take, 4(m+k)r bytes, which all codes share.
func (c *Codec) SizeBytes() int { return 4 * (len(c.basis.Data) + len(c.codebook.Data)) }

// Basis is P, m×r with orthonormal columns; Codebook is C, k×r. Neither is to be written to.
func (c *Codec) Basis() vec.Matrix { return c.basis }

// Codebook is C, k×r; see Basis.
func (c *Codec) Codebook() vec.Matrix { return c.codebook }

// String is the codec in a plan, with the length of pieces and the rank: "lrvq:8,4".
func (c *Codec) String() string { return fmt.Sprintf("lrvq:%d,%d", c.basis.Rows, c.basis.Cols) }

// Encode appends to dst the number of the nearest codeword of each piece of v. A v of another dimension panics.
func (c *Codec) Encode(dst []byte, v []float32) []byte {
	c.sameDim(v)
	m := c.basis.Rows
	d := make([]float32, c.words.Rows)
	for ; len(v) > 0; v = v[m:] {
		vec.SquaredL2s(d, v[:m], c.words.Data) // as near in r dimensions, and what P loses
		best := 0
		for k, x := range d {
			if x < d[best] {
				best = k
			}
		}
		dst = append(dst, byte(best))
	}
	return dst
}

// Decode writes the vector that code stands for to dst, of length Dim, and returns it; a nil dst is allocated. A number
// that a damaged code holds beyond the codewords is taken for the last. A dst or code of another length panics.
func (c *Codec) Decode(dst []float32, code []byte) []float32 {
	if dst == nil {
		dst = make([]float32, c.dim)
	}
	c.sameDim(dst)
	if len(code) != c.CodeSize() {
		panic(fmt.Sprintf("lowrank: code has %d bytes, those of %v have %d", len(code), c, c.CodeSize()))
	}
	m := c.basis.Rows
	for i, a := range code {
		copy(dst[i*m:(i+1)*m], c.words.Row(min(int(a), c.words.Rows-1)))
	}
	return dst
}

// Errors returns the squared error of the codes of x, of Dim columns, in its two parts: what the rank loses, and what the
// codewords lose of the rest.
func (c *Codec) Errors(x vec.Matrix) (rank, codewords float64) {
	m := c.basis.Rows
	s, back := make([]float32, c.basis.Cols), make([]float32, m)
	var code []byte
	for i := range x.Rows {
		code = c.Encode(code[:0], x.Row(i))
		for g, a := range code {
			w := x.Row(i)[g*m : (g+1)*m]
			clear(s)
			for j, v := range w {
				vec.AddScaled(s, c.basis.Row(j), v)
			}
			vec.Dots(back, s, c.basis.Data)
			rank += float64(vec.SquaredL2(w, back))
			codewords += float64(vec.SquaredL2(s, c.codebook.Row(int(a))))
		}
	}
	return rank, codewords
}

// Scorer prepares to measure q against codes, by a table of what each codeword adds at each piece. The distance is the
// one to the vector that the code decodes to, up to rounding. A q of another dimension and a metric that vec does not
// have panic.
func (c *Codec) Scorer(m vec.Metric, q []float32) quantize.Scorer {
	if m > vec.Manhattan {
		panic("lowrank: " + m.String())
	}
	s := &scorer{c: c, m: m, table: make([]float32, c.CodeSize()*maxClusters)}
	s.Reset(q)
	return s
}

type scorer struct {
	c     *Codec
	m     vec.Metric
	table []float32 // a row of 256 for each piece: what a byte beyond the codewords adds is what the last one does
	base  float32
}

func (s *scorer) Reset(q []float32) {
	s.c.sameDim(q)
	m, k := s.c.basis.Rows, s.c.words.Rows
	for g := range s.c.CodeSize() {
		t, piece := s.table[g*maxClusters:(g+1)*maxClusters], q[g*m:(g+1)*m]
		switch s.m {
		case vec.Euclidean:
			vec.SquaredL2s(t[:k], piece, s.c.words.Data)
		case vec.Manhattan:
			vec.L1s(t[:k], piece, s.c.words.Data)
		default:
			vec.Dots(t[:k], piece, s.c.words.Data)
			vec.Scale(t[:k], t[:k], -1)
		}
		for i := k; i < len(t); i++ {
			t[i] = t[k-1]
		}
	}
	if s.m == vec.Cosine {
		s.base = 1
	}
}

func (s *scorer) Distances(dst []float32, codes []byte) {
	size := s.c.CodeSize()
	for i := range dst {
		dst[i] = s.distance(codes[i*size : (i+1)*size])
	}
}

func (s *scorer) DistancesAt(dst []float32, codes []byte, ids []uint32) {
	if len(dst) != len(ids) {
		panic(fmt.Sprintf("lowrank: slices of %d and %d", len(dst), len(ids)))
	}
	size := s.c.CodeSize()
	for i, id := range ids {
		dst[i] = s.distance(codes[int(id)*size : (int(id)+1)*size])
	}
}

func (s *scorer) distance(code []byte) float32 {
	sum, t := s.base, s.table
	for _, a := range code {
		sum += t[a]
		t = t[maxClusters:]
	}
	return sum
}

const kind = "codec.lrvq"

// WriteTo writes the codec as an artifact, which Read reads.
func (c *Codec) WriteTo(w io.Writer) (int64, error) {
	return artifact.Write(w, kind, 1, artifact.JSON("meta", meta{c.dim, c.basis.Rows, c.basis.Cols}),
		artifact.Numbers("basis", c.basis.Data), artifact.Numbers("codebook", c.codebook.Data))
}

type meta struct{ Dim, Sub, Rank int }

// Read reads the codec that WriteTo wrote, and not a byte further. What does not read as one gives
// *artifact.CorruptError.
func Read(r io.Reader) (*Codec, error) {
	f, err := artifact.Read(r, kind, 1)
	if err != nil {
		return nil, err
	}
	var m meta
	if err := f.Decode("meta", &m); err != nil {
		return nil, err
	}
	if m.Dim < 1 || m.Dim > maxDim || m.Sub < 1 || m.Sub > maxSub || m.Dim%m.Sub != 0 || m.Rank < 1 || m.Rank > m.Sub {
		return nil, f.Reject("%d dimensions in pieces of %d with rank %d make no sense", m.Dim, m.Sub, m.Rank)
	}
	basis, err := artifact.Slice[float32](f, "basis")
	if err != nil {
		return nil, err
	}
	codebook, err := artifact.Slice[float32](f, "codebook")
	if err != nil {
		return nil, err
	}
	k := len(codebook) / m.Rank
	if len(basis) != m.Sub*m.Rank || k*m.Rank != len(codebook) || k < 1 || k > maxClusters {
		return nil, f.Reject("%d numbers of basis and %d of codewords for pieces of %d with rank %d", len(basis), len(codebook), m.Sub, m.Rank)
	}
	c := newCodec(m.Dim, vec.Matrix{Rows: m.Sub, Cols: m.Rank, Data: basis}, vec.Matrix{Rows: k, Cols: m.Rank, Data: codebook})
	for _, x := range []vec.Matrix{c.basis, c.codebook, c.words} {
		if err := x.Check(); err != nil {
			return nil, f.Reject("%v", err)
		}
	}
	return c, nil
}

func (c *Codec) sameDim(v []float32) {
	if len(v) != c.dim {
		panic(fmt.Sprintf("lowrank: vector has %d dimensions, codec %v has %d", len(v), c, c.dim))
	}
}

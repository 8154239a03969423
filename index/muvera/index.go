package muvera

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/flat"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/quantize/product"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

// Index finds documents: by the inner products of encodings first, in an index of single vectors, then by exact
// Chamfer scores. It is immutable and safe for concurrent use.
type Index struct {
	enc  *Encoder
	near index.Index
	docs *Documents
}

// Query says what one search wants.
type Query struct {
	K          int     // documents wanted; fewer come back only if there are fewer. K below 1 gives index.ErrQuery
	Candidates int     // documents found by encoding and scored exactly, at least K; 0 means 10·K, and at least 100
	Effort     int     // how hard the index of encodings looks for them, as in index.Query; 0 leaves it to the index
	Carve      float64 // if not 0, score with the sums that BallCarve makes of the query at this threshold; for tokens of length 1
	Keep       func(id uint32) bool
}

// Hit is a document found.
type Hit struct {
	ID    uint32  `json:"id"`
	Score float32 `json:"score"` // Chamfer: larger is nearer
}

// Result is what a search found, and what it cost.
type Result struct {
	Hits      []Hit `json:"hits"`      // best first, ties by smaller ID
	Distances int   `json:"distances"` // encodings measured
	Scored    int   `json:"scored"`    // documents scored exactly
}

// NewIndex returns an index over docs that looks for candidates in near: an index under vec.InnerProduct in which document i
// has its encoding by enc under ID i, as [Encoder.EncodeDocuments] makes them. near must not be changed afterwards.
func NewIndex(enc *Encoder, near index.Index, docs *Documents) (*Index, error) {
	switch {
	case enc.TokenDim() != docs.Dim():
		return nil, fmt.Errorf("muvera: the encoder takes tokens of %d dimensions, documents have %d: %w", enc.TokenDim(), docs.Dim(), vec.ErrDim)
	case near.Dim() != enc.Dim():
		return nil, fmt.Errorf("muvera: the index has %d dimensions, encodings have %d: %w", near.Dim(), enc.Dim(), vec.ErrDim)
	case near.Metric() != vec.InnerProduct:
		return nil, fmt.Errorf("muvera: the index measures %s; encodings compare by %s alone: %w", near.Metric(), vec.InnerProduct, index.ErrQuery)
	case near.Len() != docs.Len():
		return nil, fmt.Errorf("muvera: the index has %d vectors for %d documents; add each document's encoding: %w", near.Len(), docs.Len(), index.ErrID)
	}
	return &Index{enc, near, docs}, nil
}

// EncodeDocuments returns the encoding of every document, a row each: 4 bytes a dimension, so 41 GB for a million documents
// at the default width, where Build keeps codes alone. It uses up to GOMAXPROCS goroutines; progress, if not nil, is told
// how many are done.
func (e *Encoder) EncodeDocuments(ctx context.Context, docs *Documents, progress func(done, total int)) (vec.Matrix, error) {
	if docs.Dim() != e.dim {
		return vec.Matrix{}, fmt.Errorf("muvera: the encoder takes tokens of %d dimensions, documents have %d: %w", e.dim, docs.Dim(), vec.ErrDim)
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	out := vec.NewMatrix(docs.Len(), e.Dim())
	err := e.encodeRows(ctx, out, docs, func(row int) int { return row }, func(done int) { progress(done, docs.Len()) })
	if err != nil {
		return vec.Matrix{}, err
	}
	return out, nil
}

// encodeRows writes to each row of out the encoding of document which(row).
func (e *Encoder) encodeRows(ctx context.Context, out vec.Matrix, docs *Documents, which func(row int) int, progress func(done int)) error {
	var mu sync.Mutex
	done := 0
	return vec.Blocks(ctx, out.Rows, 64, func(lo, hi int) error {
		var tokens vec.Matrix
		for i := lo; i < hi; i++ {
			tokens = docs.Document(tokens, which(i))
			if _, err := e.EncodeDocument(out.Row(i), tokens); err != nil {
				return fmt.Errorf("document %d: %w", which(i), err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		done += hi - lo
		progress(done)
		return nil
	})
}

// BuildOptions say how Build makes an index.
type BuildOptions struct {
	Options
	// PQ keeps encodings as product-quantised codes of one byte for so many dimensions, as the paper does with 8 (its
	// PQ-256-8, 32 times fewer bytes than float32); it takes at least 256 documents. 0 keeps a byte a dimension.
	PQ int
	// Progress, if not nil, is told how many encodings are made, those of a sample first if there is one; from one
	// goroutine at a time.
	Progress func(done, total int)
}

// Build encodes the documents, keeps the encodings in 8 bits a dimension or as o.PQ says, and looks at all of them in
// each search. Beside the codes it holds at most a gigabyte of encodings at a time, 26,214 of the default width; of more
// documents so many, evenly spaced, say how all are coded. Encodings so wide that there is no room for 256, or for all
// of fewer, give vec.ErrDim. For another codec or index make the parts yourself: [New], [Encoder.EncodeDocuments],
// [NewIndex].
func Build(ctx context.Context, docs *Documents, o BuildOptions) (*Index, error) {
	return build(ctx, docs, o, 1<<28)
}

const leastSample = 256 // documents that can say how all are coded

// build holds at most so many values of encodings at a time.
func build(ctx context.Context, docs *Documents, o BuildOptions, values int) (*Index, error) {
	enc, err := New(docs.Dim(), o.Options)
	if err != nil {
		return nil, err
	}
	n := docs.Len()
	sample := min(n, values/enc.Dim())
	if sample < min(n, leastSample) {
		return nil, fmt.Errorf("muvera: encodings of %d documents in %d dimensions, %.1f GB: they are built from up to %d dimensions; set Final to fewer, or take fewer Bits or Repetitions: %w",
			n, enc.Dim(), 4e-9*float64(n)*float64(enc.Dim()), values/min(n, leastSample), vec.ErrDim)
	}
	done, total := 0, n
	if sample < n {
		total += sample
	}
	progress := func(rows int) {
		if o.Progress != nil {
			o.Progress(done+rows, total)
		}
	}
	x := vec.NewMatrix(sample, enc.Dim())
	if err := enc.encodeRows(ctx, x, docs, func(row int) int { return row * n / sample }, progress); err != nil {
		return nil, err
	}
	c, err := o.codec(ctx, x)
	if err != nil {
		return nil, fmt.Errorf("muvera: %w", err)
	}
	near := flat.New(c, vec.InnerProduct)
	if sample == n {
		err = near.Add(ctx, nil, x)
	} else {
		done = sample
		for lo := 0; lo < n && err == nil; lo += sample {
			part := x.Slice(0, min(sample, n-lo))
			if err = enc.encodeRows(ctx, part, docs, func(row int) int { return lo + row }, progress); err == nil {
				err = near.Add(ctx, nil, part)
			}
			done += part.Rows
		}
	}
	if err != nil {
		return nil, err
	}
	return NewIndex(enc, near, docs)
}

// codec fits what keeps the encodings x.
func (o BuildOptions) codec(ctx context.Context, x vec.Matrix) (quantize.Codec, error) {
	switch {
	case o.PQ == 0:
		return scalar.FitInt8(x, scalar.Options{})
	case o.PQ < 0 || o.PQ > x.Cols:
		return nil, fmt.Errorf("%d dimensions of %d to a byte; 1 or more make sense, 0 is a byte for each", o.PQ, x.Cols)
	case x.Rows < 256:
		return nil, fmt.Errorf("product quantisation takes 256 documents or more, there are %d: %w", x.Rows, vec.ErrTooFew)
	}
	return product.Fit(ctx, x, product.Options{M: (x.Cols + o.PQ - 1) / o.PQ, Seed: o.Seed})
}

// Encoder returns the encoder in use.
func (ix *Index) Encoder() *Encoder { return ix.enc }

// Documents returns the documents.
func (ix *Index) Documents() *Documents { return ix.docs }

// Len is the number of documents.
func (ix *Index) Len() int { return ix.docs.Len() }

// SizeBytes is the memory of encodings and tokens.
func (ix *Index) SizeBytes() int64 { return ix.near.SizeBytes() + ix.docs.SizeBytes() }

// Search returns the documents nearest to the query x, a token a row. A query without tokens gives vec.ErrTooFew,
// tokens of another dimension vec.ErrDim, values and scores that are not finite vec.ErrNotFinite.
func (ix *Index) Search(ctx context.Context, x vec.Matrix, q Query) (Result, error) {
	if q.K < 1 || q.Candidates < 0 {
		return Result{}, fmt.Errorf("muvera: search for %d documents among %d candidates: %w", q.K, q.Candidates, index.ErrQuery)
	}
	if err := checkTau(q.Carve); err != nil {
		return Result{}, fmt.Errorf("muvera: search: %w", err)
	}
	code, err := ix.enc.EncodeQuery(nil, x)
	if err != nil {
		return Result{}, err
	}
	scaleDown(code)
	if q.Candidates == 0 {
		q.Candidates = max(100, 10*q.K)
	}
	k := min(q.K, ix.Len())
	near, err := ix.near.Search(ctx, code, index.Query{K: min(max(q.Candidates, k), ix.Len()), Effort: q.Effort, Keep: q.Keep})
	if err != nil {
		return Result{}, err
	}
	if len(near.Hits) == 0 && q.Keep == nil {
		return Result{}, fmt.Errorf("muvera: search: products of encodings are past float32; scale documents and queries down: %w", vec.ErrNotFinite)
	}
	if q.Carve != 0 {
		x = BallCarve(x, q.Carve)
	}
	best, s := vec.NewTopK(k), ix.docs.scorer(x)
	for _, h := range near.Hits {
		if int(h.ID) >= ix.Len() {
			return Result{}, fmt.Errorf("muvera: search: the index of encodings gave document %d of %d: %w", h.ID, ix.Len(), index.ErrID)
		}
		v, err := s.score(int(h.ID))
		if err != nil {
			return Result{}, err
		}
		best.Push(-v, h.ID)
	}
	return Result{Hits: hitsOf(best), Distances: near.Distances, Scored: len(near.Hits)}, nil
}

// scaleDown divides code by a power of two that leaves no value above 1: documents order by inner products with it as
// before, and the products stay within float32.
func scaleDown(code []float32) {
	var largest float32
	for _, v := range code {
		largest = max(largest, v, -v)
	}
	if !(largest > 1) || math.IsInf(float64(largest), 1) {
		return
	}
	_, e := math.Frexp(float64(largest))
	by := float32(math.Ldexp(1, -e))
	for i := range code {
		code[i] *= by
	}
}

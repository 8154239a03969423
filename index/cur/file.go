package cur

import (
	"io"
	"math"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/vec"
)

const (
	kind    = "index.cur"
	version = 1
)

// An artifact of kind index.cur has the sections
//
//	meta    JSON, as header below
//	scores  float32, items × anchors: what each anchor query scores an item, less the item's mean
//	mean    float32 an item: 0 if uncentered
//	order   uint32 an item: all items, in the order in which they serve as anchors
type header struct {
	Items      int     `json:"items"`
	Anchors    int     `json:"anchors"`
	Ridge      float64 `json:"ridge"`
	Uncentered bool    `json:"uncentered"`
	Seed       uint64  `json:"seed"`
	Batch      int     `json:"batch"`
}

// WriteTo writes the index, without its scorer, as an artifact that Read reads.
func (ix *Index[Q]) WriteTo(w io.Writer) (int64, error) {
	return artifact.Write(w, kind, version,
		artifact.JSON("meta", header{ix.Len(), ix.Anchors(), ix.o.Ridge, ix.o.Uncentered, ix.o.Seed, ix.o.Batch}),
		artifact.Numbers("scores", ix.scores.Data),
		artifact.Numbers("mean", ix.mean),
		artifact.Numbers("order", ix.order))
}

// Read reads an index that WriteTo wrote, and not a byte further, for a scorer that should score as the one it was
// built with. What is no sound index gives *artifact.CorruptError.
func Read[Q any](r io.Reader, s Scorer[Q]) (*Index[Q], error) {
	f, err := artifact.Read(r, kind, version)
	if err != nil {
		return nil, err
	}
	var h header
	if err := f.Decode("meta", &h); err != nil {
		return nil, err
	}
	ix := &Index[Q]{scorer: s, scores: vec.Matrix{Rows: h.Items, Cols: h.Anchors}}
	if ix.scores.Data, err = artifact.Slice[float32](f, "scores"); err != nil {
		return nil, err
	}
	if ix.mean, err = artifact.Slice[float32](f, "mean"); err != nil {
		return nil, err
	}
	if ix.order, err = artifact.Slice[uint32](f, "order"); err != nil {
		return nil, err
	}
	if h.Items < 1 || h.Anchors < 1 || h.Items != len(ix.mean) || h.Items != len(ix.order) ||
		len(ix.scores.Data)%h.Items != 0 || len(ix.scores.Data)/h.Items != h.Anchors {
		return nil, f.Reject("scores of %d items with %d anchors are %d numbers, with %d means and an order of %d",
			h.Items, h.Anchors, len(ix.scores.Data), len(ix.mean), len(ix.order))
	}
	if ix.o, err = (Options{Ridge: h.Ridge, Uncentered: h.Uncentered, Seed: h.Seed, Batch: h.Batch}).withDefaults(); err != nil {
		return nil, f.Reject("%v", err)
	}
	if err := ix.scores.Check(); err != nil {
		return nil, f.Reject("scores: %v", err)
	}
	seen := make([]bool, h.Items)
	for i, id := range ix.order {
		if int64(id) >= int64(h.Items) || seen[id] {
			return nil, f.Reject("the order of %d items names item %d twice, or it is not one of them", h.Items, id)
		}
		seen[id] = true
		if !finite(ix.mean[i]) {
			return nil, f.Reject("the mean score of item %d is %v", i, ix.mean[i])
		}
	}
	if ix.prepare(); math.IsInf(ix.lambda, 1) {
		return nil, f.Reject("the scores and the ridge, %v, are too large", h.Ridge)
	}
	return ix, nil
}

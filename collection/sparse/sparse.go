// Package sparse finds the sparse vectors with the greatest dot product: an inverted index over slots.
//
//	ix := sparse.New(sparse.Options{})
//	ix.Put(7, point.Sparse{Indices: []uint32{3, 9}, Values: []float32{1, 0.5}})
//	hits := ix.Search(q, live, live, 10)
package sparse

import (
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/collection/postings"
)

// Options say how vectors are compared.
type Options struct {
	IDF bool // multiply each value of a query by the inverse document frequency of its index
}

// Index holds sparse vectors. It is safe for concurrent use.
type Index struct {
	mu   sync.RWMutex
	o    Options
	dims map[uint32]*postings.List[float32]
	has  *roaring.Bitmap // slots with a vector, be it an empty one
}

// New returns an empty index.
func New(o Options) *Index {
	return &Index{o: o, dims: make(map[uint32]*postings.List[float32]), has: roaring.New()}
}

// Options are what the index was made with.
func (x *Index) Options() Options { return x.o }

// Put indexes the vector of a slot that is not in the index. It is cheap for slots in ascending order.
func (x *Index) Put(slot uint32, v point.Sparse) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.has.Add(slot)
	for i, d := range v.Indices {
		l := x.dims[d]
		if l == nil {
			l = new(postings.List[float32])
			x.dims[d] = l
		}
		l.Put(slot, v.Values[i])
	}
}

// Forget takes slots out, in the time that it takes to read the index once.
func (x *Index) Forget(dead *roaring.Bitmap) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.has.AndNot(dead)
	maps.DeleteFunc(x.dims, func(_ uint32, l *postings.List[float32]) bool {
		l.Forget(dead)
		return len(l.Slots) == 0
	})
}

// Count is how many slots of live have a vector.
func (x *Index) Count(live *roaring.Bitmap) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return int(x.has.AndCardinality(live))
}

// Has returns the slots of live that have a vector.
func (x *Index) Has(live *roaring.Bitmap) *roaring.Bitmap {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return roaring.And(x.has, live)
}

// Weights returns the values of a query as Search multiplies them: with Options.IDF, each times
//
//	ln(1 + (N − n + ½) / (n + ½))
//
// where n of N vectors of live have its index.
func (x *Index) Weights(q point.Sparse, live *roaring.Bitmap) []float64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.weights(q, live)
}

func (x *Index) weights(q point.Sparse, live *roaring.Bitmap) []float64 {
	w := make([]float64, len(q.Values))
	all := 0.0
	if x.o.IDF {
		all = float64(x.has.AndCardinality(live))
	}
	for i, v := range q.Values {
		w[i] = float64(v)
		if x.o.IDF {
			w[i] *= postings.IDF(all, float64(x.dims[q.Indices[i]].Count(live)))
		}
	}
	return w
}

// Search returns the k slots of keep with the greatest dot product with q, greatest first, ties by slot; only those that
// share an index with q. Frequencies are those of the vectors of live. Sums are of float64.
func (x *Index) Search(q point.Sparse, live, keep *roaring.Bitmap, k int) []postings.Hit {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var scores postings.Scores
	weights := x.weights(q, live)
	for i, d := range q.Indices {
		l := x.dims[d]
		if l == nil {
			continue
		}
		for j, slot := range l.Slots {
			if keep.Contains(slot) {
				scores.Add(slot, weights[i]*float64(l.Weights[j]))
			}
		}
	}
	return scores.Top(k)
}

// Dot is the dot product of two sparse vectors whose indices are ascending; false if they share none.
func Dot(a, b point.Sparse) (sum float64, share bool) {
	for i, j := 0, 0; i < len(a.Indices) && j < len(b.Indices); {
		switch {
		case a.Indices[i] < b.Indices[j]:
			i++
		case a.Indices[i] > b.Indices[j]:
			j++
		default:
			sum += float64(a.Values[i]) * float64(b.Values[j])
			share = true
			i, j = i+1, j+1
		}
	}
	return sum, share
}

// kind and version of the artifact that holds an index. Its sections: options, JSON; has, a roaring bitmap; dims, the
// indices in order; counts, of the slots of each; slots and values, one run for all.
const kind, version = "sparse", 1

// WriteTo writes the index as an artifact that Read reads.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	has, err := x.has.ToBytes()
	if err != nil {
		return 0, err
	}
	dims := slices.Sorted(maps.Keys(x.dims))
	lists := make([]*postings.List[float32], len(dims))
	for i, d := range dims {
		lists[i] = x.dims[d]
	}
	sections := []artifact.Section{artifact.JSON("options", x.o), {Name: "has", Data: has}, artifact.Numbers("dims", dims)}
	return artifact.Write(w, kind, version, append(sections, postings.Sections(lists, "values")...)...)
}

// Read reads an index that WriteTo wrote. What is no sound index gives *artifact.CorruptError.
func Read(r io.Reader) (*Index, error) { return artifact.Load(r, kind, version, fromFile) }

func fromFile(f *artifact.File) (*Index, error) {
	x := New(Options{})
	if err := f.Decode("options", &x.o); err != nil {
		return nil, err
	}
	var err error
	if x.has, err = postings.ReadBitmap(f, "has"); err != nil {
		return nil, err
	}
	dims, err := artifact.Slice[uint32](f, "dims")
	if err != nil {
		return nil, err
	}
	lists, err := postings.FromFile[float32](f, "values")
	if err != nil {
		return nil, err
	}
	if len(dims) != len(lists) {
		return nil, f.Reject("%d indices with %d counts", len(dims), len(lists))
	}
	for i, d := range dims {
		if x.dims[d] != nil {
			return nil, f.Reject("index %d is met twice", d)
		}
		for _, slot := range lists[i].Slots {
			if !x.has.Contains(slot) {
				return nil, f.Reject("index %d has slot %d, which has no vector", d, slot)
			}
		}
		x.dims[d] = &lists[i]
	}
	return x, nil
}

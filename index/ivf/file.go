package ivf

import (
	"io"
	"slices"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

const (
	kind    = "index.ivf"
	version = 1
)

// An artifact of kind index.ivf has the sections
//
//	meta        JSON, as header below
//	codec       artifact: the codec
//	centroids   dim float32 a list
//	sizes       uint32 a list: how many vectors it has
//	ids         uint32 a vector, list after list: the caller's
//	codes       CodeSize bytes a vector, list after list, each list whole blocks if the codec has these
//	extra       float32 a vector, of residuals under Euclidean; else none
type header struct {
	Dim      int        `json:"dim"`
	Metric   vec.Metric `json:"metric"`
	Residual bool       `json:"residual"`
	Lists    int        `json:"lists"`
	Vectors  int        `json:"vectors"`
}

// WriteTo writes the index as an artifact that Read and Open read.
func (ix *Index) WriteTo(w io.Writer) (int64, error) {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	codec, err := artifact.Bytes("codec", ix.codec)
	if err != nil {
		return 0, err
	}
	var (
		sizes, ids []uint32
		codes      []byte
		extra      []float32
	)
	for _, l := range ix.store {
		sizes = append(sizes, uint32(len(l.ids)))
		ids, codes, extra = append(ids, l.ids...), append(codes, l.codes...), append(extra, l.extra...)
	}
	return artifact.Write(w, kind, version,
		artifact.JSON("meta", header{ix.Dim(), ix.Metric(), ix.lists.residual, ix.lists.Len(), ix.count}),
		codec,
		artifact.Numbers("centroids", ix.lists.centroids.Data),
		artifact.Numbers("sizes", sizes),
		artifact.Numbers("ids", ids),
		artifact.Section{Name: "codes", Data: codes},
		artifact.Numbers("extra", extra),
	)
}

// Read reads an index that WriteTo wrote, and not a byte further. The codec in it is read by readCodec, which is the
// Read of the codec's package, or one that knows several. What is no sound index gives *artifact.CorruptError.
func Read[C quantize.Codec](r io.Reader, readCodec func(io.Reader) (C, error)) (*Index, error) {
	return artifact.Load(r, kind, version, func(f *artifact.File) (*Index, error) { return from(f, readCodec) })
}

// Open is Read from a file, memory-mapped: codes are used as they lie there, until the first Add or Delete, which
// copies them and leaves the file. Close it when done.
func Open[C quantize.Codec](path string, readCodec func(io.Reader) (C, error)) (*Index, error) {
	return artifact.LoadFile(path, kind, version, func(f *artifact.File) (*Index, error) { return from(f, readCodec) })
}

func from[C quantize.Codec](f *artifact.File, readCodec func(io.Reader) (C, error)) (*Index, error) {
	var h header
	if err := f.Decode("meta", &h); err != nil {
		return nil, err
	}
	c, err := quantize.Stored(f, h.Dim, readCodec)
	if err != nil {
		return nil, err
	}
	centroids, err := artifact.Slice[float32](f, "centroids")
	if err != nil {
		return nil, err
	}
	if h.Metric > vec.Manhattan || h.Dim < 1 || h.Lists < 1 || len(centroids)%h.Dim != 0 || len(centroids)/h.Dim != h.Lists {
		return nil, f.Reject("%d values of centroids for %d lists of %d dimensions", len(centroids), h.Lists, h.Dim)
	}
	m := vec.Matrix{Rows: h.Lists, Cols: h.Dim, Data: slices.Clone(centroids)} // outlives the file
	if err := m.Check(); err != nil {
		return nil, f.Reject("centroids: %v", err)
	}
	ix, err := New(c, &Lists{m, h.Metric, h.Residual})
	if err != nil {
		return nil, err
	}
	return ix, ix.fill(f, h.Vectors)
}

// fill makes the lists views of what is in f.
func (ix *Index) fill(f *artifact.File, vectors int) error {
	sizes, err := artifact.Slice[uint32](f, "sizes")
	if err != nil {
		return err
	}
	ids, err := artifact.Slice[uint32](f, "ids")
	if err != nil {
		return err
	}
	codes, err := f.Raw("codes")
	if err != nil {
		return err
	}
	extra, err := artifact.Slice[float32](f, "extra")
	if err != nil {
		return err
	}
	wantExtra := 0
	if ix.hasExtra() {
		wantExtra = len(ids)
	}
	if len(sizes) != len(ix.store) || len(ids) != vectors || len(extra) != wantExtra {
		return f.Reject("%d sizes, %d IDs and %d extra values for %d lists of %d vectors", len(sizes), len(ids), len(extra), len(ix.store), vectors)
	}
	restIDs, restCodes := ids, codes
	for i, n := range sizes {
		n, size := int(n), ix.as.Bytes(int(n))
		if n > len(restIDs) || size > len(restCodes) {
			return f.Reject("list %d has %d vectors, of which some are missing", i, n)
		}
		l := &ix.store[i]
		l.ids, restIDs = restIDs[:n:n], restIDs[n:]
		l.codes, restCodes = restCodes[:size:size], restCodes[size:]
		if ix.hasExtra() {
			l.extra, extra = extra[:n:n], extra[n:]
		}
	}
	if len(restIDs) > 0 || len(restCodes) > 0 {
		return f.Reject("%d IDs and %d bytes of codes in no list", len(restIDs), len(restCodes))
	}
	sorted := slices.Sorted(slices.Values(ids))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return f.Reject("ID %d twice", sorted[i])
		}
	}
	ix.file, ix.where, ix.count, ix.last = f, nil, vectors, unknown
	return nil
}

// thaw makes ready for a change: a view of a file becomes a copy.
func (ix *Index) thaw() {
	ix.locate()
	if ix.file == nil {
		return
	}
	store := make([]list, len(ix.store))
	for i, l := range ix.store {
		store[i] = list{slices.Clone(l.ids), slices.Clone(l.codes), slices.Clone(l.extra)}
	}
	ix.mu.Lock()
	ix.store = store
	ix.mu.Unlock()
	ix.file.Close() // of a mapping that was only read: nothing can be lost
	ix.file = nil
}

// Close lets go of the file that the index was opened from, after which the index is empty. An index that was not
// opened from a file, or changed since, it leaves as it is.
func (ix *Index) Close() error {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	if ix.file == nil {
		return nil
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	f := ix.file
	ix.file, ix.store, ix.where, ix.count, ix.last = nil, make([]list, len(ix.store)), map[uint32]place{}, 0, -1
	return f.Close()
}

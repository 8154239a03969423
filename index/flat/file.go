package flat

import (
	"io"
	"slices"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/quantize"
	"github.com/latent-go/latent/vec"
)

const (
	kind    = "index.flat"
	version = 1
)

// An artifact of kind index.flat has the sections
//
//	meta    JSON, as header below
//	codec   artifact: the codec
//	ids     uint32 a vector: the caller's
//	codes   CodeSize bytes a vector; or
//	blocks  the same in whole blocks, if the codec has these
type header struct {
	Dim     int        `json:"dim"`
	Metric  vec.Metric `json:"metric"`
	Vectors int        `json:"vectors"`
}

// WriteTo writes the index as an artifact that Read and Open read.
func (ix *Index) WriteTo(w io.Writer) (int64, error) {
	ix.writer.Lock()
	defer ix.writer.Unlock()
	codec, err := artifact.Bytes("codec", ix.codec)
	if err != nil {
		return 0, err
	}
	return artifact.Write(w, kind, version,
		artifact.JSON("meta", header{ix.Dim(), ix.metric, len(ix.ids)}),
		codec,
		artifact.Numbers("ids", ix.ids),
		artifact.Section{Name: ix.section(), Data: ix.codes},
	)
}

// section is the name of the one with the codes.
func (ix *Index) section() string {
	if ix.as.Blocks() {
		return "blocks"
	}
	return "codes"
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
	ix := New(c, h.Metric)
	if ix.ids, err = artifact.Slice[uint32](f, "ids"); err != nil {
		return nil, err
	}
	if ix.codes, err = f.Raw(ix.section()); err != nil {
		return nil, err
	}
	if len(ix.ids) != h.Vectors || h.Vectors > len(ix.codes)/ix.size || len(ix.codes) != ix.as.Bytes(h.Vectors) {
		return nil, f.Reject("%d IDs and %d bytes of codes for %d vectors of %d bytes", len(ix.ids), len(ix.codes), h.Vectors, ix.size)
	}
	sorted := ix.ids
	if !slices.IsSorted(sorted) {
		sorted = slices.Sorted(slices.Values(sorted))
	}
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return nil, f.Reject("ID %d twice", sorted[i])
		}
	}
	ix.file, ix.plain, ix.last = f, false, unknown
	return ix, nil
}

// thaw makes ready for a change: a view of a file becomes a copy.
func (ix *Index) thaw() {
	ix.locate()
	if ix.file == nil {
		return
	}
	codes, ids := slices.Clone(ix.codes), slices.Clone(ix.ids)
	ix.mu.Lock()
	ix.codes, ix.ids = codes, ids
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
	ix.file, ix.codes, ix.ids, ix.plain, ix.rows, ix.last = nil, nil, nil, true, nil, -1
	return f.Close()
}

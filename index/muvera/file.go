package muvera

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/flat"
	"github.com/latent-go/latent/quantize/product"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/vec"
)

const (
	kind    = "muvera.tokens"
	version = 1
)

// An artifact of kind muvera.tokens has the sections
//
//	meta      JSON, as header below
//	offsets   int64 a document and one more
//	tokens    float32, a row a token; or instead
//	codec     artifact: the codec, and
//	codes     CodeSize bytes a token
type header struct {
	Dim       int  `json:"dim"`
	Documents int  `json:"documents"`
	Coded     bool `json:"coded"`
}

// WriteTo writes the documents as an artifact that OpenDocuments opens.
func (d *Documents) WriteTo(w io.Writer) (int64, error) {
	offsets := make([]int64, len(d.offsets))
	for i, o := range d.offsets {
		offsets[i] = int64(o)
	}
	sections := []artifact.Section{
		artifact.JSON("meta", header{d.dim, d.Len(), d.codec != nil}),
		artifact.Numbers("offsets", offsets),
	}
	if d.codec == nil {
		sections = append(sections, artifact.Numbers("tokens", d.tokens.Data))
	} else {
		codec, err := artifact.Bytes("codec", d.codec)
		if err != nil {
			return 0, fmt.Errorf("muvera: %w", err)
		}
		sections = append(sections, codec, artifact.Section{Name: "codes", Data: d.codes})
	}
	return artifact.Write(w, kind, version, sections...)
}

// OpenDocuments opens documents that WriteTo wrote to a file, memory-mapped; codecs are those of package scalar. What is
// no sound file gives *artifact.CorruptError. Close them when done.
func OpenDocuments(path string) (*Documents, error) {
	return artifact.LoadFile(path, kind, version, documentsFrom)
}

func documentsFrom(f *artifact.File) (*Documents, error) {
	var h header
	if err := f.Decode("meta", &h); err != nil {
		return nil, err
	}
	offsets, err := artifact.Slice[int64](f, "offsets")
	if err != nil {
		return nil, err
	}
	if h.Dim < 1 || len(offsets) != h.Documents+1 || len(offsets) < 2 {
		return nil, f.Reject("%d offsets for %d documents of %d dimensions", len(offsets), h.Documents, h.Dim)
	}
	d := &Documents{dim: h.Dim, file: f, offsets: make([]int, len(offsets))}
	for i, o := range offsets {
		d.offsets[i] = int(o)
	}
	n := d.offsets[h.Documents]
	if err := checkOffsets(d.offsets, n); err != nil {
		return nil, f.Reject("%v", err)
	}
	if !h.Coded {
		x, err := artifact.Slice[float32](f, "tokens")
		if err != nil {
			return nil, err
		}
		if len(x)%h.Dim != 0 || len(x)/h.Dim != n {
			return nil, f.Reject("%d values are not %d tokens of %d dimensions", len(x), n, h.Dim)
		}
		d.tokens = vec.Matrix{Rows: n, Cols: h.Dim, Data: x}
		return d, nil
	}
	raw, err := f.Raw("codec")
	if err != nil {
		return nil, err
	}
	if d.codec, err = scalar.Read(bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("muvera: %w", err)
	}
	if d.codes, err = f.Raw("codes"); err != nil {
		return nil, err
	}
	if size := d.codec.CodeSize(); d.codec.Dim() != h.Dim || len(d.codes)%size != 0 || len(d.codes)/size != n {
		return nil, f.Reject("%d bytes are not %d tokens of %d dimensions in codes of %d bytes for %d", len(d.codes), n, h.Dim, size, d.codec.Dim())
	}
	return d, nil
}

// Close lets go of the file that the documents were opened from, after which they must not be used.
func (d *Documents) Close() error {
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	d.file = nil
	return err
}

// The files of an index folder. There need not be labels.
const (
	ManifestFile = "multi.json"
	tokensFile   = "tokens"
	nearFile     = "encodings"
	labelsFile   = "labels"
)

// Manifest says what an index folder holds.
type Manifest struct {
	Format    int     `json:"format"` // of the folder; 1
	Dim       int     `json:"dim"`    // of tokens
	Documents int     `json:"documents"`
	Tokens    int     `json:"tokens"`
	Encoder   Options `json:"encoder"`
	Codec     string  `json:"codec,omitempty"` // of the encodings, where their index is a flat one
}

// Save writes the index as a folder that appears whole or not at all. labels, if not nil, names the documents. What
// stands at dir is replaced if it is an index folder of this kind and replace is true; anything else but an
// empty folder gives os.ErrExist.
func (ix *Index) Save(ctx context.Context, dir string, labels []string, replace bool) error {
	if labels != nil && len(labels) != ix.Len() {
		return fmt.Errorf("muvera: save %s: %d labels for %d documents: %w", dir, len(labels), ix.Len(), index.ErrID)
	}
	manifest := Manifest{Format: 1, Dim: ix.docs.Dim(), Documents: ix.Len(), Tokens: ix.docs.Tokens(), Encoder: ix.enc.Options()}
	if near, ok := ix.near.(*flat.Index); ok {
		manifest.Codec = near.Codec().String()
	}
	return artifact.Folder(dir, ManifestFile, replace, func(tmp string) error {
		for name, part := range map[string]io.WriterTo{tokensFile: ix.docs, nearFile: ix.near} {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := artifact.Save(filepath.Join(tmp, name), part); err != nil {
				return err
			}
		}
		if labels != nil {
			if err := artifact.SaveJSON(filepath.Join(tmp, labelsFile), labels); err != nil {
				return err
			}
		}
		return artifact.SaveJSON(filepath.Join(tmp, ManifestFile), manifest)
	})
}

// Folder is an index folder opened, its large parts memory-mapped. It is searched as an Index is.
type Folder struct {
	*Index
	Manifest Manifest
	Labels   []string // of the documents, or nil
}

// Open opens an index folder and checks that its parts are whole and fit together. openIndex opens the index of
// encodings; nil takes it for a flat one with a codec of package scalar or product, which Build makes. Close the folder when done.
func Open(dir string, openIndex func(path string) (index.Index, error)) (f *Folder, err error) {
	defer func() {
		if err != nil {
			f, err = nil, fmt.Errorf("muvera: open %s: %w", dir, err)
		}
	}()
	f = &Folder{}
	if err := readJSON(filepath.Join(dir, ManifestFile), &f.Manifest); err != nil {
		return nil, err
	}
	m := &f.Manifest
	if m.Format != 1 {
		return nil, fmt.Errorf("it has format %d; this program reads format 1: build it again", m.Format)
	}
	enc, err := New(m.Dim, m.Encoder)
	if err != nil {
		return nil, err
	}
	if err := readJSON(filepath.Join(dir, labelsFile), &f.Labels); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	docs, err := OpenDocuments(filepath.Join(dir, tokensFile))
	if err != nil {
		return nil, err
	}
	if openIndex == nil {
		openIndex = m.openFlat
	}
	near, err := openIndex(filepath.Join(dir, nearFile))
	if err != nil {
		docs.Close()
		return nil, err
	}
	f.Index = &Index{enc, near, docs}
	if _, err = NewIndex(enc, near, docs); err == nil && (docs.Len() != m.Documents || f.Labels != nil && len(f.Labels) != docs.Len()) {
		err = fmt.Errorf("%d documents and %d labels, its manifest says %d; build it again: %w", docs.Len(), len(f.Labels), m.Documents, index.ErrID)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (m Manifest) openFlat(path string) (index.Index, error) {
	if strings.HasPrefix(m.Codec, "pq:") {
		return flat.Open(path, product.Read)
	}
	return flat.Open(path, scalar.Read)
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}

// Close lets go of the files. The folder must not be searched afterwards.
func (f *Folder) Close() error {
	err := f.docs.Close()
	if c, ok := f.near.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	return err
}

package plan

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/index"
	"github.com/latent-go/latent/index/flat"
	"github.com/latent-go/latent/index/hnsw"
	"github.com/latent-go/latent/index/ivf"
	"github.com/latent-go/latent/quantize/scalar"
	"github.com/latent-go/latent/reduce/pca"
	"github.com/latent-go/latent/vec"
)

// The files of an index folder. Only the manifest and the index are always there.
const (
	ManifestFile = "manifest.json"
	indexFile    = "index"
	pcaFile      = "pca"
	fullFile     = "vectors"
	labelsFile   = "labels"
)

// Manifest says what an index folder holds, for people as much as for the program.
type Manifest struct {
	Format  int        `json:"format"` // of the folder; 1
	Plan    Plan       `json:"plan"`
	Metric  vec.Metric `json:"metric"`
	Dim     int        `json:"dim"`
	Vectors int        `json:"vectors"`
	Effort  int        `json:"effort,omitempty"` // of queries that name none
	Seed    uint64     `json:"seed"`
	Data    Data       `json:"data"`
	Proof   *Proof     `json:"proof,omitempty"`
	Bytes   Bytes      `json:"bytes"`
	Built   time.Time  `json:"built"`
	Version string     `json:"latent"` // the program that built it
}

// Data says what was indexed.
type Data struct {
	Source string `json:"source,omitempty"` // as the caller named it
	SHA256 string `json:"sha256,omitempty"` // of shape and values, as Fingerprint has it
}

// Bytes are sizes in bytes for each vector, of the vectors as they came and of what the plan keeps of them.
type Bytes struct {
	Float32 float64 `json:"float32"`
	Index   float64 `json:"index"`            // codes and links: what a search needs in memory
	Rerank  float64 `json:"rerank,omitempty"` // full vectors for re-ranking, memory-mapped, of which a search reads a few
}

// Proof is the recall shown on queries that had no part in choosing the plan.
type Proof struct {
	Recall
	Effort  int     `json:"effort"`
	Target  float64 `json:"target"`
	Met     bool    `json:"met"`    // the lower bound of the interval reaches the target
	Raised  int     `json:"raised"` // how often the effort had to be raised on these queries to meet it
	Queries string  `json:"source"` // where they came from
}

// Fingerprint returns the SHA-256, in hex, of the shape and the values of x.
func Fingerprint(x vec.Matrix) string {
	h := sha256.New()
	var shape [16]byte
	binary.LittleEndian.PutUint64(shape[:], uint64(x.Rows))
	binary.LittleEndian.PutUint64(shape[8:], uint64(x.Cols))
	h.Write(shape[:])
	h.Write(artifact.Numbers("", x.Data).Data)
	return hex.EncodeToString(h.Sum(nil))
}

// Save writes the index as a folder that appears whole or not at all. labels, if not nil, names the vectors by ID. The fields of m
// that the index knows are filled in. A folder that is there is replaced if it holds an index and replace is true.
func (ix *Index) Save(ctx context.Context, dir string, m *Manifest, labels []string, replace bool) error {
	parts := ix.Files(m)
	if labels != nil {
		parts[labelsFile] = labelTable(labels)
	}
	return artifact.Folder(dir, ManifestFile, replace, func(tmp string) error {
		for name, part := range parts {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := artifact.Save(filepath.Join(tmp, name), part); err != nil {
				return err
			}
		}
		return nil
	})
}

// Files returns the files of the folder that Save writes, by name, for a caller that writes them itself. The fields of m
// that the index knows are filled in.
func (ix *Index) Files(m *Manifest) map[string]io.WriterTo {
	m.Format, m.Plan, m.Metric, m.Dim, m.Vectors, m.Effort = 1, ix.plan, ix.metric, ix.dim, ix.Len(), ix.effort
	m.Bytes = ix.bytesEach()
	parts := map[string]io.WriterTo{ManifestFile: m, indexFile: ix.inner}
	if ix.rotate != nil {
		parts[pcaFile] = ix.rotate
	}
	if ix.full != nil {
		parts[fullFile] = ix.full
	}
	return parts
}

// WriteTo writes the manifest as JSON that people can read.
func (m *Manifest) WriteTo(w io.Writer) (int64, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return 0, err
	}
	n, err := w.Write(append(b, '\n'))
	return int64(n), err
}

func (ix *Index) bytesEach() Bytes {
	n := float64(max(ix.Len(), 1))
	return Bytes{Float32: 4 * float64(ix.dim), Index: float64(ix.SizeBytes()) / n, Rerank: float64(ix.RerankBytes()) / n}
}

// Folder is an index folder opened, its large parts memory-mapped. It is searched as an Index is.
type Folder struct {
	*Index
	Manifest Manifest
	labels   labelTable
}

// Open opens an index folder and checks that its parts are whole and fit together.
func Open(dir string) (*Folder, error) {
	b, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("plan: %s is no index folder: it has no %s: %w", dir, ManifestFile, os.ErrNotExist)
	}
	return open(parts{dir: dir}, b, err)
}

// OpenFS is [Open] for a folder that does not lie on the disk; its parts are read into memory.
func OpenFS(fsys fs.FS) (*Folder, error) {
	b, err := fs.ReadFile(fsys, ManifestFile)
	return open(parts{"index folder", fsys}, b, err)
}

// parts is where the files of an index folder lie: on the disk, in dir, or if fsys is not nil there.
type parts struct {
	dir  string
	fsys fs.FS
}

// load calls open with the path of a file on the disk, or read with what is in it.
func load[T any](p parts, name string, open func(path string) (T, error), read func(io.Reader) (T, error)) (T, error) {
	if p.fsys == nil {
		return open(filepath.Join(p.dir, name))
	}
	r, err := p.fsys.Open(name)
	if err != nil {
		var none T
		return none, err
	}
	defer r.Close()
	return read(bufio.NewReader(r))
}

func open(from parts, manifest []byte, err error) (*Folder, error) {
	if err != nil {
		return nil, fmt.Errorf("plan: open %s: %w", from.dir, err)
	}
	f := &Folder{}
	m := &f.Manifest
	if err := json.Unmarshal(manifest, m); err != nil {
		return nil, fmt.Errorf("plan: %s: %w", filepath.Join(from.dir, ManifestFile), err)
	}
	if m.Format != 1 {
		return nil, fmt.Errorf("plan: %s has format %d; this program reads format 1: build it again", from.dir, m.Format)
	}
	ix := &Index{plan: m.Plan.withDefaults(), metric: m.Metric, dim: m.Dim, effort: m.Effort}
	f.Index = ix
	if err := f.load(from); err != nil {
		f.Close()
		return nil, fmt.Errorf("plan: open %s: %w", from.dir, err)
	}
	return f, nil
}

func (f *Folder) load(from parts) (err error) {
	ix, p := f.Index, f.plan
	width := ix.dim
	if p.PCA != (PCA{}) {
		ix.rotate, err = load(from, pcaFile, func(path string) (*pca.Map, error) {
			r, err := os.Open(path)
			if err != nil {
				return nil, err
			}
			defer r.Close()
			return pca.Read(r)
		}, pca.Read)
		if err != nil {
			return err
		}
		if ix.rotate.InDim() != ix.dim {
			return fmt.Errorf("its map takes %d dimensions, its vectors have %d: %w", ix.rotate.InDim(), ix.dim, vec.ErrDim)
		}
		width = ix.rotate.OutDim()
	}
	codec := codecReader(p.Codec)
	switch p.Index {
	case "flat":
		ix.inner, err = opened(load(from, indexFile,
			func(path string) (*flat.Index, error) { return flat.Open(path, codec) },
			func(r io.Reader) (*flat.Index, error) { return flat.Read(r, codec) }))
	case "ivf":
		ix.inner, err = opened(load(from, indexFile,
			func(path string) (*ivf.Index, error) { return ivf.Open(path, codec) },
			func(r io.Reader) (*ivf.Index, error) { return ivf.Read(r, codec) }))
	case "hnsw":
		ix.inner, err = opened(load(from, indexFile,
			func(path string) (*hnsw.Index, error) { return hnsw.Open(path, codec) },
			func(r io.Reader) (*hnsw.Index, error) { return hnsw.Read(r, codec) }))
	}
	if err != nil {
		return err
	}
	if ix.inner.Dim() != width || ix.inner.Metric() != ix.innerMetric() {
		return fmt.Errorf("its index has %d dimensions under %s, its plan %s wants %d under %s; build it again",
			ix.inner.Dim(), ix.inner.Metric(), p, width, ix.innerMetric())
	}
	if p.Rerank > 0 {
		ix.full, err = load(from, fullFile,
			func(path string) (*flat.Index, error) { return flat.Open(path, scalar.Read) },
			func(r io.Reader) (*flat.Index, error) { return flat.Read(r, scalar.Read) })
		if err != nil {
			return err
		}
		if ix.full.Dim() != ix.dim || ix.full.Len() != ix.inner.Len() {
			return fmt.Errorf("its %d vectors of %d dimensions do not match the index of %d; build it again", ix.full.Len(), ix.full.Dim(), ix.inner.Len())
		}
	}
	if ix.inner.Len() != f.Manifest.Vectors {
		return fmt.Errorf("its index has %d vectors, its manifest says %d; build it again", ix.inner.Len(), f.Manifest.Vectors)
	}
	if from.fsys == nil {
		f.labels, err = openLabels(filepath.Join(from.dir, labelsFile))
	}
	return err
}

// opened keeps a nil pointer from becoming an index that is not nil.
func opened[T index.Index](ix T, err error) (index.Index, error) {
	if err != nil {
		return nil, err
	}
	return ix, nil
}

// Label is the name that the vector with this ID was saved under, "" for none.
func (f *Folder) Label(id uint32) string {
	if int(id) < len(f.labels) {
		return f.labels[id]
	}
	return ""
}

// Close lets go of the files. The folder must not be searched afterwards.
func (f *Folder) Close() error {
	var errs []error
	for _, part := range []any{f.inner, f.full} {
		if c, ok := part.(io.Closer); ok && part != (*flat.Index)(nil) {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// Vector returns the vector with this ID: as it was indexed where the folder keeps whole vectors, else as near as
// its codec and map keep it. Under cosine it has length 1. An ID not in use gives index.ErrID.
func (ix *Index) Vector(id uint32) ([]float32, error) {
	keeper := ix.inner
	if ix.full != nil {
		keeper = ix.full
	}
	v, ok := keeper.Vector(id)
	if !ok {
		return nil, fmt.Errorf("plan: no vector has the ID %d; there are %d: %w", id, ix.Len(), index.ErrID)
	}
	if ix.full == nil && ix.rotate != nil {
		return ix.rotate.Inverse(vec.Matrix{}, vec.Matrix{Rows: 1, Cols: len(v), Data: v}).Data, nil
	}
	return v, nil
}

// labelTable is stored as the ends of the labels and their bytes.
type labelTable []string

func (t labelTable) WriteTo(w io.Writer) (int64, error) {
	ends := make([]uint64, len(t))
	var text []byte
	for i, s := range t {
		text = append(text, s...)
		ends[i] = uint64(len(text))
	}
	return artifact.Write(w, "labels", 1, artifact.Numbers("ends", ends), artifact.Section{Name: "text", Data: text})
}

// openLabels reads a label table, or nil where there is none.
func openLabels(path string) (labelTable, error) {
	f, err := artifact.Open(path, "labels", 1)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	ends, err := artifact.Slice[uint64](f, "ends")
	if err != nil {
		return nil, err
	}
	b, err := f.Raw("text")
	if err != nil {
		return nil, err
	}
	if len(ends) > math.MaxUint32 {
		return nil, f.Reject("%d labels", len(ends))
	}
	text, t, from := string(b), make(labelTable, len(ends)), uint64(0)
	for i, to := range ends {
		if to < from || to > uint64(len(text)) {
			return nil, f.Reject("label %d ends at byte %d of %d", i, to, len(text))
		}
		t[i], from = text[from:to], to
	}
	return t, nil
}

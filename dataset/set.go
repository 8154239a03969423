package dataset

import (
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/vec"
)

// Set is vectors in memory, with what came along with them.
type Set struct {
	Name    string     // of the file, without folder and extension; Save does not use it
	X       vec.Matrix // a vector a row
	IDs     []string   // one a row, or nil
	Columns []Column   // in the order of the file
}

// Column is a column of text, one value a row. Numbers and truth values are text as the file, or Go, writes them.
type Column struct {
	Name   string
	Values []string
}

// vectorName is what Save calls the vectors where the format has names.
const vectorName = "vector"

// Column returns the values of a column, or nil.
func (s *Set) Column(name string) []string {
	for _, c := range s.Columns {
		if c.Name == name {
			return c.Values
		}
	}
	return nil
}

// id is the ID of row i, or its number.
func (s *Set) id(i int) string {
	if s.IDs != nil {
		return s.IDs[i]
	}
	return strconv.Itoa(i)
}

// Load reads all of a file, or its first o.MaxRows rows, into memory. Errors are as for [Open] and [File.Next].
func Load(path string, o Options) (*Set, error) {
	f, err := Open(path, o)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.load()
}

// load reads what is left of f. Memory for all rows is taken at once where the bytes are there, or
// likely to be, and as they come otherwise.
func (f *File) load() (*Set, error) {
	s := &Set{Name: f.baseName(), X: vec.Matrix{Cols: f.dim}}
	if f.rows >= 0 && f.src.likely()/int64(f.dim) >= int64(f.rows) { // a value takes a byte or more
		s.X.Data = make([]float32, 0, f.rows*f.dim)
	}
	for _, name := range f.columns {
		s.Columns = append(s.Columns, Column{Name: name})
	}
	step := max(1, readBuffer/4/f.dim)
	for {
		have, room := len(s.X.Data), (cap(s.X.Data)-len(s.X.Data))/f.dim
		into := vec.Matrix{Rows: min(step, room), Cols: f.dim}
		switch {
		case s.X.Rows == f.rows: // all are there, and the end is next, unless the file promised too little
			into = vec.NewMatrix(1, f.dim)
		case room == 0:
			s.X.Data = slices.Grow(s.X.Data, step*f.dim)
			into.Rows = step
			fallthrough
		default:
			into.Data = s.X.Data[have : have+into.Rows*f.dim]
		}
		n, err := f.Next(into)
		if err == io.EOF {
			break
		}
		if err == nil && s.X.Rows == f.rows {
			err = f.src.wrap(fmt.Errorf("it has more rows than the %d it promises", f.rows))
		}
		if err != nil {
			return nil, err
		}
		s.X.Rows += n
		s.X.Data = s.X.Data[:s.X.Rows*f.dim]
		s.IDs = append(s.IDs, f.IDs()...)
		for i := range s.Columns {
			s.Columns[i].Values = append(s.Columns[i].Values, f.strings.columns[i]...)
		}
		if f.o.Progress != nil {
			f.o.Progress(s.X.Rows, f.rows)
		}
	}
	if s.X.Rows == 0 {
		return nil, f.src.wrap(fmt.Errorf("it holds no rows: %w", vec.ErrTooFew))
	}
	return s, nil
}

func (f *File) baseName() string {
	name := strings.TrimSuffix(f.name, ".gz")
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// savers are the formats that Save writes, by extension.
var savers = map[string]func(w io.Writer, s *Set) error{
	".npy":         func(w io.Writer, s *Set) error { return writeNpy(w, s.X) },
	".npz":         func(w io.Writer, s *Set) error { return writeNpz(w, s.X) },
	".fvecs":       func(w io.Writer, s *Set) error { return writeVecs(w, s.X, f4) },
	".bvecs":       func(w io.Writer, s *Set) error { return writeVecs(w, s.X, u1) },
	".ivecs":       func(w io.Writer, s *Set) error { return writeVecs(w, s.X, i4) },
	".fbin":        func(w io.Writer, s *Set) error { return writeBin(w, s.X, f4) },
	".u8bin":       func(w io.Writer, s *Set) error { return writeBin(w, s.X, u1) },
	".i8bin":       func(w io.Writer, s *Set) error { return writeBin(w, s.X, i1) },
	".idx":         func(w io.Writer, s *Set) error { return writeIDX(w, s.X) },
	".safetensors": func(w io.Writer, s *Set) error { return writeSafetensors(w, s.X) },
	".parquet":     writeParquet,
	".jsonl":       writeJSONL,
	".csv":         func(w io.Writer, s *Set) error { return writeDelimited(w, s, ',') },
	".tsv":         func(w io.Writer, s *Set) error { return writeDelimited(w, s, '\t') },
	".vec":         writeWords,
	".txt":         writeWords,
	".bin":         writeBinaryWords,
}

// Save writes s in the format that the extension of path names, compressed if ".gz" follows it. The file appears whole
// or not at all. Parquet, JSONL, CSV and TSV hold all of s; .vec, .txt and .bin, which are word2vec's, vectors and
// IDs; all others the vectors only. Values that a format of integers cannot hold are an error, and so are those that
// are not finite (vec.ErrNotFinite).
func Save(path string, s *Set) error {
	name := filepath.Base(path)
	write, err := saver(name)
	if err == nil {
		err = s.check()
	}
	if err == nil {
		err = artifact.Atomic(path, func(w io.Writer) error { return write(w, s) })
	}
	if err != nil {
		return fmt.Errorf("dataset: save %s: %w", name, err)
	}
	return nil
}

// saver returns what writes the format that a name asks for.
func saver(name string) (func(w io.Writer, s *Set) error, error) {
	ext := strings.ToLower(filepath.Ext(name))
	if ext != ".gz" && savers[ext] != nil {
		return savers[ext], nil
	}
	ext = strings.ToLower(filepath.Ext(strings.TrimSuffix(name, filepath.Ext(name))))
	if write := savers[ext]; write != nil && ext != ".npz" && ext != ".parquet" {
		return func(w io.Writer, s *Set) error {
			z := gzip.NewWriter(w)
			if err := write(z, s); err != nil {
				return err
			}
			return z.Close()
		}, nil
	}
	return nil, fmt.Errorf("no format for this extension; there are %s, and .gz after most", strings.Join(slices.Sorted(maps.Keys(savers)), ", "))
}

// check returns an error unless s can be saved.
func (s *Set) check() error {
	if err := s.X.Check(); err != nil {
		return err
	}
	if s.X.Rows == 0 || s.X.Cols == 0 {
		return fmt.Errorf("there are no vectors in it: %w", vec.ErrTooFew)
	}
	if s.IDs != nil && len(s.IDs) != s.X.Rows {
		return fmt.Errorf("%d IDs for %d rows: %w", len(s.IDs), s.X.Rows, vec.ErrDim)
	}
	seen := map[string]bool{vectorName: true, "id": s.IDs != nil}
	for _, c := range s.Columns {
		if len(c.Values) != s.X.Rows {
			return fmt.Errorf("column %q has %d values for %d rows: %w", c.Name, len(c.Values), s.X.Rows, vec.ErrDim)
		}
		if seen[c.Name] || c.Name == "" {
			return fmt.Errorf("column name %q is taken or empty; call it something else", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

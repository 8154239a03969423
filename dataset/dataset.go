// Package dataset brings vectors in from files and puts them out again: npy, npz, fvecs and its kin, IDX, Parquet,
// JSON and JSONL, CSV and TSV, word2vec and GloVe, safetensors; compressed with gzip or in a zip archive, too.
//
//	set, err := dataset.Load("embeddings.parquet", dataset.Options{})  // all in memory, with IDs and text columns
//	f, err := dataset.Open("embeddings.npy", dataset.Options{})        // a block of rows at a time
//	m, err := dataset.Map("embeddings.npy", dataset.Options{})         // memory-mapped, nothing is read yet
//	err = dataset.Save("embeddings.npy", set)                          // whole or not at all
//
// What a file is, its content says, and its name only where content cannot. What comes from outside is checked: sizes
// that a header promises against the bytes that are there before memory is taken for them, rows for one length,
// values for being finite. FORMATS.md says what is understood of each format.
package dataset

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/latent-go/latent/vec"
)

// Options say which vectors of a file are meant. The zero Options do for a file that leaves no choice.
type Options struct {
	// Column names the vectors: an array of an npz, a tensor, a column, a member of a zip archive. In CSV it may be a
	// list of columns with wildcards, as in "x,y,emb_*". "file.npz#name" as a path says the same.
	Column string
	// IDColumn names the column of IDs. "" takes one that is called id, _id, uuid, key, word or token.
	IDColumn string
	// MaxRows ends the file after so many rows; 0 means all.
	MaxRows int
	// VectorsOnly leaves IDs and text columns unread.
	VectorsOnly bool
	// AllowNonFinite lets NaN and infinities through, which otherwise are an error (vec.ErrNotFinite).
	AllowNonFinite bool
	// Progress, if not nil, is told by Load how many rows are read, of a total that is -1 where it is not known.
	Progress func(done, total int)
}

// idNames are the columns taken for IDs where none is named, in order of preference.
var idNames = []string{"id", "_id", "uuid", "key", "word", "token"}

// maxDim is the most values a vector may have: a bound for memory that a damaged header can ask for.
const maxDim = 1 << 24

// File is a file of vectors, read from its first row to its last. It is for one goroutine at a time.
type File struct {
	name    string // as errors name it
	format  string
	dim     int
	rows    int // -1 while unknown
	hasIDs  bool
	columns []string
	dec     decoder
	src     *source
	strings block // of the rows that Next returned last
	o       Options
	at      int // rows returned so far
	err     error
}

// decoder is what each format provides. next reads at most dst.Rows rows into dst and appends their IDs and columns to
// b; 0 rows come with io.EOF. What it says in errors is completed with the file's name.
type decoder interface {
	next(dst vec.Matrix, b *block) (int, error)
}

// block holds the strings of some rows: their IDs, and for each column its values.
type block struct {
	ids     []string
	columns [][]string
}

func (b *block) reset(columns int) {
	b.ids = b.ids[:0]
	if len(b.columns) != columns {
		b.columns = make([][]string, columns)
	}
	for i := range b.columns {
		b.columns[i] = b.columns[i][:0]
	}
}

// Open opens a file of vectors. A file without vectors gives an error (vec.ErrTooFew), and so does one that leaves open
// which of its columns is meant; the error lists them.
func Open(path string, o Options) (*File, error) {
	return openPath(path, o, true)
}

// openPath opens path for its vectors, or else for its strings only.
func openPath(path string, o Options, vectors bool) (*File, error) {
	path, o = splitPath(path, o)
	src, err := openSource(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	f, err := open(src, o, vectors)
	if err != nil {
		src.close()
		return nil, err
	}
	return f, nil
}

// open finds out what src is and reads as much of it as it takes to know its dimension.
func open(src *source, o Options, vectors bool) (*File, error) {
	f := &File{src: src, rows: -1, o: o}
	if err := recognise(f, src, o, vectors); err != nil {
		return nil, src.wrap(err)
	}
	f.name = src.name
	switch {
	case f.rows == 0:
		return nil, src.wrap(fmt.Errorf("it holds no rows: %w", vec.ErrTooFew))
	case !vectors && len(f.columns) == 0:
		return nil, src.wrap(fmt.Errorf("it holds no labels (its format is %s): %w", f.format, vec.ErrTooFew))
	case vectors && f.dim == 0:
		return nil, src.wrap(fmt.Errorf("its vectors have no values: %w", vec.ErrDim))
	case f.dim > maxDim:
		return nil, src.wrap(fmt.Errorf("a vector of %d values is past belief, the limit is %d; is the file damaged?", f.dim, maxDim))
	}
	if o.MaxRows > 0 && f.rows > o.MaxRows {
		f.rows = o.MaxRows
	}
	if o.VectorsOnly {
		f.hasIDs, f.columns = false, nil
	}
	return f, nil
}

// Format returns the name of the format, such as "npy", "parquet" or "glove".
func (f *File) Format() string { return f.format }

// Dim returns how many values a vector has.
func (f *File) Dim() int { return f.dim }

// Rows returns how many rows there are, or -1 where only reading to the end tells. In a compressed file it is a promise.
func (f *File) Rows() int { return f.rows }

// HasIDs reports whether rows come with IDs.
func (f *File) HasIDs() bool { return f.hasIDs }

// Columns returns the names of the columns of text that rows come with. The one of IDs is not among them.
func (f *File) Columns() []string { return slices.Clone(f.columns) }

// Next reads rows into dst, as many as it has or fewer, and returns how many; at the end 0 and io.EOF. A dst of another
// width gives vec.ErrDim. The error for a row that is malformed or not finite names it, counting from 0; nothing can
// be read after an error.
func (f *File) Next(dst vec.Matrix) (n int, err error) {
	if f.err != nil {
		return 0, f.err
	}
	if dst.Cols != f.dim {
		return 0, fmt.Errorf("dataset: %s: vectors have %d dimensions, the destination %d: %w", f.name, f.dim, dst.Cols, vec.ErrDim)
	}
	if f.o.MaxRows > 0 && dst.Rows > f.o.MaxRows-f.at {
		dst = dst.Slice(0, f.o.MaxRows-f.at)
		if dst.Rows == 0 {
			return 0, io.EOF
		}
	}
	if dst.Rows == 0 {
		return 0, nil
	}
	defer func() {
		if err != nil {
			f.err, n = err, 0
			f.strings.reset(len(f.columns))
		}
	}()
	f.strings.reset(len(f.columns))
	if n, err = f.dec.next(dst, &f.strings); err != nil {
		if err == io.EOF {
			err = f.src.checksum()
		}
		if err != io.EOF {
			err = f.src.wrap(err)
		}
		return 0, err
	}
	if !f.o.AllowNonFinite {
		if err = f.checkFinite(dst.Slice(0, n)); err != nil {
			return 0, err
		}
	}
	f.at += n
	return n, nil
}

func (f *File) checkFinite(x vec.Matrix) error {
	for i, v := range x.Data {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return fmt.Errorf("dataset: %s: row %d, column %d is %v as float32; mend or leave out the row: %w",
				f.name, f.at+i/x.Cols, i%x.Cols, v, vec.ErrNotFinite)
		}
	}
	return nil
}

// IDs returns the IDs of the rows that Next returned last, nil where there are none. The slice is used again by Next,
// the strings are not.
func (f *File) IDs() []string {
	if !f.hasIDs {
		return nil
	}
	return f.strings.ids
}

// Column returns the values of a column for the rows that Next returned last, as [File.IDs] does; nil for a
// name that is not among [File.Columns].
func (f *File) Column(name string) []string {
	if i := slices.Index(f.columns, name); i >= 0 && i < len(f.strings.columns) {
		return f.strings.columns[i]
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error {
	if f.err == nil {
		f.err = errors.New("dataset: " + f.name + ": it was closed")
	}
	return f.src.close()
}

// pickID returns which of names is the column of IDs, or -1.
func pickID(names []string, o Options) (int, error) {
	if o.IDColumn != "" {
		if i := slices.Index(names, o.IDColumn); i >= 0 {
			return i, nil
		}
		return -1, fmt.Errorf("no column %q for IDs; the columns are %s", o.IDColumn, list(names))
	}
	for _, want := range idNames {
		for i, name := range names {
			if strings.EqualFold(name, want) {
				return i, nil
			}
		}
	}
	return -1, nil
}

// pickVectors returns which of the candidates holds the vectors: the one that o names, or else the only one. The
// descriptions say in an error what there is, and need not be candidates.
func pickVectors(what string, candidates []string, o Options, described []string) (int, error) {
	if o.Column != "" {
		if i := slices.Index(candidates, o.Column); i >= 0 {
			return i, nil
		}
		return -1, fmt.Errorf("no %s %q that holds vectors; it has %s", what, o.Column, list(described))
	}
	switch len(candidates) {
	case 1:
		return 0, nil
	case 0:
		return -1, fmt.Errorf("no %s holds vectors; it has %s: %w", what, list(described), vec.ErrTooFew)
	}
	return -1, fmt.Errorf("more than one %s holds vectors; choose one by name, as in FILE#%s; it has %s", what, candidates[0], list(described))
}

// list joins names for an error, the first of them if they are many.
func list(names []string) string {
	const most = 16
	if len(names) == 0 {
		return "none"
	}
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

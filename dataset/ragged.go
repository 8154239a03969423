package dataset

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/latent-go/latent/vec"
)

// Ragged is sets of vectors, such as the token vectors of documents: set i is rows Offsets[i] to Offsets[i+1] of X.
type Ragged struct {
	Name    string     // of the file, without folder and extension
	X       vec.Matrix // a vector a row
	Offsets []int      // one more than there are sets, from 0 to X.Rows
	IDs     []string   // one a set, or nil
}

// Len is the number of sets.
func (r *Ragged) Len() int { return len(r.Offsets) - 1 }

// Set returns the vectors of set i, as a view.
func (r *Ragged) Set(i int) vec.Matrix { return r.X.Slice(r.Offsets[i], r.Offsets[i+1]) }

// What says how long the sets are, beside or among arrays of vectors: where sets begin, and at last where the last one
// ends; or how many vectors each has.
var (
	offsetNames = []string{"offsets", "indptr"}
	lengthNames = []string{"lengths", "doclens"}
)

// LoadRagged reads a file of sets of vectors into memory:
//
//   - npz: the vectors as a matrix, and an array of integers called offsets (or indptr) or lengths (or doclens);
//   - npy: the vectors as a matrix, and that array in a file beside it, x.offsets.npy or x.lengths.npy for x.npy;
//     or all of it as an array of three dimensions: sets, vectors, values;
//   - Parquet: a column of lists of lists of numbers, a set a row;
//   - JSONL and JSON: objects with a field that is an array of arrays of numbers, or such arrays alone, a set each.
//
// o.Column names the vectors where there is a choice, o.MaxRows counts sets. A set without vectors gives
// vec.ErrTooFew, as does a file without sets; vectors of differing dimensions, and lengths that do not add up, give vec.ErrDim; values
// that are not finite vec.ErrNotFinite, unless o allows them.
func LoadRagged(path string, o Options) (*Ragged, error) {
	path, o = splitPath(path, o)
	src, err := openSource(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer src.close()
	r, err := loadRagged(src, path, o)
	if err != nil {
		return nil, src.wrap(err)
	}
	return r, nil
}

func loadRagged(src *source, path string, o Options) (*Ragged, error) {
	if bytes.HasPrefix(src.peek(2), []byte("\x1f\x8b")) {
		if err := src.gunzip(); err != nil {
			return nil, err
		}
	}
	r := &Ragged{Name: strings.TrimSuffix(strings.TrimSuffix(src.name, ".gz"), src.ext)}
	head := src.peek(sniffLen)
	var err error
	switch {
	case len(head) == 0:
		err = errors.New("it is empty")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		err = r.fromNpz(src, o)
	case bytes.HasPrefix(head, []byte(npyMagic)):
		err = r.fromNpy(src, path, o)
	case bytes.HasPrefix(head, []byte("PAR1")):
		err = r.fromParquet(src, o)
	case looksLikeJSON(strings.TrimSpace(string(head[:min(len(head), 64)]))):
		err = r.fromJSON(src, o)
	default:
		if err = foreign(head); err == nil {
			err = fmt.Errorf("it begins with % x, which no format of sets of vectors does; these are npy, npz, Parquet, JSONL and JSON", head[:min(len(head), 8)])
		}
	}
	if err != nil {
		return nil, err
	}
	return r, r.finish(o)
}

// finish cuts r to the sets wanted and checks it.
func (r *Ragged) finish(o Options) error {
	switch {
	case len(r.Offsets) < 2:
		return fmt.Errorf("it holds no sets: %w", vec.ErrTooFew)
	case r.Offsets[0] != 0 || r.Offsets[len(r.Offsets)-1] != r.X.Rows:
		return fmt.Errorf("offsets go from %d to %d, there are vectors 0 to %d; with n sets there are n+1 offsets: %w",
			r.Offsets[0], r.Offsets[len(r.Offsets)-1], r.X.Rows, vec.ErrDim)
	}
	for i, at := range r.Offsets[1:] {
		if at == r.Offsets[i] {
			return fmt.Errorf("set %d has no vectors; leave it out: %w", i, vec.ErrTooFew)
		}
		if at < r.Offsets[i] || at > r.X.Rows {
			return fmt.Errorf("set %d has vectors %d to %d of %d; offsets ascend: %w", i, r.Offsets[i], at, r.X.Rows, vec.ErrDim)
		}
	}
	if o.MaxRows > 0 && r.Len() > o.MaxRows {
		r.Offsets = r.Offsets[:o.MaxRows+1]
		r.X = r.X.Slice(0, r.Offsets[o.MaxRows])
		r.IDs = r.IDs[:min(len(r.IDs), o.MaxRows)]
	}
	if len(r.IDs) == 0 {
		r.IDs = nil
	}
	if o.AllowNonFinite {
		return nil
	}
	for i := range r.Len() {
		for j, v := range r.Set(i).Data {
			if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
				return fmt.Errorf("set %d, vector %d, column %d is %v as float32; mend or leave out the set: %w",
					i, j/r.X.Cols, j%r.X.Cols, v, vec.ErrNotFinite)
			}
		}
	}
	return nil
}

// fromNpy reads an array of three dimensions, or a matrix whose sets a file beside it tells.
func (r *Ragged) fromNpy(src *source, path string, o Options) error {
	h, err := readNpyHeader(src.take)
	if err != nil {
		return err
	}
	if len(h.shape) == 3 {
		return r.cube(src, h)
	}
	base := strings.TrimSuffix(strings.TrimSuffix(path, ".gz"), ".npy")
	for _, name := range slices.Concat(offsetNames, lengthNames) {
		beside := base + "." + name + ".npy"
		if _, err := os.Stat(beside); err != nil {
			continue
		}
		other, err := openSource(beside)
		if err != nil {
			return err
		}
		defer other.close()
		oh, err := readNpyHeader(other.take)
		if err == nil {
			err = r.sizes(other, oh, slices.Contains(lengthNames, name))
		}
		if err != nil {
			return fmt.Errorf("%s beside it: %w", filepath.Base(beside), err)
		}
		return r.matrix(src, h)
	}
	return fmt.Errorf("it holds %s; sets of vectors take an array of three dimensions, or %s.offsets.npy or %[2]s.lengths.npy beside it, or all in an npz: %w",
		h, filepath.Base(base), vec.ErrTooFew)
}

// fromNpz reads the members of an archive.
func (r *Ragged) fromNpz(src *source, o Options) error {
	if src.at == nil {
		return errors.New("it is a zip archive, which is read from its end, in gzip or a pipe; unpack it to a file first")
	}
	z, err := zip.NewReader(src.at, src.size)
	if err != nil {
		return fmt.Errorf("its directory, at the end, cannot be read, so it is probably cut short: %w", err)
	}
	var vectors, sizes *zip.File
	var described []string
	byLength, cubes := false, 0
	for i, m := range z.File {
		if i == 1000 {
			return errors.New("it has more than 1000 members; write the vectors and their offsets alone")
		}
		name := strings.TrimSuffix(m.Name, ".npy")
		h, err := peekNpy(m)
		if err != nil {
			continue
		}
		described = append(described, name+" ("+h.String()+")")
		isSizes := slices.Contains(slices.Concat(offsetNames, lengthNames), name)
		switch {
		case len(h.shape) == 1 && isSizes && sizes == nil:
			sizes, byLength = m, slices.Contains(lengthNames, name)
		case o.Column != "" && o.Column != name, h.num == 0 || len(h.shape) != 2 && len(h.shape) != 3:
		case vectors != nil:
			return fmt.Errorf("more than one array holds vectors; choose one by name, as in %s#%s; it has %s", src.name, name, list(described))
		default:
			vectors = m
			if len(h.shape) == 3 {
				cubes = 1
			}
		}
	}
	if vectors == nil || sizes == nil && cubes == 0 {
		return fmt.Errorf("sets of vectors take a matrix and an array offsets or lengths, or an array of three dimensions; it has %s: %w", list(described), vec.ErrTooFew)
	}
	if cubes == 0 {
		if err := member(src, sizes, func(in *source, h npyHeader) error { return r.sizes(in, h, byLength) }); err != nil {
			return err
		}
		return member(src, vectors, r.matrix)
	}
	return member(src, vectors, r.cube)
}

// member reads a member of an archive with what f does.
func member(src *source, m *zip.File, f func(*source, npyHeader) error) error {
	in := *src // whose place in the archive stays as it was
	in.closers, in.taken = nil, 0
	defer in.close()
	err := in.enter(m, strings.TrimSuffix(m.Name, ".npy"))
	if err == nil {
		var h npyHeader
		if h, err = readNpyHeader(in.take); err == nil {
			err = f(&in, h)
		}
	}
	if err != nil {
		return fmt.Errorf("member %s: %w", m.Name, err)
	}
	return nil
}

// matrix reads the vectors from a matrix.
func (r *Ragged) matrix(src *source, h npyHeader) error {
	if len(h.shape) != 2 {
		return fmt.Errorf("it holds %s, want a matrix, a vector a row: %w", h, vec.ErrDim)
	}
	return r.rows(src, h)
}

// cube reads an array of three dimensions, where sets have equally many vectors.
func (r *Ragged) cube(src *source, h npyHeader) error {
	each := int(h.shape[1])
	if h.shape[2] == 0 || each == 0 {
		return fmt.Errorf("it holds %s, sets without values: %w", h, vec.ErrTooFew)
	}
	if err := r.rows(src, h); err != nil {
		return err
	}
	for i := range r.X.Rows + 1 {
		r.Offsets = append(r.Offsets, i*each)
	}
	r.X = vec.Matrix{Rows: r.X.Rows * each, Cols: int(h.shape[2]), Data: r.X.Data}
	return nil
}

func (r *Ragged) rows(src *source, h npyHeader) error {
	if h.num == 0 {
		return fmt.Errorf("it holds %s, which are no real numbers; write it with x.astype('float32')", h)
	}
	l, err := newLayout(src, h.num, h.big, h.at, h.shape, h.fortran)
	if err != nil {
		return err
	}
	f := &File{src: src, name: src.name, o: Options{AllowNonFinite: true}}
	if err := f.use("npy", l, src); err != nil {
		return err
	}
	if f.rows == 0 || f.dim == 0 {
		return fmt.Errorf("it holds %s, no vectors: %w", h, vec.ErrTooFew)
	}
	s, err := f.load()
	if err != nil {
		return err
	}
	r.X = s.X
	return nil
}

// sizes reads offsets, or lengths, of which it makes offsets.
func (r *Ragged) sizes(src *source, h npyHeader, lengths bool) error {
	f := &File{src: src, name: src.name}
	if !h.num.integer() {
		return fmt.Errorf("it holds %s, want integers: %w", h, vec.ErrDim)
	}
	if err := openNpyLabels(f, src, h); err != nil {
		return err
	}
	if lengths {
		r.Offsets = append(r.Offsets, 0)
	}
	for b := (&block{columns: make([][]string, len(f.columns))}); ; b.reset(len(f.columns)) {
		_, err := f.dec.next(vec.Matrix{Rows: 4096}, b)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, s := range b.columns[0] {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 || n > math.MaxInt32*1024 {
				return fmt.Errorf("%s is no number of vectors: %w", s, vec.ErrDim)
			}
			if lengths {
				n += r.Offsets[len(r.Offsets)-1]
			}
			r.Offsets = append(r.Offsets, n)
		}
	}
}

// fromParquet reads a column of lists of lists.
func (r *Ragged) fromParquet(src *source, o Options) (err error) {
	if src.at == nil {
		return errors.New("it is Parquet, which is read from its end, in gzip or a pipe; unpack it to a file first")
	}
	defer recovered(&err)
	file, err := openParquetFile(src)
	if err != nil {
		return err
	}
	var nested, texts []*parquet.Column
	var nestedNames, textNames, described []string
	halves := halfColumns(file)
	for i, c := range leaves(file.Root()) {
		name := columnName(c)
		switch {
		case c.MaxRepetitionLevel() == 2 && (numeric(c.Type()) || halves[i]):
			nested, nestedNames = append(nested, c), append(nestedNames, name)
		case c.MaxRepetitionLevel() == 0 && textual(c.Type()):
			texts, textNames = append(texts, c), append(textNames, name)
		}
		described = append(described, fmt.Sprintf("%s (%s in %d lists)", name, strings.ToLower(c.Type().String()), c.MaxRepetitionLevel()))
	}
	i, err := pickVectors("column of lists of lists", nestedNames, o, described)
	if err != nil {
		return err
	}
	tokens, err := newCursor(file, nested[i])
	if err != nil {
		return err
	}
	defer tokens.close()
	if err := r.nested(tokens, nested[i].MaxDefinitionLevel(), o); err != nil {
		return fmt.Errorf("column %s: %w", nestedNames[i], err)
	}
	id, err := pickID(textNames, o)
	if err != nil || id < 0 || o.VectorsOnly {
		return err
	}
	c, err := newCursor(file, texts[id])
	if err != nil {
		return err
	}
	defer c.close()
	for i := range r.Len() {
		s, err := c.text()
		if err != nil {
			return fmt.Errorf("row %d of column %s cannot be read, the file is damaged: %w", i, textNames[id], noEOF(err))
		}
		r.IDs = append(r.IDs, s)
	}
	return nil
}

// nested reads lists of lists: a value begins a row at repetition level 0, a vector at 1, and is there at the
// definition level full.
func (r *Ragged) nested(c *cursor, full int, o Options) error {
	width := 0
	endVector := func() error {
		if r.X.Cols == 0 {
			r.X.Cols = width
		}
		if width != r.X.Cols {
			return fmt.Errorf("vector %d of row %d has %d values, want %d: %w", r.X.Rows-r.Offsets[len(r.Offsets)-1], len(r.Offsets)-1, width, r.X.Cols, vec.ErrDim)
		}
		r.X.Rows++
		width = 0
		return nil
	}
	for {
		err := c.fill()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("row %d cannot be read, the file is damaged: %w", len(r.Offsets), err)
		}
		var value [1]float32
		level := 0
		if c.levels != nil {
			level = int(c.levels[c.lo])
			c.copy(value[:], c.lo, c.lo+1)
		} else {
			v := &c.buf[c.lo]
			if level = v.RepetitionLevel(); v.IsNull() || v.DefinitionLevel() < full {
				return fmt.Errorf("row %d holds null or an empty list; leave it out: %w", len(r.Offsets)-min(level, 1), vec.ErrTooFew)
			}
			setFloat32(value[:], v)
		}
		c.lo++
		if level < 2 && width > 0 {
			if err := endVector(); err != nil {
				return err
			}
		}
		if level == 0 {
			if o.MaxRows > 0 && len(r.Offsets) == o.MaxRows {
				break
			}
			r.Offsets = append(r.Offsets, r.X.Rows)
		}
		if len(r.Offsets) == 0 || width == maxDim {
			return fmt.Errorf("row %d is damaged", len(r.Offsets))
		}
		r.X.Data = append(r.X.Data, value[0])
		width++
	}
	if width > 0 {
		if err := endVector(); err != nil {
			return err
		}
	}
	r.Offsets = append(r.Offsets, r.X.Rows)
	return nil
}

// fromJSON reads arrays of arrays.
func (r *Ragged) fromJSON(src *source, o Options) error {
	d := &jsonRows{fields: map[string]json.RawMessage{}}
	compact := strings.Join(strings.Fields(string(src.peek(sniffLen))), "")
	if strings.HasPrefix(compact, "[{") || strings.HasPrefix(compact, "[[[") {
		d.fromArray(src)
	} else {
		l := newLines(src)
		d.value = func() ([]byte, error) {
			b, err := l.content()
			return bytes.TrimSpace(b), err
		}
		d.place = func() string { return fmt.Sprintf("line %d", l.n) }
	}
	for o.MaxRows <= 0 || len(r.Offsets) < o.MaxRows {
		raw, err := d.value()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = r.takeJSON(d, raw, o)
		}
		if err != nil {
			return fmt.Errorf("%s, set %d: %w", d.place(), len(r.Offsets), err)
		}
		r.Offsets = append(r.Offsets, r.X.Rows)
	}
	r.Offsets = slices.Insert(r.Offsets, 0, 0)
	return nil
}

// takeJSON reads one set.
func (r *Ragged) takeJSON(d *jsonRows, raw []byte, o Options) error {
	array := json.RawMessage(raw)
	if raw[0] != '[' {
		if err := d.parse(raw); err != nil {
			return err
		}
		if d.vector == "" {
			if len(r.Offsets) > 0 {
				return errors.New("it is an object, the rows before it are arrays")
			}
			if err := d.chooseNested(raw, o); err != nil {
				return err
			}
		}
		if array = d.fields[d.vector]; array == nil {
			return fmt.Errorf("it has no field %q", d.vector)
		}
		if d.id != "" && !o.VectorsOnly {
			r.IDs = append(r.IDs, jsonText(d.fields[d.id]))
		}
	} else if d.vector != "" {
		return errors.New("it is an array, the rows before it are objects")
	}
	var vectors []json.RawMessage
	if err := json.Unmarshal(array, &vectors); err != nil {
		return fmt.Errorf("want an array of arrays of numbers: %w", err)
	}
	if len(vectors) == 0 {
		return fmt.Errorf("it has no vectors; leave it out: %w", vec.ErrTooFew)
	}
	if r.X.Cols == 0 {
		r.X.Cols = countArray(vectors[0])
	}
	if r.X.Cols == 0 {
		return fmt.Errorf("vector 0 is %.20q, want an array of numbers: %w", vectors[0], vec.ErrDim)
	}
	for i, v := range vectors {
		lo := len(r.X.Data)
		r.X.Data = slices.Grow(r.X.Data, r.X.Cols)[:lo+r.X.Cols]
		n, bad := parseArray(r.X.Data[lo:], v)
		if bad != nil {
			return fmt.Errorf("vector %d, value %d is %.20q, which is no number", i, n, bad)
		}
		if n != r.X.Cols {
			return fmt.Errorf("vector %d has %d values, want %d: %w", i, n, r.X.Cols, vec.ErrDim)
		}
		r.X.Rows++
	}
	return nil
}

// chooseNested decides by the first object which field holds the vectors and which the ID.
func (d *jsonRows) chooseNested(raw []byte, o Options) error {
	keys, err := keysOf(raw)
	if err != nil {
		return err
	}
	var candidates []string
	for _, key := range keys {
		if s := strings.Join(strings.Fields(string(d.fields[key][:min(len(d.fields[key]), 64)])), ""); strings.HasPrefix(s, "[[") {
			candidates = append(candidates, key)
		}
	}
	i, err := pickVectors("field that is an array of arrays", candidates, o, keys)
	if err != nil {
		return err
	}
	d.vector = candidates[i]
	id, err := pickID(keys, o)
	if err == nil && id >= 0 {
		d.id = keys[id]
	}
	return err
}

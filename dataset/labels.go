package dataset

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/latent-go/latent/vec"
)

// Labels are the classes of rows.
type Labels struct {
	Of    []int    // the class of each row, a place in Names
	Names []string // the classes: in order of number where all are integers, of the alphabet otherwise
}

// LoadLabels reads one label a row: a one-dimensional array of integers or strings (npy, npz, IDX), a column (Parquet,
// JSONL, CSV, TSV; o.Column names it unless it is the only one or called label), or a plain text file, one label a line.
// Labels are one if their text is, so none are merged by rounding. A label that is NaN or infinite gives
// vec.ErrNotFinite, unless o allows it; a blank line between lines of labels is an error.
func LoadLabels(path string, o Options) (*Labels, error) {
	o.VectorsOnly = false
	f, err := openPath(path, o, false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	name, err := f.pickLabels()
	if err != nil {
		return nil, f.src.wrap(err)
	}
	var values []string
	for {
		_, err := f.Next(vec.Matrix{Rows: 4096})
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, v := range f.Column(name) {
			if x, err := strconv.ParseFloat(v, 64); err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) && !o.AllowNonFinite {
				return nil, f.src.wrap(fmt.Errorf("the label of row %d is %s; give it one or leave the row out: %w", len(values), v, vec.ErrNotFinite))
			}
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return nil, f.src.wrap(fmt.Errorf("it holds no labels: %w", vec.ErrTooFew))
	}
	return newLabels(values), nil
}

// pickLabels returns which column holds the labels.
func (f *File) pickLabels() (string, error) {
	if want := f.o.Column; want != "" && !(len(f.columns) == 1 && f.columns[0] == labelColumn) {
		if !slices.Contains(f.columns, want) {
			return "", fmt.Errorf("no column %q of labels; it has %s", want, list(f.columns))
		}
		return want, nil
	}
	if len(f.columns) == 1 {
		return f.columns[0], nil
	}
	for _, name := range f.columns {
		if slices.Contains(labelNames, strings.ToLower(name)) {
			return name, nil
		}
	}
	return "", fmt.Errorf("more than one column could hold the labels, or none; choose one by name, as in FILE#NAME; it has %s", list(f.columns))
}

func newLabels(values []string) *Labels {
	names := slices.Clone(values)
	slices.Sort(names)
	names = slices.Compact(names)
	numbers := make(map[string]int64, len(names))
	for _, name := range names {
		n, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			numbers = nil
			break
		}
		numbers[name] = n
	}
	if numbers != nil {
		slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(numbers[a], numbers[b]) })
	}
	place := make(map[string]int, len(names))
	for i, name := range names {
		place[name] = i
	}
	l := &Labels{Names: names, Of: make([]int, len(values))}
	for i, v := range values {
		l.Of[i] = place[v]
	}
	return l
}

// labelColumn is what a lone array of labels is called.
const labelColumn = "label"

// labelReader reads an array of labels, each of size bytes, as a column of text.
type labelReader struct {
	src  *source
	size int
	text func([]byte) string
	rows int
	row  int
	buf  []byte
}

func (f *File) useLabels(format string, rows int, d *labelReader) {
	d.rows = rows
	f.format, f.rows, f.columns, f.dec = format, rows, []string{labelColumn}, d
}

func (d *labelReader) next(dst vec.Matrix, b *block) (int, error) {
	n := min(dst.Rows, d.rows-d.row)
	if n == 0 {
		return 0, io.EOF
	}
	if d.buf == nil {
		d.buf = make([]byte, d.size)
	}
	for range n {
		if _, err := io.ReadFull(d.src.r, d.buf); err != nil {
			return 0, fmt.Errorf("it is cut short: %d labels are promised, it ends in label %d; copy or download it again", d.rows, d.row)
		}
		b.columns[0] = append(b.columns[0], d.text(d.buf))
		d.row++
	}
	return n, nil
}

package catalog

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/vec"
)

// converter turns the raw files of a job, already checked, into files that are ready to use, in the folder out.
type converter func(ctx context.Context, j *job, out string) error

// idxFiles converts what MNIST and its kin come as: images and labels, for training and for testing.
func idxFiles(ctx context.Context, j *job, out string) error {
	for _, p := range []struct{ raw, ready string }{{"train", "train"}, {"t10k", "test"}} {
		if err := j.toNpy(ctx, p.raw+"-images-idx3-ubyte", filepath.Join(out, p.ready+".npy")); err != nil {
			return err
		}
		f, err := j.open(p.raw + "-labels-idx1-ubyte")
		if err != nil {
			return err
		}
		b, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			return err
		}
		if len(b) < 8 || binary.BigEndian.Uint32(b) != 0x801 || int(binary.BigEndian.Uint32(b[4:])) != len(b)-8 {
			return fmt.Errorf("%s labels are not IDX of one byte each", p.raw)
		}
		labels := make([]string, len(b)-8)
		for i, v := range b[8:] {
			labels[i] = strconv.Itoa(int(v))
		}
		if err := writeLines(filepath.Join(out, p.ready+"-labels.txt"), labels); err != nil {
			return err
		}
	}
	return nil
}

// siftFiles converts the small set of SIFT vectors.
func siftFiles(ctx context.Context, j *job, out string) error {
	for _, p := range []struct {
		raw, ready string
		rows       int
	}{{"siftsmall_base", "train", 10000}, {"siftsmall_query", "test", 100}, {"siftsmall_learn", "learn", 25000}} {
		// No checksum is on record, so at least its size is what its publisher says: 128 values and their count a row.
		if err := j.wantBytes(p.raw+".fvecs", int64(p.rows)*(128+1)*4); err != nil {
			return err
		}
		if err := j.toNpy(ctx, p.raw+".fvecs", filepath.Join(out, p.ready+".npy")); err != nil {
			return err
		}
	}
	if err := j.wantBytes("siftsmall_groundtruth.ivecs", 100*(100+1)*4); err != nil {
		return err
	}
	return j.copyOut(ctx, "siftsmall_groundtruth.ivecs", filepath.Join(out, "groundtruth.ivecs"))
}

func (j *job) wantBytes(name string, want int64) error {
	f, err := j.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := io.Copy(io.Discard, io.LimitReader(f, want+1)); err != nil || n != want {
		return errors.Join(err, fmt.Errorf("%s does not have the %d bytes it is published with: %w", name, want, errUnverified))
	}
	return nil
}

// digitFiles converts rows of comma-separated values, the last of which is the label.
func digitFiles(_ context.Context, j *job, out string) error {
	f, err := j.open("digits.csv")
	if err != nil {
		return err
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return fmt.Errorf("digits.csv: %w", vec.ErrTooFew)
	}
	dim := len(records[0]) - 1
	w, err := createNpy(filepath.Join(out, "train.npy"), len(records), dim)
	if err != nil {
		return err
	}
	defer w.f.Close()
	labels, row := make([]string, len(records)), make([]float32, dim)
	for i, r := range records {
		for k, s := range r[:dim] {
			v, err := strconv.ParseFloat(s, 32)
			if err != nil {
				return fmt.Errorf("digits.csv: row %d: %w", i, err)
			}
			row[k] = float32(v)
		}
		if err := w.writeAt(i, row); err != nil {
			return err
		}
		labels[i] = r[dim]
	}
	return errors.Join(w.f.Close(), writeLines(filepath.Join(out, "train-labels.txt"), labels))
}

// winkFiles converts word vectors as winkNLP has them: one JSON object of words, in order of frequency, and of vectors, each
// followed by its length and the place of its word. Vectors come in another order than words, so each is written
// to its place, and no more than the words is held in memory.
func winkFiles(raw string) converter {
	return func(ctx context.Context, j *job, out string) error {
		f, err := j.open(raw)
		if err != nil {
			return err
		}
		defer f.Close()
		d := json.NewDecoder(bufio.NewReaderSize(withContext(ctx, f), 1<<20))
		var (
			words []string
			dim   int
			w     *npyWriter
		)
		if err := expect(d, json.Delim('{')); err != nil {
			return err
		}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return err
			}
			switch key {
			case "words":
				err = d.Decode(&words)
			case "dimensions":
				err = d.Decode(&dim)
			case "vectors":
				if len(words) == 0 || dim < 1 || dim > 1<<16 || w != nil {
					return fmt.Errorf("%s: vectors come before words and dimensions, or twice", raw)
				}
				if w, err = createNpy(filepath.Join(out, "train.npy"), len(words), dim); err != nil {
					return err
				}
				defer w.f.Close()
				err = winkVectors(d, w, words, dim)
			default:
				var skip json.RawMessage
				err = d.Decode(&skip)
			}
			if err != nil {
				return fmt.Errorf("%s: %v: %w", raw, key, err)
			}
		}
		if w == nil {
			return fmt.Errorf("%s has no vectors: %w", raw, vec.ErrTooFew)
		}
		return errors.Join(w.f.Close(), writeLines(filepath.Join(out, "words.txt"), words))
	}
}

func winkVectors(d *json.Decoder, w *npyWriter, words []string, dim int) error {
	if err := expect(d, json.Delim('{')); err != nil {
		return err
	}
	seen := make([]bool, len(words))
	v := make([]float64, 0, dim+2)
	row := make([]float32, dim)
	count := 0
	for ; d.More(); count++ {
		word, err := d.Token()
		if err != nil {
			return err
		}
		if err := d.Decode(&v); err != nil {
			return err
		}
		if len(v) != dim+2 {
			return fmt.Errorf("vector of %q has %d values, want %d: %w", word, len(v), dim+2, vec.ErrDim)
		}
		i := int(v[dim+1])
		if i < 0 || i >= len(words) || words[i] != word || seen[i] {
			return fmt.Errorf("vector of %q says that it is of word %d", word, i)
		}
		seen[i] = true
		for k := range row {
			row[k] = float32(v[k])
		}
		if err := w.writeAt(i, row); err != nil {
			return err
		}
	}
	if count != len(words) {
		return fmt.Errorf("%d words have %d vectors", len(words), count)
	}
	return expect(d, json.Delim('}'))
}

func expect(d *json.Decoder, want json.Token) error {
	t, err := d.Token()
	if err == nil && t != want {
		err = fmt.Errorf("found %v where %v belongs", t, want)
	}
	return err
}

// asTheyAre copies the raw files.
func asTheyAre(ctx context.Context, j *job, out string) error {
	for _, r := range j.raw {
		if err := j.copyOut(ctx, r.Name, filepath.Join(out, r.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) copyOut(ctx context.Context, raw, to string) error {
	r, err := j.open(raw)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, withContext(ctx, r))
	return errors.Join(err, w.Close())
}

// toNpy converts a raw file of vectors, a block of rows at a time.
func (j *job) toNpy(ctx context.Context, raw, to string) error {
	from := filepath.Join(j.in, raw)
	if _, err := os.Stat(from); err != nil {
		from += ".gz"
	}
	f, err := dataset.Open(from, dataset.Options{VectorsOnly: true})
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := createNpy(to, f.Rows(), f.Dim())
	if err != nil {
		return err
	}
	defer w.f.Close()
	block := vec.NewMatrix(1000, f.Dim())
	for row := 0; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Next(block)
		if err == io.EOF {
			if row != f.Rows() {
				return fmt.Errorf("%s ended after %d of %d rows: %w", raw, row, f.Rows(), io.ErrUnexpectedEOF)
			}
			return w.f.Close()
		}
		if err != nil {
			return err
		}
		if err := w.writeAt(row, block.Slice(0, n).Data); err != nil {
			return err
		}
		row += n
	}
}

// npyWriter writes rows of float32 to an npy file in any order.
type npyWriter struct {
	f      *os.File
	header int64
	cols   int
	buf    []byte
}

func createNpy(path string, rows, cols int) (*npyWriter, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	// Version 1.0: magic, length of the header, header, padded so that data begins at a multiple of 64.
	h := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols)
	h += strings.Repeat(" ", 63-(10+len(h))%64) + "\n"
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(h)))
	w := &npyWriter{f: f, header: int64(len(b) + len(h)), cols: cols}
	if _, err = f.Write(append(b, h...)); err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

// writeAt writes whole rows, from the given one on.
func (w *npyWriter) writeAt(row int, values []float32) error {
	w.buf = w.buf[:0]
	for _, v := range values {
		w.buf = binary.LittleEndian.AppendUint32(w.buf, math.Float32bits(v))
	}
	_, err := w.f.WriteAt(w.buf, w.header+int64(row)*int64(w.cols)*4)
	return err
}

func readMatrix(path string) (vec.Matrix, error) {
	s, err := dataset.Load(path, dataset.Options{VectorsOnly: true})
	if err != nil {
		return vec.Matrix{}, err
	}
	return s.X, nil
}

func writeLines(path string, lines []string) error {
	var b strings.Builder
	for _, l := range lines {
		if strings.ContainsAny(l, "\r\n") {
			return fmt.Errorf("%q holds a line break", l)
		}
		b.WriteString(l)
		b.WriteByte('\n')
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

func readLines(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n"), nil
}

func readInts(path string) ([]int, error) {
	lines, err := readLines(path)
	if err != nil {
		return nil, err
	}
	ints := make([]int, len(lines))
	for i, l := range lines {
		if ints[i], err = strconv.Atoi(l); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, i+1, err)
		}
	}
	return ints, nil
}

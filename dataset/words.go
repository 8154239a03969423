package dataset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/latent-go/latent/vec"
)

// wordsHead is what the first lines of numbers between spaces say.
type wordsHead struct {
	header bool // word2vec's first line: rows and dimension
	words  bool // a word comes first in each line, as its ID
	rows   int  // -1 without a header
	dim    int
}

// recogniseWords looks for word2vec text (with a header), GloVe (without), or numbers only (as numpy.savetxt has them).
// A header of dimension 1 followed by two numbers could be either; the name decides.
func recogniseWords(first, second []byte, ext string) (wordsHead, bool) {
	if max(bytes.Count(first, []byte{' '}), bytes.Count(second, []byte{' '})) > maxColumns {
		return wordsHead{}, false
	}
	a, b := bytes.Fields(first), bytes.Fields(second)
	if bytes.ContainsAny(first, "\t") || len(a) < 2 || !numbersAfterFirst(first) {
		return wordsHead{}, false
	}
	if rows, dim, ok := parseCounts(first); ok && len(b) > dim && dim > 0 && numbersOnly(b[len(b)-dim:]) &&
		(len(b) > 2 || !isNumber(b[0]) || ext == ".vec") {
		return wordsHead{header: true, words: true, rows: rows, dim: dim}, true
	}
	words := !isNumber(a[0]) || len(b) == len(a) && !isNumber(b[0]) && numbersOnly(b[1:])
	dim := len(a)
	if words {
		dim--
	}
	return wordsHead{words: words, rows: -1, dim: dim}, true
}

// parseCounts reads the first line of word2vec: how many rows, how many dimensions.
func parseCounts(line []byte) (rows, dim int, ok bool) {
	a := strings.Fields(string(line[:min(len(line), 64)]))
	if len(a) != 2 {
		return 0, 0, false
	}
	n, err1 := strconv.ParseUint(a[0], 10, 40)
	d, err2 := strconv.ParseUint(a[1], 10, 24)
	return int(n), int(d), err1 == nil && err2 == nil
}

func numbersOnly(fields [][]byte) bool {
	return !slices.ContainsFunc(fields, func(b []byte) bool { return !isNumber(b) })
}

func numbersAfterFirst(line []byte) bool {
	fields := bytes.Fields(line)
	return len(fields) > 1 && numbersOnly(fields[1:])
}

func openWords(f *File, l *lines, w wordsHead, o Options) error {
	if w.header {
		if _, err := l.content(); err != nil {
			return err
		}
	}
	f.rows, f.dim, f.hasIDs = w.rows, w.dim, w.words
	switch {
	case w.header:
		f.format = "word2vec"
	case w.words:
		f.format = "glove"
	default:
		f.format = "text"
	}
	f.dec = &wordReader{wordsHead: w, l: l, quiet: o.VectorsOnly}
	return nil
}

// wordReader reads lines of numbers, with or without a word before them.
type wordReader struct {
	wordsHead
	l     *lines
	row   int
	quiet bool
}

func (d *wordReader) next(dst vec.Matrix, b *block) (int, error) {
	for i := range dst.Rows {
		line, err := d.l.content()
		if err == io.EOF {
			if d.row < d.rows {
				return 0, fmt.Errorf("it is cut short: its first line promises %d rows, %d are there", d.rows, d.row)
			}
			if i == 0 {
				return 0, io.EOF
			}
			return i, nil
		}
		if err != nil {
			return 0, err
		}
		if d.rows >= 0 && d.row == d.rows {
			return 0, fmt.Errorf("line %d: more rows than the %d its first line promises", d.l.n, d.rows)
		}
		word, err := d.parse(dst.Row(i), line)
		if err != nil {
			return 0, fmt.Errorf("line %d, row %d: %w", d.l.n, d.row, err)
		}
		if d.words && !d.quiet {
			b.ids = append(b.ids, string(word))
		}
		d.row++
	}
	return dst.Rows, nil
}

func (d *wordReader) parse(dst []float32, line []byte) (word []byte, err error) {
	line = bytes.TrimRight(line, " \r\t")
	rest := line
	if d.words {
		at := bytes.IndexByte(line, ' ')
		if at < 0 {
			return nil, fmt.Errorf("a word without numbers, want %d: %w", d.dim, vec.ErrDim)
		}
		word, rest = line[:at], line[at+1:]
	}
	n, bad := parseSpaced(dst, rest)
	if bad == nil && n == d.dim {
		return word, nil
	}
	if d.words { // the word has spaces, as some of GloVe's have
		if at := lastFields(line, d.dim); at > 0 {
			if n, bad := parseSpaced(dst, line[at:]); bad == nil && n == d.dim {
				return bytes.TrimSuffix(line[:at], []byte(" ")), nil
			}
		}
	}
	if bad != nil {
		return nil, fmt.Errorf("column %d is %.20q, which is no number", n, bad)
	}
	return nil, fmt.Errorf("it has %d values, want %d: %w", n, d.dim, vec.ErrDim)
}

// parseSpaced reads numbers between spaces. It returns how many there are, or else the one that is none.
func parseSpaced(dst []float32, b []byte) (n int, bad []byte) {
	for {
		for len(b) > 0 && b[0] == ' ' {
			b = b[1:]
		}
		if len(b) == 0 {
			return n, nil
		}
		end := 1
		for end < len(b) && b[end] != ' ' {
			end++
		}
		if n < len(dst) {
			v, ok := parseFloat(b[:end])
			if !ok {
				return n, b[:end]
			}
			dst[n] = v
		}
		n++
		b = b[end:]
	}
}

// lastFields returns where the last n fields of line begin, or -1.
func lastFields(line []byte, n int) int {
	at := len(line)
	for range n {
		for at > 0 && line[at-1] == ' ' {
			at--
		}
		for at > 0 && line[at-1] != ' ' {
			at--
		}
	}
	return at
}

// isWord2vecBinary looks for the first line of word2vec, a word, and then bytes that are no text.
func isWord2vecBinary(head []byte, ext string) bool {
	line, rest, ok := bytes.Cut(head, []byte("\n"))
	if !ok {
		return false
	}
	_, dim, ok := parseCounts(line)
	_, numbers, found := bytes.Cut(rest, []byte(" "))
	if !ok || !found {
		return false
	}
	numbers = numbers[:min(4*dim, len(numbers))]
	return ext == ".bin" || !isText(numbers) || !utf8.Valid(numbers[:max(0, len(numbers)-utf8.UTFMax)])
}

func openWord2vecBinary(f *File, src *source, o Options) error {
	line, err := src.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	src.taken += int64(len(line))
	rows, dim, _ := parseCounts(line)
	if err := checkBytes(src, src.taken, uint64(rows), uint64(4*dim)); err != nil {
		return err
	}
	f.format, f.rows, f.dim, f.hasIDs = "word2vec-binary", rows, dim, true
	f.dec = &binaryWords{r: src, rows: rows, b: nil, quiet: o.VectorsOnly}
	return nil
}

// binaryWords reads rows that are a word, a space, float32, and in most files a newline.
type binaryWords struct {
	r     *source
	rows  int
	row   int
	b     []byte
	quiet bool
}

func (d *binaryWords) next(dst vec.Matrix, b *block) (int, error) {
	n := min(dst.Rows, d.rows-d.row)
	if n == 0 {
		return 0, io.EOF
	}
	for i := range n {
		if err := d.one(dst.Row(i), b); err != nil {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				err = fmt.Errorf("it is cut short: its first line promises %d rows, it ends in row %d; copy or download it again", d.rows, d.row)
			}
			return 0, err
		}
		d.row++
	}
	return n, nil
}

func (d *binaryWords) one(dst []float32, b *block) error {
	if c, err := d.r.r.Peek(1); err == nil && c[0] == '\n' {
		d.r.r.Discard(1)
	}
	word, err := d.r.r.ReadSlice(' ')
	if err != nil {
		if errors.Is(err, io.EOF) {
			return err
		}
		return fmt.Errorf("row %d: no word where one should be; is it word2vec at all?", d.row)
	}
	if !d.quiet {
		b.ids = append(b.ids, string(word[:len(word)-1]))
	}
	if d.b == nil {
		d.b = make([]byte, 4*len(dst))
	}
	_, err = io.ReadFull(d.r.r, d.b)
	f4.float32s(dst, d.b, false)
	return err
}

// writeWords writes word2vec's text. Rows without IDs are called by their number.
func writeWords(w io.Writer, s *Set) error {
	b := fmt.Appendf(nil, "%d %d\n", s.X.Rows, s.X.Cols)
	for i := range s.X.Rows {
		word := s.id(i)
		if len(strings.Fields(word)) != 1 || strings.TrimSpace(word) != word { // we could read a word with spaces again, others could not
			return fmt.Errorf("row %d: %q cannot be a word of word2vec; save as Parquet or JSONL", i, word)
		}
		b = append(b, word...)
		for _, v := range s.X.Row(i) {
			b = strconv.AppendFloat(append(b, ' '), float64(v), 'g', -1, 32)
		}
		if _, err := w.Write(append(b, '\n')); err != nil {
			return err
		}
		b = b[:0]
	}
	return nil
}

func writeBinaryWords(w io.Writer, s *Set) error {
	b := fmt.Appendf(nil, "%d %d\n", s.X.Rows, s.X.Cols)
	for i := range s.X.Rows {
		word := s.id(i)
		if word == "" || strings.ContainsAny(word, " \n") {
			return fmt.Errorf("row %d: %q cannot be a word of word2vec; save as Parquet or JSONL", i, word)
		}
		b = append(append(b, word...), ' ')
		for _, v := range s.X.Row(i) {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		if _, err := w.Write(append(b, '\n')); err != nil {
			return err
		}
		b = b[:0]
	}
	return nil
}

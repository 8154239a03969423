package dataset

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/latent-go/latent/vec"
)

// labelNames are columns that are not taken for a part of the vector, though they may hold numbers.
var labelNames = []string{"label", "labels", "class", "target"}

// delimited reads CSV (with commas or semicolons, and quotes as RFC 4180 has them) and TSV (without quotes).
type delimited struct {
	l       *lines
	delim   byte
	quotes  bool
	names   []string
	role    []int // of each column: a place in the vector, or one of the roles below
	gapless bool  // blank lines are an error, for they may be labels left out
	array   int   // the column that holds whole vectors, as "[0.1, 0.2]", or -1
	dim     int
	row     int
	fields  [][]byte
	record  []byte // the record, which may be of several lines
	held    []held // records read ahead
	scratch []byte // fields without their quotes
}

type held struct {
	record []byte
	line   int
}

func (d *delimited) hold() held { return held{bytes.Clone(d.record), d.l.n} }

const (
	roleSkip  = -1 - iota
	roleID    // its text is the ID
	roleArray // it holds the whole vector
	roleText  // roleText-k: it is text column k
)

func openDelimited(f *File, src *source, l *lines, first []byte, o Options, vectors bool) error {
	d := &delimited{l: l, delim: ',', quotes: true, array: -1}
	switch {
	case !vectors && o.Column == "" && src.ext != ".csv" && src.ext != ".tsv":
		d.delim, d.quotes = '\n', false // a label is the whole line
	case bytes.IndexByte(first, '\t') >= 0 || src.ext == ".tsv":
		d.delim, d.quotes = '\t', false
	case bytes.IndexByte(first, ',') < 0 && bytes.IndexByte(first, ';') >= 0:
		d.delim = ';'
	}
	f.format = map[byte]string{',': "csv", ';': "csv", '\t': "tsv", '\n': "text"}[d.delim]
	a, err := d.read()
	if err != nil {
		return err
	}
	head, held := cloneFields(a), d.hold()
	d.gapless = !vectors && len(head) == 1
	b, err := d.read()
	if err != nil && err != io.EOF {
		return err
	}
	sample, header := head, d.isHeader(head, b, o, vectors)
	if !header {
		d.held = append(d.held, held)
	}
	if err == nil {
		if header {
			sample = cloneFields(b)
		}
		d.held = append(d.held, d.hold())
	}
	if header {
		for _, h := range head {
			d.names = append(d.names, string(bytes.TrimSpace(h)))
		}
		if err == io.EOF {
			return fmt.Errorf("it has a header and no rows: %w", vec.ErrTooFew)
		}
	} else {
		for i := range head {
			d.names = append(d.names, strconv.Itoa(i))
		}
	}
	return d.assign(f, sample, header, o, vectors)
}

func cloneFields(fields [][]byte) [][]byte {
	out := make([][]byte, len(fields))
	for i, b := range fields {
		out[i] = bytes.Clone(b)
	}
	return out
}

// isHeader tells whether a names columns: where b has a number, a has none; or a counts three columns or more from 0, as
// pandas does for columns without names.
func (d *delimited) isHeader(a, b [][]byte, o Options, vectors bool) bool {
	if len(b) != len(a) { // one record only, or a mistake that is met next
		return !slices.ContainsFunc(a, isVectorCell) && (len(b) == 0 || slices.ContainsFunc(b, isVectorCell))
	}
	counts, numbers := len(a) > 2, false
	for i := range a {
		name := string(bytes.TrimSpace(a[i]))
		if isVectorCell(b[i]) && !isVectorCell(a[i]) {
			return true
		}
		if !vectors && (name == o.Column && name != "" || slices.Contains(labelNames, strings.ToLower(name))) {
			return true
		}
		numbers = numbers || isVectorCell(b[i])
		counts = counts && name == strconv.Itoa(i)
	}
	return vectors && (counts || !numbers)
}

// isVectorCell tells a number or an array of numbers.
func isVectorCell(b []byte) bool { return isNumber(b) || isArrayCell(b) }

func isArrayCell(b []byte) bool {
	b = bytes.TrimSpace(b)
	if len(b) < 3 || b[0] != '[' || b[len(b)-1] != ']' {
		return false
	}
	b = bytes.TrimLeftFunc(b[1:len(b)-1], isArraySeparator)
	if end := bytes.IndexFunc(b, isArraySeparator); end >= 0 {
		b = b[:end]
	}
	return isNumber(b)
}

func isArraySeparator(r rune) bool {
	return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t'
}

// isMissing tells what programs write in place of a number they do not have.
func isMissing(b []byte) bool {
	switch strings.ToLower(string(bytes.TrimSpace(b))) {
	case "", "na", "n/a", "null", "none":
		return true
	}
	return false
}

// assign decides by the header and a first record what each column is for.
func (d *delimited) assign(f *File, sample [][]byte, header bool, o Options, vectors bool) error {
	if len(sample) != len(d.names) {
		return fmt.Errorf("line %d has %d columns, the header %d: %w", d.l.n, len(sample), len(d.names), vec.ErrDim)
	}
	id, err := pickID(d.names, o)
	if err != nil {
		return err
	}
	var numeric, arrays []int
	var described []string
	for i, b := range sample {
		kind := "text"
		switch {
		case i == id:
			kind = "ID"
		case isArrayCell(b):
			kind, arrays = "array", append(arrays, i)
		case isNumber(b) || isMissing(b):
			kind, numeric = "number", append(numeric, i)
		case i == 0 && id < 0 && !header:
			id, kind = 0, "ID"
		}
		described = append(described, d.names[i]+" ("+kind+")")
	}
	if id < 0 && header && len(numeric) > 1 && numeric[0] == 0 && (d.names[0] == "" || d.names[0] == "Unnamed: 0" || d.names[0] == "index") {
		id = 0 // the index that pandas writes
	}
	d.role = slices.Repeat([]int{roleText}, len(sample))
	if id >= 0 {
		d.role[id] = roleID
		f.hasIDs = true
	}
	switch {
	case !vectors:
		if id >= 0 && (d.names[id] == o.Column || len(sample) == 1 || !header) { // it is the labels themselves that look like IDs
			d.role[id], f.hasIDs = roleText, false
		}
	case o.Column == "" && len(arrays) > 0 || slices.ContainsFunc(arrays, func(i int) bool { return d.names[i] == o.Column }):
		var names []string
		for _, i := range arrays {
			names = append(names, d.names[i])
		}
		k, err := pickVectors("column", names, o, described)
		if err != nil {
			return err
		}
		d.array = arrays[k]
		d.role[d.array] = roleArray
		d.dim = countArray(sample[d.array])
	default:
		chosen, err := d.choose(numeric, id, header, o, described)
		if err != nil {
			return err
		}
		for place, i := range chosen {
			d.role[i] = place
		}
		d.dim, f.hasIDs = len(chosen), id >= 0 && d.role[id] == roleID
	}
	k := 0
	for i, r := range d.role {
		if r != roleText {
			continue
		}
		if o.VectorsOnly {
			d.role[i] = roleSkip
			continue
		}
		d.role[i] = roleText - k
		f.columns = append(f.columns, d.names[i])
		k++
	}
	if o.VectorsOnly && id >= 0 && d.role[id] == roleID {
		d.role[id] = roleSkip
	}
	f.dim, f.dec = d.dim, d
	return nil
}

// choose returns the columns of numbers that make up the vector: those that o names; or a run of numbered ones, as emb_0
// to emb_767, if it is half of them or more; or all but IDs and labels.
func (d *delimited) choose(numeric []int, id int, header bool, o Options, described []string) ([]int, error) {
	var chosen []int
	if o.Column != "" {
		taken := make([]bool, len(d.names))
		for _, pattern := range strings.Split(o.Column, ",") {
			found := false
			for i, name := range d.names {
				ok, _ := path.Match(pattern, name)
				if ok = ok && i != id || name == pattern; ok && !taken[i] {
					chosen, taken[i] = append(chosen, i), true
				}
				found = found || ok
			}
			if !found {
				return nil, fmt.Errorf("no column %q; the columns are %s", pattern, list(described))
			}
		}
		return chosen, nil
	}
	if header {
		if run := numberedRun(d.names, numeric); len(run) > 0 && (2*len(run) >= len(numeric) || d.names[run[0]] == "v0") {
			return run, nil
		}
	}
	for _, i := range numeric {
		if i != id && !(header && slices.Contains(labelNames, strings.ToLower(d.names[i]))) {
			chosen = append(chosen, i)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no column of numbers; the columns are %s: %w", list(described), vec.ErrTooFew)
	}
	return chosen, nil
}

// numberedRun returns the longest run of columns, of those given, whose names are one stem and numbers that count up
// from 0 or 1; at least two, or v0 alone.
func numberedRun(names []string, of []int) []int {
	var best, run []int
	stem, next := "", 0
	for _, i := range of {
		s := strings.TrimRight(names[i], "0123456789")
		n, err := strconv.Atoi(names[i][len(s):])
		switch {
		case err != nil || s == "":
			run = nil
			continue
		case len(run) > 0 && s == stem && n == next && i == run[len(run)-1]+1:
			run = append(run, i)
		case n <= 1:
			run = []int{i}
		default:
			run = nil
		}
		stem, next = s, n+1
		if len(run) > len(best) && (len(run) > 1 || names[i] == "v0") {
			best = run
		}
	}
	return best
}

// read returns the fields of the next record, which are good until the next call.
func (d *delimited) read() ([][]byte, error) {
	if len(d.held) > 0 {
		d.record, d.l.n = d.held[0].record, d.held[0].line
		d.held = d.held[1:]
		return d.split(d.record)
	}
	line, err := d.l.content()
	if err != nil {
		return nil, err
	}
	d.record = append(d.record[:0], line...)
	if d.quotes && bytes.Count(line, []byte{'"'})%2 == 1 { // a newline within quotes
		from := d.l.n
		for open := true; open; {
			more, err := d.l.next()
			if err == io.EOF || len(d.record) > maxLine {
				return nil, fmt.Errorf("line %d: a quote is opened and not closed", from)
			}
			if err != nil {
				return nil, err
			}
			d.record = append(append(d.record, '\n'), more...)
			open = open != (bytes.Count(more, []byte{'"'})%2 == 1)
		}
	}
	d.record = bytes.TrimSuffix(d.record, []byte("\r"))
	return d.split(d.record)
}

func (d *delimited) split(b []byte) ([][]byte, error) {
	d.fields = d.fields[:0]
	if d.quotes && bytes.IndexByte(b, '"') >= 0 {
		return d.splitQuoted(b)
	}
	for len(d.fields) < maxColumns {
		i := bytes.IndexByte(b, d.delim)
		if i < 0 {
			d.fields = append(d.fields, b)
			return d.fields, nil
		}
		d.fields = append(d.fields, b[:i])
		b = b[i+1:]
	}
	return nil, d.tooWide()
}

func (d *delimited) splitQuoted(b []byte) ([][]byte, error) {
	d.scratch = slices.Grow(d.scratch[:0], len(b)) // fields point into it, so it must not move
	for len(d.fields) < maxColumns {
		if len(b) == 0 || b[0] != '"' {
			i := bytes.IndexByte(b, d.delim)
			if i < 0 {
				return append(d.fields, b), nil
			}
			d.fields, b = append(d.fields, b[:i]), b[i+1:]
			continue
		}
		from := len(d.scratch)
		for b = b[1:]; ; {
			i := bytes.IndexByte(b, '"')
			if i < 0 {
				return nil, fmt.Errorf("line %d: a quote is opened and not closed", d.l.n)
			}
			d.scratch = append(d.scratch, b[:i]...)
			b = b[i+1:]
			if len(b) == 0 || b[0] != '"' {
				break
			}
			d.scratch, b = append(d.scratch, '"'), b[1:]
		}
		d.fields = append(d.fields, d.scratch[from:])
		switch {
		case len(b) == 0:
			return d.fields, nil
		case b[0] != d.delim:
			return nil, fmt.Errorf("line %d, column %d: %.20q follows a closing quote", d.l.n, len(d.fields)-1, b)
		}
		b = b[1:]
	}
	return nil, d.tooWide()
}

func (d *delimited) tooWide() error {
	return fmt.Errorf("line %d has more than %d columns", d.l.n, maxColumns)
}

func (d *delimited) next(dst vec.Matrix, b *block) (int, error) {
	for i := range dst.Rows {
		fields, err := d.read()
		if err == io.EOF {
			if i == 0 {
				return 0, io.EOF
			}
			return i, nil
		}
		if err == nil && d.gapless && d.l.blank > 0 {
			err = fmt.Errorf("line %d is empty; give a label or leave the row out", d.l.blank)
		}
		if err == nil && len(fields) != len(d.role) {
			err = fmt.Errorf("line %d, row %d: it has %d columns, want %d: %w", d.l.n, d.row, len(fields), len(d.role), vec.ErrDim)
		}
		if err == nil {
			err = d.take(dst.Row(i), fields, b)
		}
		if err != nil {
			return 0, err
		}
		d.row++
	}
	return dst.Rows, nil
}

func (d *delimited) take(dst []float32, fields [][]byte, b *block) error {
	for c, field := range fields {
		switch r := d.role[c]; {
		case r >= 0:
			v, ok := parseFloat(field)
			if !ok {
				if v, ok = parseFloat(bytes.TrimSpace(field)); !ok {
					return d.noNumber(c, field)
				}
			}
			dst[r] = v
		case r == roleSkip:
		case r == roleID:
			b.ids = append(b.ids, string(field))
		case r == roleArray:
			n, bad := parseArray(dst, field)
			if bad != nil {
				return fmt.Errorf("line %d, row %d: value %d of column %q is %.20q, which is no number", d.l.n, d.row, n, d.names[c], bad)
			}
			if n != d.dim {
				return fmt.Errorf("line %d: row %d has %d values, want %d: %w", d.l.n, d.row, n, d.dim, vec.ErrDim)
			}
		default:
			b.columns[roleText-r] = append(b.columns[roleText-r], string(field))
		}
	}
	return nil
}

func (d *delimited) noNumber(c int, field []byte) error {
	what := fmt.Sprintf("is %.20q, which is no number", field)
	if len(bytes.TrimSpace(field)) == 0 {
		what = "is empty"
	}
	return fmt.Errorf("line %d: row %d, column %q %s; mend it, or name the columns of the vector, as in FILE#x,y,emb_*", d.l.n, d.row, d.names[c], what)
}

// parseArray reads "[0.1, 0.2]" or "[0.1 0.2]". It returns how many values there are, or else the one that is no number.
func parseArray(dst []float32, b []byte) (n int, bad []byte) {
	b = bytes.TrimSpace(b)
	if len(b) < 2 || b[0] != '[' || b[len(b)-1] != ']' {
		return 0, append([]byte{}, b...)
	}
	b = b[1 : len(b)-1]
	for {
		for len(b) > 0 && isArraySeparator(rune(b[0])) {
			b = b[1:]
		}
		if len(b) == 0 {
			return n, nil
		}
		end := 1
		for end < len(b) && !isArraySeparator(rune(b[end])) {
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

func countArray(b []byte) int {
	n, _ := parseArray(nil, b)
	return n
}

// writeDelimited writes a header and rows: id, the columns, then the values as v0, v1, …
func writeDelimited(w io.Writer, s *Set, delim byte) error {
	var b []byte
	var err error
	column := 0
	put := func(row int, text string) {
		if column++; column > 1 {
			b = append(b, delim)
		}
		switch {
		case delim == '\t' && strings.ContainsAny(text, "\t\r\n"):
			err = fmt.Errorf("row %d: %.40q cannot be in TSV, which has no quotes; save as CSV, JSONL or Parquet", row, text)
		case delim != '\t' && strings.ContainsAny(text, ",;\t\"\r\n"):
			b = append(append(append(b, '"'), strings.ReplaceAll(text, `"`, `""`)...), '"')
		default:
			b = append(b, text...)
		}
	}
	end := func() error {
		if err == nil {
			_, err = w.Write(append(b, '\n'))
		}
		b, column = b[:0], 0
		return err
	}
	if s.IDs != nil {
		put(-1, "id")
	}
	for _, c := range s.Columns {
		put(-1, c.Name)
	}
	for i := range s.X.Cols {
		put(-1, "v"+strconv.Itoa(i))
	}
	if err := end(); err != nil {
		return err
	}
	for i := range s.X.Rows {
		if s.IDs != nil {
			put(i, s.IDs[i])
		}
		for _, c := range s.Columns {
			put(i, c.Values[i])
		}
		for _, v := range s.X.Row(i) {
			if column++; column > 1 {
				b = append(b, delim)
			}
			b = strconv.AppendFloat(b, float64(v), 'g', -1, 32)
		}
		if err := end(); err != nil {
			return err
		}
	}
	return nil
}

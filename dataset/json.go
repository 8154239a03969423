package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/latent-go/latent/vec"
)

// looksLikeJSON tells the beginning of JSON from a word such as [PAD], which vocabularies begin with.
func looksLikeJSON(s string) bool {
	if s = strings.TrimPrefix(s, "\xef\xbb\xbf"); len(s) < 2 {
		return false
	}
	next := strings.TrimSpace(s[1:]) + "]"
	switch s[0] {
	case '{':
		return next[0] == '"' || next[0] == '}'
	case '[':
		return strings.IndexByte("-0123456789[{]", next[0]) >= 0
	}
	return false
}

// jsonRows reads rows that are JSON: objects with an array of numbers and other fields, or arrays of numbers only.
// They come one a line (JSONL), or as one array.
type jsonRows struct {
	value  func() ([]byte, error) // the next row
	place  func() string          // of the last row, for errors
	first  []byte                 // read ahead
	vector string                 // field
	bare   bool                   // rows are arrays
	id     string
	keys   []string
	dim    int
	row    int
	quiet  bool
	fields map[string]json.RawMessage
}

func openJSON(f *File, src *source, o Options, vectors bool) error {
	l := newLines(src)
	d := &jsonRows{fields: map[string]json.RawMessage{}, quiet: o.VectorsOnly}
	head := bytes.TrimSpace(src.peek(sniffLen))
	if len(head) > 1 && head[0] == '[' && len(bytes.TrimSpace(head[1:])) > 0 && strings.IndexByte("[{", bytes.TrimSpace(head[1:])[0]) >= 0 {
		f.format = "json"
		d.fromArray(src)
	} else {
		f.format = "jsonl"
		d.value = func() ([]byte, error) {
			b, err := l.content()
			return bytes.TrimSpace(b), err
		}
		d.place = func() string { return fmt.Sprintf("line %d", l.n) }
	}
	first, err := d.value()
	if err == io.EOF {
		return fmt.Errorf("it holds no rows: %w", vec.ErrTooFew)
	}
	if err != nil {
		return err
	}
	d.first = bytes.Clone(first)
	if d.first[0] == '[' {
		if !vectors {
			return errors.New("its rows are arrays, without fields for labels")
		}
		d.bare, d.dim = true, countArray(d.first)
	} else if err := d.choose(f, o, vectors); err != nil {
		return err
	}
	f.dim, f.dec = d.dim, d
	return nil
}

// fromArray takes the rows from one array, a value at a time.
func (d *jsonRows) fromArray(src *source) {
	limit := &valueLimit{r: src.r}
	dec := json.NewDecoder(limit)
	begun, ended := false, false
	d.place = func() string { return fmt.Sprintf("before byte %d", dec.InputOffset()) }
	d.value = func() ([]byte, error) {
		if ended {
			return nil, io.EOF
		}
		limit.left = maxLine
		if !begun {
			begun = true
			if _, err := dec.Token(); err != nil {
				return nil, err
			}
		}
		if !dec.More() {
			if _, err := dec.Token(); err != nil { // the closing bracket
				return nil, fmt.Errorf("it is cut short: its array does not end: %w", noEOF(err))
			}
			ended = true
			return nil, io.EOF
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("before byte %d: %w", dec.InputOffset(), noEOF(err))
		}
		return raw, nil
	}
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// valueLimit stops a value that does not end.
type valueLimit struct {
	r    io.Reader
	left int
}

func (l *valueLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("a value is longer than %d MiB", maxLine>>20)
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// choose decides by the first row which field is the vector and which the ID. The others are columns.
func (d *jsonRows) choose(f *File, o Options, vectors bool) error {
	if err := d.parse(d.first); err != nil {
		return fmt.Errorf("%s: %w", d.place(), err)
	}
	keys, err := keysOf(d.first)
	if err != nil {
		return err
	}
	var candidates, described []string
	for _, key := range keys {
		kind := "text"
		switch raw := d.fields[key]; {
		case isArrayCell(raw):
			kind, candidates = fmt.Sprintf("array of %d", countArray(raw)), append(candidates, key)
		case raw[0] == '[' || raw[0] == '{':
			kind = "nested"
		}
		described = append(described, key+" ("+kind+")")
	}
	if vectors {
		i, err := pickVectors("field", candidates, o, described)
		if err != nil {
			return err
		}
		d.vector, d.dim = candidates[i], countArray(d.fields[candidates[i]])
		keys = slices.DeleteFunc(keys, func(k string) bool { return k == d.vector })
	}
	id, err := pickID(keys, o)
	if err != nil {
		return err
	}
	if id >= 0 && (vectors || keys[id] != o.Column) {
		d.id, f.hasIDs = keys[id], true
		keys = slices.Delete(keys, id, id+1)
	}
	d.keys, f.columns = keys, keys
	if d.quiet {
		d.keys = nil
	}
	return nil
}

// keysOf returns the keys of an object, in their order.
func keysOf(object []byte) ([]string, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	var keys []string
	seen := map[string]bool{}
	var skip json.RawMessage
	_, err := dec.Token()
	for err == nil && dec.More() {
		var key json.Token
		if key, err = dec.Token(); err == nil {
			if name := key.(string); !seen[name] {
				keys, seen[name] = append(keys, name), true
			}
			err = dec.Decode(&skip)
		}
	}
	return keys, err
}

// parse reads an object into d.fields.
func (d *jsonRows) parse(raw []byte) error {
	clear(d.fields)
	err := json.Unmarshal(raw, &d.fields)
	var syntax *json.SyntaxError
	switch {
	case err == nil && d.fields == nil:
		d.fields = map[string]json.RawMessage{}
		return errors.New("it is null, want an object")
	case errors.As(err, &syntax) && nonFiniteAt(raw, syntax.Offset):
		return fmt.Errorf("NaN or Infinity, which JSON does not have; mend or leave out the row: %w", vec.ErrNotFinite)
	case errors.As(err, &syntax):
		return fmt.Errorf("it is no JSON object at its byte %d: %w; JSONL wants one whole value on each line", syntax.Offset, err)
	case err != nil:
		return fmt.Errorf("want an object: %w", err)
	}
	return nil
}

// nonFiniteAt tells the words that Python writes, where JSON's grammar was left.
func nonFiniteAt(raw []byte, at int64) bool {
	rest := raw[max(0, min(at-1, int64(len(raw)))):]
	return bytes.HasPrefix(rest, []byte("NaN")) || bytes.HasPrefix(rest, []byte("Infinity"))
}

func (d *jsonRows) next(dst vec.Matrix, b *block) (int, error) {
	for i := range dst.Rows {
		raw := d.first
		d.first = nil
		if raw == nil {
			var err error
			raw, err = d.value()
			if err == io.EOF {
				if i == 0 {
					return 0, io.EOF
				}
				return i, nil
			}
			if err != nil {
				return 0, err
			}
		}
		if err := d.take(dst.Row(i), raw, b); err != nil {
			return 0, fmt.Errorf("%s, row %d: %w", d.place(), d.row, err)
		}
		d.row++
	}
	return dst.Rows, nil
}

func (d *jsonRows) take(dst []float32, raw []byte, b *block) error {
	array := json.RawMessage(raw)
	if !d.bare {
		if err := d.parse(raw); err != nil {
			return err
		}
		array = d.fields[d.vector]
	}
	if d.dim > 0 {
		if array == nil {
			return fmt.Errorf("it has no field %q", d.vector)
		}
		n, bad := parseArray(dst, array)
		if bad != nil {
			return fmt.Errorf("value %d is %.20q, which is no number", n, bad)
		}
		if n != d.dim {
			return fmt.Errorf("it has %d values, want %d: %w", n, d.dim, vec.ErrDim)
		}
	}
	if d.id != "" && !d.quiet {
		b.ids = append(b.ids, jsonText(d.fields[d.id]))
	}
	for i, key := range d.keys {
		b.columns[i] = append(b.columns[i], jsonText(d.fields[key]))
	}
	return nil
}

// jsonText returns a value as text: a string without its quotes, null and nothing as "", all else as it was written.
func jsonText(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if raw[0] != '"' {
		return string(raw)
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return strings.ToValidUTF8(string(raw[1:len(raw)-1]), "\uFFFD")
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// writeJSONL writes an object a line: id, the columns, vector.
func writeJSONL(w io.Writer, s *Set) error {
	var b []byte
	field := func(name string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(appendJSON(b, name), ':')
	}
	for i := range s.X.Rows {
		b = append(b[:0], '{')
		if s.IDs != nil {
			field("id")
			b = appendJSON(b, s.IDs[i])
		}
		for _, c := range s.Columns {
			field(c.Name)
			b = appendJSON(b, c.Values[i])
		}
		field(vectorName)
		for j, v := range s.X.Row(i) {
			b = append(b, "[,"[min(j, 1)])
			b = strconv.AppendFloat(b, float64(v), 'g', -1, 32)
		}
		if _, err := w.Write(append(b, "]}\n"...)); err != nil {
			return err
		}
	}
	return nil
}

func appendJSON(b []byte, s string) []byte {
	q, _ := json.Marshal(s) // a string always can be
	return append(b, q...)
}

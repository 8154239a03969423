package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/latent-go/latent/client"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/vec"
)

// rows are points to be imported, read in order.
type rows struct {
	total  int // -1 if not known
	dim    int // of their one vector; 0 if points come with vectors of any names
	metric string
	next   func(n int) ([]client.Point, error) // n of them, fewer at the end, and then io.EOF
	close  func() error
}

// openRows opens what an import reads: generated data, a data set, a file of points as export writes them, or of vectors.
func openRows(ctx context.Context, e *env, f importFlags, arg string) (*rows, error) {
	path, _, _ := strings.Cut(arg, "#")
	if st, err := os.Stat(path); err != nil || st.IsDir() {
		l, err := f.in.load(ctx, e, arg)
		if err != nil {
			return nil, err
		}
		return f.matrix(l), nil
	}
	r, err := openPoints(path)
	if r == nil && err == nil {
		return f.file(arg)
	}
	if r != nil && f.in.MaxRows > 0 {
		r.limit(f.in.MaxRows)
	}
	return r, err
}

// matrix are rows of vectors in memory.
func (f importFlags) matrix(l loaded) *rows {
	at := 0
	return &rows{total: l.X.Rows, dim: l.X.Cols, metric: l.Metric, close: func() error { return nil }, next: func(n int) ([]client.Point, error) {
		n = min(n, l.X.Rows-at)
		if n == 0 {
			return nil, io.EOF
		}
		points := make([]client.Point, n)
		for i := range points {
			points[i] = f.point(l.X.Row(at+i), at+i)
			if l.Labels != nil {
				f.name(&points[i], l.Labels[at+i])
			}
		}
		at += n
		return points, nil
	}}
}

// file are the rows of a file of vectors, read as they are wanted.
func (f importFlags) file(path string) (*rows, error) {
	file, err := dataset.Open(path, f.in.Options)
	if err != nil {
		return nil, err
	}
	fields, err := f.fields(file.Columns())
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	at := 0
	next := func(n int) ([]client.Point, error) {
		x := vec.NewMatrix(n, file.Dim()) // the points keep it
		n, err := file.Next(x)
		if err != nil {
			return nil, err
		}
		points := make([]client.Point, n)
		ids := file.IDs()
		for i := range points {
			points[i] = f.point(x.Row(i), at+i)
			if ids != nil {
				f.name(&points[i], ids[i])
			}
		}
		for _, field := range fields {
			column := file.Column(field.name)
			for i := range points {
				if err := field.put(&points[i].Payload, column[i]); err != nil {
					return nil, fmt.Errorf("%s: row %d: %w", path, at+i, err)
				}
			}
		}
		at += n
		return points, nil
	}
	return &rows{total: file.Rows(), dim: file.Dim(), next: next, close: file.Close}, nil
}

func (f importFlags) point(v []float32, row int) client.Point {
	return client.Point{ID: point.Num(uint64(row)), Vectors: point.Vectors{f.vector: point.Dense(v)}}
}

// name gives p the ID that text is; text that is no ID stays in the payload and gives a UUID, the same for the same text.
func (f importFlags) name(p *client.Point, text string) {
	id, err := point.ParseID(text)
	if _, number := id.Number(); err == nil && (!number || id.String() == text) {
		p.ID = id
		return
	}
	p.ID = nameID(text)
	p.Payload = point.Payload{"id": text}
	if f.in.IDColumn != "" {
		p.Payload = point.Payload{f.in.IDColumn: text}
	}
}

// nameID is the UUID, of version 5, of a name that is none.
func nameID(text string) point.ID {
	space := [16]byte{0x1d, 0x4c, 0x5b, 0x8e, 0x3f, 0x0a, 0x47, 0xd2, 0x9b, 0x61, 0x6c, 0x61, 0x74, 0x65, 0x6e, 0x74} // drawn once
	h := sha1.Sum(append(space[:], text...))
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80
	return point.UUID([16]byte(h[:16]))
}

// field is a column that goes into payloads.
type field struct{ name, kind string }

// fields are those of --payload, of the columns there are.
func (f importFlags) fields(columns []string) ([]field, error) {
	var all []field
	switch {
	case len(f.payload) == 0:
		for _, c := range columns {
			kind := "keyword"
			if c == "payload" {
				kind = "json"
			}
			all = append(all, field{c, kind})
		}
		return all, nil
	case len(f.payload) == 1 && f.payload[0] == "none":
		return nil, nil
	}
	for _, text := range f.payload {
		name, kind := text, "keyword"
		if i := strings.LastIndexByte(text, ':'); i >= 0 && !slices.Contains(columns, text) {
			name, kind = text[:i], text[i+1:]
		}
		if !slices.Contains(columns, name) {
			return nil, misuse("--payload %s: there is no such column, only %s", name, strings.Join(columns, ", "))
		}
		if !slices.Contains([]string{"keyword", "integer", "float", "bool", "json"}, kind) {
			return nil, misuse("--payload %s: want a type of keyword, integer, float, bool or json after the colon", text)
		}
		all = append(all, field{name, kind})
	}
	return all, nil
}

// put adds a cell to a payload; an empty one of another type than keyword is left out. A column of JSON objects that is
// called payload is the payload itself.
func (f field) put(p *point.Payload, text string) (err error) {
	if text == "" && f.kind != "keyword" {
		return nil
	}
	var v any
	switch f.kind {
	case "keyword":
		v = text
	case "integer":
		v, err = strconv.ParseInt(text, 10, 64)
	case "float":
		v, err = strconv.ParseFloat(text, 64)
	case "bool":
		v, err = strconv.ParseBool(text)
	case "json":
		if v, err = point.DecodeJSON([]byte(text)); err != nil && f.name == "payload" {
			v, err = text, nil // a column that only has the name
		}
	}
	if err != nil {
		return fmt.Errorf("column %s: %.60q is not of the type %s: %w", f.name, text, f.kind, err)
	}
	if *p == nil {
		*p = point.Payload{}
	}
	if whole, ok := v.(map[string]any); ok && f.name == "payload" {
		for k, v := range whole {
			(*p)[k] = v
		}
		return nil
	}
	(*p)[f.name] = v
	return nil
}

// openPoints opens a file with a point a line, as JSON; nil if its first line is none.
func openPoints(path string) (*rows, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var r io.Reader = bufio.NewReaderSize(file, 1<<16)
	if magic, _ := r.(*bufio.Reader).Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		if r, err = gzip.NewReader(r); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
		}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	line := 0
	scan := func() (p client.Point, err error) {
		for lines.Scan() {
			line++
			if b := bytes.TrimSpace(lines.Bytes()); len(b) > 0 {
				d := json.NewDecoder(bytes.NewReader(b))
				d.DisallowUnknownFields()
				if err := d.Decode(&p); err != nil {
					return p, fmt.Errorf("%s: line %d is not a point: %w", path, line, err)
				}
				if !bytes.Contains(b, []byte(`"id"`)) || p.Vectors == nil {
					return p, fmt.Errorf("%s: line %d is not a point: id or vector is missing", path, line)
				}
				return p, nil
			}
		}
		if err := lines.Err(); err != nil {
			return p, fmt.Errorf("%s: after line %d: %w", path, line, err)
		}
		return p, io.EOF
	}
	first, err := scan()
	if err != nil {
		return nil, file.Close()
	}
	began := false
	next := func(n int) (points []client.Point, err error) {
		for len(points) < n {
			p := first
			if began {
				if p, err = scan(); err == io.EOF {
					break
				} else if err != nil {
					return nil, err
				}
			}
			began = true
			points = append(points, p)
		}
		if points == nil {
			return nil, io.EOF
		}
		return points, nil
	}
	return &rows{total: -1, next: next, close: file.Close}, nil
}

// openCollection reads the points of a collection, in the order of their IDs.
func openCollection(ctx context.Context, c *client.Client, name string, f *filter.Filter) (*rows, error) {
	total, err := c.Count(ctx, name, f)
	if err != nil {
		return nil, err
	}
	var from *point.ID
	end := false
	return &rows{total: total, close: func() error { return nil }, next: func(n int) ([]client.Point, error) {
		if end {
			return nil, io.EOF
		}
		points, next, err := c.Scroll(ctx, name, client.Scroll{Filter: f, Offset: from, Limit: n, WithVector: true})
		switch {
		case err != nil:
			return nil, err
		case next != nil && (len(points) == 0 || from != nil && *next == *from):
			return nil, fmt.Errorf("%s: the server answers with %d points and sends on to %s, for ever", name, len(points), next)
		case len(points) == 0:
			err = io.EOF
		}
		from, end = next, next == nil
		return points, err
	}}, nil
}

package point

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MarshalJSON writes a dense vector as an array of numbers, several as an array of such arrays, and a sparse one as an
// object of indices and values.
func (v Vector) MarshalJSON() ([]byte, error) {
	switch {
	case v.Sparse != nil:
		return json.Marshal(v.Sparse)
	case v.Multi != nil:
		return json.Marshal(v.Multi)
	default:
		return json.Marshal(v.Dense)
	}
}

// UnmarshalJSON reads what MarshalJSON writes. Unknown fields of a sparse vector are refused.
func (v *Vector) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	*v = Vector{}
	if len(b) > 0 && b[0] == '{' {
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		var o struct {
			Indices []*uint32 `json:"indices"`
			Values  floats    `json:"values"`
		}
		if err := d.Decode(&o); err != nil {
			return err
		}
		if o.Indices == nil || o.Values == nil {
			return errors.New("a sparse vector is an object of indices and values")
		}
		v.Sparse = &Sparse{make([]uint32, len(o.Indices)), o.Values}
		for i, p := range o.Indices {
			if p == nil {
				return errors.New("null is no index of a sparse vector")
			}
			v.Sparse.Indices[i] = *p
		}
		return nil
	}
	if len(b) == 0 || b[0] != '[' {
		return fmt.Errorf("%.20s: a vector is an array of numbers, an array of such arrays, or {indices, values}", b)
	}
	if bytes.HasPrefix(bytes.TrimSpace(b[1:]), []byte("[")) {
		var rows []floats
		if err := json.Unmarshal(b, &rows); err != nil {
			return err
		}
		v.Multi = make([][]float32, len(rows))
		for i, row := range rows {
			if row == nil {
				return errors.New("null is no vector")
			}
			v.Multi[i] = row
		}
		return nil
	}
	return (*floats)(&v.Dense).UnmarshalJSON(b)
}

// MarshalJSON writes the one vector named "" bare, and others as an object by name.
func (vs Vectors) MarshalJSON() ([]byte, error) {
	if v, ok := vs[""]; ok && len(vs) == 1 {
		return json.Marshal(v)
	}
	return json.Marshal(map[string]Vector(vs))
}

// UnmarshalJSON reads what MarshalJSON writes, and null as no vectors.
func (vs *Vectors) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if string(b) == "null" {
		*vs = nil
		return nil
	}
	if len(b) > 0 && b[0] == '{' {
		var m map[string]Vector
		if err := json.Unmarshal(b, &m); err != nil {
			return err
		}
		*vs = m
		return nil
	}
	var v Vector
	if err := v.UnmarshalJSON(b); err != nil {
		return err
	}
	*vs = Vectors{"": v}
	return nil
}

// UnmarshalJSON reads a JSON object, or null.
func (p *Payload) UnmarshalJSON(b []byte) error {
	v, err := DecodeJSON(b)
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		*p = nil
	case map[string]any:
		*p = v
	default:
		return fmt.Errorf("payload is %.20s: want a JSON object", b)
	}
	return nil
}

// DecodeJSON reads one JSON value as the Go values that Payload names.
func DecodeJSON(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return numbers(v)
}

// numbers puts int64 or float64 in the place of each json.Number.
func numbers(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		if !strings.ContainsAny(string(v), ".eE") {
			if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
				return n, nil
			}
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("number %s is out of range", v)
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = numbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// MarshalJSON writes a payload so that UnmarshalJSON reads back the same: float64 with a fraction or an exponent, keys in
// order.
func (p Payload) MarshalJSON() ([]byte, error) {
	if p == nil {
		return []byte("null"), nil
	}
	return AppendJSON(nil, map[string]any(p))
}

// AppendJSON appends a value of a payload as JSON. What is none of the Go values that Payload names, and a number that
// JSON has not, gives an error.
func AppendJSON(b []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case float64:
		return appendFloat(b, v)
	case string:
		return appendString(b, v), nil
	case Payload:
		return AppendJSON(b, map[string]any(v))
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = AppendJSON(b, e); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	case map[string]any:
		b = append(b, '{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, k), ':')
			if b, err = AppendJSON(b, v[k]); err != nil {
				return b, fmt.Errorf("%s: %w", k, err)
			}
		}
		return append(b, '}'), nil
	}
	return b, fmt.Errorf("a payload cannot hold a %T: want nil, bool, int64, float64, string, []any or map[string]any", v)
}

func appendFloat(b []byte, x float64) ([]byte, error) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return b, fmt.Errorf("%v is no number in JSON", x)
	}
	format, at := byte('f'), len(b)
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, x, format, -1, 64)
	if !bytes.ContainsAny(b[at:], ".e") {
		b = append(b, ".0"...)
	}
	return b, nil
}

// appendString leaves the quoting to encoding/json where there is something to quote.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			var w bytes.Buffer
			e := json.NewEncoder(&w)
			e.SetEscapeHTML(false)
			e.Encode(s) // a string, into memory: no error
			return append(b, bytes.TrimSuffix(w.Bytes(), []byte("\n"))...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

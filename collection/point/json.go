package point

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
		v.Sparse = new(Sparse)
		return d.Decode(v.Sparse)
	}
	if len(b) == 0 || b[0] != '[' {
		return fmt.Errorf("%.20s: a vector is an array of numbers, an array of such arrays, or {indices, values}", b)
	}
	if bytes.HasPrefix(bytes.TrimSpace(b[1:]), []byte("[")) {
		return json.Unmarshal(b, &v.Multi)
	}
	return json.Unmarshal(b, &v.Dense)
}

// MarshalJSON writes the one vector named "" bare, and others as an object by name.
func (vs Vectors) MarshalJSON() ([]byte, error) {
	if v, ok := vs[""]; ok && len(vs) == 1 {
		return json.Marshal(v)
	}
	return json.Marshal(map[string]Vector(vs))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (vs *Vectors) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '{' {
		var m map[string]Vector
		if err := json.Unmarshal(b, &m); err != nil {
			return err
		}
		*vs = m
		return nil
	}
	var v Vector
	if err := json.Unmarshal(b, &v); err != nil {
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

package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/latent-go/latent/collection/point"
)

// MaxDepth is how deep filters may stand within filters.
const MaxDepth = 64

// UnmarshalJSON reads a filter as Qdrant's clients write it. Unknown fields are refused, by name, as are several
// conditions in one object. null is the zero Filter. The error wraps ErrFilter.
func (f *Filter) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("%w: %w", ErrFilter, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: more than one JSON value", ErrFilter)
	}
	r := &reader{}
	g := r.filter(v, "filter", 0)
	if r.err != nil {
		return r.err
	}
	*f = g
	return nil
}

// Check says whether a filter made in Go is one that JSON could have said.
func (f *Filter) Check() error {
	if f == nil {
		return nil
	}
	b, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFilter, err)
	}
	return new(Filter).UnmarshalJSON(b)
}

// reader makes a filter of JSON; at says where in it we are. The first error stays.
type reader struct{ err error }

func (r *reader) fail(at, format string, a ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w: %s", at, ErrFilter, fmt.Sprintf(format, a...))
	}
}

// object returns the fields of v that are not null, which have to be among known.
func (r *reader) object(v any, at string, known ...string) map[string]any {
	m, ok := v.(map[string]any)
	if !ok {
		r.fail(at, "got %s, want an object", kind(v))
		return nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		if !slices.Contains(known, k) {
			r.fail(at, "unknown field `%.100s`, expected one of `%s`", k, strings.Join(known, "`, `"))
		}
		if v != nil {
			out[k] = v
		}
	}
	return out
}

func (r *reader) filter(v any, at string, depth int) (f Filter) {
	if v == nil {
		return f
	}
	if depth > MaxDepth {
		r.fail(at, "filters are nested deeper than %d", MaxDepth)
		return f
	}
	m := r.object(v, at, "should", "min_should", "must", "must_not")
	f.Must = r.conditions(m["must"], at+".must", depth)
	f.Should = r.conditions(m["should"], at+".should", depth)
	f.MustNot = r.conditions(m["must_not"], at+".must_not", depth)
	if v, ok := m["min_should"]; ok {
		at += ".min_should"
		m := r.object(v, at, "conditions", "min_count")
		f.MinShould = &MinShould{r.conditions(m["conditions"], at+".conditions", depth), r.count(m["min_count"], at+".min_count")}
		if f.MinShould.MinCount < 1 {
			r.fail(at, "min_count must be greater than 0")
		}
	}
	return f
}

// conditions reads a list of conditions, or one.
func (r *reader) conditions(v any, at string, depth int) []Condition {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		if len(v) == 0 {
			return nil
		}
		out := make([]Condition, len(v))
		for i := range v {
			out[i] = r.condition(v[i], fmt.Sprintf("%s[%d]", at, i), depth)
		}
		return out
	default:
		return []Condition{r.condition(v, at, depth)}
	}
}

// kinds are the fields that tell what a condition is.
var kinds = []string{"key", "is_empty", "is_null", "has_id", "has_vector", "slice", "nested"}

func (r *reader) condition(v any, at string, depth int) Condition {
	m, ok := v.(map[string]any)
	if !ok {
		r.fail(at, "got %s, want a condition such as {\"key\": …, \"match\": …}", kind(v))
		return nil
	}
	is := ""
	for _, k := range kinds {
		if v, ok := m[k]; ok && v != nil {
			is = k
			break
		}
	}
	if is == "key" {
		return r.field(v, at)
	}
	if is == "" {
		for k := range m {
			if !slices.Contains([]string{"should", "min_should", "must", "must_not"}, k) {
				r.fail(at, "unknown field `%.100s`, expected one of `%s`, or a filter", k, strings.Join(kinds, "`, `"))
			}
		}
		f := r.filter(v, at, depth+1)
		return &f
	}
	v, at = r.object(v, at, is)[is], at+"."+is
	switch is {
	case "is_empty":
		return IsEmpty{r.path(r.object(v, at, "key")["key"], at+".key")}
	case "is_null":
		return IsNull{r.path(r.object(v, at, "key")["key"], at+".key")}
	case "has_id":
		list, ok := v.([]any)
		if !ok {
			r.fail(at, "got %s, want an array of IDs", kind(v))
		}
		ids := make(HasID, len(list))
		for i, v := range list {
			b, _ := json.Marshal(v)
			if err := ids[i].UnmarshalJSON(b); err != nil {
				r.fail(at, "%.100s is not a point ID, which is an unsigned integer or a UUID", b)
			}
		}
		return ids
	case "has_vector":
		return HasVector(r.string(v, at))
	case "slice":
		m := r.object(v, at, "total", "index")
		total, index := r.count(m["total"], at+".total"), r.count(m["index"], at+".index")
		if total < 1 || total > math.MaxUint32 || index >= total {
			r.fail(at, "index %d of total %d: want an index below the total, of at most 32 bits", index, total)
		}
		return Slice{uint32(total), uint32(index)}
	default: // nested
		m := r.object(v, at, "key", "filter")
		n := Nested{Key: r.path(m["key"], at+".key")}
		if m["filter"] == nil {
			r.fail(at, "missing field `filter`")
		}
		n.Filter = r.filter(m["filter"], at+".filter", depth+1)
		return n
	}
}

// tests are the fields that say what a field condition asks.
var tests = []string{"match", "range", "geo_bounding_box", "geo_radius", "geo_polygon", "values_count", "is_empty", "is_null"}

func (r *reader) field(v any, at string) Condition {
	m := r.object(v, at, append([]string{"key"}, tests...)...)
	f := Field{Key: r.path(m["key"], at+".key")}
	if len(m) != 2 {
		r.fail(at, "a condition on a key has just one of `%s`; put several into `must`", strings.Join(tests, "`, `"))
		return f
	}
	for _, is := range tests {
		v, ok := m[is]
		if !ok {
			continue
		}
		at := at + "." + is
		switch is {
		case "match":
			f.Test = r.match(v, at)
		case "range":
			f.Test = r.between(v, at)
		case "geo_bounding_box":
			m := r.object(v, at, "top_left", "bottom_right")
			f.Test = GeoBox{r.geo(m["top_left"], at+".top_left"), r.geo(m["bottom_right"], at+".bottom_right")}
		case "geo_radius":
			m := r.object(v, at, "center", "radius")
			f.Test = GeoRadius{r.geo(m["center"], at+".center"), r.number(m["radius"], at+".radius")}
		case "geo_polygon":
			m := r.object(v, at, "exterior", "interiors")
			p := GeoPolygon{Exterior: r.ring(m["exterior"], at+".exterior")}
			list, ok := m["interiors"].([]any)
			if !ok && m["interiors"] != nil {
				r.fail(at+".interiors", "want an array of rings")
			}
			for i, v := range list {
				p.Interiors = append(p.Interiors, r.ring(v, fmt.Sprintf("%s.interiors[%d]", at, i)))
			}
			f.Test = p
		case "values_count":
			f.Test = ValuesCount(boundsOf(r.limits(v, at), at, r.count))
		case "is_empty":
			f.Test = Empty(r.bool(v, at))
		case "is_null":
			f.Test = Null(r.bool(v, at))
		}
	}
	return f
}

var matches = []string{"value", "text", "text_any", "phrase", "prefix", "any", "except"}

func (r *reader) match(v any, at string) Test {
	m := r.object(v, at, matches...)
	if len(m) != 1 {
		r.fail(at, "want just one of `%s`", strings.Join(matches, "`, `"))
		return nil
	}
	for is, v := range m {
		at := at + "." + is
		switch is {
		case "value":
			switch v := v.(type) {
			case string, bool:
				return Equal{v}
			case json.Number:
				return Equal{r.int(v, at)}
			}
			r.fail(at, "got %s, want a string, an integer or a bool", kind(v))
		case "text":
			return Text(r.string(v, at))
		case "text_any":
			return TextAny(r.string(v, at))
		case "phrase":
			return Phrase(r.string(v, at))
		case "prefix":
			return Prefix(r.string(v, at))
		case "any":
			s, n := r.set(v, at)
			return Any{s, n}
		case "except":
			s, n := r.set(v, at)
			return Except{s, n}
		}
	}
	return nil
}

// set reads an array of strings or of integers.
func (r *reader) set(v any, at string) (s []string, n []int64) {
	list, ok := v.([]any)
	if !ok {
		r.fail(at, "got %s, want an array of strings or of integers", kind(v))
	}
	for _, v := range list {
		switch v := v.(type) {
		case string:
			s = append(s, v)
		case json.Number:
			n = append(n, r.int(v, at))
		default:
			r.fail(at, "holds %s, want an array of strings or of integers", kind(v))
		}
	}
	if s != nil && n != nil {
		r.fail(at, "holds strings and integers, want one of the two")
	}
	return s, n
}

// between reads a range of numbers, or of times if one of its bounds is a string.
func (r *reader) between(v any, at string) Test {
	m := r.limits(v, at)
	for _, v := range m {
		if _, ok := v.(string); ok {
			return Times(boundsOf(m, at, r.time))
		}
	}
	return Range(boundsOf(m, at, r.number))
}

// limits returns the fields of v as bounds have them, for boundsOf.
func (r *reader) limits(v any, at string) map[string]any {
	return r.object(v, at, "lt", "gt", "gte", "lte")
}

// boundsOf reads each of the bounds that m has.
func boundsOf[T any](m map[string]any, at string, read func(v any, at string) T) bounds[T] {
	bound := func(k string) *T {
		if m[k] == nil {
			return nil
		}
		x := read(m[k], at+"."+k)
		return &x
	}
	return bounds[T]{bound("lt"), bound("gt"), bound("gte"), bound("lte")}
}

func (r *reader) time(v any, at string) time.Time {
	t, err := ParseTime(r.string(v, at))
	if err != nil {
		r.fail(at, "'%.100v' does not match accepted datetime format (RFC3339). Example: 2014-01-01T00:00:00Z", v)
	}
	return t
}

func (r *reader) geo(v any, at string) Geo {
	m := r.object(v, at, "lon", "lat")
	g := Geo{r.number(m["lon"], at+".lon"), r.number(m["lat"], at+".lat")}
	if !g.valid() && r.err == nil {
		r.fail(at, "Wrong format of GeoPoint payload: expected `lat` = %v within [-90;90] and `lon` = %v within [-180;180]", g.Lat, g.Lon)
	}
	return g
}

func (g Geo) valid() bool { return math.Abs(g.Lat) <= 90 && math.Abs(g.Lon) <= 180 }

func (r *reader) ring(v any, at string) []Geo {
	m := r.object(v, at, "points")
	list, ok := m["points"].([]any)
	if !ok {
		r.fail(at, "missing field `points`, an array of places")
	}
	out := make([]Geo, len(list))
	for i, v := range list {
		out[i] = r.geo(v, fmt.Sprintf("%s.points[%d]", at, i))
	}
	if err := checkRing(out); err != nil {
		r.fail(at, "%v", err)
	}
	return out
}

func checkRing(ring []Geo) error {
	if len(ring) < 4 {
		return fmt.Errorf("polygon invalid, the size must be at least 4, got %d", len(ring))
	}
	if ring[0] != ring[len(ring)-1] {
		return errors.New("polygon invalid, the first and the last points should be the same to form a closed line")
	}
	return nil
}

func (r *reader) path(v any, at string) Path {
	s := r.string(v, at)
	if r.err != nil {
		return Path{}
	}
	p, err := ParsePath(s)
	if err != nil {
		r.err = fmt.Errorf("%s: %w", at, err)
	}
	return p
}

func (r *reader) string(v any, at string) string {
	s, ok := v.(string)
	if !ok {
		r.fail(at, "got %s, want a string", kind(v))
	}
	return s
}

func (r *reader) bool(v any, at string) bool {
	b, ok := v.(bool)
	if !ok {
		r.fail(at, "got %s, want true or false", kind(v))
	}
	return b
}

func (r *reader) number(v any, at string) float64 {
	n, ok := v.(json.Number)
	if !ok {
		r.fail(at, "got %s, want a number", kind(v))
		return 0
	}
	x, err := n.Float64()
	if err != nil {
		r.fail(at, "number %.50s is out of range", n)
	}
	return x
}

func (r *reader) int(v json.Number, at string) int64 {
	n, err := v.Int64()
	if err != nil {
		r.fail(at, "got %.50s, want an integer of 64 bits", v)
	}
	return n
}

// count reads an integer from 0 up.
func (r *reader) count(v any, at string) int {
	n, ok := v.(json.Number)
	if !ok {
		r.fail(at, "got %s, want an integer", kind(v))
		return 0
	}
	i := r.int(n, at)
	if i < 0 {
		r.fail(at, "got %d, want at least 0", i)
	}
	return int(i)
}

func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case bool:
		return fmt.Sprint(v)
	case json.Number:
		return fmt.Sprintf("%.50s", v)
	case string:
		return fmt.Sprintf("%.50q", v)
	case []any:
		return "an array"
	}
	return "an object"
}

// MarshalJSON writes the filter as UnmarshalJSON reads it.
func (f Filter) MarshalJSON() ([]byte, error) {
	type minShould struct {
		Conditions []Condition `json:"conditions"`
		MinCount   int         `json:"min_count"`
	}
	var m *minShould
	if f.MinShould != nil {
		m = &minShould{f.MinShould.Conditions, f.MinShould.MinCount}
		if m.Conditions == nil {
			m.Conditions = []Condition{}
		}
	}
	return json.Marshal(struct {
		Should    []Condition `json:"should,omitempty"`
		MinShould *minShould  `json:"min_should,omitempty"`
		Must      []Condition `json:"must,omitempty"`
		MustNot   []Condition `json:"must_not,omitempty"`
	}{f.Should, m, f.Must, f.MustNot})
}

// object writes a JSON object of one field, and of a key before it if there is one.
func object(key *Path, name string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	out := []byte{'{'}
	if key != nil {
		k, err := json.Marshal(key.String())
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, `"key":`...), k...), ',')
	}
	return append(fmt.Appendf(out, "%q:", name), append(b, '}')...), nil
}

type keyed struct {
	Key Path `json:"key"`
}

// MarshalJSON writes the condition in the one form that it has in a filter; likewise below.
func (c IsEmpty) MarshalJSON() ([]byte, error) { return object(nil, "is_empty", keyed(c)) }

func (c IsNull) MarshalJSON() ([]byte, error) { return object(nil, "is_null", keyed(c)) }

func (c HasID) MarshalJSON() ([]byte, error) {
	if c == nil {
		c = HasID{}
	}
	return object(nil, "has_id", []point.ID(c))
}

func (c HasVector) MarshalJSON() ([]byte, error) { return object(nil, "has_vector", string(c)) }

func (c Slice) MarshalJSON() ([]byte, error) {
	type plain Slice
	return object(nil, "slice", plain(c))
}

func (c Nested) MarshalJSON() ([]byte, error) {
	return object(nil, "nested", struct {
		Key    Path   `json:"key"`
		Filter Filter `json:"filter"`
	}{c.Key, c.Filter})
}

func (c Field) MarshalJSON() ([]byte, error) {
	match := func(name string, v any) ([]byte, error) {
		return object(&c.Key, "match", map[string]any{name: v})
	}
	switch t := c.Test.(type) {
	case Equal:
		return match("value", t.Value)
	case Any:
		return match("any", oneOf(t.Strings, t.Ints))
	case Except:
		return match("except", oneOf(t.Strings, t.Ints))
	case Text:
		return match("text", string(t))
	case TextAny:
		return match("text_any", string(t))
	case Phrase:
		return match("phrase", string(t))
	case Prefix:
		return match("prefix", string(t))
	case Range:
		return object(&c.Key, "range", bounds[float64](t))
	case Times:
		return object(&c.Key, "range", bounds[time.Time](t))
	case GeoBox:
		return object(&c.Key, "geo_bounding_box", t)
	case GeoRadius:
		return object(&c.Key, "geo_radius", t)
	case GeoPolygon:
		type ring struct {
			Points []Geo `json:"points"`
		}
		p := struct {
			Exterior  ring   `json:"exterior"`
			Interiors []ring `json:"interiors,omitempty"`
		}{Exterior: ring{t.Exterior}}
		for _, r := range t.Interiors {
			p.Interiors = append(p.Interiors, ring{r})
		}
		return object(&c.Key, "geo_polygon", p)
	case ValuesCount:
		return object(&c.Key, "values_count", bounds[int](t))
	case Empty:
		return object(&c.Key, "is_empty", bool(t))
	case Null:
		return object(&c.Key, "is_null", bool(t))
	}
	return nil, fmt.Errorf("%w: condition on %s asks nothing", ErrFilter, c.Key)
}

type bounds[T any] struct {
	Lt  *T `json:"lt,omitempty"`
	Gt  *T `json:"gt,omitempty"`
	Gte *T `json:"gte,omitempty"`
	Lte *T `json:"lte,omitempty"`
}

func oneOf(s []string, n []int64) any {
	if n != nil {
		return n
	}
	if s == nil {
		return []string{}
	}
	return s
}

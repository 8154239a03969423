package filter_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/collection/text"
)

func Example() {
	var f filter.Filter
	err := json.Unmarshal([]byte(`{
		"must":     {"key": "city", "match": {"any": ["Berlin", "Paris"]}},
		"must_not": [{"key": "prices[]", "range": {"lt": 100}}, {"is_empty": {"key": "prices"}}]
	}`), &f)
	if err != nil {
		panic(err)
	}
	for _, p := range []point.Payload{
		{"city": "Berlin", "prices": []any{int64(120), 99.5}},
		{"city": "Berlin", "prices": []any{int64(120), int64(130)}},
		{"city": []any{"Rome", "Paris"}, "prices": 100.0},
	} {
		fmt.Println(f.Match(&point.Point{Payload: p}))
	}
	// Output:
	// false
	// true
	// true
}

// One payload, and what Qdrant's conditions say of it.
func TestMatch(t *testing.T) {
	const id = `{
		"location": {"lon": 13.404954, "lat": 52.520008}, "price": 499.90, "amount": 10, "rating": [3, 7, 9, 9],
		"color": "red", "delivery": true, "shipped": "2020-02-15T00:00:00Z", "parts": [], "packaging": null,
		"not_null": [null], "list": [["a"], "b"], "text": ["The quick Brown fox", "lazy dogs"],
		"places": [{"name": "x", "size": 3}, {"name": "y", "size": 5, "tags": ["t"]}, 7], "a b": {"c.d": 1}
	}`
	var p point.Point
	if err := json.Unmarshal([]byte(id), &p.Payload); err != nil {
		t.Fatal(err)
	}
	p.ID = point.Num(42)
	p.Vectors = point.Vectors{"v": point.Dense([]float32{1})}
	words := func(key filter.Path) *text.Tokenizer {
		if key.String() == "text" || key.String() == "places[].name" {
			return text.NewTokenizer(text.Options{})
		}
		return nil
	}
	for _, c := range []struct {
		condition string
		want      bool
	}{
		{`{"key": "color", "match": {"value": "red"}}`, true},
		{`{"key": "color", "match": {"value": "Red"}}`, false},
		{`{"key": "amount", "match": {"value": 10}}`, true},
		{`{"key": "price", "match": {"value": 499}}`, false},
		{`{"key": "delivery", "match": {"value": true}}`, true},
		{`{"key": "rating", "match": {"value": 7}}`, true},
		{`{"key": "rating[1]", "match": {"value": 7}}`, true},
		{`{"key": "rating[0]", "match": {"value": 7}}`, false},
		{`{"key": "rating[]", "match": {"any": [1, 3]}}`, true},
		{`{"key": "rating", "match": {"any": []}}`, false},
		{`{"key": "rating", "match": {"except": [3, 7]}}`, true},
		{`{"key": "rating", "match": {"except": [3, 7, 9]}}`, false},
		{`{"key": "packaging", "match": {"except": ["x"]}}`, false},
		{`{"key": "nothing", "match": {"except": ["x"]}}`, false},
		{`{"key": "delivery", "match": {"except": ["x"]}}`, true},
		{`{"key": "list", "match": {"value": "a"}}`, false}, // an array in an array is no string
		{`{"key": "list[]", "match": {"value": "a"}}`, true},
		{`{"key": "color", "match": {"prefix": "re"}}`, true},
		{`{"key": "color", "match": {"text": "ed"}}`, true}, // no index: literally
		{`{"key": "color", "match": {"text_any": "xx ed"}}`, true},
		{`{"key": "color", "match": {"phrase": "xx ed"}}`, false},
		{`{"key": "text", "match": {"text": "fox QUICK"}}`, true}, // index: by words
		{`{"key": "text", "match": {"text": "fox dogs"}}`, true},
		{`{"key": "text", "match": {"text": "quic"}}`, false},
		{`{"key": "text", "match": {"text": "!"}}`, false},
		{`{"key": "text", "match": {"text_any": "cat dogs"}}`, true},
		{`{"key": "text", "match": {"phrase": "quick, brown"}}`, true},
		{`{"key": "text", "match": {"phrase": "brown quick"}}`, false},
		{`{"key": "text", "match": {"phrase": "fox lazy"}}`, false},
		{`{"key": "price", "range": {"gt": 499, "lt": 500}}`, true},
		{`{"key": "amount", "range": {"gte": 10, "lte": 10}}`, true},
		{`{"key": "rating", "range": {"gt": 9}}`, false},
		{`{"key": "color", "range": {}}`, false},
		{`{"key": "price", "range": {"lt": null}}`, true},
		{`{"key": "shipped", "range": {"gte": "2020-02-15", "lt": "2020-02-15T01:00:00+00:59"}}`, true},
		{`{"key": "shipped", "range": {"gt": "2020-02-15 00:00"}}`, false},
		{`{"key": "location", "geo_radius": {"center": {"lon": 13.4, "lat": 52.52}, "radius": 400}}`, true},
		{`{"key": "location", "geo_radius": {"center": {"lon": 13.4, "lat": 52.52}, "radius": 300}}`, false},
		{`{"key": "location", "geo_bounding_box": {"top_left": {"lon": 13, "lat": 53}, "bottom_right": {"lon": 14, "lat": 52}}}`, true},
		{`{"key": "location", "geo_bounding_box": {"top_left": {"lon": 170, "lat": 53}, "bottom_right": {"lon": -170, "lat": 52}}}`, false},
		{`{"key": "location", "geo_bounding_box": {"top_left": {"lon": 13.404954, "lat": 53}, "bottom_right": {"lon": 14, "lat": 52}}}`, false},
		{`{"key": "location", "geo_polygon": {"exterior": {"points": [{"lon": 13, "lat": 52}, {"lon": 14, "lat": 52}, {"lon": 13, "lat": 53}, {"lon": 13, "lat": 52}]}}}`, true},
		{`{"key": "location", "geo_polygon": {"exterior": {"points": [{"lon": 13, "lat": 52}, {"lon": 14, "lat": 52}, {"lon": 14, "lat": 53}, {"lon": 13, "lat": 52}]}}}`, false},
		{`{"key": "location", "geo_polygon": {"exterior": {"points": [{"lon": 13, "lat": 52}, {"lon": 14, "lat": 52}, {"lon": 13, "lat": 53}, {"lon": 13, "lat": 52}]}, "interiors": [{"points": [{"lon": 13.3, "lat": 52.5}, {"lon": 13.5, "lat": 52.5}, {"lon": 13.4, "lat": 52.6}, {"lon": 13.3, "lat": 52.5}]}]}}`, false},
		{`{"key": "rating", "values_count": {"gte": 4, "lt": 5}}`, true},
		{`{"key": "rating[]", "values_count": {"gt": 1}}`, false}, // each value counts by itself
		{`{"key": "nothing", "values_count": {"lt": 1}}`, true},
		{`{"key": "packaging", "values_count": {"gt": 0}}`, false},
		{`{"key": "location", "values_count": {"gt": 0}}`, true},
		{`{"is_empty": {"key": "parts"}}`, true},
		{`{"is_empty": {"key": "packaging"}}`, true},
		{`{"is_empty": {"key": "nothing"}}`, true},
		{`{"is_empty": {"key": "not_null"}}`, false},
		{`{"is_empty": {"key": "price"}}`, false},
		{`{"key": "nothing", "is_empty": true}`, true},
		{`{"key": "nothing", "is_empty": false}`, false},
		{`{"key": "color", "is_empty": false}`, true},
		{`{"is_null": {"key": "packaging"}}`, true},
		{`{"is_null": {"key": "nothing"}}`, false},
		{`{"is_null": {"key": "not_null"}}`, false},
		{`{"is_null": {"key": "not_null[]"}}`, true},
		{`{"key": "not_null", "is_null": true}`, true},
		{`{"key": "nothing", "is_null": false}`, true},
		{`{"has_id": [7, 42]}`, true},
		{`{"has_id": ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]}`, false},
		{`{"has_id": []}`, false},
		{`{"has_vector": "v"}`, true},
		{`{"has_vector": ""}`, false},
		{`{"slice": {"total": 1, "index": 0}}`, true},
		{`{"nested": {"key": "places", "filter": {"must": [{"key": "name", "match": {"value": "y"}}, {"key": "size", "range": {"gt": 4}}]}}}`, true},
		{`{"nested": {"key": "places[]", "filter": {"must": [{"key": "name", "match": {"value": "x"}}, {"key": "size", "range": {"gt": 4}}]}}}`, false},
		{`{"nested": {"key": "places", "filter": {"must_not": [{"key": "tags", "match": {"value": "t"}}]}}}`, true},
		{`{"nested": {"key": "places", "filter": {"must": {"key": "name", "match": {"text": "Y"}}}}}`, true},
		{`{"nested": {"key": "places", "filter": {"must": {"has_id": [42]}}}}`, false},
		{`{"nested": {"key": "location", "filter": {}}}`, false}, // not an array
		{`{"key": "places[].tags", "match": {"value": "t"}}`, true},
		{`{"key": "places.tags", "match": {"value": "t"}}`, false},
		{`{"key": "\"a b\".\"c.d\"", "match": {"value": 1}}`, true},
		{`{"should": [{"has_id": [1]}, {"has_id": [42]}]}`, true},
		{`{"should": [{"has_id": [1]}]}`, false},
		{`{}`, true},
		{`{"min_should": {"conditions": [{"has_id": [42]}, {"has_id": [1]}, {}], "min_count": 2}}`, true},
		{`{"min_should": {"conditions": [{"has_id": [42]}, {"has_id": [1]}, {}], "min_count": 3}}`, false},
	} {
		var f filter.Filter
		if err := json.Unmarshal([]byte(`{"must": `+c.condition+`}`), &f); err != nil {
			t.Error(err)
			continue
		}
		has := func(name string) bool { return name == "v" }
		if got := f.Compile(words)(&filter.Subject{ID: p.ID, Payload: p.Payload, Has: has}); got != c.want {
			t.Errorf("%s: got %v, want %v", c.condition, got, c.want)
		}
		if !strings.Contains(c.condition, "text") && !strings.Contains(c.condition, "phrase") && f.Match(&p) != c.want {
			t.Errorf("%s: Match is not as Compile", c.condition)
		}
		not := filter.Filter{MustNot: f.Must}
		if not.Compile(words)(&filter.Subject{ID: p.ID, Payload: p.Payload, Has: has}) == c.want {
			t.Errorf("%s: it and its negation say the same", c.condition)
		}
		again(t, &f)
	}
	if f := (*filter.Filter)(nil); !f.Match(&p) {
		t.Error("a nil filter keeps a point out")
	}
}

// again checks that a filter written as JSON reads the same.
func again(t testing.TB, f *filter.Filter) {
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var g filter.Filter
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if b2, _ := json.Marshal(&g); string(b2) != string(b) {
		t.Fatalf("%s became %s", b, b2)
	}
	if !reflect.DeepEqual(*f, g) {
		t.Fatalf("%s: read again it is another filter: %#v, %#v", b, f, g)
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat(`{"must":`, 70) + `{}` + strings.Repeat(`}`, 70)
	for in, say := range map[string]string{
		`[]`:                       "want an object",
		`{"musst": []}`:            "unknown field `musst`, expected one of `should`",
		`{"must": [{"kez": "a"}]}`: "filter.must[0]: bad filter: unknown field `kez`",
		`{"must": 3}`:              "got 3, want a condition",
		`{"must": [{"key": "a"}]}`: "has just one of `match`",
		`{"must": [{"key": 7}]}`:   "filter.must[0].key",
		`{"must": {"key": "a[", "match": {"value": 1}}}`:                                        "key \"a[\", at byte 1",
		`{"must": {"key": "a", "match": {"value": 1.5}}}`:                                       "want an integer",
		`{"must": {"key": "a", "match": {"value": [1]}}}`:                                       "got an array, want a string",
		`{"must": {"key": "a", "match": {"any": [1, "b"]}}}`:                                    "strings and integers",
		`{"must": {"key": "a", "match": {"valeu": 1}}}`:                                         "unknown field `valeu`",
		`{"must": {"key": "a", "match": {"value": 1}, "range": {}}}`:                            "put several into `must`",
		`{"must": {"key": "a", "range": {"lt": "yesterday"}}}`:                                  "does not match accepted datetime format",
		`{"must": {"key": "a", "range": {"lt": 1, "gt": "2020-01-01"}}}`:                        "want a string",
		`{"must": {"key": "a", "values_count": {"lt": -1}}}`:                                    "want at least 0",
		`{"must": {"has_id": [-1]}}`:                                                            "not a point ID",
		`{"must": {"has_id": [1.5]}}`:                                                           "not a point ID",
		`{"must": {"has_id": 1}}`:                                                               "want an array",
		`{"must": {"slice": {"total": 2, "index": 2}}}`:                                         "want an index below",
		`{"must": {"is_null": {"key": "a", "x": 1}}}`:                                           "unknown field `x`",
		`{"must": {"nested": {"key": "a"}}}`:                                                    "missing field `filter`",
		`{"min_should": {"conditions": [], "min_count": 0}}`:                                    "greater than 0",
		`{"must": {"key": "a", "geo_radius": {"center": {"lon": 181, "lat": 0}, "radius": 1}}}`: "within [-180;180]",
		`{"must": {"key": "a", "geo_polygon": {"exterior": {"points": []}}}}`:                   "at least 4",
		`{"must": {"key": "a", "range": {"lt": 1e400}}}`:                                        "out of range",
		deep:      "nested deeper",
		`{"must"`: "unexpected EOF",
	} {
		err := json.Unmarshal([]byte(in), new(filter.Filter))
		var f filter.Filter
		if strings.HasPrefix(in, "{") && json.Valid([]byte(in)) {
			err = f.UnmarshalJSON([]byte(in))
			if !errors.Is(err, filter.ErrFilter) {
				t.Errorf("%.80s: %v does not wrap ErrFilter", in, err)
			}
		}
		if err == nil || in != `{"must"` && !strings.Contains(err.Error(), say) {
			t.Errorf("%.80s: error is %v, want it to say %q", in, err, say)
		}
	}
}

// Conditions that Go code left unfinished let no point through, make nothing panic, and do not pass Check.
func TestUnfinished(t *testing.T) {
	p := &point.Point{Payload: point.Payload{"a": 1.0}}
	nan, key := math.NaN(), filter.Key("a")
	for _, c := range []filter.Condition{nil, filter.Field{}, filter.Field{Key: key}, filter.Field{Key: key, Test: filter.Equal{Value: []int{1}}},
		filter.Field{Key: key, Test: filter.Range{Lt: &nan}}, filter.Field{Key: key, Test: filter.GeoPolygon{}}, filter.Nested{}, filter.Slice{}} {
		f := filter.Filter{Must: []filter.Condition{c}}
		if f.Match(p) {
			t.Errorf("%#v lets a point through", c)
		}
		if err := f.Check(); !errors.Is(err, filter.ErrFilter) {
			t.Errorf("%#v: Check says %v", c, err)
		}
	}
}

func TestPaths(t *testing.T) {
	for in, want := range map[string]string{"a": "a", `"a"."b c"[0][]`: `a."b c"[0][]`, "é-_1.x": "é-_1.x", `""`: `""`, `"a.b"`: `"a.b"`} {
		p, err := filter.ParsePath(in)
		if err != nil || p.String() != want {
			t.Errorf("%s: got %s, %v", in, p, err)
		}
	}
	for _, in := range []string{"", ".", "a.", ".a", "a b", "[0]", "a[-1]", "a[x]", "a[1", `"a`, `"a\"b"`, "a[0]b", "a..b", "a[99999999999999999999]"} {
		if p, err := filter.ParsePath(in); !errors.Is(err, filter.ErrFilter) {
			t.Errorf("%q: got %q, %v", in, p, err)
		}
	}
}

func TestSetAndRemove(t *testing.T) {
	for _, c := range []struct{ op, at, path, src, want string }{
		{"set", `{"a": 1}`, ``, `{"b": 2, "a": null}`, `{"b": 2}`},
		{"set", `{}`, `a.b`, `{"c": 1}`, `{"a": {"b": {"c": 1}}}`},
		{"set", `{"a": {"b": 3}}`, `a.b`, `{"c": 1}`, `{"a": {"b": {"c": 1}}}`},
		{"set", `{"a": [{"b": 3}, {}]}`, `a[]`, `{"c": 1}`, `{"a": [{"b": 3, "c": 1}, {"c": 1}]}`},
		{"set", `{"a": [{"b": 3}, {}]}`, `a[1]`, `{"c": 1}`, `{"a": [{"b": 3}, {"c": 1}]}`},
		{"set", `{"a": 7}`, `a[1]`, `{"c": 1}`, `{"a": []}`},
		{"remove", `{"a": 1, "b": 2}`, `a`, ``, `{"b": 2}`},
		{"remove", `{"a": {"b": 1, "c": 2}}`, `a.b`, ``, `{"a": {"c": 2}}`},
		{"remove", `{"a": [{"b": 1}, {"b": 2, "c": 1}]}`, `a[].b`, ``, `{"a": [{}, {"c": 1}]}`},
		{"remove", `{"a": [1, 2]}`, `a[]`, ``, `{"a": []}`},
		{"remove", `{"a": [1, 2]}`, `a[0]`, ``, `{"a": [1, 2]}`},
		{"remove", `{"a": 1}`, `a.b`, ``, `{"a": 1}`},
		{"include", `{"a": {"b": 1, "c": 2}, "d": 3}`, `a.b`, ``, `{"a": {"b": 1}}`},
		{"include", `{"a": [{"b": 1, "c": 2}]}`, `a[].b`, ``, `{"a": [{"b": 1}]}`},
		{"include", `{"a": [{"b": 1, "c": 2}]}`, `a.b`, ``, `{"a": []}`},
		{"include", `{"a": 5}`, `a.b`, ``, `{"a": 5}`},
		{"exclude", `{"a": {"b": 1, "c": 2}, "d": 3}`, `a.b`, ``, `{"a": {"c": 2}, "d": 3}`},
		{"exclude", `{"a": [{"b": 1, "c": 2}]}`, `a[].b`, ``, `{"a": [{"c": 2}]}`},
	} {
		var at, src, want point.Payload
		for s, p := range map[string]*point.Payload{c.at: &at, c.want: &want, c.src: &src} {
			if s != "" {
				if err := json.Unmarshal([]byte(s), p); err != nil {
					t.Fatal(err)
				}
			}
		}
		json.Unmarshal([]byte(c.at), &at)
		json.Unmarshal([]byte(c.want), &want)
		var path filter.Path
		if c.path != "" {
			path = filter.Key(c.path)
		}
		switch c.op {
		case "set":
			path.Set(at, src)
		case "remove":
			path.Remove(at)
		case "include":
			at = filter.Project(at, []filter.Path{path}, nil)
		case "exclude":
			at = filter.Project(at, nil, []filter.Path{path})
		}
		if !reflect.DeepEqual(at, want) {
			t.Errorf("%s %s of %s: got %v, want %v", c.op, c.path, c.at, at, want)
		}
	}
}

func TestParseTime(t *testing.T) {
	for in, want := range map[string]int64{
		"1970-01-01": 0, "1970-01-01T00:00:01Z": 1e6, "1970-01-01 00:00:01.5": 15e5, "1970-01-01T01:00:00+01:00": 0, "1970-01-01T01:00:00+0100": 0,
		"1969-12-31T19:00:00-05": 0, "1970-01-01T00:01": 60e6, "2000-02-29T00:00:00z": 951782400e6, "1970-01-01T00:00:00.1234567Z": 123456,
	} {
		if got, err := filter.ParseTime(in); err != nil || got.UnixMicro() != want {
			t.Errorf("%s: got %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "1970", "1970-13-01", "1999-02-29", "1970-01-01T", "1970-01-01T25:00:00Z", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00+1", "1970-01-01Tx", "1970-01-01T00:00:00Zz"} {
		if got, err := filter.ParseTime(in); !errors.Is(err, filter.ErrFilter) {
			t.Errorf("%q: got %v, %v", in, got, err)
		}
	}
}

// Slices are disjoint and cover all points. The hashes of 0 and 42 are those that Qdrant promises its clients.
func TestSlice(t *testing.T) {
	for n, want := range map[byte]uint64{0: 0xe849e8bb6ffe2567, 42: 0x0fc2553f07619dd3} {
		if got := filter.SipHash([]byte{n, 0, 0, 0, 0, 0, 0, 0}); got != want {
			t.Errorf("hash of %d is %#x, want %#x", n, got, want)
		}
	}
	for n := range uint64(200) {
		in := 0
		for i := range uint32(3) {
			f := filter.Filter{Must: []filter.Condition{filter.Slice{Total: 3, Index: i}}}
			if f.Match(&point.Point{ID: point.Num(n)}) {
				in++
			}
		}
		if in != 1 {
			t.Fatalf("point %d is in %d slices", n, in)
		}
	}
}

func FuzzFilter(f *testing.F) {
	f.Add([]byte(`{"must": [{"key": "a.b[]", "match": {"any": ["x"]}}], "min_should": {"conditions": [{}], "min_count": 1}}`))
	f.Add([]byte(`{"should": {"key": "t", "range": {"lt": "2020-01-01T00:00:00.5+01:00"}}, "must_not": [{"has_id": [18446744073709551615, "6ba7b810-9dad-11d1-80b4-00c04fd430c8"]}]}`))
	f.Add([]byte(`{"must": {"nested": {"key": "a", "filter": {"must": [{"key": "g", "geo_radius": {"center": {"lon": 1, "lat": 2}, "radius": 3}}]}}}}`))
	f.Add([]byte(`{"must": [{"is_null": {"key": "\"q r\"[3]"}}, {"has_vector": ""}, {"slice": {"total": 3, "index": 1}}, {"key": "k", "values_count": {"gte": 0}}]}`))
	p := &point.Point{ID: point.Num(7), Payload: point.Payload{"a": []any{map[string]any{"b": "x", "g": map[string]any{"lon": 1.0, "lat": 2.0}}}, "t": "2019-05-05"}}
	f.Fuzz(func(t *testing.T, b []byte) {
		var g filter.Filter
		if err := g.UnmarshalJSON(b); err != nil {
			if !errors.Is(err, filter.ErrFilter) {
				t.Fatal(err)
			}
			return
		}
		again(t, &g)
		ok := g.Match(p)
		if not := (&filter.Filter{MustNot: []filter.Condition{&g}}); not.Match(p) == ok {
			t.Fatal("a filter and its negation say the same")
		}
	})
}

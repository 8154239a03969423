package filter_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/collection/text"
)

// Values are drawn from few, so that conditions meet them.
var (
	words   = []string{"red", "green", "blue", "re", "", "the red fox", "Blue green fox", "2020-01-01", "2020-01-01T00:00:01Z", "fox 2020"}
	times   = []string{"2020-01-01", "2020-01-01T00:00:01Z", "2020-01-01T00:00:00.000001Z", "1999-12-31 23:59"}
	numbers = []any{int64(0), int64(1), int64(2), int64(-3), 0.0, 1.5, 2.0, -3.0, int64(math.MaxInt64), int64(math.MinInt64), int64(1<<53 + 1), 1e300}
	places  = []any{map[string]any{"lon": 0.0, "lat": 0.0}, map[string]any{"lon": 10.0, "lat": 10.0}, map[string]any{"lon": int64(5), "lat": 5.0},
		map[string]any{"lon": 179.9, "lat": -0.5}, map[string]any{"lon": -180.0, "lat": 90.0}, map[string]any{"lon": 200.0, "lat": 1.0}, map[string]any{"lon": "x"}}
	keys = []string{"a", "b", "o.x", "list[].x", "a[]", "a[0]"}
)

func pick[T any](t *rapid.T, list []T) T { return list[rapid.IntRange(0, len(list)-1).Draw(t, "pick")] }

func drawValue(t *rapid.T, deep int) any {
	switch n := rapid.IntRange(0, 9).Draw(t, "value"); {
	case n < 3:
		return pick(t, words)
	case n < 5:
		return pick(t, numbers)
	case n == 5:
		return rapid.Bool().Draw(t, "bool")
	case n == 6:
		return nil
	case n == 7:
		return pick(t, places)
	case n == 8 && deep < 2:
		list := make([]any, rapid.IntRange(0, 3).Draw(t, "len"))
		for i := range list {
			list[i] = drawValue(t, deep+1)
		}
		return list
	default:
		return pick(t, times)
	}
}

func drawPayload(t *rapid.T) point.Payload {
	p := point.Payload{}
	maybe := func() bool { return rapid.IntRange(0, 3).Draw(t, "has") > 0 }
	for _, k := range []string{"a", "b"} {
		if maybe() {
			p[k] = drawValue(t, 0)
		}
	}
	object := func() any {
		o := map[string]any{}
		if maybe() {
			o["x"] = drawValue(t, 1)
		}
		if maybe() {
			o["y"] = drawValue(t, 1)
		}
		return o
	}
	if maybe() {
		p["o"] = object()
	}
	if maybe() {
		list := make([]any, rapid.IntRange(0, 3).Draw(t, "len"))
		for i := range list {
			list[i] = object()
		}
		p["list"] = list
	}
	return p
}

func drawTest(t *rapid.T) filter.Test {
	set := func() (s []string, n []int64) {
		for range rapid.IntRange(0, 2).Draw(t, "set") {
			s = append(s, pick(t, words))
		}
		if s == nil {
			for range rapid.IntRange(0, 2).Draw(t, "set") {
				if v, ok := pick(t, numbers).(int64); ok {
					n = append(n, v)
				}
			}
		}
		return s, n
	}
	geo := func() filter.Geo {
		g := filter.Geo{Lon: rapid.Float64Range(-180, 180).Draw(t, "lon"), Lat: rapid.Float64Range(-90, 90).Draw(t, "lat")}
		if o, ok := pick(t, places[:5]).(map[string]any); ok && rapid.Bool().Draw(t, "met") {
			if lon, ok := o["lon"].(float64); ok {
				g = filter.Geo{Lon: lon, Lat: o["lat"].(float64)}
			}
		}
		return g
	}
	bound := func() *float64 {
		if rapid.Bool().Draw(t, "open") {
			return nil
		}
		v, ok := pick(t, numbers).(float64)
		if !ok {
			v = float64(rapid.IntRange(-4, 4).Draw(t, "bound")) / 2
		}
		return &v
	}
	moment := func() *time.Time {
		if rapid.Bool().Draw(t, "open") {
			return nil
		}
		at, _ := filter.ParseTime(pick(t, times))
		return &at
	}
	number := func() *int {
		if rapid.Bool().Draw(t, "open") {
			return nil
		}
		n := rapid.IntRange(0, 3).Draw(t, "count")
		return &n
	}
	switch rapid.IntRange(0, 14).Draw(t, "test") {
	case 0:
		return filter.Equal{Value: pick(t, words)}
	case 1:
		if v, ok := pick(t, numbers).(int64); ok {
			return filter.Equal{Value: v}
		}
		return filter.Equal{Value: rapid.Bool().Draw(t, "bool")}
	case 2:
		s, n := set()
		return filter.Any{Strings: s, Ints: n}
	case 3:
		s, n := set()
		return filter.Except{Strings: s, Ints: n}
	case 4:
		return filter.Text(pick(t, words))
	case 5:
		return filter.TextAny(pick(t, words))
	case 6:
		return filter.Phrase(pick(t, words))
	case 7:
		return filter.Prefix(pick(t, words))
	case 8:
		return filter.Range{Lt: bound(), Gt: bound(), Gte: bound(), Lte: bound()}
	case 9:
		return filter.Times{Lt: moment(), Gt: moment(), Gte: moment(), Lte: moment()}
	case 10:
		return filter.GeoBox{TopLeft: geo(), BottomRight: geo()}
	case 11:
		return filter.GeoRadius{Center: geo(), Radius: pick(t, []float64{0, 1, 1e3, 1e6, 785768.3061901735, 1568522.7233314435, 1.5e7, 2.1e7})}
	case 12:
		g := []filter.Geo{geo(), geo(), geo(), geo()}
		p := filter.GeoPolygon{Exterior: append(g, g[0])}
		if rapid.Bool().Draw(t, "hole") {
			g := []filter.Geo{geo(), geo(), geo()}
			p.Interiors = [][]filter.Geo{append(g, g[0])}
		}
		return p
	case 13:
		return filter.ValuesCount{Lt: number(), Gt: number(), Gte: number(), Lte: number()}
	default:
		if rapid.Bool().Draw(t, "which") {
			return filter.Null(rapid.Bool().Draw(t, "null"))
		}
		return filter.Empty(rapid.Bool().Draw(t, "empty"))
	}
}

func drawCondition(t *rapid.T, deep int) filter.Condition {
	key := filter.Key(pick(t, keys))
	switch n := rapid.IntRange(0, 13).Draw(t, "condition"); {
	case n == 8:
		return filter.IsEmpty{Key: key}
	case n == 9:
		return filter.IsNull{Key: key}
	case n == 10:
		return filter.HasID{point.Num(uint64(rapid.IntRange(0, 40).Draw(t, "id"))), point.Num(3)}
	case n == 11:
		return filter.HasVector(pick(t, []string{"even", "all", "none"}))
	case n == 12 && deep < 3:
		return filter.Nested{Key: filter.Key("list"), Filter: drawFilter(t, deep+1, []string{"x", "y"})}
	case n == 13 && deep < 3:
		f := drawFilter(t, deep+1, keys)
		return &f
	}
	return filter.Field{Key: key, Test: drawTest(t)}
}

func drawFilter(t *rapid.T, deep int, keys []string) (f filter.Filter) {
	list := func() (out []filter.Condition) {
		for range rapid.IntRange(0, 2).Draw(t, "conditions") {
			c := drawCondition(t, deep)
			if len(keys) == 2 { // within an object
				switch d := c.(type) {
				case filter.Field:
					d.Key = filter.Key(pick(t, keys))
					c = d
				case filter.IsEmpty:
					c = filter.IsEmpty{Key: filter.Key(pick(t, keys))}
				case filter.IsNull:
					c = filter.IsNull{Key: filter.Key(pick(t, keys))}
				}
			}
			out = append(out, c)
		}
		return out
	}
	f.Must, f.Should, f.MustNot = list(), list(), list()
	if rapid.IntRange(0, 3).Draw(t, "min should") == 0 {
		f.MinShould = &filter.MinShould{Conditions: append(list(), list()...), MinCount: rapid.IntRange(1, 3).Draw(t, "least")}
	}
	return f
}

// What the indexes say of a filter is what Match says of each payload, through changes, removals and files.
func TestFieldsAgreeWithMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := new(filter.Fields)
		type version struct {
			payloads map[uint32]point.Payload
			live     *roaring.Bitmap
		}
		now := version{map[uint32]point.Payload{}, roaring.New()}
		for _, k := range keys {
			if rapid.IntRange(0, 5).Draw(t, "indexed") == 0 {
				continue
			}
			s := filter.Schema{Type: pick(t, filter.Types)}
			if s.Type == "text" {
				s.Text.Tokenizer = pick(t, []string{"word", "prefix", "whitespace"})
			}
			ix, err := filter.NewIndex(filter.Key(k), s)
			if err != nil {
				t.Fatal(err)
			}
			fields.Set(ix)
		}
		for slot := range uint32(rapid.IntRange(1, 40).Draw(t, "slots")) {
			p := drawPayload(t)
			now.payloads[slot] = p
			now.live.Add(slot)
			fields.Put(slot, p)
		}
		before := version{map[uint32]point.Payload{}, now.live.Clone()}
		for s, p := range now.payloads {
			before.payloads[s] = p
		}
		for range rapid.IntRange(0, 5).Draw(t, "changes") {
			slot := uint32(rapid.IntRange(0, len(now.payloads)-1).Draw(t, "slot"))
			p := drawPayload(t)
			fields.Change(1, slot, now.payloads[slot], p)
			now.payloads[slot] = p
		}
		for range rapid.IntRange(0, 3).Draw(t, "deaths") { // dead slots stay in the indexes
			now.live.Remove(uint32(rapid.IntRange(0, len(now.payloads)-1).Draw(t, "slot")))
		}
		if rapid.Bool().Draw(t, "restart") {
			loaded := new(filter.Fields)
			fields.Read(func(ix *filter.Index) error {
				loaded.Set(saved(t, ix))
				return nil
			})
			late := fields.Since(0)
			if rapid.Bool().Draw(t, "replay") { // as if some payloads were not known to be in the file
				loaded.Forget(late)
				for it := late.Iterator(); it.HasNext(); {
					slot := it.Next()
					loaded.Put(slot, now.payloads[slot])
				}
			}
			for it := late.Iterator(); it.HasNext(); {
				slot := it.Next()
				loaded.Change(1, slot, now.payloads[slot], now.payloads[slot])
			}
			fields = loaded
		}
		filters := []filter.Filter{drawFilter(t, 0, keys)}
		for range 12 { // alone, where nothing hides what one condition gets wrong
			filters = append(filters, filter.Filter{Must: []filter.Condition{drawCondition(t, 0)}})
		}
		for _, f := range filters {
			match := f.Compile(fields.Tokenizers())
			for v, at := range []version{before, now} {
				sure, maybe := fields.Bounds(&f, filter.Reader{
					Version: uint64(v), Live: at.live,
					Slot: func(id point.ID) (uint32, bool) { n, _ := id.Number(); return uint32(n), at.live.Contains(uint32(n)) },
					With: func(name string) *roaring.Bitmap {
						if name == "all" {
							return at.live
						}
						return nil
					},
				})
				for slot, p := range at.payloads {
					has := func(name string) bool { return name == "all" || name == "even" && slot%2 == 0 }
					want := at.live.Contains(slot) && match(&filter.Subject{ID: point.Num(uint64(slot)), Payload: p, Has: has})
					if sure.Contains(slot) && !want || want && !maybe.Contains(slot) {
						b, _ := json.Marshal(&f)
						q, _ := json.Marshal(p)
						t.Fatalf("version %d, slot %d: sure %v, maybe %v, but match %v\n%s\n%s", v, slot, sure.Contains(slot), maybe.Contains(slot), want, b, q)
					}
				}
				if extra := roaring.AndNot(maybe, at.live); !extra.IsEmpty() {
					t.Fatalf("maybe holds slots that are not live: %v", extra)
				}
				if extra := roaring.AndNot(sure, maybe); !extra.IsEmpty() {
					t.Fatalf("sure and not maybe: %v", extra)
				}
			}
		}
	})
}

// Each value, and each two, against each test, in an index of each type.
func TestEveryPair(t *testing.T) {
	var values []any
	for _, w := range words {
		values = append(values, w)
	}
	for _, w := range times {
		values = append(values, w)
	}
	values = append(append(append(values, numbers...), places...), true, false, nil, map[string]any{"x": 1.0})
	var payloads []point.Payload
	for i, v := range values {
		payloads = append(payloads, point.Payload{"a": v}, point.Payload{"a": []any{v}}, point.Payload{"a": []any{[]any{v}}})
		for _, w := range values[:i] {
			payloads = append(payloads, point.Payload{"a": []any{v, w}})
		}
	}
	payloads = append(payloads, point.Payload{}, point.Payload{"a": []any{}})
	var tests []filter.Test
	for _, w := range words {
		tests = append(tests, filter.Equal{Value: w}, filter.Any{Strings: []string{w, "blue"}}, filter.Except{Strings: []string{w, "blue"}},
			filter.Text(w), filter.TextAny(w), filter.Phrase(w), filter.Prefix(w))
	}
	for _, v := range numbers {
		if n, ok := v.(int64); ok {
			tests = append(tests, filter.Equal{Value: n}, filter.Any{Ints: []int64{n, 1}}, filter.Except{Ints: []int64{n, 1}})
		} else {
			f := v.(float64)
			tests = append(tests, filter.Range{Lt: &f}, filter.Range{Lte: &f}, filter.Range{Gt: &f}, filter.Range{Gte: &f, Lte: &f})
		}
	}
	for _, s := range times {
		at, _ := filter.ParseTime(s)
		tests = append(tests, filter.Times{Lt: &at}, filter.Times{Lte: &at}, filter.Times{Gt: &at}, filter.Times{Gte: &at, Lte: &at})
	}
	ring := []filter.Geo{{Lon: 0, Lat: 0}, {Lon: 10, Lat: 10}, {Lon: 10, Lat: 0}, {Lon: 0, Lat: 0}}
	for _, at := range []filter.Geo{{Lon: 0, Lat: 0}, {Lon: 179, Lat: 0}, {Lon: 0, Lat: 89.9}} {
		for _, r := range []float64{0, 1, 785768.3061901735, 785768.3061901736, 1568522.7233314435, 1e7, 2.1e7} {
			tests = append(tests, filter.GeoRadius{Center: at, Radius: r})
		}
		tests = append(tests, filter.GeoBox{TopLeft: filter.Geo{Lon: at.Lon - 6, Lat: at.Lat + 5}, BottomRight: filter.Geo{Lon: 5, Lat: -1}},
			filter.GeoBox{TopLeft: filter.Geo{Lon: at.Lon, Lat: at.Lat + 0.1}, BottomRight: filter.Geo{Lon: -179, Lat: -1}})
	}
	tests = append(tests, filter.GeoPolygon{Exterior: ring}, filter.Equal{Value: true}, filter.Equal{Value: false}, filter.Any{}, filter.Except{}, filter.Range{},
		filter.Times{}, filter.Empty(true), filter.Empty(false), filter.Null(true), filter.Null(false))
	live := roaring.New()
	live.AddRange(0, uint64(len(payloads)))
	for _, kind := range filter.Types {
		for _, key := range []string{"a", "a[]", "a[0]"} {
			fields := new(filter.Fields)
			ix, _ := filter.NewIndex(filter.Key(key), filter.Schema{Type: kind})
			fields.Set(ix)
			for slot, p := range payloads {
				fields.Put(uint32(slot), p)
			}
			for _, test := range tests {
				f := filter.Filter{Must: []filter.Condition{filter.Field{Key: filter.Key(key), Test: test}}}
				sure, maybe := fields.Bounds(&f, filter.Reader{Live: live})
				match := f.Compile(fields.Tokenizers())
				for slot, p := range payloads {
					want := match(&filter.Subject{Payload: p})
					if s := uint32(slot); sure.Contains(s) && !want || want && !maybe.Contains(s) {
						t.Errorf("%s index of %s, %#v, %v: sure %v, maybe %v, want %v", kind, key, test, p, sure.Contains(s), maybe.Contains(s), want)
					}
				}
			}
			all := roaring.New()
			all.AddRange(0, 1<<20)
			for slot, p := range payloads { // one by one, from the end of some blocks and the front of others
				ix.Remove(uint32(slot), p)
			}
			if n := ix.Count(all); n != 0 || ix.SizeBytes() > 200 {
				t.Errorf("%s index of %s: with everything removed, %d slots and %d bytes are left", kind, key, n, ix.SizeBytes())
			}
		}
	}
}

func saved(t interface{ Fatal(...any) }, ix *filter.Index) *filter.Index {
	var b bytes.Buffer
	if _, err := ix.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	whole := slices.Clone(b.Bytes())
	got, err := filter.ReadIndex(&b)
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if got.WriteTo(&again); !bytes.Equal(again.Bytes(), whole) {
		t.Fatal("an index that was read writes other bytes")
	}
	return got
}

// Conditions that an index of their type decides, it decides without a look at any payload.
func TestDecided(t *testing.T) {
	live := roaring.New()
	fields := new(filter.Fields)
	types := map[string]string{"k": "keyword", "u": "uuid", "i": "integer", "f": "float", "b": "bool", "t": "datetime", "g": "geo", "w": "text"}
	for k, name := range types {
		ix, err := filter.NewIndex(filter.Key(k), filter.Schema{Type: name})
		if err != nil {
			t.Fatal(err)
		}
		fields.Set(ix)
	}
	for slot := range uint32(5000) {
		live.Add(slot)
		fields.Put(slot, point.Payload{"k": fmt.Sprint("k", slot%10), "u": fmt.Sprint("u", slot), "i": int64(slot % 100), "f": float64(slot) / 10, "b": slot%2 == 0,
			"t": time.Unix(int64(slot), 0).UTC().Format(time.RFC3339), "g": map[string]any{"lon": float64(slot%100) + 0.5, "lat": float64(slot/100) + 0.5}, "w": fmt.Sprint("word", slot%7, " other")})
	}
	for condition, want := range map[string]uint64{
		`{"key": "k", "match": {"value": "k3"}}`:                500,
		`{"key": "k", "match": {"any": ["k3", "k4", "x"]}}`:     1000,
		`{"key": "k", "match": {"except": ["k3", "k4"]}}`:       4000,
		`{"key": "k", "match": {"prefix": "k"}}`:                5000,
		`{"key": "u", "match": {"value": "u77"}}`:               1,
		`{"key": "i", "match": {"value": 7}}`:                   50,
		`{"key": "i", "match": {"any": [7, 8]}}`:                100,
		`{"key": "i", "match": {"except": [7, 8]}}`:             4900,
		`{"key": "i", "range": {"gte": 9.5, "lt": 20}}`:         500,
		`{"key": "f", "range": {"gt": 1, "lte": 2}}`:            10,
		`{"key": "b", "match": {"value": true}}`:                2500,
		`{"key": "t", "range": {"lt": "1970-01-01T00:01:00Z"}}`: 60,
		`{"key": "g", "geo_bounding_box": {"top_left": {"lon": 10, "lat": 20}, "bottom_right": {"lon": 20, "lat": 10}}}`: 100,
		`{"key": "g", "geo_radius": {"center": {"lon": 10.5, "lat": 10.5}, "radius": 1000}}`:                             1,
		`{"key": "w", "match": {"text": "WORD3 other"}}`:                                                                 714,
		`{"key": "w", "match": {"text_any": "word3 word4"}}`:                                                             1428,
		`{"is_empty": {"key": "k"}}`:                                                                                     0,
		`{"is_null": {"key": "k"}}`:                                                                                      0,
		`{"key": "k", "is_empty": false}`:                                                                                5000,
		`{"has_id": [4, 5000]}`:                                                                                          1,
	} {
		var f filter.Filter
		if err := json.Unmarshal([]byte(`{"must": `+condition+`}`), &f); err != nil {
			t.Fatal(err)
		}
		sure, maybe := fields.Bounds(&f, filter.Reader{Live: live, Slot: func(id point.ID) (uint32, bool) { n, _ := id.Number(); return uint32(n), true }})
		if sure.GetCardinality() != want || maybe.GetCardinality() != want {
			t.Errorf("%s: sure of %d, maybe %d, want %d", condition, sure.GetCardinality(), maybe.GetCardinality(), want)
		}
	}
}

// Order and Facet are those of a list that is sorted and counted.
func TestOrderAndFacet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := new(filter.Fields)
		kind := pick(t, []string{"integer", "float", "datetime"})
		key := filter.Key("a")
		ix, _ := filter.NewIndex(key, filter.Schema{Type: kind})
		fields.Set(ix)
		type pair struct {
			slot uint32
			v    any
		}
		var want []pair
		counts := map[any]int{}
		keep := roaring.New()
		value := func(v any) any {
			switch v := v.(type) {
			case int64:
				if kind == "float" {
					return float64(v)
				} else if kind == "integer" {
					return v
				}
			case float64:
				if kind == "float" {
					return v
				}
			case string:
				if at, err := filter.ParseTime(v); err == nil && kind == "datetime" {
					return at.UnixMicro()
				}
			}
			return nil
		}
		n := rapid.IntRange(1, 60).Draw(t, "n")
		for slot := range uint32(n) {
			list := []any{}
			seen := map[any]bool{}
			if slot%3 > 0 {
				keep.Add(slot)
			}
			for range rapid.IntRange(0, 3).Draw(t, "values") {
				raw := drawValue(t, 2)
				list = append(list, raw)
				if v := value(raw); v != nil && !seen[v] {
					seen[v] = true
					want = append(want, pair{slot, v})
					if keep.Contains(slot) {
						counts[v]++
					}
				}
			}
			fields.Put(slot, point.Payload{"a": list})
		}
		less := func(a, b any) int {
			switch a := a.(type) {
			case int64:
				return cmp.Compare(a, b.(int64))
			default:
				return cmp.Compare(a.(float64), b.(float64))
			}
		}
		down := rapid.Bool().Draw(t, "down")
		sign := 1
		if down {
			sign = -1
		}
		slices.SortFunc(want, func(a, b pair) int { return cmp.Or(sign*less(a.v, b.v), cmp.Compare(a.slot, b.slot)) })
		var from any
		if rapid.Bool().Draw(t, "from") {
			from = value(pick(t, append(slices.Clone(numbers), any(times[0]))))
			if from != nil {
				want = slices.DeleteFunc(want, func(p pair) bool { return sign*less(p.v, from) < 0 })
			}
		}
		var got []pair
		if !fields.Order(key, down, from, func(slot uint32, v any) bool {
			got = append(got, pair{slot, v})
			return true
		}) {
			t.Fatal("no order")
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s, down %v, from %v:\n got %v\nwant %v", kind, down, from, got, want)
		}
		if kind == "integer" {
			facets := map[any]int{}
			fields.Facet(key, keep, func(v any, n int) { facets[v] = n })
			if !reflect.DeepEqual(facets, counts) {
				t.Fatalf("facets %v, want %v", facets, counts)
			}
		}
	})
}

// The blocks of ordered keys split and empty; what they hold stays sorted.
func TestManyNumbers(t *testing.T) {
	fields := new(filter.Fields)
	key := filter.Key("n")
	ix, _ := filter.NewIndex(key, filter.Schema{Type: "integer"})
	fields.Set(ix)
	live := roaring.New()
	value := func(slot uint32) int64 { return int64(slot*2654435761) % 5000 }
	const n = 20000
	for slot := range uint32(n) {
		live.Add(slot)
		fields.Put(slot, point.Payload{"n": value(slot)})
	}
	for slot := range uint32(n) {
		if slot%3 == 0 {
			fields.Change(1, slot, point.Payload{"n": value(slot)}, point.Payload{"n": []any{value(slot) + 1, int64(-1)}})
		}
	}
	count := func(lo, hi float64) (c uint64) {
		for slot := range uint32(n) {
			in := func(v int64) bool { return float64(v) >= lo && float64(v) < hi }
			if slot%3 == 0 && (in(value(slot)+1) || in(-1)) || slot%3 != 0 && in(value(slot)) {
				c++
			}
		}
		return c
	}
	for _, r := range [][2]float64{{-5, 6000}, {0, 10}, {-1, 0}, {1000, 4000}, {7, 7}} {
		f := filter.Filter{Must: []filter.Condition{filter.Field{Key: key, Test: filter.Range{Gte: &r[0], Lt: &r[1]}}}}
		sure, maybe := fields.Bounds(&f, filter.Reader{Version: 1, Live: live})
		if want := count(r[0], r[1]); sure.GetCardinality() != want || maybe.GetCardinality() != want {
			t.Errorf("%v: sure %d, maybe %d, want %d", r, sure.GetCardinality(), maybe.GetCardinality(), want)
		}
	}
}

func TestSchema(t *testing.T) {
	for in, want := range map[string]string{
		`"keyword"`: `"keyword"`, `{"type": "integer", "range": true}`: `{"type":"integer","range":true}`,
		`"text"`: `{"type":"text"}`, `{"type":"text","tokenizer":"prefix","min_token_len":2}`: `{"type":"text","tokenizer":"prefix","min_token_len":2}`,
	} {
		var s filter.Schema
		if err := json.Unmarshal([]byte(in), &s); err != nil {
			t.Fatal(err)
		}
		if b, err := json.Marshal(s); err != nil || string(b) != want {
			t.Errorf("%s became %s, %v", in, b, err)
		}
	}
	b, _ := json.Marshal(filter.Schema{Type: "text", Text: text.Options{MaxLen: 9}})
	if string(b) != `{"type":"text","max_token_len":9}` {
		t.Error(string(b))
	}
	for _, in := range []string{`"string"`, `{}`, `7`, `{"type": "text", "tokenizer": "x"}`, `{"type": "text", "min_token_len": 9, "max_token_len": 2}`, `{"type": "text", "stopwords": "english"}`} {
		if err := json.Unmarshal([]byte(in), new(filter.Schema)); !errors.Is(err, filter.ErrFilter) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// A file that is cut short or has a bit turned is refused, as damaged, or reads as what was written.
func TestDamagedIndex(t *testing.T) {
	for _, kind := range filter.Types {
		ix, _ := filter.NewIndex(filter.Key("a"), filter.Schema{Type: kind})
		for slot := range uint32(40) {
			ix.Put(slot, point.Payload{"a": []any{words[slot%10], numbers[slot%12], times[slot%4], places[slot%7], slot%2 == 0}})
		}
		var b bytes.Buffer
		ix.WriteTo(&b)
		whole := b.Bytes()
		for i := 0; i < len(whole); i += 7 {
			bad := slices.Clone(whole)
			bad[i] ^= 1 << (i % 8)
			for _, b := range [][]byte{bad, whole[:i]} {
				if got, err := filter.ReadIndex(bytes.NewReader(b)); err != nil {
					if e := (*artifact.CorruptError)(nil); !errors.As(err, &e) {
						t.Fatalf("%s: byte %d: %v", kind, i, err)
					}
				} else {
					var again bytes.Buffer
					if got.WriteTo(&again); !bytes.Equal(again.Bytes(), whole) {
						t.Fatalf("%s: byte %d: damage went unseen", kind, i)
					}
				}
			}
		}
	}
}

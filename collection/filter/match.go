package filter

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/collection/text"
)

// Match says whether the filter lets a point through: the definition of what filters mean, where no field has a text
// index.
func (f *Filter) Match(p *point.Point) bool {
	return f.Compile(nil)(&Subject{p.ID, p.Payload, func(name string) bool { _, ok := p.Vectors[name]; return ok }})
}

// Subject is what a compiled filter looks at.
type Subject struct {
	ID      point.ID
	Payload point.Payload
	Has     func(vector string) bool // nil: it has none
}

// Tokenizers gives the tokenizer of a field that has a text index, else nil.
type Tokenizers func(key Path) *text.Tokenizer

// Compile makes the filter ready to be asked about many points, from many goroutines. Texts of fields to which words
// gives a tokenizer are matched by words. A nil words is none.
func (f *Filter) Compile(words Tokenizers) func(*Subject) bool {
	if words == nil {
		words = func(Path) *text.Tokenizer { return nil }
	}
	ok := f.compile(scope{words: words})
	return func(s *Subject) bool { return ok(s, s.Payload) }
}

// predicate decides on an object: the payload, or one within it; the subject is nil in the latter.
type predicate func(s *Subject, object map[string]any) bool

// scope is where a condition stands: at is the path of the object that keys start in.
type scope struct {
	words Tokenizers
	at    Path
}

func (f *Filter) compile(sc scope) predicate {
	if f == nil {
		return func(*Subject, map[string]any) bool { return true }
	}
	all := func(list []Condition) []predicate {
		out := make([]predicate, len(list))
		for i, c := range list {
			out[i] = compile(c, sc)
		}
		return out
	}
	must, should, not := all(f.Must), all(f.Should), all(f.MustNot)
	var some []predicate
	least := 0
	if f.MinShould != nil {
		some, least = all(f.MinShould.Conditions), f.MinShould.MinCount
	}
	return func(s *Subject, o map[string]any) bool {
		for _, ok := range must {
			if !ok(s, o) {
				return false
			}
		}
		for _, ok := range not {
			if ok(s, o) {
				return false
			}
		}
		any := len(should) == 0
		for i := 0; i < len(should) && !any; i++ {
			any = should[i](s, o)
		}
		n := 0
		for i := 0; i < len(some) && n < least; i++ {
			if some[i](s, o) {
				n++
			}
		}
		return any && n >= least
	}
}

func compile(c Condition, sc scope) predicate {
	switch c := c.(type) {
	case *Filter:
		return c.compile(sc)
	case Field:
		ok := compileTest(c.Test, sc.words(sc.at.join(c.Key)))
		return func(_ *Subject, o map[string]any) bool { return ok(c.Key, o) }
	case IsEmpty:
		return func(_ *Subject, o map[string]any) bool {
			return c.Key.visit(o, func(v any) bool { return count(v) == 0 })
		}
	case IsNull:
		return func(_ *Subject, o map[string]any) bool {
			return !c.Key.visit(o, func(v any) bool { return v != nil })
		}
	case HasID:
		set := setOf(c)
		return func(s *Subject, _ map[string]any) bool { return s != nil && set[s.ID] }
	case HasVector:
		return func(s *Subject, _ map[string]any) bool { return s != nil && s.Has != nil && s.Has(string(c)) }
	case Slice:
		return func(s *Subject, _ map[string]any) bool { return s != nil && c.has(s.ID) }
	case Nested:
		key := c.Key.every()
		ok := c.Filter.compile(scope{sc.words, sc.at.join(key)})
		return func(_ *Subject, o map[string]any) bool {
			return !key.visit(o, func(v any) bool {
				o, is := v.(map[string]any)
				return !is || !ok(nil, o)
			})
		}
	}
	return func(*Subject, map[string]any) bool { return false }
}

func setOf[T comparable](list []T) map[T]bool {
	set := make(map[T]bool, len(list))
	for _, v := range list {
		set[v] = true
	}
	return set
}

// compileTest makes a test of one that looks at what the key leads to. words, if not nil, is the field's tokenizer.
func compileTest(t Test, words *text.Tokenizer) func(Path, map[string]any) bool {
	switch t := t.(type) {
	case ValuesCount:
		return whole(t.has(0), func(v any) bool { return t.has(count(v)) })
	case Empty:
		return whole(bool(t), func(v any) bool { return (count(v) == 0) == bool(t) })
	case Null:
		return whole(!bool(t), func(v any) bool {
			list, _ := v.([]any)
			return (v == nil || slices.Contains(list, nil)) == bool(t)
		})
	case Text:
		if words != nil {
			return texts(words, words.Query(string(t)), true)
		}
	case TextAny:
		if words != nil {
			return texts(words, words.Query(string(t)), false)
		}
	}
	ok := element(t, words)
	return func(key Path, o map[string]any) bool {
		return !key.visit(o, func(v any) bool {
			if list, is := v.([]any); is {
				return !slices.ContainsFunc(list, ok)
			}
			return !ok(v)
		})
	}
}

// whole tests values without looking into arrays; nothing says what holds where the key leads nowhere.
func whole(nothing bool, ok func(any) bool) func(Path, map[string]any) bool {
	return func(key Path, o map[string]any) bool {
		there := false
		found := !key.visit(o, func(v any) bool {
			there = true
			return !ok(v)
		})
		return found || !there && nothing
	}
}

// texts tests whether the strings at a key, together, have all of some words, or one of them.
func texts(words *text.Tokenizer, want []string, all bool) func(Path, map[string]any) bool {
	return func(key Path, o map[string]any) bool {
		have := make(map[string]bool)
		eachString(key, o, func(s string) {
			for _, w := range words.Document(s) {
				have[w] = true
			}
		})
		n := 0
		for _, w := range want {
			if have[w] {
				n++
			}
		}
		if all {
			return n > 0 && n == len(want)
		}
		return n > 0
	}
}

// eachString shows the strings at a key, and those in arrays there.
func eachString(key Path, o map[string]any, see func(string)) {
	eachValue(key, o, func(v any) {
		if s, ok := v.(string); ok {
			see(s)
		}
	})
}

// eachValue shows the values at a key, and of an array there its elements instead.
func eachValue(key Path, o map[string]any, see func(any)) {
	key.visit(o, func(v any) bool {
		if list, ok := v.([]any); ok {
			for _, v := range list {
				see(v)
			}
		} else {
			see(v)
		}
		return true
	})
}

// element makes a test of one that looks at a single value, which is no array unless it stands in one.
func element(t Test, words *text.Tokenizer) func(any) bool {
	str := func(ok func(string) bool) func(any) bool {
		return func(v any) bool {
			s, is := v.(string)
			return is && ok(s)
		}
	}
	switch t := t.(type) {
	case Equal:
		switch t.Value.(type) {
		case string, int64, bool:
			return func(v any) bool {
				switch v.(type) {
				case string, int64, bool:
					return v == t.Value
				}
				return false
			}
		}
	case Any:
		s, n := setOf(t.Strings), setOf(t.Ints)
		return func(v any) bool { return among(v, s, n) }
	case Except:
		s, n := setOf(t.Strings), setOf(t.Ints)
		return func(v any) bool { return v != nil && !among(v, s, n) }
	case Text:
		return str(func(s string) bool { return strings.Contains(s, string(t)) })
	case TextAny:
		want := strings.Fields(string(t))
		return str(func(s string) bool {
			return slices.ContainsFunc(want, func(w string) bool { return strings.Contains(s, w) })
		})
	case Phrase:
		if words == nil {
			return element(Text(t), nil)
		}
		want := words.Document(string(t))
		return str(func(s string) bool { return len(want) > 0 && contains(words.Document(s), want) })
	case Prefix:
		return str(func(s string) bool { return strings.HasPrefix(s, string(t)) })
	case Range:
		return func(v any) bool {
			x, is := float(v)
			return is && t.has(x)
		}
	case Times:
		b := t.micros()
		return str(func(s string) bool {
			at, err := ParseTime(s)
			return err == nil && b.has(micros(at))
		})
	case GeoBox:
		return place(t.has)
	case GeoRadius:
		return place(t.has)
	case GeoPolygon:
		return place(t.has)
	}
	return func(any) bool { return false }
}

func among(v any, s map[string]bool, n map[int64]bool) bool {
	switch v := v.(type) {
	case string:
		return s[v]
	case int64:
		return n[v]
	}
	return false
}

// contains says whether want stands in list, in order and without gaps.
func contains(list, want []string) bool {
	for i := 0; i+len(want) <= len(list); i++ {
		if slices.Equal(list[i:i+len(want)], want) {
			return true
		}
	}
	return false
}

// count is the number of values that a value stands for.
func count(v any) int {
	switch v := v.(type) {
	case nil:
		return 0
	case []any:
		return len(v)
	}
	return 1
}

// within says whether a value lies within bounds, each of which may be nil.
func within[T int | int64 | float64](v T, lt, gt, gte, lte *T) bool {
	return (lt == nil || v < *lt) && (gt == nil || v > *gt) && (gte == nil || v >= *gte) && (lte == nil || v <= *lte)
}

func (t Range) has(v float64) bool   { return within(v, t.Lt, t.Gt, t.Gte, t.Lte) }
func (t ValuesCount) has(n int) bool { return within(n, t.Lt, t.Gt, t.Gte, t.Lte) }

// span is Times in microseconds.
type span bounds[int64]

func (t Times) micros() span {
	of := func(at *time.Time) *int64 {
		if at == nil {
			return nil
		}
		v := micros(*at)
		return &v
	}
	return span{of(t.Lt), of(t.Gt), of(t.Gte), of(t.Lte)}
}

func (b span) has(v int64) bool { return within(v, b.Lt, b.Gt, b.Gte, b.Lte) }

// has says whether a point falls into the slice.
func (c Slice) has(id point.ID) bool {
	var b []byte
	if n, ok := id.Number(); ok {
		b = binary.LittleEndian.AppendUint64(nil, n)
	} else {
		u, _ := id.UUID()
		b = u[:]
	}
	return c.Total > 0 && sipHash(b)%uint64(c.Total) == uint64(c.Index)
}

// sipHash is SipHash-2-4 (Aumasson and Bernstein 2012) with a zero key.
func sipHash(b []byte) uint64 {
	v := [4]uint64{0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573}
	round := func(times int) {
		for range times {
			rotl := func(x uint64, n int) uint64 { return x<<n | x>>(64-n) }
			v[0] += v[1]
			v[2] += v[3]
			v[1] = rotl(v[1], 13) ^ v[0]
			v[3] = rotl(v[3], 16) ^ v[2]
			v[0] = rotl(v[0], 32)
			v[2] += v[1]
			v[0] += v[3]
			v[1] = rotl(v[1], 17) ^ v[2]
			v[3] = rotl(v[3], 21) ^ v[0]
			v[2] = rotl(v[2], 32)
		}
	}
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		m := binary.LittleEndian.Uint64(b)
		v[3] ^= m
		round(2)
		v[0] ^= m
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	v[3] ^= last
	round(2)
	v[0] ^= last
	v[2] ^= 0xff
	round(4)
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

// place tests an object with lon and lat.
func place(ok func(Geo) bool) func(any) bool {
	return func(v any) bool {
		g, is := geoOf(v)
		return is && ok(g)
	}
}

func geoOf(v any) (g Geo, ok bool) {
	o, ok := v.(map[string]any)
	if !ok {
		return g, false
	}
	lon, ok1 := float(o["lon"])
	lat, ok2 := float(o["lat"])
	return Geo{lon, lat}, ok1 && ok2
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func (t GeoBox) has(g Geo) bool {
	lon := t.TopLeft.Lon < g.Lon && g.Lon < t.BottomRight.Lon
	if t.TopLeft.Lon > t.BottomRight.Lon {
		lon = g.Lon > t.TopLeft.Lon || g.Lon < t.BottomRight.Lon
	}
	return lon && t.BottomRight.Lat < g.Lat && g.Lat < t.TopLeft.Lat
}

// earthRadius is the mean radius of the IUGG, in metres.
const earthRadius = 6371008.8

func (t GeoRadius) has(g Geo) bool { return haversine(t.Center, g) < t.Radius }

// haversine is the distance along the sphere, in metres.
func haversine(a, b Geo) float64 {
	const rad = math.Pi / 180
	lat, lon := math.Sin((b.Lat-a.Lat)*rad/2), math.Sin((b.Lon-a.Lon)*rad/2)
	h := lat*lat + math.Cos(a.Lat*rad)*math.Cos(b.Lat*rad)*lon*lon
	return 2 * earthRadius * math.Asin(math.Sqrt(min(h, 1)))
}

func (t GeoPolygon) has(g Geo) bool {
	if in, edge := inRing(t.Exterior, g); !in || edge {
		return false
	}
	for _, r := range t.Interiors {
		if in, edge := inRing(r, g); in || edge {
			return false
		}
	}
	return true
}

// inRing says whether a place is within a ring, by the parity of edges east of it, or on one.
func inRing(ring []Geo, g Geo) (in, edge bool) {
	for i := 1; i < len(ring); i++ {
		a, b := ring[i-1], ring[i]
		if g.Lat < min(a.Lat, b.Lat) || g.Lat > max(a.Lat, b.Lat) {
			continue
		}
		cross := (b.Lon-a.Lon)*(g.Lat-a.Lat) - (b.Lat-a.Lat)*(g.Lon-a.Lon)
		if cross == 0 && min(a.Lon, b.Lon) <= g.Lon && g.Lon <= max(a.Lon, b.Lon) {
			return false, true
		}
		if (a.Lat > g.Lat) != (b.Lat > g.Lat) && (cross > 0) == (b.Lat > a.Lat) {
			in = !in
		}
	}
	return in, false
}

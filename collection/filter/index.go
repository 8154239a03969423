package filter

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/latent-go/latent/collection/postings"
	"github.com/latent-go/latent/collection/text"
)

// Schema says what kind of values an index of a field holds.
type Schema struct {
	Type   string          // "keyword", "integer", "float", "bool", "datetime", "geo", "text" or "uuid"
	Text   text.Options    // of "text"
	Params json.RawMessage // as it was given, if it was given as an object; parameters that have no effect here are kept
}

// Types are the types of a Schema.
var Types = []string{"keyword", "integer", "float", "bool", "datetime", "geo", "text", "uuid"}

// UnmarshalJSON reads a type as a string, or an object with type and parameters, as Qdrant's clients write it.
func (s *Schema) UnmarshalJSON(b []byte) error {
	var name string
	var out Schema
	if json.Unmarshal(b, &name) != nil {
		var o struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(b, &o); err != nil {
			return fmt.Errorf("field schema: %w: want a type or an object with one: %w", ErrFilter, err)
		}
		name, out.Params = o.Type, slices.Clone(b)
		if name == "text" {
			if err := out.Text.UnmarshalJSON(b); err != nil {
				return fmt.Errorf("field schema: %w: %w", ErrFilter, err)
			}
		}
	}
	if !slices.Contains(Types, name) {
		return fmt.Errorf("field schema: %w: unknown type %.50q, expected one of %s", ErrFilter, name, strings.Join(Types, ", "))
	}
	out.Type = name
	*s = out
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (s Schema) MarshalJSON() ([]byte, error) {
	if s.Params != nil {
		return s.Params, nil
	}
	if s.Type != "text" {
		return json.Marshal(s.Type)
	}
	b, err := json.Marshal(s.Text)
	if err != nil || string(b) == "{}" {
		return []byte(`{"type":"text"}`), err
	}
	return append([]byte(`{"type":"text",`), b[1:]...), nil
}

// Index is an index over one field: which slots have which values. It is not safe for concurrent use; [Fields] is.
type Index struct {
	key    Path
	schema Schema

	some *roaring.Bitmap // slots where the key leads to something other than null and empty arrays
	null *roaring.Bitmap // slots where it leads to null
	held *roaring.Bitmap // slots with a value that is in one of the three below
	odd  *roaring.Bitmap // slots with a value that is not, and not null
	many *roaring.Bitmap // slots with several values that are

	terms map[string]*postings.Set // of keyword, uuid and bool
	order *ordered                 // of integer, float, datetime and geo, by the keys that keyOf makes
	text  *text.Index              // of text
}

// NewIndex returns an empty index of a field.
func NewIndex(key Path, s Schema) (*Index, error) {
	x := &Index{key: key, schema: s, some: roaring.New(), null: roaring.New(), held: roaring.New(), odd: roaring.New(), many: roaring.New()}
	switch s.Type {
	case "keyword", "uuid", "bool":
		x.terms = make(map[string]*postings.Set)
	case "integer", "float", "datetime", "geo":
		x.order = new(ordered)
	case "text":
		if err := s.Text.Check(); err != nil {
			return nil, fmt.Errorf("field %s: %w: %w", key, ErrFilter, err)
		}
		x.text = text.New(s.Text)
	default:
		return nil, fmt.Errorf("field %s: %w: unknown type %.50q, expected one of %s", key, ErrFilter, s.Type, strings.Join(Types, ", "))
	}
	if key.IsZero() {
		return nil, fmt.Errorf("field index: %w: it has no key", ErrFilter)
	}
	return x, nil
}

// Key is the field.
func (x *Index) Key() Path { return x.key }

// Schema is what the index was made with.
func (x *Index) Schema() Schema { return x.schema }

// values are what a payload has in the field, as the index holds it.
type values struct {
	some, null, odd bool
	terms           []string // distinct
	keys            []uint64 // distinct
	texts           []string
}

func (v *values) held() bool { return len(v.terms)+len(v.keys)+len(v.texts) > 0 }

func (x *Index) values(payload map[string]any) (out values) {
	x.key.visit(payload, func(v any) bool {
		out.some = out.some || count(v) > 0
		out.null = out.null || v == nil
		return true
	})
	eachValue(x.key, payload, func(v any) {
		switch s, isString := v.(string); {
		case v == nil:
		case x.terms != nil && x.schema.Type == "bool":
			if b, ok := v.(bool); ok {
				out.terms = append(out.terms, boolTerm(b))
			} else {
				out.odd = true
			}
		case x.terms != nil && isString:
			out.terms = append(out.terms, s)
		case x.text != nil && isString:
			out.texts = append(out.texts, s)
		case x.order != nil:
			if k, ok := x.keyOf(v); ok {
				out.keys = append(out.keys, k)
			} else {
				out.odd = true
			}
		default:
			out.odd = true
		}
	})
	slices.Sort(out.terms)
	out.terms = slices.Compact(out.terms)
	slices.Sort(out.keys)
	out.keys = slices.Compact(out.keys)
	return out
}

func boolTerm(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// keyOf returns the key of a value, of which the order of keys is that of values.
func (x *Index) keyOf(v any) (uint64, bool) {
	switch v := v.(type) {
	case int64:
		if x.schema.Type == "integer" {
			return intKey(v), true
		}
		return floatKey(float64(v)), x.schema.Type == "float"
	case float64:
		return floatKey(v), x.schema.Type == "float"
	case string:
		if x.schema.Type == "datetime" {
			t, err := ParseTime(v)
			return intKey(micros(t)), err == nil
		}
	case map[string]any:
		if g, ok := geoOf(v); ok && g.valid() && x.schema.Type == "geo" {
			return geoKey(g), true
		}
	}
	return 0, false
}

func intKey(v int64) uint64 { return uint64(v) ^ 1<<63 }
func keyInt(k uint64) int64 { return int64(k ^ 1<<63) }

func floatKey(v float64) uint64 {
	b := math.Float64bits(v + 0) // no negative zero
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}

func keyFloat(k uint64) float64 {
	if k>>63 != 0 {
		return math.Float64frombits(k &^ (1 << 63))
	}
	return math.Float64frombits(^k)
}

// sets are the bitmaps of an index, which setNames names.
func (x *Index) sets() [5]*roaring.Bitmap {
	return [...]*roaring.Bitmap{x.held, x.many, x.null, x.odd, x.some}
}

var setNames = [...]string{"held", "many", "null", "odd", "some"}

// Put takes in the payload of a slot that is not in the index. It keeps nothing of it.
func (x *Index) Put(slot uint32, payload map[string]any) {
	v := x.values(payload)
	set := func(b *roaring.Bitmap, is bool) {
		if is {
			b.Add(slot)
		}
	}
	set(x.some, v.some)
	set(x.null, v.null)
	set(x.odd, v.odd)
	set(x.held, v.held())
	set(x.many, len(v.terms)+len(v.keys) > 1)
	for _, s := range v.terms {
		t := x.terms[s]
		if t == nil {
			t = new(postings.Set)
			x.terms[strings.Clone(s)] = t
		}
		t.Add(slot)
	}
	for _, k := range v.keys {
		x.order.add(k, slot)
	}
	if v.texts != nil {
		x.text.Add(slot, v.texts...)
	}
}

// Remove takes out a slot that was put in with this payload.
func (x *Index) Remove(slot uint32, payload map[string]any) {
	v := x.values(payload)
	for _, b := range x.sets() {
		b.Remove(slot)
	}
	for _, s := range v.terms {
		if t := x.terms[s]; t != nil {
			if t.Remove(slot); t.Len() == 0 {
				delete(x.terms, s)
			}
		}
	}
	for _, k := range v.keys {
		x.order.remove(k, slot)
	}
	if v.texts != nil {
		x.text.Remove(slot, v.texts...)
	}
}

// Forget takes out slots whatever their payload was, in the time that it takes to read the index once.
func (x *Index) Forget(dead *roaring.Bitmap) {
	for _, b := range x.sets() {
		b.AndNot(dead)
	}
	maps.DeleteFunc(x.terms, func(_ string, s *postings.Set) bool {
		s.Forget(dead)
		return s.Len() == 0
	})
	if x.order != nil {
		x.order.forget(dead)
	}
	if x.text != nil {
		x.text.Forget(dead)
	}
}

// Count is how many slots of live the index holds a value of.
func (x *Index) Count(live *roaring.Bitmap) int { return int(x.held.AndCardinality(live)) }

// bound is what an index can say of a condition: lo are slots it holds for, hi those it may hold for. Neither is changed
// after it is made; where they are the same bitmap the answer is exact.
type bound struct{ lo, hi *roaring.Bitmap }

func exact(b *roaring.Bitmap) bound { return bound{b, b} }

var none = roaring.New() // not to be changed

// test bounds the slots for which a test of the field holds; false if the index cannot say anything.
func (x *Index) test(t Test) (b bound, ok bool) {
	switch t := t.(type) {
	case Empty:
		if x.key.single() && !bool(t) {
			return exact(x.some), true
		}
		return b, false
	case Null, ValuesCount, nil:
		return b, false // they look at values as a whole, and may hold where there is nothing
	}
	other := bound{none, roaring.Or(x.held, x.odd)}
	switch {
	case x.schema.Type == "bool":
		if e, is := t.(Equal); is {
			if v, is := e.Value.(bool); is {
				return exact(x.union(boolTerm(v))), true
			}
			return bound{none, x.odd}, true
		}
		return other, true
	case x.terms != nil:
		return x.testTerms(t), true
	case x.text != nil:
		return x.testText(t, other), true
	case x.schema.Type == "integer":
		switch t := t.(type) {
		case Equal:
			if v, is := t.Value.(int64); is {
				return exact(x.order.equal(intKey(v))), true
			}
			return bound{none, x.odd}, true
		case Any:
			in := x.equals(t.Ints)
			return bound{in, x.orOdd(in, len(t.Strings) > 0)}, true
		case Except:
			return x.except(x.equals(t.Ints)), true
		case Range:
			in := ranged(x.order, bounds[float64](t), func(k uint64) float64 { return float64(keyInt(k)) })
			return bound{in, x.orOdd(in, true)}, true
		case Times, GeoBox, GeoRadius, GeoPolygon, Text, TextAny, Phrase, Prefix:
			return bound{none, x.odd}, true
		}
	case x.schema.Type == "float":
		switch t := t.(type) {
		case Equal:
			if v, is := t.Value.(int64); is {
				return bound{none, x.order.equal(floatKey(float64(v)))}, true
			}
			return bound{none, x.odd}, true
		case Range:
			return exact(ranged(x.order, bounds[float64](t), keyFloat)), true
		case Times, GeoBox, GeoRadius, GeoPolygon, Text, TextAny, Phrase, Prefix:
			return bound{none, x.odd}, true
		}
	case x.schema.Type == "datetime":
		if t, is := t.(Times); is {
			return exact(ranged(x.order, bounds[int64](t.micros()), keyInt)), true
		}
	case x.schema.Type == "geo":
		var b bound
		switch t := t.(type) {
		case GeoBox:
			b = x.places(t.cell, t.cell)
		case GeoRadius:
			b = x.places(t.cell, t.quick)
		case GeoPolygon:
			b = x.places(t.cell, t.cell)
		default:
			return other, true
		}
		return bound{b.lo, x.orOdd(b.hi, true)}, true
	}
	return other, true
}

// ranged returns the slots with a key whose number is within bounds.
func ranged[T int64 | float64](o *ordered, b bounds[T], number func(key uint64) T) *roaring.Bitmap {
	return o.between(
		func(k uint64) bool { return within(number(k), nil, b.Gt, b.Gte, nil) },
		func(k uint64) bool { return !within(number(k), b.Lt, nil, nil, b.Lte) })
}

// equals returns the slots with one of some integers.
func (x *Index) equals(list []int64) *roaring.Bitmap {
	parts := make([]*roaring.Bitmap, len(list))
	for i, v := range list {
		parts[i] = x.order.equal(intKey(v))
	}
	return roaring.FastOr(parts...)
}

func (x *Index) orOdd(b *roaring.Bitmap, odd bool) *roaring.Bitmap {
	if odd && !x.odd.IsEmpty() {
		return roaring.Or(b, x.odd)
	}
	return b
}

// except bounds the slots with a value other than some that those of in have.
func (x *Index) except(in *roaring.Bitmap) bound {
	lo := roaring.AndNot(x.held, in)
	return bound{lo, roaring.FastOr(lo, roaring.And(in, x.many), x.odd)}
}

// union returns the slots with one of some terms.
func (x *Index) union(terms ...string) *roaring.Bitmap {
	out := roaring.New()
	for _, s := range terms {
		if t := x.terms[s]; t != nil {
			t.AddTo(out)
		}
	}
	return out
}

// scan returns the slots with a term for which ok is true.
func (x *Index) scan(ok func(string) bool) *roaring.Bitmap {
	out := roaring.New()
	for s, t := range x.terms {
		if ok(s) {
			t.AddTo(out)
		}
	}
	return out
}

func (x *Index) testTerms(t Test) bound {
	switch t := t.(type) {
	case Equal:
		if s, is := t.Value.(string); is {
			return exact(x.union(s))
		}
		return bound{none, x.odd}
	case Any:
		in := x.union(t.Strings...)
		return bound{in, x.orOdd(in, len(t.Ints) > 0)}
	case Except:
		return x.except(x.union(t.Strings...))
	case Text, TextAny, Phrase, Prefix, Times: // of strings alone, so that what holds for a term holds for its slots
		ok := element(t, nil)
		return exact(x.scan(func(s string) bool { return ok(s) }))
	}
	return bound{none, x.odd}
}

func (x *Index) testText(t Test, other bound) bound {
	lists := func(words []string) [][]uint32 {
		out := make([][]uint32, len(words))
		for i, w := range words {
			out[i] = x.text.Slots(w)
		}
		slices.SortFunc(out, func(a, b []uint32) int { return len(a) - len(b) })
		return out
	}
	all := func(words []string) *roaring.Bitmap {
		out := roaring.New()
		for i, l := range lists(words) {
			if i == 0 {
				out.AddMany(l)
			} else {
				b := roaring.New()
				b.AddMany(l)
				out.And(b)
			}
		}
		return out
	}
	words := x.text.Tokenizer()
	switch t := t.(type) {
	case Text:
		return exact(all(words.Query(string(t))))
	case TextAny:
		out := roaring.New()
		for _, l := range lists(words.Query(string(t))) {
			out.AddMany(l)
		}
		return exact(out)
	case Phrase:
		return bound{none, all(words.Document(string(t)))}
	case Equal:
		if s, is := t.Value.(string); is {
			if w := words.Document(s); len(w) > 0 {
				return bound{none, all(w)}
			}
		}
	case Range, GeoBox, GeoRadius, GeoPolygon:
		return bound{none, x.odd}
	}
	return other
}

// SizeBytes is about what the index takes in memory.
func (x *Index) SizeBytes() int64 {
	n := uint64(0)
	for _, b := range x.sets() {
		n += b.GetSizeInBytes()
	}
	for s, t := range x.terms {
		n += uint64(len(s)) + uint64(unsafe.Sizeof(*t)) + 48 + 4*uint64(min(t.Len(), 1<<16))
	}
	if x.order != nil {
		for _, b := range x.order.blocks {
			n += 12*uint64(cap(b.keys)) + b.bits.GetSizeInBytes()
		}
	}
	return int64(n)
}

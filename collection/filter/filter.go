// Package filter says which points a request is about, by their payload and ID, in the JSON that Qdrant's clients write.
//
//	var f filter.Filter
//	err := json.Unmarshal([]byte(`{"must": {"key": "city", "match": {"value": "Berlin"}}}`), &f)
//	ok := f.Match(p)
//
// [Filter.Match] is the definition. [Fields] holds indexes over payload fields that answer the same for a million
// points at once. A condition on a key looks at every value that the key leads to, and at each element where that value
// is an array; it holds if it does for any of them.
package filter

import (
	"errors"
	"time"

	"github.com/latent-go/latent/collection/point"
)

// ErrFilter says that something is not a filter, or not a key.
var ErrFilter = errors.New("bad filter")

// Filter is a condition on points: every one of Must holds, at least one of Should (if there are any), none of MustNot,
// and as many of MinShould as it asks. The zero Filter lets every point through, and so does a nil one. A *Filter is a
// Condition in another.
type Filter struct {
	Must      []Condition
	Should    []Condition
	MustNot   []Condition
	MinShould *MinShould
}

// MinShould asks that at least MinCount of the conditions hold.
type MinShould struct {
	Conditions []Condition
	MinCount   int // at least 1
}

// Condition is one of Field, IsEmpty, IsNull, HasID, HasVector, Slice, Nested and *Filter.
type Condition interface{ condition() }

// Field asks something of the values of a key.
type Field struct {
	Key  Path
	Test Test
}

// IsEmpty asks that the key leads nowhere, or only to null and empty arrays.
type IsEmpty struct{ Key Path }

// IsNull asks that the key leads to null.
type IsNull struct{ Key Path }

// HasID asks that the point is one of these.
type HasID []point.ID

// HasVector asks that the point has the vector of this name.
type HasVector string

// Slice asks that the point falls into slice Index of Total, by a hash of its ID: SipHash-2-4 with a zero key over the 8
// little-endian bytes of a number or the 16 bytes of a UUID, modulo Total.
type Slice struct {
	Total uint32 `json:"total"`
	Index uint32 `json:"index"`
}

// Nested asks that one object in the array at Key fulfils all of Filter, whose keys start within that object. HasID,
// HasVector and Slice hold for no such object.
type Nested struct {
	Key    Path
	Filter Filter
}

func (Field) condition()     {}
func (IsEmpty) condition()   {}
func (IsNull) condition()    {}
func (HasID) condition()     {}
func (HasVector) condition() {}
func (Slice) condition()     {}
func (Nested) condition()    {}
func (*Filter) condition()   {}

// Test is what a Field asks: one of the types below.
type Test interface{ test() }

// Equal asks for a value: a string, an int64 or a bool.
type Equal struct{ Value any }

// Any asks for one of some values, all strings or all integers.
type Any struct {
	Strings []string
	Ints    []int64
}

// Except asks for a value that is none of these; null is not asked.
type Except struct {
	Strings []string
	Ints    []int64
}

// Text asks that the texts at a key with a text index hold, together, every word of this one; without an index, that one
// of them contains it literally.
type Text string

// TextAny is Text for at least one of the words; without an index these are told apart by white space.
type TextAny string

// Phrase asks that a text holds the words of this one next to each other, in order; without an index it is Text.
type Phrase string

// Prefix asks for strings that start with this one.
type Prefix string

// Range asks for numbers within bounds, each of which may be absent. They are compared as float64.
type Range struct{ Lt, Gt, Gte, Lte *float64 }

// Times asks for times within bounds. A payload has them as strings, of the forms that [ParseTime] reads. They are
// compared to the microsecond.
type Times struct{ Lt, Gt, Gte, Lte *time.Time }

// GeoBox asks for places strictly within a rectangle of longitudes and latitudes. One whose left edge is east of its
// right edge crosses the antimeridian. A payload has a place as an object of lon and lat, in degrees.
type GeoBox struct {
	TopLeft     Geo `json:"top_left"`
	BottomRight Geo `json:"bottom_right"`
}

// GeoRadius asks for places less than Radius metres from Center along the sphere.
type GeoRadius struct {
	Center Geo     `json:"center"`
	Radius float64 `json:"radius"`
}

// GeoPolygon asks for places within a ring, and within none of the inner rings, longitude and latitude taken as plane
// coordinates. A ring has at least four points, of which the last is the first. Places on an edge are outside.
type GeoPolygon struct {
	Exterior  []Geo
	Interiors [][]Geo
}

// Geo is a place, in degrees.
type Geo struct {
	Lon float64 `json:"lon"`
	Lat float64 `json:"lat"`
}

// ValuesCount asks how many values there are: the length of an array, 0 for null or nothing, else 1.
type ValuesCount struct{ Lt, Gt, Gte, Lte *int }

// Empty asks, if true, for nothing, null or an empty array; if false, for anything else.
type Empty bool

// Null asks, if true, for null or an array that has one; if false, for anything else.
type Null bool

func (Equal) test()       {}
func (Any) test()         {}
func (Except) test()      {}
func (Text) test()        {}
func (TextAny) test()     {}
func (Phrase) test()      {}
func (Prefix) test()      {}
func (Range) test()       {}
func (Times) test()       {}
func (GeoBox) test()      {}
func (GeoRadius) test()   {}
func (GeoPolygon) test()  {}
func (ValuesCount) test() {}
func (Empty) test()       {}
func (Null) test()        {}

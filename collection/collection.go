// Package collection keeps points safely and finds them again: durable named collections of vectors with payloads.
//
//	s, err := collection.Open("data", collection.Options{})
//	err = s.Create(ctx, "papers", collection.Config{Vectors: map[string]collection.VectorConfig{
//		"": {Size: 384, Distance: vec.Cosine},
//	}})
//	c, err := s.Collection("papers")
//	version, err := c.Apply(ctx, []collection.Op{collection.Upsert{Points: points}}, true)
//	hits, err := c.Query(ctx, collection.Query{Ask: collection.Nearest{To: collection.Input{Vector: &v}}})
//
// # What is promised
//
// One Apply is one atomic batch: after a crash all of it is there or nothing, and no reader sees a part. When Apply with
// durable true returns nil, the batch is visible and on disk: written to the log and fsynced, one fsync for all that wait at
// the time. With durable false it is visible, and a crash can take what was written within the last Options.FlushInterval;
// never something older while something newer stays. Create, Delete, changes of aliases and of a collection's configuration,
// field indexes and snapshots are on disk when they return nil. After an error of the disk in a write, the collection
// takes no more writes (ErrReadOnly) until it is opened again, and goes on answering.
//
// Points live in Pebble, one database a collection. All else (rows of vectors, graphs, payload indexes) is derived from
// them: it has checksums, says how far it reaches, is caught up from a log of changes, and made again when it is missing,
// stale or damaged, while reads go on. FORMAT.md draws the files.
package collection

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

// Errors that a caller can act on. The text of an error is what a user of Qdrant would read, without its prefix ("Wrong
// input: ", "Not found: "), which goes with the sentinel.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("already exists")
	ErrInput    = errors.New("wrong input")
	ErrReadOnly = errors.New("takes no writes")
	ErrCorrupt  = errors.New("damaged")
)

// failure is an error whose text is its own and whose kinds are sentinels.
type failure struct {
	text  string
	kinds []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.kinds }

func failed(kind error, format string, a ...any) error {
	f := &failure{kinds: []error{kind}}
	for _, v := range a {
		if err, ok := v.(error); ok {
			f.kinds = append(f.kinds, err)
		}
	}
	f.text = fmt.Sprintf(format, a...)
	return f
}

func wrong(format string, a ...any) error { return failed(ErrInput, format, a...) }

// Config is what a collection is made with.
type Config struct {
	Vectors  map[string]VectorConfig // by name; a collection of one unnamed vector has the name ""
	Sparse   map[string]SparseConfig
	Metadata map[string]any // free, the caller's own
	Wire     map[string]any // settings of Qdrant's that have no effect here (optimizers_config …), kept so that they can be told back
}

// VectorConfig is what one named dense vector is.
type VectorConfig struct {
	Size           int
	Distance       vec.Metric
	Multi          bool   // several vectors a point, compared by MaxSim
	Plan           string // a plan (package plan) to hold it to; "" lets the collection choose by its size
	M              int    // of the graph; 0 means the recommended
	EfConstruction int
	Effort         int // efSearch or nprobe of searches that name none; 0 means the recommended
}

// SparseConfig is what one named sparse vector is.
type SparseConfig struct {
	IDF bool // multiply a query's values with the inverse document frequency
}

// Hit is a point that a query found.
type Hit struct {
	point.Point
	Version uint64
	Score   float32 // as Qdrant has it: similarity for cosine and inner product, distance for Euclidean and Manhattan
	Order   any     // the value that OrderBy went by: an int64, a float64, of a time its microseconds since 1970; else nil
}

const (
	maxName = 255
	maxSize = 65536 // dimensions of a vector, as in Qdrant
)

// checkName refuses names of collections and aliases that could be taken for something else: a path, a device, a query.
func checkName(what, name string) error {
	switch {
	case name == "":
		return wrong("%s name cannot be empty", what)
	case len(name) > maxName:
		return wrong("%s name has %d bytes, at most %d are allowed", what, len(name), maxName)
	case name == "." || name == "..":
		return wrong("%s name cannot be %q", what, name)
	case !utf8.ValidString(name):
		return wrong("%s name %q is not UTF-8", what, name)
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`<>:"/\|?*`, r) {
			return wrong("%s name cannot contain %q char", what, r)
		}
	}
	return nil
}

func (c Config) check() error {
	if len(c.Vectors) == 0 && len(c.Sparse) == 0 {
		return nil // as Qdrant: a collection of payloads alone
	}
	for name, v := range c.Vectors {
		if err := v.check(name); err != nil {
			return err
		}
		if _, ok := c.Sparse[name]; ok {
			return wrong("vector name %q is both dense and sparse", name)
		}
	}
	for name := range c.Sparse {
		if err := checkVectorName(name); err != nil {
			return err
		}
		if name == "" {
			return wrong("a sparse vector needs a name")
		}
	}
	if _, ok := c.Vectors[""]; ok && len(c.Vectors) > 1 {
		return wrong("either one unnamed vector or named ones: got %q", slices.Sorted(maps.Keys(c.Vectors)))
	}
	return nil
}

func checkVectorName(name string) error {
	if len(name) > maxName || !utf8.ValidString(name) {
		return wrong("vector name %.40q: at most %d bytes of UTF-8 are allowed", name, maxName)
	}
	return nil
}

func (v VectorConfig) check(name string) error {
	if err := checkVectorName(name); err != nil {
		return err
	}
	switch {
	case v.Size < 1 || v.Size > maxSize:
		return wrong("vector %q: size is %d, must be from 1 to %d", name, v.Size, maxSize)
	case v.Distance > vec.Manhattan:
		return wrong("vector %q: unknown distance %v", name, v.Distance)
	case v.M < 0 || v.M == 1 || v.M > 512:
		return wrong("vector %q: m is %d, must be from 2 to 512, or 0 for the recommended", name, v.M)
	case v.Effort < 0 || v.Effort > math.MaxInt32:
		return wrong("vector %q: effort is %d, must be positive", name, v.Effort)
	case v.EfConstruction < 0 || v.EfConstruction > math.MaxInt32:
		return wrong("vector %q: ef_construct is %d, must be positive", name, v.EfConstruction)
	}
	if v.Plan != "" {
		p, err := plan.Parse(v.Plan)
		if err != nil {
			return wrong("vector %q: %v", name, err)
		}
		if v.Multi {
			return wrong("vector %q: several vectors a point are not searched by a plan; leave plan empty", name)
		}
		if p.Order != "" {
			return wrong("vector %q: plan %q orders rows before they are inserted, but a collection inserts them as they come; leave the order out", name, v.Plan)
		}
		if err := p.Fits(math.MaxInt32, v.Size, v.Distance); err != nil {
			return wrong("vector %q: %v", name, err)
		}
	}
	return nil
}

func (c Config) clone() Config {
	c.Vectors, c.Sparse = maps.Clone(c.Vectors), maps.Clone(c.Sparse)
	c.Metadata, c.Wire = maps.Clone(c.Metadata), maps.Clone(c.Wire)
	return c
}

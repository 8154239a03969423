package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/plan"
	"github.com/latent-go/latent/vec"
)

// CreateCollection is what a collection is made with, in Qdrant's terms. Settings that mean nothing here (replicas, the
// optimizer, quantization, which a plan decides) are kept and told back, so that tools that compare them find what they set.
type CreateCollection struct {
	Vectors  Vectors                 `json:"vectors"`
	Sparse   map[string]SparseParams `json:"sparse_vectors"`
	HNSW     *HNSW                   `json:"hnsw_config"`
	Metadata map[string]any          `json:"metadata"`

	OptimizersConfig       map[string]any `json:"optimizers_config"`
	WALConfig              map[string]any `json:"wal_config"`
	QuantizationConfig     map[string]any `json:"quantization_config"`
	StrictModeConfig       map[string]any `json:"strict_mode_config"`
	ShardNumber            *uint32        `json:"shard_number"`
	ReplicationFactor      *uint32        `json:"replication_factor"`
	WriteConsistencyFactor *uint32        `json:"write_consistency_factor"`
	OnDiskPayload          *bool          `json:"on_disk_payload"`
	ShardingMethod         *string        `json:"sharding_method"`
}

// Vectors are the dense vectors of a collection by name; one without a name has the name "" and is written bare.
type Vectors map[string]VectorParams

// VectorParams is one dense vector.
type VectorParams struct {
	Size         uint64         `json:"size"`
	Distance     string         `json:"distance"`
	HNSW         *HNSW          `json:"hnsw_config,omitempty"`
	Quantization map[string]any `json:"quantization_config,omitempty"`
	OnDisk       *bool          `json:"on_disk,omitempty"`
	Datatype     *string        `json:"datatype,omitempty"`
	Memory       any            `json:"memory,omitempty"`
	Multi        *Multi         `json:"multivector_config,omitempty"`
	Plan         string         `json:"plan,omitempty"` // ours: hold the vector to this plan
}

// Multi says that a point has several vectors of one name.
type Multi struct {
	Comparator string `json:"comparator"` // max_sim
}

// HNSW are the settings of the graph.
type HNSW struct {
	M                  *int  `json:"m,omitempty"`
	EfConstruct        *int  `json:"ef_construct,omitempty"`
	FullScanThreshold  *int  `json:"full_scan_threshold,omitempty"`
	MaxIndexingThreads *int  `json:"max_indexing_threads,omitempty"`
	OnDisk             *bool `json:"on_disk,omitempty"`
	PayloadM           *int  `json:"payload_m,omitempty"`
	InlineStorage      *bool `json:"inline_storage,omitempty"`
	Memory             any   `json:"memory,omitempty"`
}

// SparseParams is one sparse vector.
type SparseParams struct {
	Modifier string         `json:"modifier,omitempty"` // "", none or idf
	Index    map[string]any `json:"index,omitempty"`
}

// UnmarshalJSON reads one vector, or an object of them by name.
func (v *Vectors) UnmarshalJSON(b []byte) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	*v = Vectors{}
	size := bytes.TrimSpace(m["size"])
	if _, named := m["distance"]; named || len(size) > 0 && size[0] != '{' {
		p, err := params(b)
		(*v)[""] = p
		return err
	}
	for name, raw := range m {
		p, err := params(raw)
		if err != nil {
			return err
		}
		(*v)[name] = p
	}
	return nil
}

func params(b []byte) (p VectorParams, err error) {
	var has struct{ Size, Distance json.RawMessage }
	if err := json.Unmarshal(b, &has); err != nil {
		return p, err
	}
	switch {
	case has.Size == nil:
		return p, fmt.Errorf("missing field `size`")
	case has.Distance == nil:
		return p, fmt.Errorf("missing field `distance`")
	}
	return p, json.Unmarshal(b, &p)
}

// MarshalJSON writes what UnmarshalJSON reads.
func (v Vectors) MarshalJSON() ([]byte, error) {
	if p, ok := v[""]; ok && len(v) == 1 {
		return json.Marshal(p)
	}
	return json.Marshal(map[string]VectorParams(v))
}

// Distances are Qdrant's names.
var distances = map[string]vec.Metric{"Cosine": vec.Cosine, "Euclid": vec.Euclidean, "Dot": vec.InnerProduct, "Manhattan": vec.Manhattan}

// DistanceName is Qdrant's name of m.
func DistanceName(m vec.Metric) string {
	for name, d := range distances {
		if d == m {
			return name
		}
	}
	return m.String()
}

// Limits of Qdrant's, and what its defaults are told as.
const (
	maxSize       = 65536
	defaultM      = 16
	defaultEf     = 200
	badNameChars  = "<>:\"/\\|?*\x00\x1f"
	maxName       = 255
	maxVectorName = 200
)

// CheckName refuses what cannot be the name of a new collection.
func CheckName(name string) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > maxName {
		return Errorf(Invalid, "Validation error in path parameters: [collection_name: value \"%.20s\" invalid, must be from 1 to %d characters]", name, maxName)
	}
	if i := strings.IndexAny(name, badNameChars); i >= 0 {
		return Errorf(Invalid, "Validation error in path parameters: [collection_name: collection name cannot contain %q char]", name[i:i+1])
	}
	if name == "." || name == ".." || !utf8.ValidString(name) {
		return Errorf(Invalid, "Validation error in path parameters: [collection_name: %q cannot be the name of a collection]", name)
	}
	return nil
}

// Config checks c and turns it into what a collection is made with.
func (c *CreateCollection) Config() (collection.Config, error) {
	out := collection.Config{Vectors: map[string]collection.VectorConfig{}, Sparse: map[string]collection.SparseConfig{}, Metadata: c.Metadata}
	if err := c.HNSW.check("hnsw_config"); err != nil {
		return out, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Vectors)) {
		v, err := c.Vectors[name].config(name, c.HNSW)
		if err != nil {
			return out, err
		}
		out.Vectors[name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sparse)) {
		if _, dense := out.Vectors[name]; dense {
			return out, Errorf(BadInput, "Vector name `%s` is used for both a dense and a sparse vector", name)
		}
		s, err := c.Sparse[name].config(name)
		if err != nil {
			return out, err
		}
		out.Sparse[name] = s
	}
	if c.ShardingMethod != nil && *c.ShardingMethod != "auto" {
		return out, Errorf(Unsupported, "sharding_method %s: a collection here is one shard", *c.ShardingMethod)
	}
	var err error
	out.Wire, err = c.kept()
	return out, err
}

// Settings that are kept in Config.Wire under Qdrant's names.
func (c *CreateCollection) kept() (map[string]any, error) {
	k := *c
	k.Metadata = nil
	var wire map[string]any
	b, err := json.Marshal(k)
	if err == nil {
		err = json.Unmarshal(b, &wire)
	}
	for name, v := range wire {
		if m, empty := v.(map[string]any); v == nil || empty && len(m) == 0 {
			delete(wire, name)
		}
	}
	return wire, err
}

func (p VectorParams) config(name string, general *HNSW) (collection.VectorConfig, error) {
	field := "vectors"
	if name != "" {
		field += "." + name
		if err := checkVectorName(name); err != nil {
			return collection.VectorConfig{}, err
		}
	}
	d, ok := distances[p.Distance]
	switch {
	case !ok:
		return collection.VectorConfig{}, Errorf(BadFormat, "Format error in JSON body: unknown variant `%s`, expected one of `Cosine`, `Euclid`, `Dot`, `Manhattan`", p.Distance)
	case p.Size < 1 || p.Size > maxSize:
		return collection.VectorConfig{}, Refuse(field+".size", "value %d invalid, must be from 1 to %d", p.Size, maxSize)
	case p.Multi != nil && p.Multi.Comparator != "max_sim":
		return collection.VectorConfig{}, Errorf(BadFormat, "Format error in JSON body: unknown variant `%s`, expected `max_sim`", p.Multi.Comparator)
	}
	if err := p.HNSW.check(field + ".hnsw_config"); err != nil {
		return collection.VectorConfig{}, err
	}
	if p.Plan != "" {
		if _, err := plan.Parse(p.Plan); err != nil {
			return collection.VectorConfig{}, Refuse(field+".plan", "%v", err)
		}
	}
	v := collection.VectorConfig{Size: int(p.Size), Distance: d, Multi: p.Multi != nil, Plan: p.Plan}
	for _, h := range []*HNSW{general, p.HNSW} {
		if h != nil {
			v.M, v.EfConstruction = or(h.M, v.M), or(h.EfConstruct, v.EfConstruction)
		}
	}
	return v, nil
}

func (p SparseParams) config(name string) (collection.SparseConfig, error) {
	if err := checkVectorName(name); err != nil {
		return collection.SparseConfig{}, err
	}
	if p.Modifier != "" && p.Modifier != "none" && p.Modifier != "idf" {
		return collection.SparseConfig{}, Errorf(BadFormat, "Format error in JSON body: unknown variant `%s`, expected `none` or `idf`", p.Modifier)
	}
	return collection.SparseConfig{IDF: p.Modifier == "idf"}, nil
}

func (h *HNSW) check(field string) error {
	if h == nil {
		return nil
	}
	if h.M != nil && (*h.M < 0 || *h.M > 512) {
		return Refuse(field+".m", "value %d invalid, must be from 0 to 512", *h.M)
	}
	if h.EfConstruct != nil && (*h.EfConstruct < 4 || *h.EfConstruct > 10000) {
		return Refuse(field+".ef_construct", "value %d invalid, must be from 4 to 10000", *h.EfConstruct)
	}
	return nil
}

func checkVectorName(name string) error {
	if len(name) > maxVectorName {
		return Refuse("vector_name", "vector name must be at most %d bytes long", maxVectorName)
	}
	if i := strings.IndexAny(name, badNameChars); i >= 0 {
		return Refuse("vector_name", "vector name cannot contain %q char", name[i:i+1])
	}
	return nil
}

func or[T any](p *T, other T) T {
	if p != nil {
		return *p
	}
	return other
}

// Told is what was kept of a collection's settings, with the vectors that it has now.
func Told(cfg collection.Config) CreateCollection {
	var c CreateCollection
	if b, err := json.Marshal(cfg.Wire); err == nil {
		json.Unmarshal(b, &c) // it was written by kept, and what cannot be read is not told
	}
	kept, sparse := c.Vectors, c.Sparse
	c.Vectors, c.Sparse, c.Metadata = Vectors{}, map[string]SparseParams{}, cfg.Metadata
	for name, v := range cfg.Vectors {
		p := kept[name]
		p.Size, p.Distance, p.Plan = uint64(v.Size), DistanceName(v.Distance), v.Plan
		if p.Multi = nil; v.Multi {
			p.Multi = &Multi{"max_sim"}
		}
		c.Vectors[name] = p
	}
	for name, s := range cfg.Sparse {
		p := sparse[name]
		if p.Modifier = ""; s.IDF {
			p.Modifier = "idf"
		}
		c.Sparse[name] = p
	}
	return c
}

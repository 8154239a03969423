package wire

import (
	"encoding/json"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
)

// Info is what a collection tells of itself, in Qdrant's terms.
type Info struct {
	Status         string           `json:"status"`
	Optimizer      any              `json:"optimizer_status"` // "ok" or {"error": why}
	IndexedVectors int              `json:"indexed_vectors_count"`
	Points         int              `json:"points_count"`
	Segments       int              `json:"segments_count"`
	Config         Config           `json:"config"`
	Schema         map[string]Field `json:"payload_schema"`
}

// Config is a collection's settings: those it was given, and for the others what Qdrant has.
type Config struct {
	Params       Params         `json:"params"`
	HNSW         HNSW           `json:"hnsw_config"`
	Optimizer    map[string]any `json:"optimizer_config"`
	WAL          map[string]any `json:"wal_config"`
	Quantization map[string]any `json:"quantization_config"`
	StrictMode   map[string]any `json:"strict_mode_config,omitempty"`
	Metadata     map[string]any `json:"metadata,omitempty"`
}

// Params are the settings that make a collection what it is.
type Params struct {
	Vectors          Vectors                 `json:"vectors,omitempty"`
	Sparse           map[string]SparseParams `json:"sparse_vectors,omitempty"`
	Shards           uint32                  `json:"shard_number"`
	Replicas         uint32                  `json:"replication_factor"`
	WriteConsistency uint32                  `json:"write_consistency_factor"`
	OnDiskPayload    bool                    `json:"on_disk_payload"`
}

// Field is an index over a payload field.
type Field struct {
	Type   string          `json:"data_type"`
	Params json.RawMessage `json:"params,omitempty"`
	Points int             `json:"points"`
}

// InfoOf asks a collection.
func InfoOf(c *collection.Collection) (Info, error) {
	i, err := c.Info()
	if err != nil {
		return Info{}, err
	}
	told := Told(c.Config())
	out := Info{
		Status: string(i.Status), Optimizer: "ok",
		IndexedVectors: i.IndexedVectors, Points: i.Points, Segments: i.Segments,
		Config: Config{
			Params: Params{
				Vectors: told.Vectors, Sparse: told.Sparse, Shards: 1, Replicas: or(told.ReplicationFactor, 1),
				WriteConsistency: or(told.WriteConsistencyFactor, 1), OnDiskPayload: or(told.OnDiskPayload, true),
			},
			HNSW: told.hnsw(),
			Optimizer: over(map[string]any{"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0,
				"flush_interval_sec": 5, "indexing_threshold": 10000}, told.OptimizersConfig),
			WAL:          over(map[string]any{"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1}, told.WALConfig),
			Quantization: told.QuantizationConfig, StrictMode: told.StrictModeConfig, Metadata: told.Metadata,
		},
		Schema: map[string]Field{},
	}
	if i.OptimizerError != "" {
		out.Optimizer = map[string]string{"error": i.OptimizerError}
	}
	for name, f := range i.Fields {
		var schema filter.Schema
		if err := json.Unmarshal(f.Schema, &schema); err != nil {
			return out, err
		}
		out.Schema[name] = Field{Type: schema.Type, Params: schema.Params, Points: f.Points}
	}
	return out, nil
}

// hnsw are the general settings of graphs, with what a plan without settings has.
func (c *CreateCollection) hnsw() HNSW {
	var h HNSW
	if c.HNSW != nil {
		h = *c.HNSW
	}
	h.M, h.EfConstruct = pointer(or(h.M, defaultM)), pointer(or(h.EfConstruct, defaultEf))
	h.FullScanThreshold, h.MaxIndexingThreads = pointer(or(h.FullScanThreshold, 10000)), pointer(or(h.MaxIndexingThreads, 0))
	h.OnDisk = pointer(or(h.OnDisk, false))
	return h
}

func pointer[T any](v T) *T { return &v }

// over is base with what changes has and is not null.
func over(base, changes map[string]any) map[string]any {
	for k, v := range changes {
		if v != nil {
			base[k] = v
		}
	}
	return base
}

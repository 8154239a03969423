package wire

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/latent-go/latent/collection"
)

// UpdateCollection is what changes of a collection's settings, in Qdrant's terms.
type UpdateCollection struct {
	Vectors  map[string]VectorChange `json:"vectors"`
	Sparse   map[string]SparseParams `json:"sparse_vectors"`
	HNSW     *HNSW                   `json:"hnsw_config"`
	Metadata map[string]any          `json:"metadata"` // merged with what there is; {} removes it

	OptimizersConfig   map[string]any `json:"optimizers_config"`
	QuantizationConfig any            `json:"quantization_config"` // an object, or "Disabled"
	StrictModeConfig   map[string]any `json:"strict_mode_config"`
	Params             *struct {
		ReplicationFactor      *uint32 `json:"replication_factor"`
		WriteConsistencyFactor *uint32 `json:"write_consistency_factor"`
		OnDiskPayload          *bool   `json:"on_disk_payload"`
	} `json:"params"`
}

// VectorChange is what changes of a dense vector.
type VectorChange struct {
	HNSW         *HNSW   `json:"hnsw_config"`
	Quantization any     `json:"quantization_config"`
	OnDisk       *bool   `json:"on_disk"`
	Plan         *string `json:"plan"` // ours; "" lets the collection choose
}

// updating is held from reading settings to replacing them. Changes are rare: one lock does for all collections.
var updating sync.Mutex

// Apply changes the settings of c.
func (u *UpdateCollection) Apply(ctx context.Context, c *collection.Collection) error {
	if err := u.HNSW.check("hnsw_config"); err != nil {
		return err
	}
	updating.Lock()
	defer updating.Unlock()
	cfg := c.Config()
	told := Told(cfg)
	for _, name := range slices.Sorted(maps.Keys(u.Vectors)) {
		p, ok := told.Vectors[name]
		if !ok {
			return Errorf(BadInput, "Not existing vector name error: %s", name)
		}
		ch := u.Vectors[name]
		p.HNSW, p.Quantization, p.OnDisk = merge(p.HNSW, ch.HNSW), quantized(p.Quantization, ch.Quantization), first(ch.OnDisk, p.OnDisk)
		p.Plan = or(ch.Plan, p.Plan)
		told.Vectors[name] = p
	}
	for _, name := range slices.Sorted(maps.Keys(u.Sparse)) {
		if _, ok := told.Sparse[name]; !ok {
			return Errorf(BadInput, "Not existing vector name error: %s", name)
		}
		told.Sparse[name] = u.Sparse[name]
	}
	told.HNSW = merge(told.HNSW, u.HNSW)
	told.QuantizationConfig = quantized(told.QuantizationConfig, u.QuantizationConfig)
	told.OptimizersConfig = merged(told.OptimizersConfig, u.OptimizersConfig)
	told.StrictModeConfig = merged(told.StrictModeConfig, u.StrictModeConfig)
	if u.Metadata != nil {
		if told.Metadata = merged(told.Metadata, u.Metadata); len(u.Metadata) == 0 {
			told.Metadata = nil
		}
	}
	if p := u.Params; p != nil {
		told.ReplicationFactor = first(p.ReplicationFactor, told.ReplicationFactor)
		told.WriteConsistencyFactor = first(p.WriteConsistencyFactor, told.WriteConsistencyFactor)
		told.OnDiskPayload = first(p.OnDiskPayload, told.OnDiskPayload)
	}
	next, err := told.Config()
	if err != nil {
		return err
	}
	for name, v := range next.Vectors {
		if old := cfg.Vectors[name]; old.Plan == v.Plan { // what a tuning found for it
			v.Effort = old.Effort
			next.Vectors[name] = v
		}
	}
	return c.SetConfig(ctx, next)
}

func first[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

func merge(base, change *HNSW) *HNSW {
	if base == nil || change == nil {
		return first(change, base)
	}
	m := *base
	m.M, m.EfConstruct = first(change.M, m.M), first(change.EfConstruct, m.EfConstruct)
	m.FullScanThreshold, m.MaxIndexingThreads = first(change.FullScanThreshold, m.FullScanThreshold), first(change.MaxIndexingThreads, m.MaxIndexingThreads)
	m.OnDisk, m.PayloadM, m.InlineStorage = first(change.OnDisk, m.OnDisk), first(change.PayloadM, m.PayloadM), first(change.InlineStorage, m.InlineStorage)
	return &m
}

func merged(base, change map[string]any) map[string]any {
	out := map[string]any{}
	return over(over(out, base), change)
}

func quantized(base map[string]any, change any) map[string]any {
	switch change := change.(type) {
	case map[string]any:
		return change
	case string: // Disabled
		return nil
	}
	return base
}

// VectorName is a vector that a collection gets later.
type VectorName struct {
	Dense  json.RawMessage `json:"dense"`
	Sparse *SparseParams   `json:"sparse"`
}

// Add gives c the vector. One that is there already, and the same, is no error.
func (v *VectorName) Add(ctx context.Context, c *collection.Collection, name string) error {
	if name == "" {
		return Refuse("vector_name", "must not be empty")
	}
	cfg := c.Config()
	switch {
	case v.Dense != nil:
		p, err := params(v.Dense)
		if err != nil {
			return Errorf(BadFormat, "Format error in JSON body: %v", err)
		}
		dense, err := p.config(name, nil)
		if err != nil {
			return err
		}
		err = c.AddVector(ctx, name, dense)
		if have, ok := cfg.Vectors[name]; ok && have == dense && errors.Is(err, collection.ErrExists) {
			return nil
		}
		return err
	case v.Sparse != nil:
		sparse, err := v.Sparse.config(name)
		if err != nil {
			return err
		}
		err = c.AddSparse(ctx, name, sparse)
		if have, ok := cfg.Sparse[name]; ok && have == sparse && errors.Is(err, collection.ErrExists) {
			return nil
		}
		return err
	}
	return Errorf(BadFormat, "Format error in JSON body: data did not match any variant of untagged enum VectorNameConfig: want `dense` or `sparse`")
}

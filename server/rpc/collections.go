package rpc

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/server/wire"
)

type collections struct {
	qdrant.UnimplementedCollectionsServer
	s *service
}

func done(start time.Time, err error) (*qdrant.CollectionOperationResponse, error) {
	if err != nil {
		return nil, err
	}
	return &qdrant.CollectionOperationResponse{Result: true, Time: timed(start)}, nil
}

// kept is a message of settings as a JSON object under the names of the protocol, which are those of REST; nil if there is
// no message, or nothing in it.
func kept(m proto.Message) map[string]any {
	out := map[string]any{}
	r := m.ProtoReflect()
	if !r.IsValid() {
		return nil
	}
	r.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := strings.TrimPrefix(string(f.Name()), "deprecated_")
		switch {
		case f.IsList() || f.IsMap():
		case f.Message() != nil:
			if o := kept(v.Message().Interface()); len(o) > 0 {
				out[name] = o
			}
		case f.Enum() != nil:
			if e := f.Enum().Values().ByNumber(v.Enum()); e != nil {
				out[name] = strings.ToLower(string(e.Name()))
			}
		default:
			out[name] = v.Interface()
		}
		return true
	})
	if len(out) == 0 {
		return nil
	}
	return out
}

// fill sets what it can of a message of settings from a JSON object.
func fill[M proto.Message](m M, o map[string]any) M {
	for name, v := range o {
		if _, nested := v.(map[string]any); nested || name == "max_optimization_threads" || v == nil {
			continue
		}
		b, err := json.Marshal(map[string]any{name: v})
		if err != nil {
			continue
		}
		one := m.ProtoReflect().New().Interface()
		if (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, one) == nil { // what REST has and the protocol has not stays out
			proto.Merge(m, one)
		}
	}
	return m
}

func number[T, F int | int32 | uint32 | uint64](p *F) *T {
	if p == nil {
		return nil
	}
	n := T(*p)
	return &n
}

// small is number for what a client sends: no int is made of what is none.
func small(p *uint64) *int {
	if p == nil {
		return nil
	}
	n := int(min(*p, 1<<31-1))
	return &n
}

func hnsw(h *qdrant.HnswConfigDiff) *wire.HNSW {
	if h == nil {
		return nil
	}
	return &wire.HNSW{M: small(h.M), EfConstruct: small(h.EfConstruct), FullScanThreshold: small(h.FullScanThreshold),
		MaxIndexingThreads: small(h.MaxIndexingThreads), OnDisk: h.OnDisk, PayloadM: small(h.PayloadM), InlineStorage: h.InlineStorage}
}

func toHNSW(h *wire.HNSW) *qdrant.HnswConfigDiff {
	if h == nil {
		return nil
	}
	return &qdrant.HnswConfigDiff{M: number[uint64](h.M), EfConstruct: number[uint64](h.EfConstruct), FullScanThreshold: number[uint64](h.FullScanThreshold),
		MaxIndexingThreads: number[uint64](h.MaxIndexingThreads), OnDisk: h.OnDisk, PayloadM: number[uint64](h.PayloadM), InlineStorage: h.InlineStorage}
}

var distances = map[qdrant.Distance]string{qdrant.Distance_Cosine: "Cosine", qdrant.Distance_Euclid: "Euclid", qdrant.Distance_Dot: "Dot", qdrant.Distance_Manhattan: "Manhattan"}

// named is the value of an enum by its name, whatever its case; 0 and false if there is none.
func named[E ~int32](names map[int32]string, name string) (E, bool) {
	for n, s := range names {
		if strings.EqualFold(s, name) {
			return E(n), true
		}
	}
	return 0, false
}

func vectorParams(p *qdrant.VectorParams) wire.VectorParams {
	out := wire.VectorParams{Size: p.GetSize(), Distance: distances[p.GetDistance()], HNSW: hnsw(p.GetHnswConfig()), OnDisk: p.OnDisk,
		Quantization: quantized(p.GetQuantizationConfig())}
	if p.GetMultivectorConfig() != nil {
		out.Multi = &wire.Multi{Comparator: "max_sim"}
	}
	if p.Datatype != nil && *p.Datatype != qdrant.Datatype_Default {
		name := strings.ToLower(p.Datatype.String())
		out.Datatype = &name
	}
	return out
}

func toVectorParams(p wire.VectorParams) *qdrant.VectorParams {
	out := &qdrant.VectorParams{Size: p.Size, Distance: qdrant.Distance(qdrant.Distance_value[p.Distance]), HnswConfig: toHNSW(p.HNSW), OnDisk: p.OnDisk,
		QuantizationConfig: toQuantization(p.Quantization)}
	if p.Multi != nil {
		out.MultivectorConfig = &qdrant.MultiVectorConfig{Comparator: qdrant.MultiVectorComparator_MaxSim}
	}
	if p.Datatype != nil {
		if d, ok := named[qdrant.Datatype](qdrant.Datatype_name, *p.Datatype); ok {
			out.Datatype = &d
		}
	}
	return out
}

func vectorsConfig(v *qdrant.VectorsConfig) wire.Vectors {
	out := wire.Vectors{}
	switch c := v.GetConfig().(type) {
	case *qdrant.VectorsConfig_Params:
		out[""] = vectorParams(c.Params)
	case *qdrant.VectorsConfig_ParamsMap:
		for name, p := range c.ParamsMap.GetMap() {
			out[name] = vectorParams(p)
		}
	}
	return out
}

func sparseConfig(s *qdrant.SparseVectorConfig) map[string]wire.SparseParams {
	out := map[string]wire.SparseParams{}
	for name, p := range s.GetMap() {
		out[name] = sparseParams(p.GetModifier())
	}
	return out
}

func sparseParams(m qdrant.Modifier) (out wire.SparseParams) {
	if m == qdrant.Modifier_Idf {
		out.Modifier = "idf"
	}
	return out
}

func (c collections) Create(ctx context.Context, r *qdrant.CreateCollection) (*qdrant.CollectionOperationResponse, error) {
	start := time.Now()
	if err := wire.CheckName(r.GetCollectionName()); err != nil {
		return nil, err
	}
	w := wire.CreateCollection{
		Vectors: vectorsConfig(r.GetVectorsConfig()), Sparse: sparseConfig(r.GetSparseVectorsConfig()), HNSW: hnsw(r.GetHnswConfig()),
		ShardNumber: r.ShardNumber, ReplicationFactor: r.ReplicationFactor, WriteConsistencyFactor: r.WriteConsistencyFactor, OnDiskPayload: r.OnDiskPayload,
		OptimizersConfig: kept(r.GetOptimizersConfig()), WALConfig: kept(r.GetWalConfig()), StrictModeConfig: kept(r.GetStrictModeConfig()),
		QuantizationConfig: quantized(r.GetQuantizationConfig()),
	}
	var err error
	if w.Metadata, err = payload(r.GetMetadata()); err != nil {
		return nil, err
	}
	if r.GetShardingMethod() == qdrant.ShardingMethod_Custom {
		custom := "custom"
		w.ShardingMethod = &custom
	}
	cfg, err := w.Config()
	if err != nil {
		return nil, err
	}
	return done(start, c.s.store.Create(ctx, r.GetCollectionName(), cfg))
}

func (c collections) Update(ctx context.Context, r *qdrant.UpdateCollection) (*qdrant.CollectionOperationResponse, error) {
	start := time.Now()
	col, err := c.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	u := wire.UpdateCollection{HNSW: hnsw(r.GetHnswConfig()), OptimizersConfig: kept(r.GetOptimizersConfig()), StrictModeConfig: kept(r.GetStrictModeConfig()),
		QuantizationConfig: change(r.GetQuantizationConfig()), Vectors: map[string]wire.VectorChange{}}
	if r.Metadata != nil {
		if u.Metadata, err = payload(r.GetMetadata()); err != nil {
			return nil, err
		}
	}
	if r.GetSparseVectorsConfig() != nil {
		u.Sparse = sparseConfig(r.GetSparseVectorsConfig())
	}
	diff := func(d *qdrant.VectorParamsDiff) wire.VectorChange {
		return wire.VectorChange{HNSW: hnsw(d.GetHnswConfig()), OnDisk: d.OnDisk, Quantization: change(d.GetQuantizationConfig())}
	}
	switch v := r.GetVectorsConfig().GetConfig().(type) {
	case *qdrant.VectorsConfigDiff_Params:
		u.Vectors[""] = diff(v.Params)
	case *qdrant.VectorsConfigDiff_ParamsMap:
		for name, d := range v.ParamsMap.GetMap() {
			u.Vectors[name] = diff(d)
		}
	}
	return done(start, u.Apply(ctx, col))
}

func change(q *qdrant.QuantizationConfigDiff) any {
	switch {
	case q == nil:
		return nil
	case q.GetDisabled() != nil:
		return "Disabled"
	}
	return quantized(q)
}

func (c collections) Get(_ context.Context, r *qdrant.GetCollectionInfoRequest) (*qdrant.GetCollectionInfoResponse, error) {
	start := time.Now()
	col, err := c.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	info, err := wire.InfoOf(col)
	if err != nil {
		return nil, err
	}
	return &qdrant.GetCollectionInfoResponse{Result: toInfo(info), Time: timed(start)}, nil
}

func toInfo(i wire.Info) *qdrant.CollectionInfo {
	indexed, points := uint64(i.IndexedVectors), uint64(i.Points)
	params := &qdrant.CollectionParams{ShardNumber: i.Config.Params.Shards, OnDiskPayload: i.Config.Params.OnDiskPayload,
		ReplicationFactor: &i.Config.Params.Replicas, WriteConsistencyFactor: &i.Config.Params.WriteConsistency}
	if one, ok := i.Config.Params.Vectors[""]; ok {
		params.VectorsConfig = qdrant.NewVectorsConfig(toVectorParams(one))
	} else if len(i.Config.Params.Vectors) > 0 {
		m := map[string]*qdrant.VectorParams{}
		for name, p := range i.Config.Params.Vectors {
			m[name] = toVectorParams(p)
		}
		params.VectorsConfig = qdrant.NewVectorsConfigMap(m)
	}
	if len(i.Config.Params.Sparse) > 0 {
		m := map[string]*qdrant.SparseVectorParams{}
		for name, p := range i.Config.Params.Sparse {
			if m[name] = (&qdrant.SparseVectorParams{}); p.Modifier == "idf" {
				m[name].Modifier = qdrant.Modifier_Idf.Enum()
			}
		}
		params.SparseVectorsConfig = qdrant.NewSparseVectorsConfig(m)
	}
	out := &qdrant.CollectionInfo{
		OptimizerStatus: &qdrant.OptimizerStatus{Ok: true}, SegmentsCount: uint64(i.Segments), PointsCount: &points, IndexedVectorsCount: &indexed,
		Config: &qdrant.CollectionConfig{Params: params, HnswConfig: toHNSW(&i.Config.HNSW), Metadata: toPayload(i.Config.Metadata),
			OptimizerConfig: fill(&qdrant.OptimizersConfigDiff{}, i.Config.Optimizer), QuantizationConfig: toQuantization(i.Config.Quantization), WalConfig: fill(&qdrant.WalConfigDiff{}, i.Config.WAL)},
		PayloadSchema: map[string]*qdrant.PayloadSchemaInfo{},
	}
	if e, ok := i.Optimizer.(map[string]string); ok {
		out.OptimizerStatus = &qdrant.OptimizerStatus{Error: e["error"]}
	}
	out.Status, _ = named[qdrant.CollectionStatus](qdrant.CollectionStatus_name, i.Status)
	for name, f := range i.Schema {
		points := uint64(f.Points)
		s := &qdrant.PayloadSchemaInfo{Points: &points}
		s.DataType, _ = named[qdrant.PayloadSchemaType](qdrant.PayloadSchemaType_name, f.Type)
		out.PayloadSchema[name] = s
	}
	return out
}

func (c collections) List(context.Context, *qdrant.ListCollectionsRequest) (*qdrant.ListCollectionsResponse, error) {
	start := time.Now()
	out := &qdrant.ListCollectionsResponse{}
	for _, name := range c.s.store.Names() {
		out.Collections = append(out.Collections, &qdrant.CollectionDescription{Name: name})
	}
	out.Time = timed(start)
	return out, nil
}

func (c collections) CollectionExists(_ context.Context, r *qdrant.CollectionExistsRequest) (*qdrant.CollectionExistsResponse, error) {
	start := time.Now()
	_, err := c.s.store.Collection(r.GetCollectionName())
	if err != nil && wire.Of(err).Kind != wire.NotFound {
		return nil, err
	}
	return &qdrant.CollectionExistsResponse{Result: &qdrant.CollectionExists{Exists: err == nil}, Time: timed(start)}, nil
}

func (c collections) Delete(ctx context.Context, r *qdrant.DeleteCollection) (*qdrant.CollectionOperationResponse, error) {
	start := time.Now()
	was, err := c.s.store.Delete(ctx, r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	return &qdrant.CollectionOperationResponse{Result: was, Time: timed(start)}, nil
}

func (c collections) UpdateAliases(ctx context.Context, r *qdrant.ChangeAliases) (*qdrant.CollectionOperationResponse, error) {
	start := time.Now()
	var changes []collection.AliasChange
	for _, a := range r.GetActions() {
		switch v := a.GetAction().(type) {
		case *qdrant.AliasOperations_CreateAlias:
			changes = append(changes, collection.AliasChange{Create: v.CreateAlias.GetAliasName(), Collection: v.CreateAlias.GetCollectionName()})
		case *qdrant.AliasOperations_DeleteAlias:
			changes = append(changes, collection.AliasChange{Delete: v.DeleteAlias.GetAliasName()})
		case *qdrant.AliasOperations_RenameAlias:
			changes = append(changes, collection.AliasChange{Rename: v.RenameAlias.GetOldAliasName(), To: v.RenameAlias.GetNewAliasName()})
		}
		if len(changes) == 0 || changes[len(changes)-1] == (collection.AliasChange{}) {
			return nil, wire.Errorf(wire.BadInput, "Malformed AliasOperation type: want create, delete or rename, with the names")
		}
	}
	return done(start, c.s.store.ChangeAliases(ctx, changes))
}

func (c collections) aliases(start time.Time, of string) *qdrant.ListAliasesResponse {
	all := c.s.store.Aliases()
	out := &qdrant.ListAliasesResponse{}
	for _, a := range slices.Sorted(maps.Keys(all)) {
		if of == "" || all[a] == of {
			out.Aliases = append(out.Aliases, &qdrant.AliasDescription{AliasName: a, CollectionName: all[a]})
		}
	}
	out.Time = timed(start)
	return out
}

func (c collections) ListAliases(context.Context, *qdrant.ListAliasesRequest) (*qdrant.ListAliasesResponse, error) {
	return c.aliases(time.Now(), ""), nil
}

func (c collections) ListCollectionAliases(_ context.Context, r *qdrant.ListCollectionAliasesRequest) (*qdrant.ListAliasesResponse, error) {
	start := time.Now()
	col, err := c.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	return c.aliases(start, col.Name()), nil
}

func (c collections) CollectionClusterInfo(_ context.Context, r *qdrant.CollectionClusterInfoRequest) (*qdrant.CollectionClusterInfoResponse, error) {
	col, err := c.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	info, err := col.Info()
	if err != nil {
		return nil, err
	}
	return &qdrant.CollectionClusterInfoResponse{PeerId: 1, ShardCount: 1,
		LocalShards: []*qdrant.LocalShardInfo{{PointsCount: uint64(info.Points), State: qdrant.ReplicaState_Active}}}, nil
}

// Indexes over fields, and vectors that come and go, are calls of the points service.

func (p points) CreateFieldIndex(ctx context.Context, r *qdrant.CreateFieldIndexCollection) (*qdrant.PointsOperationResponse, error) {
	start := time.Now()
	c, err := p.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	s, err := schema(r)
	if err != nil {
		return nil, err
	}
	return completed(start, c.CreateFieldIndex(ctx, r.GetFieldName(), s))
}

func completed(start time.Time, err error) (*qdrant.PointsOperationResponse, error) {
	if err != nil {
		return nil, err
	}
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{Status: qdrant.UpdateStatus_Completed}, Time: timed(start)}, nil
}

// schema reads the schema of a field by way of its JSON, so that what one may be is said in one place, package filter.
func schema(r *qdrant.CreateFieldIndexCollection) (s filter.Schema, err error) {
	o := map[string]any{}
	if p := r.GetFieldIndexParams(); p != nil {
		for name, v := range kept(p) { // the one that is set
			o, _ = v.(map[string]any)
			o["type"] = strings.TrimSuffix(name, "_index_params")
		}
		if t := p.GetTextIndexParams(); t != nil {
			if t.GetTokenizer() == qdrant.TokenizerType_Unknown {
				delete(o, "tokenizer")
			}
			if w := t.GetStopwords(); w != nil {
				o["stopwords"] = map[string]any{"languages": list(w.GetLanguages()), "custom": list(w.GetCustom())}
			}
			if b := t.GetStemmer().GetSnowball(); b != nil {
				o["stemmer"] = map[string]any{"type": "snowball", "language": strings.ToLower(b.GetLanguage())}
			}
		}
	}
	if len(o) == 0 {
		o["type"] = strings.ToLower(strings.TrimPrefix(r.GetFieldType().String(), "FieldType"))
		if r.FieldType == nil {
			return s, wire.Errorf(wire.BadInput, "field type is missing: want one of %s", strings.Join(filter.Types, ", "))
		}
	}
	b, err := json.Marshal(o)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}

func (p points) DeleteFieldIndex(ctx context.Context, r *qdrant.DeleteFieldIndexCollection) (*qdrant.PointsOperationResponse, error) {
	start := time.Now()
	c, err := p.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	return completed(start, c.DropFieldIndex(ctx, r.GetFieldName()))
}

func (p points) CreateVectorName(ctx context.Context, r *qdrant.CreateVectorNameRequest) (*qdrant.PointsOperationResponse, error) {
	start := time.Now()
	c, err := p.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	var v wire.VectorName
	switch o := r.GetVectorConfig().(type) {
	case *qdrant.CreateVectorNameRequest_DenseConfig:
		d := o.DenseConfig
		if v.Dense, err = json.Marshal(vectorParams(&qdrant.VectorParams{Size: d.GetSize(), Distance: d.GetDistance(), MultivectorConfig: d.GetMultivectorConfig(), Datatype: d.Datatype})); err != nil {
			return nil, err
		}
	case *qdrant.CreateVectorNameRequest_SparseConfig:
		s := sparseParams(o.SparseConfig.GetModifier())
		v.Sparse = &s
	}
	return completed(start, v.Add(ctx, c, r.GetVectorName()))
}

func (p points) DeleteVectorName(ctx context.Context, r *qdrant.DeleteVectorNameRequest) (*qdrant.PointsOperationResponse, error) {
	start := time.Now()
	c, err := p.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	return completed(start, c.DropVector(ctx, r.GetVectorName()))
}

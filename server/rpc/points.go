package rpc

//lint:file-ignore SA1019 older clients send the deprecated fields, and read them

import (
	"cmp"
	"context"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/server/wire"
)

type points struct {
	qdrant.UnimplementedPointsServer
	s *service
}

// Changes.

func (p points) apply(ctx context.Context, name string, wait *bool, ops ...collection.Op) (*qdrant.UpdateResult, error) {
	c, err := p.s.store.Collection(name)
	if err != nil {
		return nil, err
	}
	durable := wait != nil && *wait
	version, err := c.Apply(ctx, ops, durable)
	if err != nil {
		return nil, err
	}
	r := &qdrant.UpdateResult{OperationId: &version, Status: qdrant.UpdateStatus_Acknowledged}
	if durable {
		r.Status = qdrant.UpdateStatus_Completed
	}
	return r, nil
}

// change applies one operation, err being what went wrong in making it.
func (p points) change(ctx context.Context, name string, wait *bool, op collection.Op, err error) (*qdrant.PointsOperationResponse, error) {
	start := time.Now()
	if err != nil {
		return nil, err
	}
	r, err := p.apply(ctx, name, wait, op)
	if err != nil {
		return nil, err
	}
	return &qdrant.PointsOperationResponse{Result: r, Time: timed(start)}, nil
}

func upsert(list []*qdrant.PointStruct, only *qdrant.Filter, mode qdrant.UpdateMode) (collection.Op, error) {
	op := collection.Upsert{Points: make([]point.Point, len(list))}
	switch mode {
	case qdrant.UpdateMode_Upsert:
	case qdrant.UpdateMode_InsertOnly:
		op.Mode = collection.InsertOnly
	case qdrant.UpdateMode_UpdateOnly:
		op.Mode = collection.UpdateOnly
	default:
		return nil, wire.Errorf(wire.BadInput, "unknown update mode %v", mode)
	}
	var err error
	if op.Only, err = filtering(only); err != nil {
		return nil, err
	}
	for i, p := range list {
		if op.Points[i], err = one(p.GetId(), p.GetVectors()); err != nil {
			return nil, err
		}
		if op.Points[i].Payload, err = payload(p.GetPayload()); err != nil {
			return nil, err
		}
	}
	return op, nil
}

func one(i *qdrant.PointId, vs *qdrant.Vectors) (out point.Point, err error) {
	if out.ID, err = id(i); err != nil {
		return out, err
	}
	out.Vectors, err = vectors(vs)
	return out, err
}

func setVectors(list []*qdrant.PointVectors, only *qdrant.Filter) (collection.Op, error) {
	op := collection.SetVectors{Points: make([]point.Point, len(list))}
	var err error
	if op.Only, err = filtering(only); err != nil {
		return nil, err
	}
	for i, p := range list {
		if op.Points[i], err = one(p.GetId(), p.GetVectors()); err != nil {
			return nil, err
		}
	}
	return op, nil
}

func selector(s *qdrant.PointsSelector) (out collection.Selector, err error) {
	switch o := s.GetPointsSelectorOneOf().(type) {
	case *qdrant.PointsSelector_Points:
		out.IDs, err = ids(o.Points.GetIds())
		return out, err
	case *qdrant.PointsSelector_Filter:
		out.Filter, err = filtering(o.Filter)
		if err == nil && out.Filter == nil {
			out.Filter = &filter.Filter{}
		}
		return out, err
	}
	return out, wire.Errorf(wire.BadInput, "Either list of point ids or filter must be provided")
}

func (p points) Upsert(ctx context.Context, r *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	op, err := upsert(r.GetPoints(), r.GetUpdateFilter(), r.GetUpdateMode())
	return p.change(ctx, r.GetCollectionName(), r.Wait, op, err)
}

func (p points) Delete(ctx context.Context, r *qdrant.DeletePoints) (*qdrant.PointsOperationResponse, error) {
	s, err := selector(r.GetPoints())
	return p.change(ctx, r.GetCollectionName(), r.Wait, collection.Delete{Selector: s}, err)
}

func (p points) UpdateVectors(ctx context.Context, r *qdrant.UpdatePointVectors) (*qdrant.PointsOperationResponse, error) {
	op, err := setVectors(r.GetPoints(), r.GetUpdateFilter())
	return p.change(ctx, r.GetCollectionName(), r.Wait, op, err)
}

func (p points) DeleteVectors(ctx context.Context, r *qdrant.DeletePointVectors) (*qdrant.PointsOperationResponse, error) {
	s, err := selector(r.GetPointsSelector())
	return p.change(ctx, r.GetCollectionName(), r.Wait, collection.DeleteVectors{Selector: s, Names: r.GetVectors().GetNames()}, err)
}

func setPayload(m map[string]*qdrant.Value, sel *qdrant.PointsSelector, key string) (collection.Op, error) {
	s, err := selector(sel)
	if err != nil {
		return nil, err
	}
	pl, err := payload(m)
	return collection.SetPayload{Selector: s, Payload: pl, Key: key}, err
}

func overwritePayload(m map[string]*qdrant.Value, sel *qdrant.PointsSelector, key string) (collection.Op, error) {
	if key != "" { // what lies under a key is replaced by setting it
		return setPayload(m, sel, key)
	}
	s, err := selector(sel)
	if err != nil {
		return nil, err
	}
	pl, err := payload(m)
	return collection.OverwritePayload{Selector: s, Payload: pl}, err
}

func (p points) SetPayload(ctx context.Context, r *qdrant.SetPayloadPoints) (*qdrant.PointsOperationResponse, error) {
	op, err := setPayload(r.GetPayload(), r.GetPointsSelector(), r.GetKey())
	return p.change(ctx, r.GetCollectionName(), r.Wait, op, err)
}

func (p points) OverwritePayload(ctx context.Context, r *qdrant.SetPayloadPoints) (*qdrant.PointsOperationResponse, error) {
	op, err := overwritePayload(r.GetPayload(), r.GetPointsSelector(), r.GetKey())
	return p.change(ctx, r.GetCollectionName(), r.Wait, op, err)
}

func (p points) DeletePayload(ctx context.Context, r *qdrant.DeletePayloadPoints) (*qdrant.PointsOperationResponse, error) {
	s, err := selector(r.GetPointsSelector())
	return p.change(ctx, r.GetCollectionName(), r.Wait, collection.DeletePayload{Selector: s, Keys: r.GetKeys()}, err)
}

func (p points) ClearPayload(ctx context.Context, r *qdrant.ClearPayloadPoints) (*qdrant.PointsOperationResponse, error) {
	s, err := selector(r.GetPoints())
	return p.change(ctx, r.GetCollectionName(), r.Wait, collection.ClearPayload{Selector: s}, err)
}

// UpdateBatch applies operations in order, all of them or none.
func (p points) UpdateBatch(ctx context.Context, r *qdrant.UpdateBatchPoints) (*qdrant.UpdateBatchResponse, error) {
	start := time.Now()
	var ops []collection.Op
	for _, o := range r.GetOperations() {
		op, err := operation(o)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	out := &qdrant.UpdateBatchResponse{}
	if len(ops) > 0 {
		res, err := p.apply(ctx, r.GetCollectionName(), r.Wait, ops...)
		if err != nil {
			return nil, err
		}
		for range ops {
			out.Result = append(out.Result, res)
		}
	}
	out.Time = timed(start)
	return out, nil
}

func operation(o *qdrant.PointsUpdateOperation) (collection.Op, error) {
	switch v := o.GetOperation().(type) {
	case *qdrant.PointsUpdateOperation_Upsert:
		return upsert(v.Upsert.GetPoints(), v.Upsert.GetUpdateFilter(), v.Upsert.GetUpdateMode())
	case *qdrant.PointsUpdateOperation_DeletePoints_:
		s, err := selector(v.DeletePoints.GetPoints())
		return collection.Delete{Selector: s}, err
	case *qdrant.PointsUpdateOperation_DeleteDeprecated:
		s, err := selector(v.DeleteDeprecated)
		return collection.Delete{Selector: s}, err
	case *qdrant.PointsUpdateOperation_SetPayload_:
		return setPayload(v.SetPayload.GetPayload(), v.SetPayload.GetPointsSelector(), v.SetPayload.GetKey())
	case *qdrant.PointsUpdateOperation_OverwritePayload_:
		return overwritePayload(v.OverwritePayload.GetPayload(), v.OverwritePayload.GetPointsSelector(), v.OverwritePayload.GetKey())
	case *qdrant.PointsUpdateOperation_DeletePayload_:
		s, err := selector(v.DeletePayload.GetPointsSelector())
		return collection.DeletePayload{Selector: s, Keys: v.DeletePayload.GetKeys()}, err
	case *qdrant.PointsUpdateOperation_ClearPayload_:
		s, err := selector(v.ClearPayload.GetPoints())
		return collection.ClearPayload{Selector: s}, err
	case *qdrant.PointsUpdateOperation_ClearPayloadDeprecated:
		s, err := selector(v.ClearPayloadDeprecated)
		return collection.ClearPayload{Selector: s}, err
	case *qdrant.PointsUpdateOperation_UpdateVectors_:
		return setVectors(v.UpdateVectors.GetPoints(), v.UpdateVectors.GetUpdateFilter())
	case *qdrant.PointsUpdateOperation_DeleteVectors_:
		s, err := selector(v.DeleteVectors.GetPointsSelector())
		return collection.DeleteVectors{Selector: s, Names: v.DeleteVectors.GetVectors().GetNames()}, err
	}
	return nil, wire.Errorf(wire.BadInput, "Operation is missing")
}

// Reads.

func (p points) Get(ctx context.Context, r *qdrant.GetPoints) (*qdrant.GetResponse, error) {
	start := time.Now()
	c, err := p.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	list, err := ids(r.GetIds())
	if err != nil {
		return nil, err
	}
	hits, err := c.Get(ctx, list, allUnless(r.GetWithPayload()), withVectors(r.GetWithVectors()))
	if err != nil {
		return nil, err
	}
	return &qdrant.GetResponse{Result: toRetrieved(hits), Time: timed(start)}, nil
}

func (p points) Scroll(ctx context.Context, r *qdrant.ScrollPoints) (*qdrant.ScrollResponse, error) {
	start := time.Now()
	c, err := p.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	s := collection.Scroll{WithPayload: allUnless(r.GetWithPayload()), WithVector: withVectors(r.GetWithVectors())}
	if s.Filter, err = filtering(r.GetFilter()); err != nil {
		return nil, err
	}
	if s.Limit, err = count("limit", number[uint64](r.Limit), wire.Default, 1); err != nil {
		return nil, err
	}
	if r.Offset != nil {
		from, err := id(r.Offset)
		if err != nil {
			return nil, err
		}
		s.Offset = &from
	}
	if s.OrderBy, err = orderBy(r.GetOrderBy()); err != nil {
		return nil, err
	}
	hits, next, err := c.Scroll(ctx, s)
	if err != nil {
		return nil, err
	}
	out := &qdrant.ScrollResponse{Result: toRetrieved(hits), Time: timed(start)}
	if next != nil {
		out.NextPageOffset = toID(*next)
	}
	return out, nil
}

func (p points) Count(ctx context.Context, r *qdrant.CountPoints) (*qdrant.CountResponse, error) {
	start := time.Now()
	c, err := p.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	f, err := filtering(r.GetFilter())
	if err != nil {
		return nil, err
	}
	n, err := c.Count(ctx, f, r.Exact == nil || *r.Exact)
	if err != nil {
		return nil, err
	}
	return &qdrant.CountResponse{Result: &qdrant.CountResult{Count: uint64(n)}, Time: timed(start)}, nil
}

func (p points) Facet(ctx context.Context, r *qdrant.FacetCounts) (*qdrant.FacetResponse, error) {
	start := time.Now()
	c, err := p.s.store.Collection(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	f, err := filtering(r.GetFilter())
	if err != nil {
		return nil, err
	}
	limit, err := count("limit", r.Limit, wire.Default, 1)
	if err != nil {
		return nil, err
	}
	found, err := c.Facet(ctx, r.GetKey(), f, limit, r.GetExact())
	if err != nil {
		return nil, err
	}
	out := &qdrant.FacetResponse{Time: timed(start)}
	for _, one := range found {
		hit := &qdrant.FacetHit{Count: uint64(one.Count)}
		switch v := one.Value.(type) {
		case string:
			hit.Value = &qdrant.FacetValue{Variant: &qdrant.FacetValue_StringValue{StringValue: v}}
		case int64:
			hit.Value = &qdrant.FacetValue{Variant: &qdrant.FacetValue_IntegerValue{IntegerValue: v}}
		case bool:
			hit.Value = &qdrant.FacetValue{Variant: &qdrant.FacetValue_BoolValue{BoolValue: v}}
		}
		out.Hits = append(out.Hits, hit)
	}
	return out, nil
}

// The query, and the calls of old, which are other words for one.

// request is a query about a collection.
type request struct {
	name   string
	query  collection.Query
	by     collection.GroupBy
	failed error
}

// call is what all calls that ask for hits have in common.
type call interface {
	GetCollectionName() string
	GetFilter() *qdrant.Filter
	GetParams() *qdrant.SearchParams
	GetWithPayload() *qdrant.WithPayloadSelector
	GetWithVectors() *qdrant.WithVectorsSelector
}

func fromQuery(m *qdrant.QueryPoints) request {
	return fromNew(m, m.Limit, m.Offset, m.ScoreThreshold)
}

func fromNew(m interface {
	call
	spec
}, limit, offset *uint64, threshold *float32) (r request) {
	r.name = m.GetCollectionName()
	r.query, r.failed = query(m, limit, offset, threshold, 0)
	r.query.WithPayload, r.query.WithVector = withPayload(m.GetWithPayload()), withVectors(m.GetWithVectors())
	return r
}

func fromOld(m call, limit uint64, offset *uint64, threshold *float32) (r request) {
	r.name = m.GetCollectionName()
	q := &r.query
	q.ScoreThreshold, q.WithPayload, q.WithVector = threshold, withPayload(m.GetWithPayload()), withVectors(m.GetWithVectors())
	if q.Limit, r.failed = count("limit", &limit, wire.Default, 1); r.failed != nil {
		return r
	}
	if q.Offset, r.failed = count("offset", offset, 0, 0); r.failed != nil {
		return r
	}
	if q.Filter, r.failed = filtering(m.GetFilter()); r.failed != nil {
		return r
	}
	q.Params, r.failed = params(m.GetParams())
	return r
}

func (r request) asking(a collection.Ask, err error, using string, from *qdrant.LookupLocation) request {
	r.query.Ask, r.query.Using, r.query.LookupFrom = a, using, lookup(from)
	if r.failed == nil {
		r.failed = err
	}
	return r
}

func (r request) grouped(key string, size *uint64, with *qdrant.WithLookup) request {
	r.by.Key, r.by.Limit = key, r.query.Limit
	var err error
	if r.by.Size, err = count("group_size", size, wire.DefaultSize, 1); err == nil && key == "" {
		err = wire.Refuse("group_by", "must not be empty")
	}
	if with != nil {
		r.by.Lookup, r.by.WithPayload, r.by.WithVector = with.GetCollection(), allUnless(with.GetWithPayload()), withVectors(with.GetWithVectors())
	}
	if r.failed == nil {
		r.failed = err
	}
	return r
}

func nearest(data []float32, indices *qdrant.SparseIndices) (collection.Ask, error) {
	in, err := given(&qdrant.Vector{Data: data, Indices: indices})
	return collection.Nearest{To: in}, err
}

func fromSearch(m *qdrant.SearchPoints) request {
	a, err := nearest(m.GetVector(), m.GetSparseIndices())
	return fromOld(m, m.GetLimit(), m.Offset, m.ScoreThreshold).asking(a, err, m.GetVectorName(), nil)
}

func fromRecommend(m *qdrant.RecommendPoints) request {
	a, err := recommendOld(m.GetPositive(), m.GetPositiveVectors(), m.GetNegative(), m.GetNegativeVectors(), m.GetStrategy())
	return fromOld(m, m.GetLimit(), m.Offset, m.ScoreThreshold).asking(a, err, m.GetUsing(), m.GetLookupFrom())
}

func recommendOld(pos []*qdrant.PointId, posV []*qdrant.Vector, neg []*qdrant.PointId, negV []*qdrant.Vector, how qdrant.RecommendStrategy) (collection.Ask, error) {
	var r collection.Recommend
	var err error
	if r.Strategy, err = strategy(how); err != nil {
		return nil, err
	}
	if r.Positive, err = examples(pos, posV); err != nil {
		return nil, err
	}
	r.Negative, err = examples(neg, negV)
	return r, err
}

func examples(list []*qdrant.PointId, vs []*qdrant.Vector) (out []collection.Input, err error) {
	got, err := ids(list)
	if err != nil {
		return nil, err
	}
	for i := range got {
		out = append(out, collection.Input{ID: &got[i]})
	}
	for _, v := range vs {
		in, err := given(v)
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	return out, nil
}

func example(e *qdrant.VectorExample) (collection.Input, error) {
	switch o := e.GetExample().(type) {
	case *qdrant.VectorExample_Id:
		p, err := id(o.Id)
		return collection.Input{ID: &p}, err
	case *qdrant.VectorExample_Vector:
		return given(o.Vector)
	}
	return collection.Input{}, wire.Errorf(wire.BadInput, "an example is empty: expected a vector or an id")
}

func fromDiscover(m *qdrant.DiscoverPoints) request {
	d := collection.Discover{}
	var err error
	if m.GetTarget() != nil {
		var t collection.Input
		t, err = example(m.GetTarget().GetSingle())
		d.Target = &t
	}
	for _, c := range m.GetContext() {
		pos, e1 := example(c.GetPositive())
		neg, e2 := example(c.GetNegative())
		err = cmp.Or(err, e1, e2)
		d.Context = append(d.Context, collection.ContextPair{Positive: pos, Negative: neg})
	}
	return fromOld(m, m.GetLimit(), m.Offset, nil).asking(d, err, m.GetUsing(), m.GetLookupFrom())
}

func (p points) hits(ctx context.Context, r request) ([]*qdrant.ScoredPoint, error) {
	c, err := p.s.store.Collection(r.name)
	if err != nil {
		return nil, err
	}
	if r.failed != nil {
		return nil, r.failed
	}
	hits, err := c.Query(ctx, r.query)
	return toHits(hits), err
}

// batch asks many queries of one collection.
func batch[M any](ctx context.Context, p points, name string, list []M, from func(M) request) ([]*qdrant.BatchResult, error) {
	c, err := p.s.store.Collection(name)
	if err != nil {
		return nil, err
	}
	qs := make([]collection.Query, len(list))
	for i, m := range list {
		r := from(m)
		if r.failed != nil {
			return nil, r.failed
		}
		if r.name != "" && r.name != name {
			return nil, wire.Errorf(wire.BadInput, "a batch for collection `%s` asks one of collection `%s`", name, r.name)
		}
		qs[i] = r.query
	}
	found, err := c.QueryBatch(ctx, qs)
	if err != nil {
		return nil, err
	}
	out := make([]*qdrant.BatchResult, len(found))
	for i := range found {
		out[i] = &qdrant.BatchResult{Result: toHits(found[i])}
	}
	return out, nil
}

func (p points) groups(ctx context.Context, r request) (*qdrant.GroupsResult, error) {
	c, err := p.s.store.Collection(r.name)
	if err != nil {
		return nil, err
	}
	if r.failed != nil {
		return nil, r.failed
	}
	groups, err := c.QueryGroups(ctx, r.query, r.by)
	if err != nil {
		return nil, err
	}
	out := &qdrant.GroupsResult{}
	for _, g := range groups {
		one := &qdrant.PointGroup{Hits: toHits(g.Hits)}
		switch v := g.Value.(type) {
		case string:
			one.Id = &qdrant.GroupId{Kind: &qdrant.GroupId_StringValue{StringValue: v}}
		case int64:
			if one.Id = (&qdrant.GroupId{Kind: &qdrant.GroupId_IntegerValue{IntegerValue: v}}); v >= 0 {
				one.Id.Kind = &qdrant.GroupId_UnsignedValue{UnsignedValue: uint64(v)}
			}
		}
		if g.Lookup != nil {
			one.Lookup = toRecord(*g.Lookup)
		}
		out.Groups = append(out.Groups, one)
	}
	return out, nil
}

func (p points) Query(ctx context.Context, m *qdrant.QueryPoints) (*qdrant.QueryResponse, error) {
	start := time.Now()
	hits, err := p.hits(ctx, fromQuery(m))
	if err != nil {
		return nil, err
	}
	return &qdrant.QueryResponse{Result: hits, Time: timed(start)}, nil
}

func (p points) QueryBatch(ctx context.Context, m *qdrant.QueryBatchPoints) (*qdrant.QueryBatchResponse, error) {
	start := time.Now()
	res, err := batch(ctx, p, m.GetCollectionName(), m.GetQueryPoints(), fromQuery)
	if err != nil {
		return nil, err
	}
	return &qdrant.QueryBatchResponse{Result: res, Time: timed(start)}, nil
}

func (p points) QueryGroups(ctx context.Context, m *qdrant.QueryPointGroups) (*qdrant.QueryGroupsResponse, error) {
	start := time.Now()
	r := fromNew(m, m.Limit, nil, m.ScoreThreshold)
	res, err := p.groups(ctx, r.grouped(m.GetGroupBy(), m.GroupSize, m.GetWithLookup()))
	if err != nil {
		return nil, err
	}
	return &qdrant.QueryGroupsResponse{Result: res, Time: timed(start)}, nil
}

func (p points) Search(ctx context.Context, m *qdrant.SearchPoints) (*qdrant.SearchResponse, error) {
	start := time.Now()
	hits, err := p.hits(ctx, fromSearch(m))
	if err != nil {
		return nil, err
	}
	return &qdrant.SearchResponse{Result: hits, Time: timed(start)}, nil
}

func (p points) SearchBatch(ctx context.Context, m *qdrant.SearchBatchPoints) (*qdrant.SearchBatchResponse, error) {
	start := time.Now()
	res, err := batch(ctx, p, m.GetCollectionName(), m.GetSearchPoints(), fromSearch)
	if err != nil {
		return nil, err
	}
	return &qdrant.SearchBatchResponse{Result: res, Time: timed(start)}, nil
}

func (p points) SearchGroups(ctx context.Context, m *qdrant.SearchPointGroups) (*qdrant.SearchGroupsResponse, error) {
	start := time.Now()
	a, err := nearest(m.GetVector(), m.GetSparseIndices())
	r := fromOld(m, uint64(m.GetLimit()), nil, m.ScoreThreshold).asking(a, err, m.GetVectorName(), nil)
	res, err := p.groups(ctx, r.grouped(m.GetGroupBy(), number[uint64](&m.GroupSize), m.GetWithLookup()))
	if err != nil {
		return nil, err
	}
	return &qdrant.SearchGroupsResponse{Result: res, Time: timed(start)}, nil
}

func (p points) Recommend(ctx context.Context, m *qdrant.RecommendPoints) (*qdrant.RecommendResponse, error) {
	start := time.Now()
	hits, err := p.hits(ctx, fromRecommend(m))
	if err != nil {
		return nil, err
	}
	return &qdrant.RecommendResponse{Result: hits, Time: timed(start)}, nil
}

func (p points) RecommendBatch(ctx context.Context, m *qdrant.RecommendBatchPoints) (*qdrant.RecommendBatchResponse, error) {
	start := time.Now()
	res, err := batch(ctx, p, m.GetCollectionName(), m.GetRecommendPoints(), fromRecommend)
	if err != nil {
		return nil, err
	}
	return &qdrant.RecommendBatchResponse{Result: res, Time: timed(start)}, nil
}

func (p points) RecommendGroups(ctx context.Context, m *qdrant.RecommendPointGroups) (*qdrant.RecommendGroupsResponse, error) {
	start := time.Now()
	a, err := recommendOld(m.GetPositive(), m.GetPositiveVectors(), m.GetNegative(), m.GetNegativeVectors(), m.GetStrategy())
	r := fromOld(m, uint64(m.GetLimit()), nil, m.ScoreThreshold).asking(a, err, m.GetUsing(), m.GetLookupFrom())
	res, err := p.groups(ctx, r.grouped(m.GetGroupBy(), number[uint64](&m.GroupSize), m.GetWithLookup()))
	if err != nil {
		return nil, err
	}
	return &qdrant.RecommendGroupsResponse{Result: res, Time: timed(start)}, nil
}

func (p points) Discover(ctx context.Context, m *qdrant.DiscoverPoints) (*qdrant.DiscoverResponse, error) {
	start := time.Now()
	hits, err := p.hits(ctx, fromDiscover(m))
	if err != nil {
		return nil, err
	}
	return &qdrant.DiscoverResponse{Result: hits, Time: timed(start)}, nil
}

func (p points) DiscoverBatch(ctx context.Context, m *qdrant.DiscoverBatchPoints) (*qdrant.DiscoverBatchResponse, error) {
	start := time.Now()
	res, err := batch(ctx, p, m.GetCollectionName(), m.GetDiscoverPoints(), fromDiscover)
	if err != nil {
		return nil, err
	}
	return &qdrant.DiscoverBatchResponse{Result: res, Time: timed(start)}, nil
}

func (p points) matrix(ctx context.Context, m *qdrant.SearchMatrixPoints) (out *collection.Matrix, err error) {
	c, err := p.s.store.Collection(m.GetCollectionName())
	if err != nil {
		return out, err
	}
	q := collection.MatrixQuery{Using: m.GetUsing()}
	if q.Sample, err = count("sample", m.Sample, wire.Default, 2); err != nil {
		return out, err
	}
	if q.Limit, err = count("limit", m.Limit, wire.DefaultSize, 1); err != nil {
		return out, err
	}
	if err := wire.CheckSample(q.Sample); err != nil {
		return out, err
	}
	if q.Filter, err = filtering(m.GetFilter()); err != nil {
		return out, err
	}
	return c.DistanceMatrix(ctx, q)
}

func (p points) SearchMatrixPairs(ctx context.Context, m *qdrant.SearchMatrixPoints) (*qdrant.SearchMatrixPairsResponse, error) {
	start := time.Now()
	got, err := p.matrix(ctx, m)
	if err != nil {
		return nil, err
	}
	out := &qdrant.SearchMatrixPairs{}
	for i, edges := range got.Near {
		for _, e := range edges {
			out.Pairs = append(out.Pairs, &qdrant.SearchMatrixPair{A: toID(got.IDs[i]), B: toID(got.IDs[e.To]), Score: e.Score})
		}
	}
	return &qdrant.SearchMatrixPairsResponse{Result: out, Time: timed(start)}, nil
}

func (p points) SearchMatrixOffsets(ctx context.Context, m *qdrant.SearchMatrixPoints) (*qdrant.SearchMatrixOffsetsResponse, error) {
	start := time.Now()
	got, err := p.matrix(ctx, m)
	if err != nil {
		return nil, err
	}
	out := &qdrant.SearchMatrixOffsets{}
	for _, id := range got.IDs {
		out.Ids = append(out.Ids, toID(id))
	}
	for i, edges := range got.Near {
		for _, e := range edges {
			out.OffsetsRow, out.OffsetsCol, out.Scores = append(out.OffsetsRow, uint64(i)), append(out.OffsetsCol, uint64(e.To)), append(out.Scores, e.Score)
		}
	}
	return &qdrant.SearchMatrixOffsetsResponse{Result: out, Time: timed(start)}, nil
}

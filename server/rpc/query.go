package rpc

import (
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/server/wire"
)

// spec is what queries and prefetches have in common.
type spec interface {
	GetPrefetch() []*qdrant.PrefetchQuery
	GetQuery() *qdrant.Query
	GetUsing() string
	GetFilter() *qdrant.Filter
	GetParams() *qdrant.SearchParams
	GetLookupFrom() *qdrant.LookupLocation
}

func query(m spec, limit, offset *uint64, threshold *float32, depth int) (q collection.Query, err error) {
	if depth > maxDepth {
		return q, wire.Errorf(wire.BadInput, "prefetches are nested deeper than %d", maxDepth)
	}
	q.Using, q.ScoreThreshold = m.GetUsing(), threshold
	if q.Limit, err = count("limit", limit, wire.Default, 1); err != nil {
		return q, err
	}
	if q.Offset, err = count("offset", offset, 0, 0); err != nil {
		return q, err
	}
	if q.Filter, err = filtering(m.GetFilter()); err != nil {
		return q, err
	}
	if q.Params, err = params(m.GetParams()); err != nil {
		return q, err
	}
	q.LookupFrom = lookup(m.GetLookupFrom())
	if m.GetQuery() != nil {
		if q.Ask, err = ask(m.GetQuery()); err != nil {
			return q, err
		}
	}
	if n := len(m.GetPrefetch()); n > wire.MaxPrefetch {
		return q, wire.Refuse("prefetch", "%d of them: want at most %d", n, wire.MaxPrefetch)
	}
	for _, p := range m.GetPrefetch() {
		sub, err := query(p, p.Limit, nil, p.ScoreThreshold, depth+1)
		if err != nil {
			return q, err
		}
		q.Prefetch = append(q.Prefetch, sub)
	}
	return q, nil
}

// count checks a number of results.
func count(field string, n *uint64, otherwise, least int) (int, error) {
	if n == nil {
		return otherwise, nil
	}
	v := int64(min(*n, wire.MaxLimit+1))
	return wire.Count(field, &v, otherwise, least)
}

func params(p *qdrant.SearchParams) (out collection.Params, err error) {
	out.Exact, out.IndexedOnly = p.GetExact(), p.GetIndexedOnly()
	if p == nil {
		return out, nil
	}
	if out.Effort, err = count("params.hnsw_ef", p.HnswEf, 0, 0); err != nil {
		return out, err
	}
	if z := p.GetQuantization(); z != nil {
		out.NoRescore = z.Rescore != nil && !*z.Rescore && !z.GetIgnore()
		if z.Oversampling != nil {
			if !(*z.Oversampling >= 1) {
				return out, wire.Refuse("params.quantization.oversampling", "value %g invalid, must be 1.0 or larger", *z.Oversampling)
			}
			out.Oversampling = *z.Oversampling
		}
	}
	return out, nil
}

func lookup(l *qdrant.LookupLocation) *collection.Lookup {
	if l == nil {
		return nil
	}
	return &collection.Lookup{Collection: l.GetCollectionName(), Vector: l.GetVectorName()}
}

func input(v *qdrant.VectorInput) (in collection.Input, err error) {
	switch o := v.GetVariant().(type) {
	case *qdrant.VectorInput_Id:
		p, err := id(o.Id)
		in.ID = &p
		return in, err
	case *qdrant.VectorInput_Dense:
		return given(&qdrant.Vector{Vector: &qdrant.Vector_Dense{Dense: o.Dense}})
	case *qdrant.VectorInput_Sparse:
		return given(&qdrant.Vector{Vector: &qdrant.Vector_Sparse{Sparse: o.Sparse}})
	case *qdrant.VectorInput_MultiDense:
		return given(&qdrant.Vector{Vector: &qdrant.Vector_MultiDense{MultiDense: o.MultiDense}})
	case *qdrant.VectorInput_Document, *qdrant.VectorInput_Image, *qdrant.VectorInput_Object:
		return in, errInference
	}
	return in, wire.Errorf(wire.BadInput, "a query is empty: expected some form of vector or an id")
}

func given(v *qdrant.Vector) (in collection.Input, err error) {
	got, err := vector(v)
	in.Vector = &got
	return in, err
}

func inputs(list []*qdrant.VectorInput) (out []collection.Input, err error) {
	for _, v := range list {
		in, err := input(v)
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	return out, nil
}

func pairs(c *qdrant.ContextInput) (out []collection.ContextPair, err error) {
	for _, p := range c.GetPairs() {
		pos, err := input(p.GetPositive())
		if err != nil {
			return nil, err
		}
		neg, err := input(p.GetNegative())
		if err != nil {
			return nil, err
		}
		out = append(out, collection.ContextPair{Positive: pos, Negative: neg})
	}
	return out, nil
}

func ask(q *qdrant.Query) (collection.Ask, error) {
	switch v := q.GetVariant().(type) {
	case *qdrant.Query_Nearest:
		in, err := input(v.Nearest)
		return collection.Nearest{To: in}, err
	case *qdrant.Query_NearestWithMmr:
		in, err := input(v.NearestWithMmr.GetNearest())
		if err != nil {
			return nil, err
		}
		m := &collection.MMR{Diversity: 0.5, Candidates: int(v.NearestWithMmr.GetMmr().GetCandidatesLimit())}
		if d := v.NearestWithMmr.GetMmr(); d != nil && d.Diversity != nil {
			if !(*d.Diversity >= 0 && *d.Diversity <= 1) {
				return nil, wire.Refuse("mmr.diversity", "value %g invalid, must be from 0.0 to 1.0", *d.Diversity)
			}
			m.Diversity = *d.Diversity
		}
		return collection.Nearest{To: in, MMR: m}, wire.CheckCandidates(m.Candidates)
	case *qdrant.Query_Recommend:
		return recommend(v.Recommend.GetPositive(), v.Recommend.GetNegative(), v.Recommend.GetStrategy())
	case *qdrant.Query_Discover:
		target, err := input(v.Discover.GetTarget())
		if err != nil {
			return nil, err
		}
		ps, err := pairs(v.Discover.GetContext())
		return collection.Discover{Target: &target, Context: ps}, err
	case *qdrant.Query_Context:
		ps, err := pairs(v.Context)
		return collection.Discover{Context: ps}, err
	case *qdrant.Query_OrderBy:
		o, err := orderBy(v.OrderBy)
		if err != nil {
			return nil, err
		}
		return *o, nil
	case *qdrant.Query_Fusion:
		switch v.Fusion {
		case qdrant.Fusion_RRF:
			return collection.Fusion{Method: "rrf"}, nil
		case qdrant.Fusion_DBSF:
			return collection.Fusion{Method: "dbsf"}, nil
		}
		return nil, wire.Errorf(wire.BadInput, "unknown fusion %v", v.Fusion)
	case *qdrant.Query_Rrf:
		f := collection.Fusion{Method: "rrf", Weights: v.Rrf.GetWeights()}
		if v.Rrf != nil {
			var err error
			if f.K, err = count("rrf.k", number[uint64](v.Rrf.K), 0, 1); err != nil {
				return nil, err
			}
		}
		return f, nil
	case *qdrant.Query_Sample:
		return collection.Sample{}, nil
	case *qdrant.Query_Formula:
		return nil, wire.Errorf(wire.Unsupported, "queries by formula are not supported by this server")
	case *qdrant.Query_RelevanceFeedback:
		return nil, wire.Errorf(wire.Unsupported, "queries with relevance feedback are not supported by this server")
	}
	return nil, wire.Errorf(wire.BadInput, "Query variant is missing")
}

func recommend(positive, negative []*qdrant.VectorInput, how qdrant.RecommendStrategy) (collection.Ask, error) {
	pos, err := inputs(positive)
	if err != nil {
		return nil, err
	}
	neg, err := inputs(negative)
	if err != nil {
		return nil, err
	}
	name, err := strategy(how)
	return collection.Recommend{Positive: pos, Negative: neg, Strategy: name}, err
}

func strategy(s qdrant.RecommendStrategy) (string, error) {
	switch s {
	case qdrant.RecommendStrategy_AverageVector:
		return "average_vector", nil
	case qdrant.RecommendStrategy_BestScore:
		return "best_score", nil
	case qdrant.RecommendStrategy_SumScores:
		return "sum_scores", nil
	}
	return "", wire.Errorf(wire.BadInput, "unknown recommend strategy %v", s)
}

func orderBy(o *qdrant.OrderBy) (*collection.OrderBy, error) {
	if o == nil {
		return nil, nil
	}
	out := &collection.OrderBy{Key: o.GetKey(), Descending: o.GetDirection() == qdrant.Direction_Desc}
	switch v := o.GetStartFrom().GetValue().(type) {
	case *qdrant.StartFrom_Float:
		out.StartFrom = v.Float
	case *qdrant.StartFrom_Integer:
		out.StartFrom = v.Integer
	case *qdrant.StartFrom_Datetime:
		out.StartFrom = v.Datetime
	case *qdrant.StartFrom_Timestamp:
		out.StartFrom = v.Timestamp.AsTime().Format(time.RFC3339Nano)
	}
	return out, nil
}

func toHits(hits []collection.Hit) []*qdrant.ScoredPoint {
	out := make([]*qdrant.ScoredPoint, len(hits))
	for i, h := range hits {
		out[i] = &qdrant.ScoredPoint{Id: toID(h.ID), Payload: toPayload(h.Payload), Score: h.Score, Version: h.Version, Vectors: toVectors(h.Vectors)}
	}
	return out
}

func toRetrieved(hits []collection.Hit) []*qdrant.RetrievedPoint {
	out := make([]*qdrant.RetrievedPoint, len(hits))
	for i, h := range hits {
		out[i] = toRecord(h.Point)
	}
	return out
}

func toRecord(p point.Point) *qdrant.RetrievedPoint {
	return &qdrant.RetrievedPoint{Id: toID(p.ID), Payload: toPayload(p.Payload), Vectors: toVectors(p.Vectors)}
}

package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/server/wire"
)

// queryBody is a query as Qdrant's clients write it.
type queryBody struct {
	Prefetch       many[queryBody] `json:"prefetch"`
	Query          *ask            `json:"query"`
	Using          string          `json:"using"`
	Filter         *filter.Filter  `json:"filter"`
	Params         params          `json:"params"`
	ScoreThreshold *float32        `json:"score_threshold"`
	Limit          *int64          `json:"limit"`
	Offset         *int64          `json:"offset"`
	WithPayload    selector        `json:"with_payload"`
	WithVector     selector        `json:"with_vector"`
	WithVectors    selector        `json:"with_vectors"` // Qdrant takes both
	LookupFrom     *lookupFrom     `json:"lookup_from"`

	// Of groups.
	GroupBy    string      `json:"group_by"`
	GroupSize  *int64      `json:"group_size"`
	WithLookup *withLookup `json:"with_lookup"`
}

func (b *queryBody) query() (collection.Query, error) {
	q := collection.Query{
		Using: b.Using, Filter: b.Filter, ScoreThreshold: b.ScoreThreshold,
		WithPayload: b.WithPayload.Select, WithVector: either(b.WithVector, b.WithVectors),
	}
	var err error
	if q.Limit, err = wire.Count("limit", b.Limit, wire.Default, 1); err != nil {
		return q, err
	}
	if q.Offset, err = wire.Count("offset", b.Offset, 0, 0); err != nil {
		return q, err
	}
	if q.Params, err = b.Params.params(); err != nil {
		return q, err
	}
	if b.LookupFrom != nil {
		q.LookupFrom = &collection.Lookup{Collection: b.LookupFrom.Collection, Vector: b.LookupFrom.Vector}
	}
	if b.Query != nil {
		q.Ask = b.Query.Ask
	}
	if len(b.Prefetch) > wire.MaxPrefetch {
		return q, wire.Refuse("prefetch", "%d of them: want at most %d", len(b.Prefetch), wire.MaxPrefetch)
	}
	for i := range b.Prefetch {
		p, err := b.Prefetch[i].query()
		if err != nil {
			return q, err
		}
		q.Prefetch = append(q.Prefetch, p)
	}
	return q, nil
}

func (b *queryBody) groups() (collection.GroupBy, error) {
	g := collection.GroupBy{Key: b.GroupBy}
	if b.GroupBy == "" {
		return g, missing("group_by")
	}
	var err error
	if g.Size, err = wire.Count("group_size", b.GroupSize, wire.DefaultSize, 1); err != nil {
		return g, err
	}
	if l := b.WithLookup; l != nil {
		g.Lookup, g.WithPayload, g.WithVector = l.Collection, l.WithPayload.Select, either(l.WithVectors, l.WithVector)
	}
	g.Limit, err = wire.Count("limit", b.Limit, wire.Default, 1)
	return g, err
}

// params are the search parameters.
type params struct {
	HNSWEf       *int64 `json:"hnsw_ef"`
	Exact        bool   `json:"exact"`
	IndexedOnly  bool   `json:"indexed_only"`
	Quantization *struct {
		Ignore       bool     `json:"ignore"`
		Rescore      *bool    `json:"rescore"`
		Oversampling *float64 `json:"oversampling"`
	} `json:"quantization"`
}

func (p params) params() (collection.Params, error) {
	out := collection.Params{Exact: p.Exact, IndexedOnly: p.IndexedOnly}
	var err error
	if out.Effort, err = wire.Count("params.hnsw_ef", p.HNSWEf, 0, 0); err != nil {
		return out, err
	}
	if z := p.Quantization; z != nil {
		if z.Rescore != nil {
			out.NoRescore = !*z.Rescore
		}
		if z.Ignore { // codes are how vectors are held here: what comes nearest is to score all with the vectors
			out.NoRescore = false
		}
		if z.Oversampling != nil {
			if *z.Oversampling < 1 {
				return out, wire.Refuse("params.quantization.oversampling", "value %g invalid, must be 1.0 or larger", *z.Oversampling)
			}
			out.Oversampling = *z.Oversampling
		}
	}
	return out, nil
}

type lookupFrom struct {
	Collection string `json:"collection"`
	Vector     string `json:"vector"`
}

// many is one value or a list of them.
type many[T any] []T

func (m *many[T]) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(m))
	}
	if string(b) == "null" {
		return nil
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*m = many[T]{one}
	return nil
}

// selector is true, false, a list of names, or {include} or {exclude}.
type selector struct{ collection.Select }

func (s *selector) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case string(b) == "null":
		return nil
	case len(b) > 0 && b[0] == '[':
		var names []string
		if err := json.Unmarshal(b, &names); err != nil {
			return err
		}
		s.Include, s.All = names, false
		if len(names) == 0 {
			s.Include = nil // none
		}
		return nil
	case len(b) > 0 && b[0] == '{':
		var o struct {
			Include []string `json:"include"`
			Exclude []string `json:"exclude"`
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil || (o.Include == nil) == (o.Exclude == nil) {
			return fmt.Errorf("data did not match any variant of untagged enum WithPayloadInterface: want a bool, a list of names, {include: […]} or {exclude: […]}")
		}
		s.Include, s.Exclude = o.Include, o.Exclude
		if o.Exclude != nil && len(o.Exclude) == 0 {
			s.All = true
		}
		return nil
	}
	if err := json.Unmarshal(b, &s.All); err != nil {
		return fmt.Errorf("data did not match any variant of untagged enum WithPayloadInterface: want a bool, a list of names, {include: […]} or {exclude: […]}")
	}
	return nil
}

func either(a, b selector) collection.Select {
	if a.All || a.Include != nil || a.Exclude != nil {
		return a.Select
	}
	return b.Select
}

type withLookup struct {
	Collection  string   `json:"collection"`
	WithPayload selector `json:"with_payload"`
	WithVector  selector `json:"with_vector"`
	WithVectors selector `json:"with_vectors"`
}

func (l *withLookup) UnmarshalJSON(b []byte) error {
	l.WithPayload.All = true
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &l.Collection)
	}
	type plain withLookup
	return json.Unmarshal(b, (*plain)(l))
}

// input is a vector, the ID of a point that has one, or what only an inference service could turn into one.
type input struct{ collection.Input }

func (in *input) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return errQuery
	}
	switch b[0] {
	case '[', '{':
		if b[0] == '{' {
			var o map[string]json.RawMessage
			if err := json.Unmarshal(b, &o); err != nil {
				return err
			}
			if _, model := o["model"]; model {
				return errInference
			}
			if o["indices"] == nil || o["values"] == nil {
				return errQuery
			}
		}
		in.Vector = new(point.Vector)
		if err := json.Unmarshal(b, in.Vector); err != nil {
			return err
		}
		return wire.CheckVector("query", *in.Vector)
	default:
		in.ID = new(point.ID)
		return json.Unmarshal(b, in.ID)
	}
}

var (
	errQuery     = wire.Errorf(wire.BadFormat, "Format error in JSON body: Expected some form of vector, id, or a type of query")
	errInference = wire.Errorf(wire.BadInput, "InferenceService is not initialized: this server embeds no texts or images; send vectors")
)

// ask is what a query ranks by.
type ask struct{ collection.Ask }

type contextPair struct {
	Positive *input `json:"positive"`
	Negative *input `json:"negative"`
}

func pairs(ps []contextPair) ([]collection.ContextPair, error) {
	var out []collection.ContextPair
	for _, p := range ps {
		if p.Positive == nil || p.Negative == nil {
			return nil, wire.Errorf(wire.BadFormat, "Format error in JSON body: a context pair has the fields `positive` and `negative`")
		}
		out = append(out, collection.ContextPair{Positive: p.Positive.Input, Negative: p.Negative.Input})
	}
	return out, nil
}

func inputs(list []input) []collection.Input {
	var out []collection.Input
	for _, in := range list {
		out = append(out, in.Input)
	}
	return out
}

func (a *ask) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) == 0 {
		return errQuery
	}
	if b[0] != '{' {
		var in input
		err := json.Unmarshal(b, &in)
		a.Ask = collection.Nearest{To: in.Input}
		return err
	}
	var o struct {
		Indices, Values, Model json.RawMessage
		Nearest                *input `json:"nearest"`
		MMR                    *struct {
			Diversity  *float32 `json:"diversity"`
			Candidates *int64   `json:"candidates_limit"`
		} `json:"mmr"`
		Recommend *struct {
			Positive many[input] `json:"positive"`
			Negative many[input] `json:"negative"`
			Strategy string      `json:"strategy"`
		} `json:"recommend"`
		Discover *struct {
			Target  *input            `json:"target"`
			Context many[contextPair] `json:"context"`
		} `json:"discover"`
		Context  many[contextPair] `json:"context"`
		OrderBy  *orderBy          `json:"order_by"`
		Fusion   *string           `json:"fusion"`
		RRF      *rrf              `json:"rrf"`
		Sample   *string           `json:"sample"`
		Formula  json.RawMessage   `json:"formula"`
		Feedback json.RawMessage   `json:"relevance_feedback"`
		BM25     *struct {         // ours
			Key  string `json:"key"`
			Text string `json:"text"`
		} `json:"bm25"`
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return err
	}
	switch {
	case o.Indices != nil, o.Model != nil:
		var in input
		err := json.Unmarshal(b, &in)
		a.Ask = collection.Nearest{To: in.Input}
		return err
	case o.Nearest != nil:
		n := collection.Nearest{To: o.Nearest.Input}
		if o.MMR != nil {
			n.MMR = &collection.MMR{Diversity: 0.5}
			if d := o.MMR.Diversity; d != nil {
				if !(*d >= 0 && *d <= 1) {
					return wire.Refuse("query.mmr.diversity", "value %g invalid, must be from 0.0 to 1.0", *d)
				}
				n.MMR.Diversity = *d
			}
			c, err := wire.Count("query.mmr.candidates_limit", o.MMR.Candidates, 0, 0)
			if err != nil {
				return err
			}
			n.MMR.Candidates = c
			if err := wire.CheckCandidates(c); err != nil {
				return err
			}
		}
		a.Ask = n
	case o.Recommend != nil:
		switch o.Recommend.Strategy {
		case "", "average_vector", "best_score", "sum_scores":
		default:
			return variant(o.Recommend.Strategy, "`average_vector`, `best_score`, `sum_scores`")
		}
		a.Ask = collection.Recommend{Positive: inputs(o.Recommend.Positive), Negative: inputs(o.Recommend.Negative), Strategy: o.Recommend.Strategy}
	case o.Discover != nil:
		if o.Discover.Target == nil {
			return missing("target")
		}
		ps, err := pairs(o.Discover.Context)
		a.Ask = collection.Discover{Target: &o.Discover.Target.Input, Context: ps}
		return err
	case o.Context != nil:
		ps, err := pairs(o.Context)
		a.Ask = collection.Discover{Context: ps}
		return err
	case o.OrderBy != nil:
		a.Ask = o.OrderBy.OrderBy
	case o.Fusion != nil:
		if *o.Fusion != "rrf" && *o.Fusion != "dbsf" {
			return variant(*o.Fusion, "`rrf` or `dbsf`")
		}
		a.Ask = collection.Fusion{Method: *o.Fusion}
	case o.RRF != nil:
		f := collection.Fusion{Method: "rrf", Weights: o.RRF.Weights}
		if o.RRF.K != nil {
			k, err := wire.Count("query.rrf.k", o.RRF.K, 0, 1)
			if err != nil {
				return err
			}
			f.K = k
		}
		a.Ask = f
	case o.Sample != nil:
		if *o.Sample != "random" {
			return variant(*o.Sample, "`random`")
		}
		a.Ask = collection.Sample{}
	case o.BM25 != nil:
		a.Ask = collection.Text{Key: o.BM25.Key, Query: o.BM25.Text}
	case o.Formula != nil:
		return wire.Errorf(wire.Unsupported, "queries by formula are not supported by this server")
	case o.Feedback != nil:
		return wire.Errorf(wire.Unsupported, "queries with relevance feedback are not supported by this server")
	default:
		return errQuery
	}
	return nil
}

type rrf struct {
	K       *int64    `json:"k"`
	Weights []float32 `json:"weights"`
}

func variant(got, want string) error {
	return wire.Errorf(wire.BadFormat, "Format error in JSON body: unknown variant `%.40s`, expected one of %s", got, want)
}

// orderBy is the key of a field, or an object.
type orderBy struct{ collection.OrderBy }

func (o *orderBy) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &o.Key)
	}
	var v struct {
		Key       *string         `json:"key"`
		Direction string          `json:"direction"`
		StartFrom json.RawMessage `json:"start_from"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if v.Key == nil {
		return missing("key")
	}
	o.Key = *v.Key
	switch v.Direction {
	case "", "asc":
	case "desc":
		o.Descending = true
	default:
		return variant(v.Direction, "`asc` or `desc`")
	}
	if len(v.StartFrom) == 0 || string(v.StartFrom) == "null" {
		return nil
	}
	from, err := point.DecodeJSON(v.StartFrom)
	if err != nil {
		return err
	}
	switch t := from.(type) {
	case int64:
	case float64:
		if math.IsInf(t, 0) {
			return wire.Refuse("order_by.start_from", "want a finite number")
		}
	case string:
		if _, err = filter.ParseTime(t); err != nil {
			return wire.Refuse("order_by.start_from", "%q is not a time as RFC 3339 has it", t)
		}
	default:
		return wire.Refuse("order_by.start_from", "want a number or a time")
	}
	o.StartFrom = from
	return nil
}

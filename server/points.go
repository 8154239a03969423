package server

import (
	"context"
	"encoding/json"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/server/wire"
)

type op = collection.Op

// collection is the one that the path names, by its name or an alias.
func (c *call) collection() (*collection.Collection, error) {
	return c.s.store.Collection(c.PathValue("collection"))
}

// context ends when the client goes away or its time is over.
func (c *call) context() (context.Context, context.CancelFunc, error) {
	d, err := c.timeout()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context(), d)
	return ctx, cancel, nil
}

// updated is the result of a change.
type updated struct {
	OperationID uint64 `json:"operation_id"`
	Status      string `json:"status"`
}

// update makes a handler of a body that is one operation.
func update[T any](op func(*T) (op, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		var body T
		if err := c.read(&body); err != nil {
			return nil, err
		}
		o, err := op(&body)
		if err != nil {
			return nil, err
		}
		return c.apply([]collection.Op{o})
	}
}

func (c *call) apply(ops []collection.Op) (any, error) {
	q := c.URL.Query()
	wait, err := boolParam(q, "wait", false)
	if err != nil {
		return nil, err
	}
	switch o := q.Get("ordering"); o {
	case "", "weak", "medium", "strong": // one server: all are the same
	default:
		return nil, queryError("ordering", o, "unknown variant, expected one of `weak`, `medium`, `strong`")
	}
	col, err := c.collection()
	if err != nil {
		return nil, err
	}
	ctx, cancel, err := c.context()
	if err != nil {
		return nil, err
	}
	defer cancel()
	version, err := col.Apply(ctx, ops, wait)
	if err != nil {
		return nil, err
	}
	status := "acknowledged"
	if wait {
		status = "completed"
	}
	return updated{version, status}, nil
}

// updateBatch applies operations in order, all of them or none.
func updateBatch(c *call) (any, error) {
	var body struct {
		Operations *[]operation `json:"operations"`
	}
	if err := c.read(&body); err != nil {
		return nil, err
	}
	if body.Operations == nil {
		return nil, missing("operations")
	}
	ops := []collection.Op{}
	for _, o := range *body.Operations {
		op, err := o.op()
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	if len(ops) == 0 {
		return []any{}, nil
	}
	one, err := c.apply(ops)
	if err != nil {
		return nil, err
	}
	all := make([]any, len(ops))
	for i := range all {
		all[i] = one
	}
	return all, nil
}

// begin reads the body of a call, if it has one, and gives the call its time.
func (c *call) begin(body any) (context.Context, context.CancelFunc, error) {
	if body != nil {
		if err := c.read(body); err != nil {
			return nil, nil, err
		}
	}
	return c.context()
}

// on is begin for a call on the collection that the path names.
func (c *call) on(body any) (*collection.Collection, context.Context, context.CancelFunc, error) {
	ctx, cancel, err := c.begin(body)
	if err != nil {
		return nil, nil, nil, err
	}
	col, err := c.collection()
	if err != nil {
		cancel()
		return nil, nil, nil, err
	}
	return col, ctx, cancel, nil
}

func getPoints(c *call) (any, error) {
	var body struct {
		IDs         *[]point.ID `json:"ids"`
		WithPayload *selector   `json:"with_payload"`
		WithVector  selector    `json:"with_vector"`
		WithVectors selector    `json:"with_vectors"`
	}
	col, ctx, cancel, err := c.on(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if body.IDs == nil {
		return nil, missing("ids")
	}
	payload := collection.Select{All: true} // as in Qdrant, for this call alone
	if body.WithPayload != nil {
		payload = body.WithPayload.Select
	}
	vector := either(body.WithVector, body.WithVectors)
	hits, err := col.Get(ctx, *body.IDs, payload, vector)
	if err != nil {
		return nil, err
	}
	return shapeOf(payload, vector).records(hits), nil
}

func getPoint(c *call) (any, error) {
	col, ctx, cancel, err := c.on(nil)
	if err != nil {
		return nil, err
	}
	defer cancel()
	text := c.PathValue("id")
	id, err := point.ParseID(text)
	if err != nil {
		return nil, wire.Errorf(wire.BadInput, "Can not recognize \"%.100s\" as point id", text)
	}
	all := collection.Select{All: true}
	hits, err := col.Get(ctx, []point.ID{id}, all, all)
	if err != nil {
		return nil, err
	}
	if len(hits) == 0 {
		return nil, wire.Errorf(wire.NotFound, "Point with id %v does not exists!", id)
	}
	return shapeOf(all, all).record(hits[0].Point), nil
}

func scroll(c *call) (any, error) {
	var body struct {
		Offset      *point.ID      `json:"offset"`
		Limit       *int64         `json:"limit"`
		Filter      *filter.Filter `json:"filter"`
		OrderBy     *orderBy       `json:"order_by"`
		WithPayload *selector      `json:"with_payload"`
		WithVector  selector       `json:"with_vector"`
		WithVectors selector       `json:"with_vectors"`
	}
	col, ctx, cancel, err := c.on(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	s := collection.Scroll{Filter: body.Filter, Offset: body.Offset, WithPayload: collection.Select{All: true}, WithVector: either(body.WithVector, body.WithVectors)}
	if body.WithPayload != nil {
		s.WithPayload = body.WithPayload.Select
	}
	if s.Limit, err = wire.Count("limit", body.Limit, wire.Default, 1); err != nil {
		return nil, err
	}
	if body.OrderBy != nil {
		if body.Offset != nil {
			return nil, wire.Errorf(wire.BadInput, "Cannot use an `offset` when using `order_by`. The alternative for paging is to use `order_by.start_from` and a filter to exclude the IDs that you've already seen for the `order_by.start_from` value")
		}
		s.OrderBy = &body.OrderBy.OrderBy
	}
	hits, next, err := col.Scroll(ctx, s)
	if err != nil {
		return nil, err
	}
	return struct {
		Points []record  `json:"points"`
		Next   *point.ID `json:"next_page_offset"`
	}{shapeOf(s.WithPayload, s.WithVector).records(hits), next}, nil
}

func countPoints(c *call) (any, error) {
	var body struct {
		Filter *filter.Filter `json:"filter"`
		Exact  *bool          `json:"exact"`
	}
	col, ctx, cancel, err := c.on(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	n, err := col.Count(ctx, body.Filter, body.Exact == nil || *body.Exact)
	return map[string]int{"count": n}, err
}

func facet(c *call) (any, error) {
	var body struct {
		Key    string         `json:"key"`
		Limit  *int64         `json:"limit"`
		Filter *filter.Filter `json:"filter"`
		Exact  bool           `json:"exact"`
	}
	col, ctx, cancel, err := c.on(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if body.Key == "" {
		return nil, missing("key")
	}
	limit, err := wire.Count("limit", body.Limit, wire.Default, 1)
	if err != nil {
		return nil, err
	}
	found, err := col.Facet(ctx, body.Key, body.Filter, limit, body.Exact)
	if err != nil {
		return nil, err
	}
	type count struct {
		Value any `json:"value"`
		Count int `json:"count"`
	}
	out := struct {
		Hits []count `json:"hits"`
	}{[]count{}}
	for _, f := range found {
		out.Hits = append(out.Hits, count{f.Value, f.Count})
	}
	return out, nil
}

func queryPoints(c *call) (any, error) {
	var body queryBody
	col, ctx, cancel, err := c.on(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	hits, err := body.run(ctx, col)
	return map[string]any{"points": hits}, err
}

func (b *queryBody) run(ctx context.Context, col *collection.Collection) ([]hit, error) {
	q, err := b.query()
	if err != nil {
		return nil, err
	}
	hits, err := col.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	return shapeOf(q.WithPayload, q.WithVector).hits(hits), nil
}

func queryBatch(c *call) (any, error) {
	var body struct {
		Searches *[]queryBody `json:"searches"`
	}
	col, ctx, cancel, err := c.on(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if body.Searches == nil {
		return nil, missing("searches")
	}
	lists, err := batch(ctx, col, *body.Searches)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(lists))
	for i := range lists {
		out[i] = map[string]any{"points": lists[i]}
	}
	return out, nil
}

func batch(ctx context.Context, col *collection.Collection, bodies []queryBody) ([][]hit, error) {
	qs := make([]collection.Query, len(bodies))
	for i := range bodies {
		var err error
		if qs[i], err = bodies[i].query(); err != nil {
			return nil, err
		}
	}
	found, err := col.QueryBatch(ctx, qs)
	if err != nil {
		return nil, err
	}
	out := make([][]hit, len(found))
	for i := range found {
		out[i] = shapeOf(qs[i].WithPayload, qs[i].WithVector).hits(found[i])
	}
	return out, nil
}

func queryGroups(c *call) (any, error) {
	var body queryBody
	col, ctx, cancel, err := c.on(&body)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return body.runGroups(ctx, col)
}

func (b *queryBody) runGroups(ctx context.Context, col *collection.Collection) (any, error) {
	by, err := b.groups()
	if err != nil {
		return nil, err
	}
	q, err := b.query()
	if err != nil {
		return nil, err
	}
	groups, err := col.QueryGroups(ctx, q, by)
	if err != nil {
		return nil, err
	}
	type group struct {
		ID     any     `json:"id"`
		Hits   []hit   `json:"hits"`
		Lookup *record `json:"lookup,omitempty"`
	}
	out := struct {
		Groups []group `json:"groups"`
	}{[]group{}}
	for _, g := range groups {
		one := group{ID: g.Value, Hits: shapeOf(q.WithPayload, q.WithVector).hits(g.Hits)}
		if g.Lookup != nil {
			r := shapeOf(by.WithPayload, by.WithVector).record(*g.Lookup)
			one.Lookup = &r
		}
		out.Groups = append(out.Groups, one)
	}
	return out, nil
}

// Calls of old: each turns its body into that of a query.

// oldBody is the body of a search, a recommendation or a discovery.
type oldBody struct {
	queryBody
	Vector   json.RawMessage   `json:"vector"` // bare, or {name, vector}
	Positive many[input]       `json:"positive"`
	Negative many[input]       `json:"negative"`
	Strategy string            `json:"strategy"`
	Target   *input            `json:"target"`
	Context  many[contextPair] `json:"context"`
}

func searchAsk(b *oldBody) error {
	if b.Vector == nil {
		return missing("vector")
	}
	var named struct {
		Name   *string `json:"name"`
		Vector input   `json:"vector"`
	}
	if json.Unmarshal(b.Vector, &named) == nil && named.Name != nil {
		b.Using = *named.Name
		b.Query = &ask{collection.Nearest{To: named.Vector.Input}}
		return nil
	}
	b.Query = new(ask)
	if err := json.Unmarshal(b.Vector, b.Query); err != nil {
		return format(b.Vector, err)
	}
	return nil
}

func recommendAsk(b *oldBody) error {
	b.Query = &ask{collection.Recommend{Positive: inputs(b.Positive), Negative: inputs(b.Negative), Strategy: b.Strategy}}
	return nil
}

func discoverAsk(b *oldBody) error {
	ps, err := pairs(b.Context)
	d := collection.Discover{Context: ps}
	if b.Target != nil {
		d.Target = &b.Target.Input
	}
	b.Query = &ask{d}
	return err
}

func search(asking func(*oldBody) error) func(*call) (any, error) {
	return old(asking, (*queryBody).run)
}

func searchGroups(asking func(*oldBody) error) func(*call) (any, error) {
	return old(asking, (*queryBody).runGroups)
}

// old makes a handler of a call of old: asking says what it asks for, and run runs the query that it then is.
func old[T any](asking func(*oldBody) error, run func(*queryBody, context.Context, *collection.Collection) (T, error)) func(*call) (any, error) {
	return func(c *call) (any, error) {
		var body oldBody
		col, ctx, cancel, err := c.on(&body)
		if err != nil {
			return nil, err
		}
		defer cancel()
		if err := asking(&body); err != nil {
			return nil, err
		}
		return run(&body.queryBody, ctx, col)
	}
}

func searchBatch(asking func(*oldBody) error) func(*call) (any, error) {
	return func(c *call) (any, error) {
		var body struct {
			Searches []oldBody `json:"searches"`
		}
		col, ctx, cancel, err := c.on(&body)
		if err != nil {
			return nil, err
		}
		defer cancel()
		bodies := make([]queryBody, len(body.Searches))
		for i := range body.Searches {
			if err := asking(&body.Searches[i]); err != nil {
				return nil, err
			}
			bodies[i] = body.Searches[i].queryBody
		}
		return batch(ctx, col, bodies)
	}
}

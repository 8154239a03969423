package server

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/server/wire"
)

func missing(field string) error {
	return wire.Errorf(wire.BadFormat, "Format error in JSON body: missing field `%s`", field)
}

// selection says which points an operation is for.
type selection struct {
	Points *[]point.ID    `json:"points"`
	Filter *filter.Filter `json:"filter"`
}

func (s selection) selector() (collection.Selector, error) {
	switch {
	case s.Points != nil:
		return collection.Selector{IDs: append([]point.ID{}, *s.Points...)}, nil // not nil, which would mean a filter
	case s.Filter != nil:
		return collection.Selector{Filter: s.Filter}, nil
	}
	return collection.Selector{}, wire.Errorf(wire.Invalid, "Validation error in JSON body: [Either list of point ids or filter must be provided]")
}

// upsertBody is points, one by one or as columns.
type upsertBody struct {
	Points *[]pointBody   `json:"points"`
	Batch  *columns       `json:"batch"`
	Only   *filter.Filter `json:"update_filter"`
	Mode   string         `json:"update_mode"`
}

type pointBody struct {
	ID      *point.ID      `json:"id"`
	Vector  *point.Vectors `json:"vector"`
	Payload point.Payload  `json:"payload"`
}

func (p pointBody) point() (point.Point, error) {
	switch {
	case p.ID == nil:
		return point.Point{}, missing("id")
	case p.Vector == nil:
		return point.Point{}, missing("vector")
	}
	for name, v := range *p.Vector {
		field := "points.vector"
		if name != "" {
			field += "." + name
		}
		if err := wire.CheckVector(field, v); err != nil {
			return point.Point{}, err
		}
	}
	return point.Point{ID: *p.ID, Vectors: *p.Vector, Payload: p.Payload}, nil
}

func points(list []pointBody) ([]point.Point, error) {
	out := make([]point.Point, len(list))
	for i, p := range list {
		var err error
		if out[i], err = p.point(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (u upsertBody) op() (collection.Op, error) {
	op := collection.Upsert{Only: u.Only}
	switch u.Mode {
	case "", "upsert":
	case "insert_only":
		op.Mode = collection.InsertOnly
	case "update_only":
		op.Mode = collection.UpdateOnly
	default:
		return nil, variant(u.Mode, "`upsert`, `insert_only`, `update_only`")
	}
	var err error
	switch {
	case u.Points != nil:
		op.Points, err = points(*u.Points)
	case u.Batch != nil:
		op.Points, err = u.Batch.points()
	default:
		return nil, wire.Errorf(wire.BadFormat, "Format error in JSON body: data did not match any variant of untagged enum PointInsertOperations: want `points` or `batch`")
	}
	return op, err
}

// columns are points by column.
type columns struct {
	IDs      []point.ID      `json:"ids"`
	Vectors  json.RawMessage `json:"vectors"`
	Payloads []point.Payload `json:"payloads"`
}

func (c columns) points() ([]point.Point, error) {
	if c.IDs == nil {
		return nil, missing("ids")
	}
	if c.Vectors == nil {
		return nil, missing("vectors")
	}
	n := len(c.IDs)
	if c.Payloads != nil && len(c.Payloads) != n {
		return nil, wire.Refuse("batch", "number of ids and payloads must be equal (%d != %d)", n, len(c.Payloads))
	}
	named := map[string][]point.Vector{}
	if bytes.HasPrefix(bytes.TrimSpace(c.Vectors), []byte("{")) {
		if err := json.Unmarshal(c.Vectors, &named); err != nil {
			return nil, format(c.Vectors, err)
		}
	} else {
		var one []point.Vector
		if err := json.Unmarshal(c.Vectors, &one); err != nil {
			return nil, format(c.Vectors, err)
		}
		named[""] = one
	}
	out := make([]point.Point, n)
	for i, id := range c.IDs {
		out[i] = point.Point{ID: id, Vectors: point.Vectors{}}
		if c.Payloads != nil {
			out[i].Payload = c.Payloads[i]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if len(named[name]) != n {
			return nil, wire.Refuse("batch", "number of ids and vectors must be equal (%d != %d)", n, len(named[name]))
		}
		for i, v := range named[name] {
			if err := wire.CheckVector("batch.vectors", v); err != nil {
				return nil, err
			}
			out[i].Vectors[name] = v
		}
	}
	return out, nil
}

type deleteBody struct{ selection }

func (d deleteBody) op() (collection.Op, error) {
	s, err := d.selector()
	return collection.Delete{Selector: s}, err
}

type vectorsBody struct {
	Points *[]pointBody   `json:"points"`
	Only   *filter.Filter `json:"update_filter"`
}

func (v vectorsBody) op() (collection.Op, error) {
	if v.Points == nil {
		return nil, missing("points")
	}
	if len(*v.Points) == 0 {
		return nil, wire.Refuse("points", "must specify points to update")
	}
	ps, err := points(*v.Points)
	return collection.SetVectors{Points: ps, Only: v.Only}, err
}

type deleteVectorsBody struct {
	selection
	Vector []string `json:"vector"`
}

func (d deleteVectorsBody) op() (collection.Op, error) {
	if len(d.Vector) == 0 {
		return nil, wire.Refuse("vector", "must specify vector names to delete")
	}
	s, err := d.selector()
	return collection.DeleteVectors{Selector: s, Names: d.Vector}, err
}

type payloadBody struct {
	selection
	Payload *point.Payload `json:"payload"`
	Key     string         `json:"key"`
}

func (p payloadBody) set() (collection.Op, error) {
	if p.Payload == nil {
		return nil, missing("payload")
	}
	s, err := p.selector()
	return collection.SetPayload{Selector: s, Payload: *p.Payload, Key: p.Key}, err
}

func (p payloadBody) overwrite() (collection.Op, error) {
	if p.Payload == nil {
		return nil, missing("payload")
	}
	if p.Key != "" { // what lies under a key is replaced by setting it
		return p.set()
	}
	s, err := p.selector()
	return collection.OverwritePayload{Selector: s, Payload: *p.Payload}, err
}

type deletePayloadBody struct {
	selection
	Keys *[]string `json:"keys"`
}

func (d deletePayloadBody) op() (collection.Op, error) {
	if d.Keys == nil {
		return nil, missing("keys")
	}
	s, err := d.selector()
	return collection.DeletePayload{Selector: s, Keys: *d.Keys}, err
}

type clearBody struct{ selection }

func (c clearBody) op() (collection.Op, error) {
	s, err := c.selector()
	return collection.ClearPayload{Selector: s}, err
}

// operation is one of a batch.
type operation struct {
	Upsert           *upsertBody        `json:"upsert"`
	Delete           *deleteBody        `json:"delete"`
	SetPayload       *payloadBody       `json:"set_payload"`
	OverwritePayload *payloadBody       `json:"overwrite_payload"`
	DeletePayload    *deletePayloadBody `json:"delete_payload"`
	ClearPayload     *clearBody         `json:"clear_payload"`
	UpdateVectors    *vectorsBody       `json:"update_vectors"`
	DeleteVectors    *deleteVectorsBody `json:"delete_vectors"`
}

func (o operation) op() (collection.Op, error) {
	switch {
	case o.Upsert != nil:
		return o.Upsert.op()
	case o.Delete != nil:
		return o.Delete.op()
	case o.SetPayload != nil:
		return o.SetPayload.set()
	case o.OverwritePayload != nil:
		return o.OverwritePayload.overwrite()
	case o.DeletePayload != nil:
		return o.DeletePayload.op()
	case o.ClearPayload != nil:
		return o.ClearPayload.op()
	case o.UpdateVectors != nil:
		return o.UpdateVectors.op()
	case o.DeleteVectors != nil:
		return o.DeleteVectors.op()
	}
	return nil, wire.Errorf(wire.BadFormat, "Format error in JSON body: data did not match any variant of untagged enum UpdateOperation: want one of upsert, delete, set_payload, overwrite_payload, delete_payload, clear_payload, update_vectors, delete_vectors")
}

// What comes out.

// hit is a found point as Qdrant writes it.
type hit struct {
	ID      point.ID       `json:"id"`
	Version uint64         `json:"version"`
	Score   score          `json:"score"`
	Payload *point.Payload `json:"payload,omitempty"`
	Vector  *point.Vectors `json:"vector,omitempty"`
}

// record is a point that was looked up, not ranked.
type record struct {
	ID      point.ID       `json:"id"`
	Payload *point.Payload `json:"payload,omitempty"`
	Vector  *point.Vectors `json:"vector,omitempty"`
}

// shape is what of a point comes back: a payload that was asked for and is empty is {}, one that was not is left out.
type shape struct{ payload, vector bool }

func shapeOf(payload, vector collection.Select) shape {
	asked := func(s collection.Select) bool { return s.All || s.Include != nil || s.Exclude != nil }
	return shape{asked(payload), asked(vector)}
}

func (s shape) parts(p point.Point) (payload *point.Payload, vectors *point.Vectors) {
	if s.payload {
		payload = &p.Payload
		if p.Payload == nil {
			payload = &point.Payload{}
		}
	}
	if s.vector {
		vectors = &p.Vectors
		if p.Vectors == nil {
			vectors = &point.Vectors{}
		}
	}
	return payload, vectors
}

func (s shape) hits(hs []collection.Hit) []hit {
	out := make([]hit, len(hs))
	for i, h := range hs {
		out[i] = hit{ID: h.ID, Version: h.Version, Score: score(h.Score)}
		out[i].Payload, out[i].Vector = s.parts(h.Point)
	}
	return out
}

func (s shape) record(p point.Point) record {
	r := record{ID: p.ID}
	r.Payload, r.Vector = s.parts(p)
	return r
}

func (s shape) records(hs []collection.Hit) []record {
	out := make([]record, len(hs))
	for i, h := range hs {
		out[i] = s.record(h.Point)
	}
	return out
}

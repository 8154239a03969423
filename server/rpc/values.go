package rpc

//lint:file-ignore SA1019 older clients send the deprecated fields, and read them

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/server/wire"
)

// Values of payloads, IDs, vectors and filters, from messages and to them.

// maxDepth is how deep a payload may nest, as in JSON.
const maxDepth = 128

func payload(m map[string]*qdrant.Value) (point.Payload, error) {
	if m == nil {
		return nil, nil
	}
	out := make(point.Payload, len(m))
	for k, v := range m {
		var err error
		if out[k], err = value(v, 1); err != nil {
			return nil, wire.Errorf(wire.BadInput, "payload %.100q: %v", k, err)
		}
	}
	return out, nil
}

func value(v *qdrant.Value, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch k := v.GetKind().(type) {
	case nil, *qdrant.Value_NullValue:
		return nil, nil
	case *qdrant.Value_BoolValue:
		return k.BoolValue, nil
	case *qdrant.Value_IntegerValue:
		return k.IntegerValue, nil
	case *qdrant.Value_DoubleValue:
		if math.IsNaN(k.DoubleValue) || math.IsInf(k.DoubleValue, 0) {
			return nil, fmt.Errorf("%v is no number of JSON", k.DoubleValue)
		}
		return k.DoubleValue, nil
	case *qdrant.Value_StringValue:
		return k.StringValue, nil
	case *qdrant.Value_StructValue:
		out := map[string]any{}
		for name, f := range k.StructValue.GetFields() {
			var err error
			if out[name], err = value(f, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *qdrant.Value_ListValue:
		out := []any{}
		for _, f := range k.ListValue.GetValues() {
			one, err := value(f, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		}
		return out, nil
	}
	return nil, fmt.Errorf("a value of an unknown kind %T", v.GetKind())
}

func toPayload(p map[string]any) map[string]*qdrant.Value {
	out := make(map[string]*qdrant.Value, len(p))
	for k, v := range p {
		out[k] = toValue(v)
	}
	return out
}

func toValue(v any) *qdrant.Value {
	switch v := v.(type) {
	case bool:
		return qdrant.NewValueBool(v)
	case int64:
		return qdrant.NewValueInt(v)
	case int:
		return qdrant.NewValueInt(int64(v))
	case float64:
		return qdrant.NewValueDouble(v)
	case string:
		return qdrant.NewValueString(v)
	case []any:
		l := &qdrant.ListValue{Values: make([]*qdrant.Value, len(v))}
		for i := range v {
			l.Values[i] = toValue(v[i])
		}
		return qdrant.NewValueList(l)
	case map[string]any:
		return qdrant.NewValueStruct(&qdrant.Struct{Fields: toPayload(v)})
	}
	return qdrant.NewValueNull()
}

func id(p *qdrant.PointId) (point.ID, error) {
	switch o := p.GetPointIdOptions().(type) {
	case *qdrant.PointId_Num:
		return point.Num(o.Num), nil
	case *qdrant.PointId_Uuid:
		u, err := point.ParseUUID(o.Uuid)
		if err != nil {
			return u, wire.Errorf(wire.BadInput, "Unable to parse UUID: %.100s", o.Uuid)
		}
		return u, nil
	}
	return point.ID{}, wire.Errorf(wire.BadInput, "a point has no id")
}

func ids(list []*qdrant.PointId) ([]point.ID, error) {
	out := make([]point.ID, len(list))
	for i, p := range list {
		var err error
		if out[i], err = id(p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func toID(p point.ID) *qdrant.PointId {
	if n, ok := p.Number(); ok {
		return qdrant.NewIDNum(n)
	}
	return qdrant.NewIDUUID(p.String())
}

func vectors(v *qdrant.Vectors) (point.Vectors, error) {
	switch o := v.GetVectorsOptions().(type) {
	case nil:
		return point.Vectors{}, nil
	case *qdrant.Vectors_Vector:
		one, err := vector(o.Vector)
		return point.Vectors{"": one}, err
	case *qdrant.Vectors_Vectors:
		out := point.Vectors{}
		for name, v := range o.Vectors.GetVectors() {
			var err error
			if out[name], err = vector(v); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, wire.Errorf(wire.BadInput, "vectors of an unknown kind")
}

var errInference = wire.Errorf(wire.BadInput, "InferenceService is not initialized: this server embeds no texts or images; send vectors")

// vector reads a vector in today's form, or in the one that older clients send: data, with indices if it is sparse, or
// with a number of vectors if they are several.
func vector(v *qdrant.Vector) (point.Vector, error) {
	var out point.Vector
	switch o := v.GetVector().(type) {
	case *qdrant.Vector_Dense:
		out.Dense = o.Dense.GetData()
	case *qdrant.Vector_Sparse:
		out.Sparse = &point.Sparse{Indices: o.Sparse.GetIndices(), Values: o.Sparse.GetValues()}
	case *qdrant.Vector_MultiDense:
		out = multi(o.MultiDense)
	case *qdrant.Vector_Document, *qdrant.Vector_Image, *qdrant.Vector_Object:
		return out, errInference
	default:
		data := v.GetData()
		switch n := int(v.GetVectorsCount()); {
		case v.GetIndices() != nil:
			out.Sparse = &point.Sparse{Indices: v.GetIndices().GetData(), Values: data}
		case v.VectorsCount != nil:
			if n < 1 || len(data)%n != 0 || len(data) == 0 {
				return out, wire.Errorf(wire.BadInput, "%d numbers are no %d vectors of one dimension", len(data), n)
			}
			for i, d := 0, len(data)/n; i < n; i++ {
				out.Multi = append(out.Multi, data[i*d:(i+1)*d:(i+1)*d])
			}
		default:
			out.Dense = data
		}
	}
	return out, wire.CheckVector("vector", out)
}

func multi(m *qdrant.MultiDenseVector) (v point.Vector) {
	v.Multi = [][]float32{}
	for _, row := range m.GetVectors() {
		v.Multi = append(v.Multi, row.GetData())
	}
	return v
}

func toVectors(vs point.Vectors) *qdrant.VectorsOutput {
	if len(vs) == 0 {
		return nil
	}
	if v, ok := vs[""]; ok && len(vs) == 1 {
		return &qdrant.VectorsOutput{VectorsOptions: &qdrant.VectorsOutput_Vector{Vector: toVector(v)}}
	}
	out := map[string]*qdrant.VectorOutput{}
	for name, v := range vs {
		out[name] = toVector(v)
	}
	return &qdrant.VectorsOutput{VectorsOptions: &qdrant.VectorsOutput_Vectors{Vectors: &qdrant.NamedVectorsOutput{Vectors: out}}}
}

// toVector writes a vector in both forms, so that older clients can read it.
func toVector(v point.Vector) *qdrant.VectorOutput {
	switch {
	case v.Sparse != nil:
		return &qdrant.VectorOutput{Data: v.Sparse.Values, Indices: &qdrant.SparseIndices{Data: v.Sparse.Indices},
			Vector: &qdrant.VectorOutput_Sparse{Sparse: &qdrant.SparseVector{Indices: v.Sparse.Indices, Values: v.Sparse.Values}}}
	case v.Multi != nil:
		n := uint32(len(v.Multi))
		m := &qdrant.MultiDenseVector{}
		var flat []float32
		for _, row := range v.Multi {
			m.Vectors = append(m.Vectors, &qdrant.DenseVector{Data: row})
			flat = append(flat, row...)
		}
		return &qdrant.VectorOutput{Data: flat, VectorsCount: &n, Vector: &qdrant.VectorOutput_MultiDense{MultiDense: m}}
	}
	return &qdrant.VectorOutput{Data: v.Dense, Vector: &qdrant.VectorOutput_Dense{Dense: &qdrant.DenseVector{Data: v.Dense}}}
}

func withPayload(s *qdrant.WithPayloadSelector) collection.Select {
	switch o := s.GetSelectorOptions().(type) {
	case *qdrant.WithPayloadSelector_Enable:
		return collection.Select{All: o.Enable}
	case *qdrant.WithPayloadSelector_Include:
		return collection.Select{Include: o.Include.GetFields()}
	case *qdrant.WithPayloadSelector_Exclude:
		if len(o.Exclude.GetFields()) == 0 {
			return collection.Select{All: true}
		}
		return collection.Select{Exclude: o.Exclude.GetFields()}
	}
	return collection.Select{}
}

// allUnless is withPayload where everything comes back unless something else is said.
func allUnless(s *qdrant.WithPayloadSelector) collection.Select {
	if s == nil {
		return collection.Select{All: true}
	}
	return withPayload(s)
}

func withVectors(s *qdrant.WithVectorsSelector) collection.Select {
	switch o := s.GetSelectorOptions().(type) {
	case *qdrant.WithVectorsSelector_Enable:
		return collection.Select{All: o.Enable}
	case *qdrant.WithVectorsSelector_Include:
		return collection.Select{Include: o.Include.GetNames()}
	}
	return collection.Select{}
}

// filtering reads a filter by way of its JSON, so that what a filter may be is said in one place, package filter.
func filtering(f *qdrant.Filter) (*filter.Filter, error) {
	if f == nil {
		return nil, nil
	}
	o, err := filterObject(f, 0)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(o)
	if err != nil {
		return nil, wire.Errorf(wire.BadInput, "filter: %v", err)
	}
	out := new(filter.Filter)
	return out, json.Unmarshal(b, out)
}

type object = map[string]any

func filterObject(f *qdrant.Filter, depth int) (object, error) {
	if depth > filter.MaxDepth {
		return nil, wire.Errorf(wire.BadInput, "filters are nested deeper than %d", filter.MaxDepth)
	}
	out := object{}
	put := func(name string, cs []*qdrant.Condition) error {
		var list []any
		for _, c := range cs {
			o, err := conditionObject(c, depth)
			if err != nil {
				return err
			}
			list = append(list, o)
		}
		if list != nil {
			out[name] = list
		}
		return nil
	}
	for name, cs := range map[string][]*qdrant.Condition{"must": f.GetMust(), "should": f.GetShould(), "must_not": f.GetMustNot()} {
		if err := put(name, cs); err != nil {
			return nil, err
		}
	}
	if m := f.GetMinShould(); m != nil {
		if err := put("min_should", m.GetConditions()); err != nil {
			return nil, err
		}
		out["min_should"] = object{"conditions": out["min_should"], "min_count": m.GetMinCount()}
	}
	return out, nil
}

func conditionObject(c *qdrant.Condition, depth int) (any, error) {
	switch o := c.GetConditionOneOf().(type) {
	case *qdrant.Condition_Field:
		return fieldObject(o.Field)
	case *qdrant.Condition_IsEmpty:
		return object{"is_empty": object{"key": o.IsEmpty.GetKey()}}, nil
	case *qdrant.Condition_IsNull:
		return object{"is_null": object{"key": o.IsNull.GetKey()}}, nil
	case *qdrant.Condition_HasId:
		list, err := ids(o.HasId.GetHasId())
		return object{"has_id": list}, err
	case *qdrant.Condition_HasVector:
		return object{"has_vector": o.HasVector.GetHasVector()}, nil
	case *qdrant.Condition_Nested:
		f, err := filterObject(o.Nested.GetFilter(), depth+1)
		return object{"nested": object{"key": o.Nested.GetKey(), "filter": f}}, err
	case *qdrant.Condition_Filter:
		return filterObject(o.Filter, depth+1)
	}
	return nil, wire.Errorf(wire.BadInput, "a condition of a filter is empty or of a kind that this server does not know")
}

func fieldObject(f *qdrant.FieldCondition) (object, error) {
	out := object{"key": f.GetKey()}
	if m := f.GetMatch(); m != nil {
		is, v := matchObject(m)
		out["match"] = object{is: v}
	}
	if r := f.GetRange(); r != nil {
		out["range"] = bounds(r.Lt, r.Gt, r.Gte, r.Lte)
	}
	if r := f.GetDatetimeRange(); r != nil {
		o := object{}
		for name, t := range map[string]interface {
			IsValid() bool
			AsTime() time.Time
		}{"lt": r.Lt, "gt": r.Gt, "gte": r.Gte, "lte": r.Lte} {
			if t.IsValid() {
				o[name] = t.AsTime().Format(time.RFC3339Nano)
			}
		}
		out["range"] = o
	}
	if v := f.GetValuesCount(); v != nil {
		out["values_count"] = bounds(v.Lt, v.Gt, v.Gte, v.Lte)
	}
	if g := f.GetGeoBoundingBox(); g != nil {
		out["geo_bounding_box"] = object{"top_left": geo(g.GetTopLeft()), "bottom_right": geo(g.GetBottomRight())}
	}
	if g := f.GetGeoRadius(); g != nil {
		out["geo_radius"] = object{"center": geo(g.GetCenter()), "radius": g.GetRadius()}
	}
	if g := f.GetGeoPolygon(); g != nil {
		o := object{"exterior": ring(g.GetExterior())}
		var inner []any
		for _, r := range g.GetInteriors() {
			inner = append(inner, ring(r))
		}
		if inner != nil {
			o["interiors"] = inner
		}
		out["geo_polygon"] = o
	}
	if f.IsEmpty != nil {
		out["is_empty"] = *f.IsEmpty
	}
	if f.IsNull != nil {
		out["is_null"] = *f.IsNull
	}
	return out, nil
}

func matchObject(m *qdrant.Match) (string, any) {
	switch v := m.GetMatchValue().(type) {
	case *qdrant.Match_Keyword:
		return "value", v.Keyword
	case *qdrant.Match_Integer:
		return "value", v.Integer
	case *qdrant.Match_Boolean:
		return "value", v.Boolean
	case *qdrant.Match_Text:
		return "text", v.Text
	case *qdrant.Match_TextAny:
		return "text_any", v.TextAny
	case *qdrant.Match_Phrase:
		return "phrase", v.Phrase
	case *qdrant.Match_Keywords:
		return "any", list(v.Keywords.GetStrings())
	case *qdrant.Match_Integers:
		return "any", list(v.Integers.GetIntegers())
	case *qdrant.Match_ExceptKeywords:
		return "except", list(v.ExceptKeywords.GetStrings())
	case *qdrant.Match_ExceptIntegers:
		return "except", list(v.ExceptIntegers.GetIntegers())
	}
	return "nothing", nil // which package filter refuses
}

func list[T any](s []T) []T { return append([]T{}, s...) } // [] and not null

func bounds[T any](lt, gt, gte, lte *T) object {
	o := object{}
	for name, p := range map[string]*T{"lt": lt, "gt": gt, "gte": gte, "lte": lte} {
		if p != nil {
			o[name] = *p
		}
	}
	return o
}

func geo(g *qdrant.GeoPoint) object { return object{"lon": g.GetLon(), "lat": g.GetLat()} }

func ring(l *qdrant.GeoLineString) object {
	points := []any{}
	for _, p := range l.GetPoints() {
		points = append(points, geo(p))
	}
	return object{"points": points}
}

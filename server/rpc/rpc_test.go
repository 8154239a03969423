package rpc

import (
	"encoding/json"
	"testing"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/server/wire"
)

// TestReads keeps the calls for which a key to read is enough those that the protocol has.
func TestReads(t *testing.T) {
	known := map[string]bool{}
	for service, methods := range map[string][]string{
		"Collections": names(qdrant.Collections_ServiceDesc.Methods), "Points": names(qdrant.Points_ServiceDesc.Methods), "Snapshots": names(qdrant.Snapshots_ServiceDesc.Methods),
	} {
		for _, m := range methods {
			known["/qdrant."+service+"/"+m] = true
		}
	}
	for m := range reads {
		if !known[m] {
			t.Errorf("%s is no call", m)
		}
	}
	for m, want := range map[string]wire.Access{"/qdrant.Points/Upsert": wire.Write, "/qdrant.Collections/Delete": wire.Write, "/qdrant.Snapshots/Create": wire.Write,
		"/qdrant.Points/Query": wire.Read, "/qdrant.Qdrant/HealthCheck": wire.Nothing, "/something/new": wire.Write} {
		if got := access(m); got != want {
			t.Errorf("%s needs %v, want %v", m, got, want)
		}
	}
}

func names(list []grpc.MethodDesc) (out []string) {
	for _, m := range list {
		out = append(out, m.MethodName)
	}
	return out
}

// TestFilters compares each kind of condition with the JSON that REST has for it.
func TestFilters(t *testing.T) {
	berlin := &qdrant.GeoPoint{Lon: 13.4, Lat: 52.5}
	ring := &qdrant.GeoLineString{Points: []*qdrant.GeoPoint{{}, {Lon: 1}, {Lon: 1, Lat: 1}, {}}}
	two, one := 2.5, uint64(1)
	for want, c := range map[string]*qdrant.Condition{
		`{"key":"a","match":{"value":"x"}}`:                                    qdrant.NewMatchKeyword("a", "x"),
		`{"key":"a","match":{"value":7}}`:                                      qdrant.NewMatchInt("a", 7),
		`{"key":"a","match":{"value":true}}`:                                   qdrant.NewMatchBool("a", true),
		`{"key":"a","match":{"text":"x y"}}`:                                   qdrant.NewMatchText("a", "x y"),
		`{"key":"a","match":{"phrase":"x y"}}`:                                 qdrant.NewMatchPhrase("a", "x y"),
		`{"key":"a","match":{"any":["x","y"]}}`:                                qdrant.NewMatchKeywords("a", "x", "y"),
		`{"key":"a","match":{"any":[1,2]}}`:                                    qdrant.NewMatchInts("a", 1, 2),
		`{"key":"a","match":{"except":["x"]}}`:                                 qdrant.NewMatchExceptKeywords("a", "x"),
		`{"key":"a","range":{"gt":2.5}}`:                                       qdrant.NewRange("a", &qdrant.Range{Gt: &two}),
		`{"key":"a","values_count":{"gte":1}}`:                                 qdrant.NewValuesCount("a", &qdrant.ValuesCount{Gte: &one}),
		`{"is_empty":{"key":"a"}}`:                                             qdrant.NewIsEmpty("a"),
		`{"is_null":{"key":"a"}}`:                                              qdrant.NewIsNull("a"),
		`{"has_id":[1,"5c56c793-69f3-4fbf-87e6-c4bf54c28c26"]}`:                qdrant.NewHasID(qdrant.NewIDNum(1), qdrant.NewIDUUID("5c56c793-69f3-4fbf-87e6-c4bf54c28c26")),
		`{"has_vector":"v"}`:                                                   qdrant.NewHasVector("v"),
		`{"nested":{"key":"a[]","filter":{"must":[{"is_null":{"key":"b"}}]}}}`: qdrant.NewNestedCondition("a[]", qdrant.NewIsNull("b")),
		`{"should":[{"is_null":{"key":"b"}}],"min_should":{"conditions":[{"is_null":{"key":"c"}}],"min_count":1}}`:                    qdrant.NewFilterAsCondition(&qdrant.Filter{Should: []*qdrant.Condition{qdrant.NewIsNull("b")}, MinShould: &qdrant.MinShould{Conditions: []*qdrant.Condition{qdrant.NewIsNull("c")}, MinCount: 1}}),
		`{"key":"a","geo_radius":{"center":{"lon":13.4,"lat":52.5},"radius":100}}`:                                                    qdrant.NewGeoRadius("a", 52.5, 13.4, 100),
		`{"key":"a","geo_bounding_box":{"top_left":{"lon":13.4,"lat":52.5},"bottom_right":{"lon":14,"lat":52}}}`:                      {ConditionOneOf: &qdrant.Condition_Field{Field: &qdrant.FieldCondition{Key: "a", GeoBoundingBox: &qdrant.GeoBoundingBox{TopLeft: berlin, BottomRight: &qdrant.GeoPoint{Lon: 14, Lat: 52}}}}},
		`{"key":"a","geo_polygon":{"exterior":{"points":[{"lon":0,"lat":0},{"lon":1,"lat":0},{"lon":1,"lat":1},{"lon":0,"lat":0}]}}}`: {ConditionOneOf: &qdrant.Condition_Field{Field: &qdrant.FieldCondition{Key: "a", GeoPolygon: &qdrant.GeoPolygon{Exterior: ring}}}},
	} {
		got, err := filtering(&qdrant.Filter{Must: []*qdrant.Condition{c}})
		if err != nil {
			t.Errorf("%s: %v", want, err)
			continue
		}
		var f filter.Filter
		if err := json.Unmarshal([]byte(`{"must":[`+want+`]}`), &f); err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(&f)
		if string(a) != string(b) {
			t.Errorf("%s became %s", want, a)
		}
	}
}

// TestQuantization keeps what was set over one protocol what the other tells.
func TestQuantization(t *testing.T) {
	for _, text := range []string{
		`{"scalar":{"always_ram":true,"quantile":0.5,"type":"int8"}}`, `{"scalar":{"type":"int8"}}`,
		`{"product":{"compression":"x4"}}`, `{"product":{"always_ram":false,"compression":"x32"}}`,
		`{"binary":{}}`, `{"binary":{"always_ram":true,"encoding":"one_and_half_bits","query_encoding":"scalar8bits"}}`,
		`{"turbo":{}}`, `{"turbo":{"bits":"bits1_5"}}`,
	} {
		var o map[string]any
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		m := toQuantization(o)
		if got, _ := json.Marshal(quantized(m)); string(got) != text {
			t.Errorf("%s became %v and %s", text, m, got)
		}
	}
	for _, text := range []string{`{}`, `null`, `{"new":{"x":1}}`, `{"scalar":7}`} {
		var o map[string]any
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		if m := toQuantization(o); m != nil {
			t.Errorf("%s became %v", text, m)
		}
	}
	if got := quantized((*qdrant.QuantizationConfig)(nil)); got != nil {
		t.Errorf("nothing became %v", got)
	}
}

// FuzzMessages reads any message: what is wrong is an error.
func FuzzMessages(f *testing.F) {
	add := func(m proto.Message) {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	add(&qdrant.QueryPoints{CollectionName: "c", Query: qdrant.NewQueryDense([]float32{1}), Prefetch: []*qdrant.PrefetchQuery{{Query: qdrant.NewQuerySparse([]uint32{1}, []float32{1})}},
		Filter: &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("a", "b")}}})
	add(&qdrant.UpsertPoints{CollectionName: "c", Points: []*qdrant.PointStruct{{Id: qdrant.NewIDNum(1), Vectors: qdrant.NewVectors(1, 2), Payload: qdrant.NewValueMap(map[string]any{"a": []any{1, "x", nil}})}}})
	add(&qdrant.CreateCollection{CollectionName: "c", VectorsConfig: qdrant.NewVectorsConfig(&qdrant.VectorParams{Size: 2, Distance: qdrant.Distance_Dot}), QuantizationConfig: qdrant.NewQuantizationScalar(&qdrant.ScalarQuantization{Type: qdrant.QuantizationType_Int8})})
	add(&qdrant.RecommendPoints{Positive: []*qdrant.PointId{qdrant.NewIDNum(1)}, NegativeVectors: []*qdrant.Vector{qdrant.NewVector(1)}, Limit: 3})
	add(&qdrant.CreateFieldIndexCollection{FieldName: "a", FieldIndexParams: qdrant.NewPayloadIndexParamsText(&qdrant.TextIndexParams{})})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m := new(qdrant.QueryPoints); proto.Unmarshal(b, m) == nil {
			fromQuery(m)
		}
		if m := new(qdrant.SearchPoints); proto.Unmarshal(b, m) == nil {
			fromSearch(m)
		}
		if m := new(qdrant.RecommendPoints); proto.Unmarshal(b, m) == nil {
			fromRecommend(m)
		}
		if m := new(qdrant.DiscoverPoints); proto.Unmarshal(b, m) == nil {
			fromDiscover(m)
		}
		if m := new(qdrant.UpsertPoints); proto.Unmarshal(b, m) == nil {
			upsert(m.GetPoints(), m.GetUpdateFilter(), m.GetUpdateMode())
		}
		if m := new(qdrant.UpdateBatchPoints); proto.Unmarshal(b, m) == nil {
			for _, o := range m.GetOperations() {
				operation(o)
			}
		}
		if m := new(qdrant.CreateFieldIndexCollection); proto.Unmarshal(b, m) == nil {
			schema(m)
		}
		if m := new(qdrant.CreateCollection); proto.Unmarshal(b, m) == nil {
			w := wire.CreateCollection{Vectors: vectorsConfig(m.GetVectorsConfig()), Sparse: sparseConfig(m.GetSparseVectorsConfig()), HNSW: hnsw(m.GetHnswConfig()),
				OptimizersConfig: kept(m.GetOptimizersConfig()), QuantizationConfig: quantized(m.GetQuantizationConfig())}
			if cfg, err := w.Config(); err == nil {
				wire.Told(cfg)
			}
		}
	})
}

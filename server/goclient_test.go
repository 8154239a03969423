package server

import (
	"context"
	"crypto/tls"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/latent-go/latent/server/wire"
)

// serveOn serves s on free ports of loopback until the test ends, and says which.
func serveOn(t testing.TB, s *Server) (rest, rpc string) {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l1, l2 := listen(), listen()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, l1, l2) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l1.Addr().String(), l2.Addr().String()
}

// connect returns Qdrant's official Go client. In a test it does not know its own version and cannot compare.
func connect(t testing.TB, address, key string, secure *tls.Config) *qdrant.Client {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	c, err := qdrant.NewClient(&qdrant.Config{Host: host, Port: n, APIKey: key, UseTLS: secure != nil, TLSConfig: secure, SkipCompatibilityCheck: true, GrpcOptions: []grpc.DialOption{grpc.WithIdleTimeout(time.Minute)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func code(t testing.TB, err error, want codes.Code, text string) {
	t.Helper()
	if status.Code(err) != want || err != nil && !strings.HasSuffix(err.Error(), text) {
		t.Errorf("error %v, want code %v and %q", err, want, text)
	}
}

// TestGoClient is a session with Qdrant's official Go client, as an application would have it. With LATENT_GRPC set it
// runs against the server there.
func TestGoClient(t *testing.T) {
	address := os.Getenv("LATENT_GRPC")
	if address == "" {
		_, address = serveOn(t, open(t, Options{}))
	}
	q := connect(t, address, "", nil)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const name, dim, n = "go", 8, 300
	yes := true
	rng := rand.New(rand.NewPCG(1, 2))
	vector := func() []float32 {
		v := make([]float32, dim)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	health, err := q.HealthCheck(ctx)
	ok(err)
	if health.GetVersion() != qdrantVersion {
		t.Errorf("version %s", health.GetVersion())
	}

	// create
	_ = q.DeleteCollection(ctx, name)
	ok(q.CreateCollection(ctx, &qdrant.CreateCollection{
		CollectionName:      name,
		VectorsConfig:       qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{"dense": {Size: dim, Distance: qdrant.Distance_Cosine}}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{"words": {Modifier: qdrant.Modifier_Idf.Enum()}}),
		HnswConfig:          &qdrant.HnswConfigDiff{M: qdrant.PtrOf(uint64(24))},
		OptimizersConfig:    &qdrant.OptimizersConfigDiff{IndexingThreshold: qdrant.PtrOf(uint64(1000))},
		QuantizationConfig:  qdrant.NewQuantizationScalar(&qdrant.ScalarQuantization{Type: qdrant.QuantizationType_Int8, AlwaysRam: &yes}),
		Metadata:            qdrant.NewValueMap(map[string]any{"made by": "the test"}),
	}))
	exists, err := q.CollectionExists(ctx, name)
	ok(err)
	if !exists {
		t.Fatal("not there")
	}
	code(t, q.CreateCollection(ctx, &qdrant.CreateCollection{CollectionName: name}), codes.AlreadyExists, "Wrong input: Collection `go` already exists!")

	// upsert in batches
	vectors := make([][]float32, n)
	for at := 0; at < n; at += 100 {
		var points []*qdrant.PointStruct
		for i := at; i < at+100; i++ {
			vectors[i] = vector()
			points = append(points, &qdrant.PointStruct{
				Id: qdrant.NewIDNum(uint64(i)),
				Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{
					"dense": qdrant.NewVectorDense(vectors[i]), "words": qdrant.NewVectorSparse([]uint32{uint32(i % 5), 100}, []float32{1, 0.5})}),
				Payload: qdrant.NewValueMap(map[string]any{"n": i, "city": []string{"Berlin", "Rome"}[i%2], "deep": map[string]any{"x": []any{1.5, nil, true}}}),
			})
		}
		r, err := q.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: name, Wait: &yes, Points: points})
		ok(err)
		if r.GetStatus() != qdrant.UpdateStatus_Completed {
			t.Errorf("status %v", r.GetStatus())
		}
	}
	count, err := q.Count(ctx, &qdrant.CountPoints{CollectionName: name, Exact: &yes})
	ok(err)
	if count != n {
		t.Errorf("%d points", count)
	}

	// payload index
	for field, kind := range map[string]qdrant.FieldType{"city": qdrant.FieldType_FieldTypeKeyword, "n": qdrant.FieldType_FieldTypeInteger} {
		_, err := q.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{CollectionName: name, Wait: &yes, FieldName: field, FieldType: kind.Enum()})
		ok(err)
	}
	_, err = q.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{CollectionName: name, FieldName: "text", FieldType: qdrant.FieldType_FieldTypeText.Enum(),
		FieldIndexParams: qdrant.NewPayloadIndexParamsText(&qdrant.TextIndexParams{Tokenizer: qdrant.TokenizerType_Word, Lowercase: &yes})})
	ok(err)
	info, err := q.GetCollectionInfo(ctx, name)
	ok(err)
	if got := info.GetPayloadSchema()["city"]; got.GetDataType() != qdrant.PayloadSchemaType_Keyword || got.GetPoints() != n {
		t.Errorf("index %v", got)
	}
	if info.GetConfig().GetHnswConfig().GetM() != 24 || info.GetConfig().GetOptimizerConfig().GetIndexingThreshold() != 1000 ||
		info.GetConfig().GetMetadata()["made by"].GetStringValue() != "the test" || info.GetPointsCount() != n ||
		!info.GetConfig().GetQuantizationConfig().GetScalar().GetAlwaysRam() {
		t.Errorf("info %v", info)
	}

	// a vector that comes later and goes again; the generated client, unlike its wrapper, tells the time that calls took
	raw := q.GetPointsClient()
	times := []func() (*qdrant.PointsOperationResponse, error){
		func() (*qdrant.PointsOperationResponse, error) {
			return raw.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{CollectionName: name, FieldName: "gone", FieldType: qdrant.FieldType_FieldTypeBool.Enum()})
		},
		func() (*qdrant.PointsOperationResponse, error) {
			return raw.DeleteFieldIndex(ctx, &qdrant.DeleteFieldIndexCollection{CollectionName: name, FieldName: "gone"})
		},
		func() (*qdrant.PointsOperationResponse, error) {
			return raw.CreateVectorName(ctx, &qdrant.CreateVectorNameRequest{CollectionName: name, VectorName: "late", VectorConfig: &qdrant.CreateVectorNameRequest_DenseConfig{
				DenseConfig: &qdrant.DenseVectorCreationConfig{Size: 2, Distance: qdrant.Distance_Dot}}})
		},
		func() (*qdrant.PointsOperationResponse, error) {
			return raw.DeleteVectorName(ctx, &qdrant.DeleteVectorNameRequest{CollectionName: name, VectorName: "late"})
		},
	}
	for i, call := range times {
		r, err := call()
		ok(err)
		if !(r.GetTime() > 0) || r.GetResult().GetStatus() != qdrant.UpdateStatus_Completed {
			t.Errorf("call %d: %v", i, r)
		}
	}

	// filtered query, against what it must be
	query := vector()
	found, err := q.Query(ctx, &qdrant.QueryPoints{
		CollectionName: name, Query: qdrant.NewQueryDense(query), Using: qdrant.PtrOf("dense"), Limit: qdrant.PtrOf(uint64(5)),
		Filter: &qdrant.Filter{
			Must:    []*qdrant.Condition{qdrant.NewMatch("city", "Rome"), qdrant.NewRange("n", &qdrant.Range{Lt: qdrant.PtrOf(200.0)})},
			MustNot: []*qdrant.Condition{qdrant.NewHasID(qdrant.NewIDNum(7))},
		},
		Params: &qdrant.SearchParams{Exact: &yes}, WithPayload: qdrant.NewWithPayloadInclude("n"), WithVectors: qdrant.NewWithVectors(true),
	})
	ok(err)
	cosine := func(i int) float64 {
		var ab, aa, bb float64
		for j := range query {
			ab, aa, bb = ab+float64(query[j])*float64(vectors[i][j]), aa+float64(query[j])*float64(query[j]), bb+float64(vectors[i][j])*float64(vectors[i][j])
		}
		return ab / math.Sqrt(aa*bb)
	}
	var want []int
	for i := 1; i < 200; i += 2 {
		if i != 7 {
			want = append(want, i)
		}
	}
	slices.SortFunc(want, func(a, b int) int {
		if cosine(a) > cosine(b) {
			return -1
		}
		return 1
	})
	for i, p := range found {
		if int(p.GetId().GetNum()) != want[i] || math.Abs(float64(p.GetScore())-cosine(want[i])) > 1e-5 || p.GetPayload()["n"].GetIntegerValue() != int64(want[i]) || len(p.GetPayload()) != 1 ||
			len(p.GetVectors().GetVectors().GetVectors()["dense"].GetDense().GetData()) != dim {
			t.Errorf("hit %d is %v, want %d", i, p, want[i])
		}
	}
	if len(found) != 5 {
		t.Errorf("%d hits", len(found))
	}
	groups, err := q.QueryGroups(ctx, &qdrant.QueryPointGroups{CollectionName: name, Query: qdrant.NewQueryDense(query), Using: qdrant.PtrOf("dense"), GroupBy: "city", GroupSize: qdrant.PtrOf(uint64(2))})
	ok(err)
	if len(groups) != 2 || len(groups[0].GetHits()) != 2 {
		t.Errorf("groups %v", groups)
	}
	facet, err := q.Facet(ctx, &qdrant.FacetCounts{CollectionName: name, Key: "city"})
	ok(err)
	if len(facet) != 2 || facet[0].GetCount() != n/2 {
		t.Errorf("facet %v", facet)
	}

	// scroll
	var seen []uint64
	for offset := (*qdrant.PointId)(nil); ; {
		page, next, err := q.ScrollAndOffset(ctx, &qdrant.ScrollPoints{CollectionName: name, Offset: offset, Limit: qdrant.PtrOf(uint32(70))})
		ok(err)
		for _, p := range page {
			seen = append(seen, p.GetId().GetNum())
		}
		if offset = next; offset == nil {
			break
		}
	}
	if len(seen) != n || !slices.IsSorted(seen) {
		t.Errorf("scrolled over %d points", len(seen))
	}
	last, err := q.Scroll(ctx, &qdrant.ScrollPoints{CollectionName: name, Limit: qdrant.PtrOf(uint32(1)), OrderBy: &qdrant.OrderBy{Key: "n", Direction: qdrant.Direction_Desc.Enum(), StartFrom: qdrant.NewStartFromInt(100)}})
	ok(err)
	if len(last) != 1 || last[0].GetId().GetNum() != 100 {
		t.Errorf("ordered scroll begins with %v", last)
	}

	// update
	change := func(_ *qdrant.UpdateResult, err error) {
		t.Helper()
		ok(err)
	}
	one := func(i uint64) *qdrant.PointsSelector { return qdrant.NewPointsSelector(qdrant.NewIDNum(i)) }
	change(q.SetPayload(ctx, &qdrant.SetPayloadPoints{CollectionName: name, Wait: &yes, Payload: qdrant.NewValueMap(map[string]any{"seen": true}), PointsSelector: one(1)}))
	change(q.OverwritePayload(ctx, &qdrant.SetPayloadPoints{CollectionName: name, Wait: &yes, Payload: qdrant.NewValueMap(map[string]any{"only": 1}), PointsSelector: one(2)}))
	change(q.DeletePayload(ctx, &qdrant.DeletePayloadPoints{CollectionName: name, Wait: &yes, Keys: []string{"city"}, PointsSelector: one(3)}))
	change(q.ClearPayload(ctx, &qdrant.ClearPayloadPoints{CollectionName: name, Wait: &yes, Points: one(4)}))
	change(q.UpdateVectors(ctx, &qdrant.UpdatePointVectors{CollectionName: name, Wait: &yes, Points: []*qdrant.PointVectors{
		{Id: qdrant.NewIDNum(5), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"dense": qdrant.NewVectorDense(query)})}}}))
	change(q.DeleteVectors(ctx, &qdrant.DeletePointVectors{CollectionName: name, Wait: &yes, PointsSelector: one(6), Vectors: &qdrant.VectorsSelector{Names: []string{"words"}}}))
	got, err := q.Get(ctx, &qdrant.GetPoints{CollectionName: name, Ids: []*qdrant.PointId{qdrant.NewIDNum(1), qdrant.NewIDNum(2), qdrant.NewIDNum(3), qdrant.NewIDNum(4), qdrant.NewIDNum(6)},
		WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectorsInclude("words")})
	ok(err)
	if !got[0].GetPayload()["seen"].GetBoolValue() || got[0].GetPayload()["deep"].GetStructValue().GetFields()["x"].GetListValue().GetValues()[0].GetDoubleValue() != 1.5 ||
		len(got[1].GetPayload()) != 1 || got[2].GetPayload()["city"] != nil || len(got[3].GetPayload()) != 0 || got[4].GetVectors().GetVectors().GetVectors()["words"] != nil {
		t.Errorf("after updates: %v", got)
	}
	if s := got[0].GetVectors().GetVectors().GetVectors()["words"].GetSparse(); !slices.Equal(s.GetIndices(), []uint32{1, 100}) {
		t.Errorf("sparse vector %v", s)
	}
	nearest, err := q.Query(ctx, &qdrant.QueryPoints{CollectionName: name, Query: qdrant.NewQueryDense(query), Using: qdrant.PtrOf("dense"), Limit: qdrant.PtrOf(uint64(1))})
	ok(err)
	if nearest[0].GetId().GetNum() != 5 {
		t.Errorf("nearest is %v", nearest[0])
	}
	id := qdrant.NewIDUUID(uuid)
	results, err := q.UpdateBatch(ctx, &qdrant.UpdateBatchPoints{CollectionName: name, Wait: &yes, Operations: []*qdrant.PointsUpdateOperation{
		qdrant.NewPointsUpdateUpsert(&qdrant.PointsUpdateOperation_PointStructList{Points: []*qdrant.PointStruct{{Id: id, Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"dense": qdrant.NewVectorDense(vector())})}}}),
		qdrant.NewPointsUpdateSetPayload(&qdrant.PointsUpdateOperation_SetPayload{Payload: qdrant.NewValueMap(map[string]any{"late": 1}), PointsSelector: qdrant.NewPointsSelector(id)}),
	}})
	ok(err)
	if len(results) != 2 {
		t.Errorf("results %v", results)
	}

	// hybrid query
	prefetch := []*qdrant.PrefetchQuery{
		{Query: qdrant.NewQueryDense(query), Using: qdrant.PtrOf("dense"), Limit: qdrant.PtrOf(uint64(20))},
		{Query: qdrant.NewQuerySparse([]uint32{0, 1}, []float32{1, 0.5}), Using: qdrant.PtrOf("words"), Limit: qdrant.PtrOf(uint64(20))},
	}
	for _, fusion := range []*qdrant.Query{qdrant.NewQueryFusion(qdrant.Fusion_RRF), qdrant.NewQueryFusion(qdrant.Fusion_DBSF), qdrant.NewQueryRRF(&qdrant.Rrf{K: qdrant.PtrOf(uint32(10))})} {
		both, err := q.Query(ctx, &qdrant.QueryPoints{CollectionName: name, Prefetch: prefetch, Query: fusion})
		ok(err)
		if len(both) != 10 || !slices.IsSortedFunc(both, func(a, b *qdrant.ScoredPoint) int { return int(math.Copysign(1, float64(b.GetScore()-a.GetScore()))) }) {
			t.Errorf("fused: %v", both)
		}
	}
	recommended, err := q.Query(ctx, &qdrant.QueryPoints{CollectionName: name, Using: qdrant.PtrOf("dense"), Limit: qdrant.PtrOf(uint64(3)),
		Query: qdrant.NewQueryRecommend(&qdrant.RecommendInput{Positive: []*qdrant.VectorInput{qdrant.NewVectorInputID(qdrant.NewIDNum(5))}, Negative: []*qdrant.VectorInput{qdrant.NewVectorInputDense(vectors[9])}})})
	ok(err)
	if len(recommended) != 3 {
		t.Errorf("recommended: %v", recommended)
	}

	// delete
	change(q.Delete(ctx, &qdrant.DeletePoints{CollectionName: name, Wait: &yes, Points: qdrant.NewPointsSelector(id)}))
	change(q.Delete(ctx, &qdrant.DeletePoints{CollectionName: name, Wait: &yes, Points: qdrant.NewPointsSelectorFilter(&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewRange("n", &qdrant.Range{Gte: qdrant.PtrOf(200.0)})}})}))
	if count, err = q.Count(ctx, &qdrant.CountPoints{CollectionName: name}); count != 200 || err != nil {
		t.Errorf("%d points after deleting, %v", count, err)
	}

	// aliases
	ok(q.CreateAlias(ctx, "gopher", name))
	if count, err = q.Count(ctx, &qdrant.CountPoints{CollectionName: "gopher"}); count != 200 || err != nil {
		t.Errorf("%d points by the alias, %v", count, err)
	}
	ok(q.RenameAlias(ctx, "gopher", "gophers"))
	aliases, err := q.ListCollectionAliases(ctx, name)
	ok(err)
	if !slices.Equal(aliases, []string{"gophers"}) {
		t.Errorf("aliases %v", aliases)
	}
	ok(q.DeleteAlias(ctx, "gophers"))

	// snapshot
	snap, err := q.CreateSnapshot(ctx, name)
	ok(err)
	list, err := q.ListSnapshots(ctx, name)
	ok(err)
	if len(list) != 1 || list[0].GetName() != snap.GetName() || list[0].GetSize() == 0 {
		t.Errorf("snapshots %v", list)
	}
	ok(q.DeleteSnapshot(ctx, name, snap.GetName()))

	// what is wrong is refused as Qdrant does it
	_, err = q.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: name, Wait: &yes, Points: []*qdrant.PointStruct{{Id: qdrant.NewIDNum(1), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"dense": qdrant.NewVector(1, 2)})}}})
	code(t, err, codes.InvalidArgument, "Wrong input: Vector dimension error: expected dim: 8, got 2")
	_, err = q.Count(ctx, &qdrant.CountPoints{CollectionName: "nowhere"})
	code(t, err, codes.NotFound, "Not found: Collection `nowhere` doesn't exist!")
	_, err = q.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: name, Points: []*qdrant.PointStruct{{Id: qdrant.NewIDUUID("no uuid"), Vectors: qdrant.NewVectors(1)}}})
	code(t, err, codes.InvalidArgument, "")
	_, err = q.Query(ctx, &qdrant.QueryPoints{CollectionName: name, Query: qdrant.NewQueryDense([]float32{float32(math.NaN()), 1, 1, 1, 1, 1, 1, 1}), Using: qdrant.PtrOf("dense")})
	code(t, err, codes.InvalidArgument, "")
	_, err = q.Query(ctx, &qdrant.QueryPoints{CollectionName: name, Filter: &qdrant.Filter{Must: []*qdrant.Condition{{}}}})
	code(t, err, codes.InvalidArgument, "")
	ok(q.DeleteCollection(ctx, name))
}

// TestGoClientKeys gives the keys of each kind to the official Go client.
func TestGoClientKeys(t *testing.T) {
	s := open(t, Options{Keys: wire.Keys{Full: []string{"full"}, ReadOnly: []string{"read"}}})
	_, address := serveOn(t, s)
	for key, want := range map[string][2]codes.Code{
		"":      {codes.Unauthenticated, codes.Unauthenticated},
		"wrong": {codes.Unauthenticated, codes.Unauthenticated},
		"read":  {codes.OK, codes.PermissionDenied},
		"full":  {codes.OK, codes.OK},
	} {
		q := connect(t, address, key, nil)
		_, err := q.ListCollections(ctx)
		code(t, err, want[0], "")
		code(t, q.CreateCollection(ctx, &qdrant.CreateCollection{CollectionName: "new" + key}), want[1], "")
		if _, err := q.HealthCheck(ctx); err != nil {
			t.Errorf("health with key %q: %v", key, err)
		}
	}
}

package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/latent-go/latent/server/wire"
)

const uuid = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"

// TestRoutes goes through the table, with what each route does well and what it refuses, and how.
func TestRoutes(t *testing.T) {
	s := open(t, Options{Version: "1.2.3"})
	run(t, s, []step{
		{"GET", "/", "", 200, `"version":"1.19.0"`},
		{"GET", "/healthz", "", 200, "healthz check passed"},
		{"GET", "/livez/", "", 200, "livez check passed"},
		{"GET", "/readyz", "", 200, "ready"},
		{"GET", "/telemetry", "", 200, `{"app":{"version":"1.2.3"},"collections":{"number_of_collections":0}}`},
		{"GET", "/cluster", "", 200, `{"status":"disabled"}`},
		{"GET", "/collections", "", 200, `{"collections":[]}`},
		{"GET", "/collections/c/exists", "", 200, `{"exists":false}`},
		{"GET", "/collections/c", "", 404, "Not found: Collection `c` doesn't exist!"},
		{"DELETE", "/collections/c", "", 200, "false"},

		{"PUT", "/collections/c", `{"vectors":{"size":2,"distance":"Dot","hnsw_config":{"m":8},"on_disk":true},"optimizers_config":{"indexing_threshold":7},"metadata":{"model":"m"}}`, 200, "true"},
		{"PUT", "/collections/c", `{"vectors":{"size":2,"distance":"Dot"}}`, 409, "Wrong input: Collection `c` already exists!"},
		{"GET", "/collections/c/exists", "", 200, `{"exists":true}`},
		{"GET", "/collections/c", "", 200, `{"status":"green","optimizer_status":"ok","points_count":0,"segments_count":1,"payload_schema":{},
			"config":{"params":{"vectors":{"size":2,"distance":"Dot","on_disk":true,"hnsw_config":{"m":8}}},"optimizer_config":{"indexing_threshold":7},"hnsw_config":{"m":16},"metadata":{"model":"m"}}}`},
		{"PATCH", "/collections/c", `{"metadata":{"owner":"o"},"optimizers_config":{"indexing_threshold":8},"vectors":{"":{"hnsw_config":{"m":12}}}}`, 200, "true"},
		{"GET", "/collections/c", "", 200, `{"config":{"params":{"vectors":{"hnsw_config":{"m":12}}},"optimizer_config":{"indexing_threshold":8},"metadata":{"model":"m","owner":"o"}}}`},
		{"PATCH", "/collections/c", `{"vectors":{"x":{}}}`, 400, "Not existing vector name error: x"},
		{"PATCH", "/collections/nowhere", `{}`, 404, "Not found"},
		{"GET", "/collections/c/cluster", "", 200, `{"shard_count":1}`},

		// Aliases.
		{"POST", "/collections/aliases", `{"actions":[{"create_alias":{"collection_name":"c","alias_name":"a"}},{"rename_alias":{"old_alias_name":"a","new_alias_name":"b"}}]}`, 200, "true"},
		{"GET", "/aliases", "", 200, `{"aliases":[{"alias_name":"b","collection_name":"c"}]}`},
		{"GET", "/collections/c/aliases", "", 200, `{"aliases":[{"alias_name":"b","collection_name":"c"}]}`},
		{"GET", "/collections/b", "", 200, `{"points_count":0}`},
		{"POST", "/collections/aliases", `{"actions":[{"delete_alias":{"alias_name":"b"}},{"create_alias":{"collection_name":"nowhere","alias_name":"x"}}]}`, 404, "Not found: Collection `nowhere` doesn't exist!"},
		{"GET", "/aliases", "", 200, `{"aliases":[{"alias_name":"b"}]}`}, // all or none
		{"POST", "/collections/aliases", `{"actions":[{"delete_alias":{"alias_name":"b"}}]}`, 200, "true"},
		{"POST", "/collections/aliases", `{"actions":[{}]}`, 400, "AliasOperations"},
		{"POST", "/collections/aliases", `{}`, 400, "missing field `actions`"},
		{"DELETE", "/collections/c", "", 200, "true"},
	})
	small(t, s, "p")
	run(t, s, []step{
		{"PUT", "/collections/p/points?wait=true", `{"batch":{"ids":[10,11],"vectors":[[5,5],[6,6]],"payloads":[{"n":10},null]}}`, 200, `{"status":"completed"}`},
		{"PUT", "/collections/p/points", `{"points":[{"id":12,"vector":[0,0]}]}`, 200, `{"status":"acknowledged"}`},
		{"PUT", "/collections/p/points?wait=true", `{"points":[{"id":12,"vector":[9,9]}],"update_mode":"insert_only"}`, 200, `{"status":"completed"}`},
		{"POST", "/collections/p/points", `{"ids":[12,99,10],"with_vector":true}`, 200, `[{"id":12,"vector":[0,0],"payload":{}},{"id":10,"payload":{"n":10},"vector":[5,5]}]`},
		{"GET", "/collections/p/points/3", "", 200, `{"id":3,"vector":[1,1],"payload":{"city":"Rome","n":3.5,"tags":["a","b"]}}`},
		{"GET", "/collections/p/points/" + uuid, "", 200, `{"id":"` + uuid + `"}`},
		{"GET", "/collections/p/points/99", "", 404, "Not found: Point with id 99 does not exists!"},
		{"GET", "/collections/p/points/x", "", 400, `Can not recognize \"x\" as point id`},
		{"POST", "/collections/p/points/delete?wait=true", `{"points":[10,11,12]}`, 200, `{"status":"completed"}`},
		{"POST", "/collections/p/points/count", `{}`, 200, `{"count":4}`},
		{"POST", "/collections/p/points/count", `{"filter":{"must":{"key":"city","match":{"value":"Rome"}}},"exact":true}`, 200, `{"count":2}`},

		// Indexes over fields.
		{"PUT", "/collections/p/index?wait=true", `{"field_name":"city","field_schema":"keyword"}`, 200, `{"status":"completed"}`},
		{"PUT", "/collections/p/index?wait=true", `{"field_name":"n","field_schema":{"type":"float","on_disk":true}}`, 200, `{"status":"completed"}`},
		{"PUT", "/collections/p/index", `{"field_name":"text","field_schema":{"type":"text","tokenizer":"word","lowercase":true}}`, 200, ""},
		{"PUT", "/collections/p/index", `{"field_name":"x","field_schema":"what"}`, 400, "what"},
		{"PUT", "/collections/p/index", `{"field_schema":"keyword"}`, 400, "missing field `field_name`"},
		{"PUT", "/collections/p/index", `{"field_name":"x"}`, 400, "missing field `field_schema`"},
		{"GET", "/collections/p", "", 200, `{"payload_schema":{"city":{"data_type":"keyword","points":3},"n":{"data_type":"float","points":3,"params":{"type":"float","on_disk":true}},"text":{"data_type":"text"}}}`},
		{"POST", "/collections/p/facet", `{"key":"city"}`, 200, `{"hits":[{"value":"Rome","count":2},{"value":"Berlin","count":1}]}`},
		{"POST", "/collections/p/facet", `{}`, 400, "missing field `key`"},

		// Queries.
		{"POST", "/collections/p/points/query", `{"query":[1,0]}`, 200, `{"points":[{"id":"` + uuid + `","score":2},{"id":1,"score":1},{"id":3,"score":1},{"id":2,"score":0}]}`},
		{"POST", "/collections/p/points/query", `{"query":[1,0],"limit":1,"offset":1,"with_payload":["n"],"with_vector":true}`, 200, `{"points":[{"id":1,"payload":{"n":1},"vector":[1,0]}]}`},
		{"POST", "/collections/p/points/query", `{"query":3,"limit":1,"with_payload":true}`, 200, `{"points":[{"id":"` + uuid + `","payload":{}}]}`},
		{"POST", "/collections/p/points/query", `{"query":"` + uuid + `","limit":1,"filter":{"must_not":[{"has_id":[3]}]}}`, 200, `{"points":[{"id":1}]}`},
		{"POST", "/collections/p/points/query", `{"query":[0,1],"score_threshold":0.5,"params":{"exact":true,"hnsw_ef":64,"quantization":{"rescore":true}}}`, 200, `{"points":[{"score":1},{"score":1},{"score":1}]}`},
		{"POST", "/collections/p/points/query", `{"query":{"recommend":{"positive":[1],"negative":[2]}},"limit":1}`, 200, `{"points":[{"id":"` + uuid + `"}]}`},
		{"POST", "/collections/p/points/query", `{"query":{"order_by":{"key":"n","direction":"desc"}},"limit":2}`, 200, `{"points":[{"id":3},{"id":2}]}`},
		{"POST", "/collections/p/points/query", `{"query":{"order_by":"n"},"limit":1}`, 200, `{"points":[{"id":1}]}`},
		{"POST", "/collections/p/points/query", `{"query":{"sample":"random"},"limit":2}`, 200, `{"points":[{},{}]}`},
		{"POST", "/collections/p/points/query", `{"query":{"nearest":[1,0],"mmr":{"diversity":0.5}},"limit":2}`, 200, `{"points":[{},{}]}`},
		{"POST", "/collections/p/points/query", `{"query":{"discover":{"target":[1,0],"context":{"positive":1,"negative":2}}},"limit":1}`, 200, `{"points":[{}]}`},
		{"POST", "/collections/p/points/query", `{"query":{"context":[{"positive":1,"negative":2}]},"limit":1}`, 200, `{"points":[{}]}`},
		{"POST", "/collections/p/points/query", `{"query":{"bm25":{"key":"text","text":"fox"}},"limit":3}`, 200, `{"points":[{"id":1}]}`},
		{"POST", "/collections/p/points/query", `{"prefetch":[{"query":[1,0],"limit":2},{"query":[0,1],"limit":2}],"query":{"fusion":"rrf"}}`, 200, ``},
		{"POST", "/collections/p/points/query", `{"prefetch":{"query":[1,0],"limit":2},"query":[0,1],"limit":1}`, 200, `{"points":[{"id":"` + uuid + `"}]}`},
		{"POST", "/collections/p/points/query", `{"limit":2}`, 200, `{"points":[{"id":1},{"id":2}]}`},
		{"POST", "/collections/p/points/query/batch", `{"searches":[{"query":[1,0],"limit":1},{"query":2,"limit":1}]}`, 200, `[{"points":[{"id":"` + uuid + `"}]},{"points":[{}]}]`},
		{"POST", "/collections/p/points/query/groups", `{"query":[1,0],"group_by":"city","group_size":1,"limit":2}`, 200, `{"groups":[{"id":"Berlin","hits":[{"id":1}]},{"id":"Rome","hits":[{"id":3}]}]}`},
		{"POST", "/collections/p/points/query/groups", `{"query":[1,0]}`, 400, "missing field `group_by`"},
		{"POST", "/collections/p/points/search", `{"vector":[1,0],"limit":1}`, 200, `[{"id":"` + uuid + `","score":2}]`},
		{"POST", "/collections/p/points/search", `{"limit":1}`, 400, "missing field `vector`"},
		{"POST", "/collections/p/points/search/batch", `{"searches":[{"vector":[1,0],"limit":1}]}`, 200, `[[{"id":"` + uuid + `"}]]`},
		{"POST", "/collections/p/points/search/groups", `{"vector":[1,0],"group_by":"city","limit":1}`, 200, `{"groups":[{"id":"Berlin"}]}`},
		{"POST", "/collections/p/points/recommend", `{"positive":[1],"limit":1}`, 200, `[{"id":"` + uuid + `"}]`},
		{"POST", "/collections/p/points/discover", `{"target":1,"context":[{"positive":1,"negative":2}],"limit":1}`, 200, `[{}]`},
		{"POST", "/collections/p/points/search/matrix/pairs", `{"sample":10,"limit":1}`, 200, `{"pairs":[{},{},{},{}]}`},
		{"POST", "/collections/p/points/search/matrix/offsets", `{"sample":10,"limit":1}`, 200, `{"offsets_row":[0,1,2,3]}`},

		// Scroll.
		{"POST", "/collections/p/points/scroll", `{"limit":3}`, 200, `{"points":[{"id":1},{"id":2},{"id":3}],"next_page_offset":"` + uuid + `"}`},
		{"POST", "/collections/p/points/scroll", `{"offset":"` + uuid + `","with_payload":false,"with_vector":true}`, 200, `{"points":[{"vector":[2,1],"payload":null}],"next_page_offset":null}`},
		{"POST", "/collections/p/points/scroll", `{"order_by":{"key":"n","direction":"desc"},"limit":1,"with_payload":{"exclude":["city"]}}`, 200, `{"points":[{"id":3,"payload":{"n":3.5,"city":null}}]}`},
		{"POST", "/collections/p/points/scroll", `{"order_by":"n","offset":1}`, 400, "Cannot use an `offset`"},

		// Payloads.
		{"POST", "/collections/p/points/payload?wait=true", `{"payload":{"x":{"y":1}},"points":[1]}`, 200, ""},
		{"POST", "/collections/p/points/payload?wait=true", `{"payload":{"z":2},"key":"x","filter":{"must":[{"has_id":[1]}]}}`, 200, ""},
		{"GET", "/collections/p/points/1", "", 200, `{"payload":{"x":{"y":1,"z":2},"city":"Berlin"}}`},
		{"PUT", "/collections/p/points/payload?wait=true", `{"payload":{"only":true},"points":[1]}`, 200, ""},
		{"POST", "/collections/p/points/payload/delete?wait=true", `{"keys":["city"],"points":[2]}`, 200, ""},
		{"POST", "/collections/p/points/payload/clear?wait=true", `{"points":[3]}`, 200, ""},
		{"POST", "/collections/p/points", `{"ids":[1,2,3]}`, 200, `[{"payload":{"only":true,"city":null}},{"payload":{"n":2,"city":null}},{"payload":{}}]`},
		{"POST", "/collections/p/points/payload", `{"points":[1]}`, 400, "missing field `payload`"},
		{"POST", "/collections/p/points/payload", `{"payload":{}}`, 422, "Either list of point ids or filter must be provided"},
		{"POST", "/collections/p/points/payload/delete", `{"points":[1]}`, 400, "missing field `keys`"},
		{"POST", "/collections/p/points/payload?wait=true", `{"payload":{"a":1},"points":[77]}`, 404, "No point with id 77"},

		// Batches of operations, all or none.
		{"POST", "/collections/p/points/batch?wait=true", `{"operations":[{"upsert":{"points":[{"id":20,"vector":[1,2]}]}},{"set_payload":{"payload":{"b":1},"points":[20]}},{"overwrite_payload":{"payload":{"c":1},"points":[20]}},
			{"update_vectors":{"points":[{"id":20,"vector":[3,4]}]}},{"delete":{"points":[1]}}]}`, 200, `[{"status":"completed"},{},{},{},{}]`},
		{"GET", "/collections/p/points/20", "", 200, `{"vector":[3,4],"payload":{"c":1,"b":null}}`},
		{"POST", "/collections/p/points/batch?wait=true", `{"operations":[{"delete":{"points":[20]}},{"upsert":{"points":[{"id":21,"vector":[1]}]}}]}`, 400, "Wrong input: Vector dimension error: expected dim: 2, got 1"},
		{"GET", "/collections/p/points/20", "", 200, ""},
		{"POST", "/collections/p/points/batch", `{"operations":[{}]}`, 400, "UpdateOperation"},
		{"POST", "/collections/p/points/batch", `{}`, 400, "missing field `operations`"},
		{"DELETE", "/collections/p/index/city?wait=true", "", 200, ""},
		{"GET", "/latent/collections/p/plan", "", 200, ""},
	})
	several(t, s, "n")
	run(t, s, []step{
		{"POST", "/collections/n/points/query", `{"query":[1,0],"using":"a","limit":1,"with_vector":["a"]}`, 200, `{"points":[{"id":1,"vector":{"a":[1,0],"m":null}}]}`},
		{"POST", "/collections/n/points/query", `{"query":{"indices":[5],"values":[1]},"using":"s","limit":1}`, 200, `{"points":[{"id":2}]}`},
		{"POST", "/collections/n/points/query", `{"query":[[1,0],[0,1]],"using":"m","limit":1}`, 200, `{"points":[{"id":3,"score":4}]}`},
		{"POST", "/collections/n/points/query", `{"query":[1,0]}`, 400, "Not existing vector name error"},
		{"POST", "/collections/n/points/query", `{"query":[1,0],"using":"z"}`, 400, "Not existing vector name error: z"},
		{"POST", "/collections/n/points/search", `{"vector":{"name":"a","vector":[0,1]},"limit":1}`, 200, `[{"id":2}]`},
		{"PUT", "/collections/n/points/vectors?wait=true", `{"points":[{"id":3,"vector":{"s":{"indices":[9],"values":[1]}}}]}`, 200, ""},
		{"POST", "/collections/n/points/vectors/delete?wait=true", `{"points":[3],"vector":["m"]}`, 200, ""},
		{"GET", "/collections/n/points/3", "", 200, `{"vector":{"m":null,"s":{"indices":[9],"values":[1]}}}`},
		{"POST", "/collections/n/points/vectors/delete", `{"points":[3],"vector":[]}`, 422, "vector"},
		{"PUT", "/collections/n/vectors/later", `{"dense":{"size":3,"distance":"Euclid"}}`, 200, ""},
		{"PUT", "/collections/n/vectors/later", `{"dense":{"size":3,"distance":"Euclid"}}`, 200, ""}, // the same once more
		{"PUT", "/collections/n/vectors/later", `{"dense":{"size":4,"distance":"Euclid"}}`, 409, "already exists"},
		{"PUT", "/collections/n/vectors/words", `{"sparse":{}}`, 200, ""},
		{"GET", "/collections/n", "", 200, `{"config":{"params":{"vectors":{"later":{"size":3}},"sparse_vectors":{"words":{},"s":{"modifier":"idf"}}}}}`},
		{"DELETE", "/collections/n/vectors/later", "", 200, ""},
		{"DELETE", "/collections/n/vectors/later", "", 404, "later"},
		{"PUT", "/collections/n/vectors/x", `{}`, 400, "VectorNameConfig"},
		{"PUT", "/collections/n/points?wait=true", `{"batch":{"ids":[4],"vectors":{"a":[[1,2]],"s":[{"indices":[1],"values":[1]}]}}}`, 200, ""},
	})
}

// TestEveryRouteNeedsAKey tries each route of the table without a key, and with each kind.
func TestEveryRouteNeedsAKey(t *testing.T) {
	s := open(t, Options{Keys: wire.Keys{Full: []string{"full"}, ReadOnly: []string{"read"}}})
	for _, rt := range table() {
		method, path, _ := strings.Cut(rt.pattern, " ")
		path = strings.NewReplacer("{$}", "", "{collection}", "c", "{id}", "1", "{vector}", "v", "{field}", "f", "{snapshot}", "s").Replace(path)
		code := func(header ...string) int { return request(t, s, method, path, "", header...).code }
		if rt.access == wire.Nothing {
			if got := code(); got != http.StatusOK {
				t.Errorf("%s: %d without a key, want 200", rt.pattern, got)
			}
			continue
		}
		if got := code(); got != http.StatusUnauthorized {
			t.Errorf("%s: %d without a key, want 401", rt.pattern, got)
		}
		if got := code("api-key", "wrong"); got != http.StatusUnauthorized {
			t.Errorf("%s: %d with a wrong key, want 401", rt.pattern, got)
		}
		if got := code("api-key", "read"); (got == http.StatusForbidden) != (rt.access == wire.Write) || got == http.StatusUnauthorized {
			t.Errorf("%s: %d with a read-only key", rt.pattern, got)
		}
		for _, h := range [][]string{{"api-key", "full"}, {"Authorization", "Bearer full"}} {
			if got := code(h...); got == http.StatusUnauthorized || got == http.StatusForbidden || got >= 500 {
				t.Errorf("%s: %d with %s", rt.pattern, got, h[0])
			}
		}
	}
	refused := func() string {
		_, after, _ := strings.Cut(request(t, s, "GET", "/metrics", "", "api-key", "full").body, "\nlatent_refused_keys_total ")
		n, _, _ := strings.Cut(after, "\n")
		return n
	}
	for _, path := range []string{"/metrics", "/latent/collections/c/plan"} {
		before := refused()
		if got := request(t, s, "GET", path, "").code; got != http.StatusUnauthorized {
			t.Errorf("%s: %d without a key", path, got)
		}
		if before == "" || refused() == before {
			t.Errorf("%s: a request without a key is not counted: %q", path, before)
		}
	}
	for _, path := range []string{"/healthz", "/livez", "/readyz"} {
		if got := request(t, s, "GET", path, "").code; got != http.StatusOK {
			t.Errorf("%s: %d without a key", path, got)
		}
	}
	if a := request(t, s, "GET", "/collections", ""); a.body != "Must provide an API key or an Authorization bearer token\n" {
		t.Errorf("without a key: %q", a.body)
	}
}

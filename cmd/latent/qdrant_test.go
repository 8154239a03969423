package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/latent-go/latent/client"
)

// recorded is a Qdrant whose answers are written down: of the shapes in its OpenAPI document (version 1.19), with what it
// tells though nobody asked (usage, update_queue, shard_key, warnings), null where that allows it, and settings that mean
// nothing here. A scroll is answered by the page of its offset.
type recorded struct {
	info  string
	pages map[string]string // by offset as JSON; "" is the first
	count int
}

func (q recorded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	tell := func(result string) {
		fmt.Fprintf(w, `{"usage":{"hardware":null,"inference":null},"result":%s,"status":"ok","time":0.000214}`, result)
	}
	if r.Header.Get("Api-Key") != "secret" {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, "Must provide an API key or an Authorization bearer token")
		return
	}
	switch what := r.Method + " " + r.URL.Path; what {
	case "GET /collections/old":
		tell(q.info)
	case "POST /collections/old/points/count":
		tell(fmt.Sprintf(`{"count":%d}`, q.count))
	case "POST /collections/old/points/scroll":
		var asked struct{ Offset json.RawMessage }
		json.NewDecoder(r.Body).Decode(&asked)
		page, ok := q.pages[string(asked.Offset)]
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"status":{"error":"Wrong input: no page at %s"},"time":0.1}`, asked.Offset)
			return
		}
		tell(page)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"status":{"error":"Not found: %s"},"time":0.1}`, what)
	}
}

const about = `"status":"green","optimizer_status":"ok","warnings":[],"indexed_vectors_count":0,"segments_count":8,"update_queue":{"length":0},"points_count":null`

func configOf(params string) string {
	return `"config":{"params":{` + params + `,"shard_number":3,"sharding_method":"custom","replication_factor":2,"write_consistency_factor":1,"read_fan_out_factor":null,"on_disk_payload":true,"payload":{"memory":"cold"}},
		"hnsw_config":{"m":16,"ef_construct":100,"full_scan_threshold":10000,"max_indexing_threads":0,"on_disk":false,"memory":"cached","payload_m":null,"inline_storage":null},
		"optimizer_config":{"deleted_threshold":0.2,"vacuum_min_vector_number":1000,"default_segment_number":0,"max_segment_size":null,"memmap_threshold":null,"indexing_threshold":10000,"flush_interval_sec":5,"max_optimization_threads":null},
		"wal_config":{"wal_capacity_mb":32,"wal_segments_ahead":0,"wal_retain_closed":1},"quantization_config":{"scalar":{"type":"int8","quantile":0.99,"always_ram":null}},"strict_mode_config":{"enabled":false},"metadata":{"made":"there"}}`
}

// TestMigrateQdrant reads what a real Qdrant answers.
func TestMigrateQdrant(t *testing.T) {
	to, toURL := serving(t)
	const uuid, uuid2 = "0190c1f2-4b7a-7cc3-9d2e-0123456789ab", "550e8400-e29b-41d4-a716-446655440000"
	for _, c := range []struct {
		name  string
		from  recorded
		want  []string // points, as ours tells them
		check func(info map[string]any)
	}{
		{"unnamed", recorded{count: 5,
			info: `{` + about + `,` + configOf(`"vectors":{"size":2,"distance":"Euclid","hnsw_config":{"m":32,"on_disk":null},"quantization_config":{"product":{"compression":"x16"}},"on_disk":true,"memory":null,"datatype":"uint8","multivector_config":null}`) + `,"payload_schema":{}}`,
			pages: map[string]string{
				"":                     `{"points":[{"id":0,"payload":null,"vector":[1,2],"shard_key":"region_1","order_value":null},{"id":7,"payload":{"city":"Łódź","n":-3,"x":1.0,"deep":{"a":[1,null,"x",true]}},"vector":[1e-3,-2.5E0]}],"next_page_offset":18446744073709551615}`,
				`18446744073709551615`: `{"points":[{"id":18446744073709551615,"payload":{},"vector":[3,4],"shard_key":12}],"next_page_offset":"` + uuid + `"}`,
				`"` + uuid + `"`:       `{"points":[{"id":"` + uuid + `","vector":[5,6]}],"next_page_offset":"` + uuid2 + `"}`,
				`"` + uuid2 + `"`:      `{"points":[{"id":"` + uuid2 + `","payload":{"":"no name","a.b":1},"vector":[7,8],"shard_key":null}],"next_page_offset":null}`,
			}},
			[]string{`{"id":0,"vector":[1,2]}`, `{"id":7,"vector":[0.001,-2.5],"payload":{"city":"Łódź","deep":{"a":[1,null,"x",true]},"n":-3,"x":1.0}}`, `{"id":18446744073709551615,"vector":[3,4]}`,
				`{"id":"` + uuid + `","vector":[5,6]}`, `{"id":"` + uuid2 + `","vector":[7,8],"payload":{"":"no name","a.b":1}}`},
			func(info map[string]any) {
				v := info["config"].(map[string]any)["params"].(map[string]any)["vectors"].(map[string]any)
				if v["distance"] != "Euclid" || v["hnsw_config"].(map[string]any)["m"] != 32.0 || !reflect.DeepEqual(v["quantization_config"], map[string]any{"product": map[string]any{"compression": "x16"}}) {
					t.Errorf("vector %v", v)
				}
			}},
		{"named", recorded{count: 4,
			info: `{` + about + `,` + configOf(`"vectors":{"image":{"size":3,"distance":"Dot"},"size":{"size":2,"distance":"Manhattan"},"late":{"size":2,"distance":"Cosine","multivector_config":{"comparator":"max_sim"}}},
				"sparse_vectors":{"words":{"index":{"full_scan_threshold":null,"on_disk":false,"datatype":"float16"},"modifier":"idf"},"plain":{},"other":{"index":null,"modifier":"none"}}`) + `,
				"payload_schema":{"city":{"data_type":"keyword","params":{"type":"keyword","is_tenant":true,"on_disk":false,"memory":"pinned","enable_hnsw":true,"prefix":true},"points":3},
					"n":{"data_type":"integer","params":null,"points":1},"n2":{"data_type":"integer","params":{"type":"integer","lookup":true,"range":false,"is_principal":true},"points":1},"x":{"data_type":"float","points":0},"ok":{"data_type":"bool","params":{"type":"bool"},"points":0},
					"at":{"data_type":"datetime","points":0},"where":{"data_type":"geo","points":0},"uid":{"data_type":"uuid","params":{"type":"uuid","is_tenant":null},"points":0},
					"text":{"data_type":"text","params":{"type":"text","tokenizer":"multilingual","min_token_len":2,"max_token_len":null,"lowercase":true,"ascii_folding":true,"phrase_matching":true,"stopwords":{"languages":["english"],"custom":["foo"]},"stemmer":{"type":"snowball","language":"english"},"on_disk":null},"points":0},
					"a.b[].c":{"data_type":"text","points":0}}}`,
			pages: map[string]string{
				"": `{"points":[{"id":1,"payload":{"city":"Rome"},"vector":{"image":[1,2,3],"size":[4,5],"late":[[1,0],[0,1]],"words":{"indices":[9,3],"values":[0.5,1]}}},
					{"id":2,"payload":{},"vector":{}},{"id":3,"payload":{"n":4},"vector":null},{"id":4,"payload":{"text":"the foos"},"vector":{"plain":{"indices":[],"values":[]},"late":[[0,1]]}}]}`,
			}},
			[]string{`{"id":1,"vector":{"image":[1,2,3],"late":[[1,0],[0,1]],"size":[4,5],"words":{"indices":[3,9],"values":[1,0.5]}},"payload":{"city":"Rome"}}`,
				`{"id":2,"vector":{}}`, `{"id":3,"vector":{},"payload":{"n":4}}`, `{"id":4,"vector":{"late":[[0,1]],"plain":{"indices":[],"values":[]}},"payload":{"text":"the foos"}}`},
			func(info map[string]any) {
				schema := info["payload_schema"].(map[string]any)
				if len(schema) != 10 || schema["text"].(map[string]any)["data_type"] != "text" {
					t.Errorf("indexes %v", schema)
				}
				if p := schema["text"].(map[string]any)["params"].(map[string]any); p["stemmer"] != nil || p["lowercase"] != true || !reflect.DeepEqual(p["stopwords"], map[string]any{"custom": []any{"foo"}}) {
					t.Errorf("text index %v", p)
				}
				if m := info["config"].(map[string]any)["metadata"]; !reflect.DeepEqual(m, map[string]any{"made": "there"}) {
					t.Errorf("metadata %v", m)
				}
			}},
		{"sparse alone", recorded{count: 1, info: `{` + about + `,` + configOf(`"vectors":{},"sparse_vectors":{"words":{}}`) + `,"payload_schema":{}}`,
			pages: map[string]string{"": `{"points":[{"id":1,"payload":{"a":1},"vector":{"words":{"indices":[1],"values":[2]}}}],"next_page_offset":null}`}},
			[]string{`{"id":1,"vector":{"words":{"indices":[1],"values":[2]}},"payload":{"a":1}}`}, nil},
		{"empty", recorded{info: `{` + about + `,` + configOf(`"vectors":{"size":1,"distance":"Dot"}`) + `,"payload_schema":{}}`, pages: map[string]string{"": `{"points":[],"next_page_offset":null}`}}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := httptest.NewServer(c.from)
			defer q.Close()
			name := "from-" + strings.ReplaceAll(c.name, " ", "-")
			var got importAnswer
			answer(t, &got, "import", name, "--from-qdrant", q.URL+"/", "--from-collection", "old", "--from-key", "secret", "--url", toURL, "--batch", "2")
			if !got.Created || got.Points != len(c.want) || got.Total != len(c.want) {
				t.Errorf("%+v", got)
			}
			for i, p := range everything(t, to, name) {
				if p.Vectors == nil {
					t.Errorf("point %v", p)
				}
				b, err := json.Marshal(struct {
					client.Point
					V any `json:"vector"`
				}{p, p.Vectors})
				var x, y map[string]any
				if err != nil || json.Unmarshal(b, &x) != nil || json.Unmarshal([]byte(c.want[i]), &y) != nil || !reflect.DeepEqual(x, y) {
					t.Errorf("point %d is %s, want %s", i, b, c.want[i])
				}
			}
			if c.check != nil {
				var info map[string]any
				if err := to.Call(t.Context(), "GET", "/collections/"+name, nil, &info); err != nil {
					t.Fatal(err)
				}
				c.check(info)
			}
			store := t.TempDir()
			answer(t, &got, "import", name, "--from-qdrant", q.URL, "--from-collection", "old", "--from-key", "secret", "--dir", store)
			if got.Total != len(c.want) {
				t.Errorf("in a folder: %+v", got)
			}
		})
	}

	// What is no answer of Qdrant's is an error that says so, and makes no point of what is none.
	plain := `{` + about + `,` + configOf(`"vectors":{"size":2,"distance":"Dot"}`) + `,"payload_schema":{}}`
	for i, c := range []struct{ page, want string }{
		{`{"points":[{"payload":{},"vector":[1,2]}]}`, "point 0 of the answer has no ID"},
		{`{"points":[{"id":null,"vector":[1,2]}]}`, "has no ID"},
		{`{"points":[{"id":-1,"vector":[1,2]}]}`, "not the ID of a point"},
		{`{"points":[{"id":"x","vector":[1,2]}]}`, "not the ID of a point"},
		{`{"points":[{"id":1.5,"vector":[1,2]}]}`, "not the ID of a point"},
		{`{"points":[{"id":1,"vector":[1,null]}]}`, "want a number"},
		{`{"points":[{"id":1,"vector":"AAAA"}]}`, "a vector is an array of numbers"},
		{`{"points":[{"id":1,"vector":{"":{"data":[1,2]}}}]}`, "unknown field"},
		{`{"points":[{"id":1,"vector":[1,2,3]}]}`, "expected dim: 2, got 3"},
		{`{"points":[{"id":1,"vector":{"other":[1,2]}}]}`, "Not existing vector name"},
		{`{"points":[{"id":1,"vector":[1,2],"payload":[1]}]}`, "want a JSON object"},
		{`{"points":[{"id":1,"vector":[1,2]}],"next_page_offset":true}`, "not the ID of a point"},
		{`{"points":[],"next_page_offset":5}`, "for ever"},
		{`{"points":[{"id":5,"vector":[1,2]}],"next_page_offset":5}`, "for ever"},
		{`{"result":[]}`, "the answer has no points"},
		{`null`, "the answer has no points"},
		{`[]`, "client: POST"},
		{`{"points":`, "not JSON"},
	} {
		q := httptest.NewServer(recorded{info: plain, count: 1, pages: map[string]string{"": c.page, "5": c.page}})
		name := fmt.Sprint("bad", i)
		_, errs, code := latent(t, "import", name, "--from-qdrant", q.URL, "--from-collection", "old", "--from-key", "secret", "--url", toURL)
		if code != exitFailed || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit %d, %q; want %q", c.page, code, errs, c.want)
		}
		if there, err := to.HasCollection(t.Context(), name); err != nil {
			t.Fatal(err)
		} else if there && slices.ContainsFunc(everything(t, to, name), func(p client.Point) bool { n, _ := p.ID.Number(); return n != 5 }) {
			t.Errorf("%s: points %v", c.page, everything(t, to, name))
		}
		q.Close()
	}
	for text, want := range map[string]string{
		`{"type":"text","stopwords":"english","stemmer":{"type":"none"},"ascii_folding":false}`: `{"ascii_folding":false,"stemmer":{"type":"none"},"type":"text"}`,
		`{"type":"text","stopwords":null,"stemmer":null}`:                                       "",
		`{"type":"text","stopwords":{"custom":["a"]}}`:                                          "",
		`{"type":"keyword","stemmer":{}}`:                                                       "",
		`"text"`:                                                                                "",
	} {
		schema, left := schemaHere(json.RawMessage(text))
		if got, _ := json.Marshal(schema); want == "" && (string(got) != text || left != nil) || want != "" && (string(got) != want || left == nil) {
			t.Errorf("%s became %s without %q", text, got, left)
		}
	}
	q := httptest.NewServer(recorded{info: plain, count: 3, pages: map[string]string{"": `{"points":[{"id":1,"vector":[1,2]}]}`}})
	defer q.Close()
	_, errs, code := latent(t, "import", "few", "--from-qdrant", q.URL, "--from-collection", "old", "--from-key", "secret", "--url", toURL)
	if code != exitDone || !strings.Contains(errs, "counted 3 points, and 1 were read") {
		t.Errorf("exit %d, %q", code, errs)
	}
	if _, errs, code := latent(t, "import", "few", "--from-qdrant", q.URL, "--from-collection", "old", "--from-key", "sec", "--url", toURL); code != exitFailed || !strings.Contains(errs, "401") || strings.Contains(errs, `"sec"`) {
		t.Errorf("a wrong key: exit %d, %q", code, errs)
	}
}

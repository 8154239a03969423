package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestBadInput sends what must not be taken: each gives a 4xx with the message that a user of Qdrant would read, and
// leaves the points as they were.
func TestBadInput(t *testing.T) {
	s := open(t, Options{MaxBody: 1 << 20})
	small(t, s, "p")
	several(t, s, "n")
	before := must(t, s, "POST", "/collections/p/points/scroll", `{"with_vector":true}`)
	deep := func(open, shut string, n int) string { return strings.Repeat(open, n) + strings.Repeat(shut, n) }
	const up, q = "/collections/p/points?wait=true", "/collections/p/points/query"
	run(t, s, []step{
		// JSON.
		{"PUT", up, `{`, 400, "Format error in JSON body: unexpected end of JSON input"},
		{"PUT", up, `{"points":[}`, 400, "at line 1 column"},
		{"PUT", up, ` `, 400, "EOF while parsing"},
		{"PUT", up, `[]`, 400, "Format error in JSON body"},
		{"PUT", up, `null`, 400, "PointInsertOperations"},
		{"PUT", up, `{"points":[]} {}`, 400, "Format error in JSON body"},
		{"PUT", up, deep("[", "]", 200), 400, "recursion limit exceeded"},
		{"PUT", up, `{"points":[{"id":1,"vector":[1,1],"payload":{"a":` + deep("[", "]", 150) + `}}]}`, 400, "recursion limit exceeded"},
		{"PUT", up, `{"points":"` + strings.Repeat("x", 1<<20) + `"}`, 400, "is larger than allowed (limit: 1048576 bytes)"},

		{"PUT", up, `[]`, 400, "Format error in JSON body: invalid type: array, expected a map"},
		{"PUT", up, `{"points":{}}`, 400, "Format error in JSON body: points: invalid type: object, expected a sequence"},
		{"PUT", "/collections/x", `{"vectors":{"size":-4,"distance":"Dot"}}`, 400, "size: invalid value: number `-4`, expected an unsigned integer"},
		{"POST", q, `{"query":[1,0],"limit":1e400}`, 400, "limit: invalid value: number `1e400`, expected an integer"},
		{"POST", q, `{"query":[1,0],"score_threshold":"x"}`, 400, "score_threshold: invalid type: string, expected a number"},
		{"POST", q, `{"query":[1,0],"params":{"exact":1}}`, 400, "exact: invalid type: number, expected a boolean"},
		{"POST", q, `{"query":[1,0],"using":5}`, 400, "using: invalid type: number, expected a string"},

		// Points.
		{"PUT", up, `{}`, 400, "PointInsertOperations"},
		{"PUT", up, `{"points":[{"vector":[1,1]}]}`, 400, "missing field `id`"},
		{"PUT", up, `{"points":[{"id":1}]}`, 400, "missing field `vector`"},
		{"PUT", up, `{"points":[{"id":-1,"vector":[1,1]}]}`, 400, "-1"},
		{"PUT", up, `{"points":[{"id":1.5,"vector":[1,1]}]}`, 400, "1.5"},
		{"PUT", up, `{"points":[{"id":18446744073709551616,"vector":[1,1]}]}`, 400, "18446744073709551616"},
		{"PUT", up, `{"points":[{"id":"abc","vector":[1,1]}]}`, 400, "abc"},
		{"PUT", up, `{"points":[{"id":1,"vector":[1]}]}`, 400, "Wrong input: Vector dimension error: expected dim: 2, got 1"},
		{"PUT", up, `{"points":[{"id":1,"vector":[]}]}`, 422, "dense vector must not be empty"},
		{"PUT", up, `{"points":[{"id":1,"vector":[[1,1]]}]}`, 400, "Wrong input"},
		{"PUT", up, `{"points":[{"id":1,"vector":[1,1e999]}]}`, 400, "1e999"},
		{"PUT", up, `{"points":[{"id":1,"vector":[1,1e39]}]}`, 400, "1e39"},
		{"PUT", up, `{"points":[{"id":1,"vector":[1,NaN]}]}`, 400, "Format error in JSON body"},
		{"PUT", up, `{"points":[{"id":1,"vector":[1,Infinity]}]}`, 400, "Format error in JSON body"},
		{"PUT", up, `{"points":[{"id":1,"vector":[1,null]}]}`, 400, ""},
		{"PUT", up, `{"points":[{"id":1,"vector":["1",1]}]}`, 400, "Format error in JSON body"},
		{"PUT", up, `{"points":[{"id":1,"vector":{"x":[1,1]}}]}`, 400, "Not existing vector name error: x"},
		{"PUT", up, `{"points":[{"id":1,"vector":{"text":"hello","model":"m"}}]}`, 400, ""},
		{"PUT", up, `{"points":[{"id":1,"vector":[1,1],"payload":[]}]}`, 400, "want a JSON object"},
		{"PUT", up, `{"points":[{"id":1,"vector":[1,1],"payload":{"x":1e999}}]}`, 400, "out of range"},
		{"PUT", up, `{"points":[{"id":1,"vector":[1,1]}],"update_mode":"x"}`, 400, "unknown variant `x`"},
		{"PUT", up, `{"points":[{"id":1,"vector":[9,9]},{"id":2,"vector":[1,2,3]}]}`, 400, "expected dim: 2, got 3"},
		{"PUT", up, `{"batch":{"ids":[1,2],"vectors":[[1,1]]}}`, 422, "number of ids and vectors must be equal (2 != 1)"},
		{"PUT", up, `{"batch":{"ids":[1],"vectors":[[1,1]],"payloads":[{},{}]}}`, 422, "number of ids and payloads"},
		{"PUT", up, `{"batch":{"ids":[1]}}`, 400, "missing field `vectors`"},
		{"PUT", up, `{"batch":{"vectors":[]}}`, 400, "missing field `ids`"},
		{"PUT", "/collections/p/points?wait=maybe", `{"points":[]}`, 400, "Deserialize error in query parameters"},
		{"PUT", "/collections/p/points?ordering=x", `{"points":[]}`, 400, "ordering"},
		{"PUT", "/collections/p/points?timeout=0", `{"points":[]}`, 422, "timeout"},
		{"PUT", "/collections/p/points?timeout=x", `{"points":[]}`, 400, "timeout"},
		{"PUT", "/collections/nowhere/points", `{"points":[]}`, 404, "Not found: Collection `nowhere` doesn't exist!"},
		{"PUT", "/collections/n/points?wait=true", `{"points":[{"id":1,"vector":{"s":{"indices":[1],"values":[1,2]}}}]}`, 422, "must be the same length as indices"},
		{"PUT", "/collections/n/points?wait=true", `{"points":[{"id":1,"vector":{"s":{"indices":[1,1],"values":[1,2]}}}]}`, 422, "must be unique"},
		{"PUT", "/collections/n/points?wait=true", `{"points":[{"id":1,"vector":{"s":{"indices":[1],"values":[1],"x":1}}}]}`, 400, "x"},
		{"PUT", "/collections/n/points?wait=true", `{"points":[{"id":1,"vector":{"s":{"indices":[4294967296],"values":[1]}}}]}`, 400, "4294967296"},
		{"PUT", "/collections/n/points?wait=true", `{"points":[{"id":1,"vector":{"m":[[1,1],[1]]}}]}`, 422, "same dimension"},
		{"PUT", "/collections/n/points?wait=true", `{"points":[{"id":1,"vector":{"m":[[]]}}]}`, 422, "empty"},
		{"PUT", "/collections/n/points?wait=true", `{"points":[{"id":1,"vector":{"s":[1,1]}}]}`, 400, ""},
		{"PUT", "/collections/n/points?wait=true", `{"points":[{"id":1,"vector":{"a":{"indices":[1],"values":[1]}}}]}`, 400, ""},

		// Queries and filters.
		{"POST", q, `{"query":[1]}`, 400, "Wrong input: Vector dimension error: expected dim: 2, got 1"},
		{"POST", q, `{"query":[]}`, 422, "empty"},
		{"POST", q, `{"query":{}}`, 400, "Expected some form of vector, id, or a type of query"},
		{"POST", q, `{"query":{"foo":1}}`, 400, "Expected some form of vector"},
		{"POST", q, `{"query":true}`, 400, "true"},
		{"POST", q, `{"query":[1,1e999]}`, 400, "1e999"},
		{"POST", q, `{"query":"x"}`, 400, "x"},
		{"POST", q, `{"query":77}`, 404, "No point with id 77"},
		{"POST", q, `{"query":{"text":"x","model":"m"}}`, 400, "InferenceService is not initialized"},
		{"POST", q, `{"query":{"formula":{"sum":["$score",1]}}}`, 400, "not supported"},
		{"POST", q, `{"query":{"fusion":"rrf"}}`, 400, "Wrong input"},
		{"POST", q, `{"query":{"fusion":"x"}}`, 400, "unknown variant `x`"},
		{"POST", q, `{"query":{"rrf":{"k":0}}}`, 422, "must be 1 or larger"},
		{"POST", q, `{"query":{"sample":"x"}}`, 400, "unknown variant"},
		{"POST", q, `{"query":{"nearest":[1,0],"mmr":{"diversity":2}}}`, 422, "must be from 0.0 to 1.0"},
		{"POST", q, `{"query":{"nearest":[1,0],"mmr":{"candidates_limit":99999}}}`, 422, "16384"},
		{"POST", q, `{"query":{"recommend":{"positive":[1],"strategy":"x"}}}`, 400, "unknown variant"},
		{"POST", q, `{"query":{"recommend":{}}}`, 400, "Wrong input"},
		{"POST", q, `{"query":{"order_by":{"direction":"asc"}}}`, 400, "missing field `key`"},
		{"POST", q, `{"query":{"order_by":{"key":"n","start_from":"x"}}}`, 422, "start_from"},
		{"POST", q, `{"query":{"context":[{"positive":1}]}}`, 400, "negative"},
		{"POST", q, `{"query":[1,0],"limit":0}`, 422, "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]"},
		{"POST", q, `{"query":[1,0],"limit":-1}`, 400, "integer `-1`, expected usize"},
		{"POST", q, `{"query":[1,0],"limit":99999999999}`, 422, "limit"},
		{"POST", q, `{"query":[1,0],"limit":1e3}`, 400, "1e3"},
		{"POST", q, `{"query":[1,0],"offset":-1}`, 400, "usize"},
		{"POST", q, `{"query":[1,0],"using":"x"}`, 400, "Not existing vector name error: x"},
		{"POST", q, `{"query":[1,0],"params":{"hnsw_ef":-3}}`, 400, "usize"},
		{"POST", q, `{"query":[1,0],"params":{"quantization":{"oversampling":0.5}}}`, 422, "oversampling"},
		{"POST", q, `{"query":[1,0],"with_payload":"x"}`, 400, "WithPayloadInterface"},
		{"POST", q, `{"query":[1,0],"with_payload":{"include":["a"],"x":1}}`, 400, "WithPayloadInterface"},
		{"POST", q, `{"query":[1,0],"filter":{"musst":[]}}`, 400, "unknown field `musst`"},
		{"POST", q, `{"query":[1,0],"filter":{"must":[{"key":"n","match":{"value":1,"x":2}}]}}`, 400, "Format error in JSON body"},
		{"POST", q, `{"query":[1,0],"filter":{"must":[{"key":"n","range":{"lt":"yesterday"}}]}}`, 400, "datetime"},
		{"POST", q, `{"query":[1,0],"filter":{"must":[{"key":"","match":{"value":1}}]}}`, 400, ""},
		{"POST", q, `{"query":[1,0],"filter":` + strings.Repeat(`{"must":`, 100) + `{}` + strings.Repeat(`}`, 100) + `}`, 400, "nested deeper"},
		{"POST", q, `{"query":[1,0],"prefetch":[` + strings.Repeat(`{},`, 64) + `{}]}`, 422, "prefetch"},
		{"POST", q, `{"query":1,"lookup_from":{"collection":"nowhere"}}`, 404, "Not found: Collection `nowhere`"},
		{"POST", "/collections/p/points/query/groups", `{"query":[1,0],"group_by":"city","group_size":0}`, 422, "group_size"},
		{"POST", "/collections/p/points/query/batch", `{}`, 400, "missing field `searches`"},
		{"POST", "/collections/p/points/query/batch", `{"searches":[{"query":[1,0]},{"query":[1]}]}`, 400, "expected dim: 2, got 1"},
		{"POST", "/collections/p/points/scroll", `{"limit":0}`, 422, "limit"},
		{"POST", "/collections/p/points/scroll", `{"order_by":"nothing"}`, 400, "nothing"},
		{"POST", "/collections/p/points", `{}`, 400, "missing field `ids`"},
		{"POST", "/collections/p/points/search/matrix/pairs", `{"sample":1}`, 422, "sample"},
		{"POST", "/collections/p/points/search/matrix/pairs", `{"sample":100000}`, 422, "sample"},
		{"POST", "/collections/p/points/delete", `{}`, 422, "Either list of point ids or filter must be provided"},

		// Collections.
		{"PUT", "/collections/x", `{"vectors":{"size":0,"distance":"Dot"}}`, 422, "must be from 1 to 65536"},
		{"PUT", "/collections/x", `{"vectors":{"size":99999999,"distance":"Dot"}}`, 422, "must be from 1 to 65536"},
		{"PUT", "/collections/x", `{"vectors":{"size":-1,"distance":"Dot"}}`, 400, "-1"},
		{"PUT", "/collections/x", `{"vectors":{"size":2}}`, 400, "missing field `distance`"},
		{"PUT", "/collections/x", `{"vectors":{"distance":"Dot"}}`, 400, "missing field `size`"},
		{"PUT", "/collections/x", `{"vectors":{"size":2,"distance":"dot"}}`, 400, "unknown variant `dot`, expected one of `Cosine`, `Euclid`, `Dot`, `Manhattan`"},
		{"PUT", "/collections/x", `{"vectors":{"a":{"size":2,"distance":"Dot"}},"sparse_vectors":{"a":{}}}`, 400, "a"},
		{"PUT", "/collections/x", `{"vectors":{"size":2,"distance":"Dot","hnsw_config":{"ef_construct":1}}}`, 422, "ef_construct: value 1 invalid"},
		{"PUT", "/collections/x", `{"vectors":{"size":2,"distance":"Dot","plan":"what:3"}}`, 422, "plan"},
		{"PUT", "/collections/x", `{"vectors":{"size":2,"distance":"Dot","multivector_config":{"comparator":"min"}}}`, 400, "max_sim"},
		{"PUT", "/collections/x", `{"sparse_vectors":{"s":{"modifier":"tf"}}}`, 400, "unknown variant `tf`"},
		{"PUT", "/collections/x", `{"vectors":{"a/b":{"size":2,"distance":"Dot"}}}`, 422, "vector name cannot contain"},
		{"PUT", "/collections/x", `{"sharding_method":"custom"}`, 400, "one shard"},
		{"PUT", "/collections/" + strings.Repeat("x", 256), `{}`, 422, "must be from 1 to 255 characters"},
		{"PUT", "/collections/a%2Fb", `{}`, 422, "cannot contain"},
		{"PUT", "/collections/a%5Cb", `{}`, 422, "cannot contain"},
		{"PUT", "/collections/a%00b", `{}`, 422, "cannot contain"},
		{"PUT", "/collections/..%2F..%2Fetc", `{}`, 422, "cannot contain"},
		{"PUT", "/collections/%2E%2E", `{}`, 0, ""},
		{"GET", "/collections/..%2Fp", "", 404, ""},
		{"PUT", "/collections/p/vectors/x", `{"dense":{"size":2,"distance":"Dot"}}`, 400, "unnamed"},

		// Snapshots.
		{"GET", "/collections/p/snapshots/..%2F..%2FLOCK", "", 0, ""},
		{"GET", "/collections/p/snapshots/nothing", "", 404, "Not found"},
		{"DELETE", "/collections/p/snapshots/..%2F..%2Fcatalogue", "", 0, ""},
		{"GET", "/snapshots/..%2Fcatalogue", "", 0, ""},
		{"PUT", "/collections/p/snapshots/recover", `{"location":"file:///etc/passwd"}`, 404, ""},
		{"PUT", "/collections/p/snapshots/recover", `{"location":"/etc/passwd"}`, 400, "location"},
		{"PUT", "/collections/p/snapshots/recover", `{"location":"http://169.254.169.254/latest/meta-data"}`, 403, "Snapshot recovery from remote URLs is disabled"},
		{"PUT", "/collections/p/snapshots/recover", `{"location":"file:///p/x","checksum":"zz"}`, 422, "checksum"},
		{"PUT", "/collections/p/snapshots/recover", `{"location":"file:///p/x","priority":"zz"}`, 400, "unknown variant `zz`"},
		{"PUT", "/collections/p/snapshots/recover", `{}`, 400, "missing field `location`"},
		{"POST", "/collections/p/snapshots/upload", `{}`, 400, "Multipart error"},
		{"POST", "/collections/p/snapshots?wait=x", "", 400, "wait"},

		// Routes.
		{"GET", "/nothing", "", 404, "Not found: no such route"},
		{"POST", "/collections/p", `{}`, 405, "GET, PUT, PATCH, DELETE"},
		{"TRACE", "/collections", "", 405, "GET"},
		{"GET", "/latent/nothing", "", 404, "no such route"},
		{"GET", "/latent/collections/nowhere/plan", "", 404, "doesn't exist"},
	})
	if after := must(t, s, "POST", "/collections/p/points/scroll", `{"with_vector":true}`); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("points changed:\n%v\n%v", before, after)
	}
	if names := must(t, s, "GET", "/collections", ""); fmt.Sprint(names) != "map[collections:[map[name:n] map[name:p]]]" {
		t.Errorf("collections: %v", names)
	}
	for _, header := range [][]string{{"Content-Type", "text/plain"}, {"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Type", ""}} {
		if a := request(t, s, "POST", q, `{"query":[1,0]}`, header...); a.code != 400 || !strings.Contains(a.err, "Content type error") {
			t.Errorf("%q: %d %s", header, a.code, a.body)
		}
	}
}

// TestUploadRefusals uploads what is no snapshot, and more than is allowed.
func TestUploadRefusals(t *testing.T) {
	s := open(t, Options{MaxUpload: 4096})
	small(t, s, "p")
	upload := func(field string, content []byte, query string) answered {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		f, _ := m.CreateFormFile(field, "../../evil.snapshot")
		f.Write(content)
		m.Close()
		return request(t, s, "POST", "/collections/p/snapshots/upload"+query, b.String(), "Content-Type", m.FormDataContentType())
	}
	for name, a := range map[string]answered{
		"not a snapshot": upload("snapshot", []byte("hello"), ""),
		"empty":          upload("snapshot", nil, ""),
		"another field":  upload("file", []byte("hello"), ""),
		"too large":      upload("snapshot", make([]byte, 10000), ""),
		"a bad checksum": upload("snapshot", []byte("hello"), "?checksum=x"),
		"a bad priority": upload("snapshot", []byte("hello"), "?priority=x"),
	} {
		if a.code < 400 || a.code >= 500 {
			t.Errorf("%s: %d %s", name, a.code, a.body)
		}
	}
	if n := must(t, s, "POST", "/collections/p/points/count", `{}`); fmt.Sprint(n) != "map[count:4]" {
		t.Errorf("after refused uploads: %v", n)
	}
}

// TestSlowClients opens connections that send a little and then nothing: the server hangs up, and serves others meanwhile.
func TestSlowClients(t *testing.T) {
	s := open(t, Options{BodyTimeout: 100 * time.Millisecond})
	small(t, s, "p")
	rest, _ := serveOn(t, s)
	for _, start := range []string{
		"POST /collections/p/points/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
		"POST /collections/p/snapshots/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n--x\r\nContent-Disposition: form-data; name=\"snapshot\"; filename=\"s\"\r\n\r\nabc",
	} {
		c, err := net.Dial("tcp", rest)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, start)
		if resp, err := http.Get("http://" + rest + "/collections"); err != nil || resp.StatusCode != 200 {
			t.Errorf("others are not served: %v %v", resp, err)
		} else {
			resp.Body.Close()
		}
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		b, err := io.ReadAll(c)
		if err != nil {
			t.Errorf("not hung up on: %v", err)
		}
		if len(b) > 0 && !bytes.HasPrefix(b, []byte("HTTP/1.1 4")) {
			t.Errorf("answered %.100s", b)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestGoldenEnvelopes holds what comes over the wire, byte for byte but for the time.
func TestGoldenEnvelopes(t *testing.T) {
	s := open(t, Options{Version: "0"})
	small(t, s, "p")
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/", "", `{"title":"latent - vector store","version":"1.19.0","commit":"latent-0","latent":"0"}`},
		{"GET", "/collections", "", `{"result":{"collections":[{"name":"p"}]},"status":"ok","time":T,"usage":null}`},
		{"DELETE", "/collections/none", "", `{"result":false,"status":"ok","time":T,"usage":null}`},
		{"GET", "/collections/none", "", "{\"result\":null,\"status\":{\"error\":\"Not found: Collection `none` doesn't exist!\"},\"time\":T,\"usage\":null}"},
		{"PUT", "/collections/p/points?wait=true", `{"points":[{"id":9,"vector":[1,2]}]}`, `{"result":{"operation_id":2,"status":"completed"},"status":"ok","time":T,"usage":null}`},
		{"POST", "/collections/p/points/query", `{"query":[1,0],"limit":2,"with_payload":["city"],"with_vector":true,"filter":{"must":{"key":"city","match":{"value":"Rome"}}}}`,
			`{"result":{"points":[{"id":3,"version":1,"score":1,"payload":{"city":"Rome"},"vector":[1,1]},{"id":2,"version":1,"score":0,"payload":{"city":"Rome"},"vector":[0,1]}]},"status":"ok","time":T,"usage":null}`},
		{"POST", "/collections/p/points/scroll", `{"limit":1,"with_payload":false}`, `{"result":{"points":[{"id":1}],"next_page_offset":2},"status":"ok","time":T,"usage":null}`},
		{"POST", "/collections/p/points/query", `{"limit":0}`, `{"result":null,"status":{"error":"Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]"},"time":T,"usage":null}`},
	} {
		got := request(t, s, c.method, c.path, c.body).body
		var e struct{ Time json.Number }
		if json.Unmarshal([]byte(got), &e) == nil && e.Time != "" {
			got = strings.Replace(got, `"time":`+e.Time.String(), `"time":T`, 1)
		}
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%s %s\n got %s\nwant %s", c.method, c.path, got, c.want)
		}
	}
}

// FuzzBodies sends any body to the routes that read most of one: what comes back is an answer, no 5xx.
func FuzzBodies(f *testing.F) {
	for _, b := range []string{
		`{"query":[1,0],"filter":{"must":[{"key":"city","match":{"any":["a"]}},{"nested":{"key":"a[]","filter":{"should":[{"is_null":{"key":"b"}}]}}}]}}`,
		`{"prefetch":[{"query":[1,0],"limit":2},{"query":{"recommend":{"positive":[1],"negative":[[1,1]]}}}],"query":{"rrf":{"k":3,"weights":[1,2]}},"limit":3}`,
		`{"query":{"nearest":{"indices":[1],"values":[1]},"mmr":{"diversity":0.3}},"using":"s","with_payload":{"exclude":["a"]}}`,
		`{"points":[{"id":1,"vector":{"a":[1,2]},"payload":{"x":{"y":[1,null,1e3]}}}],"update_filter":{"min_should":{"conditions":[{"has_id":[1]}],"min_count":1}}}`,
		`{"batch":{"ids":[1,"5c56c793-69f3-4fbf-87e6-c4bf54c28c26"],"vectors":[[1,1],[2,2]],"payloads":[null,{}]}}`,
		`{"operations":[{"upsert":{"points":[]}},{"delete":{"filter":{}}},{"clear_payload":{"points":[1]}}]}`,
		`{"order_by":{"key":"n","direction":"desc","start_from":1.5},"limit":3,"offset":null}`,
		`{"group_by":"city","query":{"discover":{"target":1,"context":[{"positive":1,"negative":2}]}},"with_lookup":"n"}`,
		`{"vectors":{"a":{"size":3,"distance":"Cosine","multivector_config":{"comparator":"max_sim"}}},"sparse_vectors":{"s":{}}}`,
		`{"field_name":"a.b[]","field_schema":{"type":"text","tokenizer":"prefix","min_token_len":2}}`,
		`{"vector":{"name":"a","vector":[1,2]},"limit":2}`, `{"query":{"bm25":{"key":"text","text":"fox"}}}`, `{"query":{"order_by":"n"}}`, `[`, `{"key":"city"}`,
	} {
		for route := range fuzzed {
			f.Add(uint8(route), b)
		}
	}
	s := open(f, Options{})
	small(f, s, "p")
	several(f, s, "n")
	must(f, s, "PUT", "/collections/p/index", `{"field_name":"n","field_schema":"float"}`)
	f.Fuzz(func(t *testing.T, route uint8, body string) {
		r := fuzzed[int(route)%len(fuzzed)]
		method, path, _ := strings.Cut(r, " ")
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Errorf("%s %s: %d %s", r, body, w.Code, w.Body)
		}
		var e envelope
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
			t.Errorf("%s %s: %v in %s", r, body, err, w.Body)
		}
	})
}

var fuzzed = []string{
	"POST /collections/p/points/query", "POST /collections/n/points/query", "POST /collections/p/points/query/groups", "POST /collections/p/points/search",
	"POST /collections/p/points/scroll", "POST /collections/p/points/count", "POST /collections/p/facet", "PUT /collections/p/points", "PUT /collections/n/points",
	"POST /collections/p/points/batch", "POST /collections/p/points/delete", "POST /collections/p/points/payload", "PUT /collections/f", "PUT /collections/p/index", "PATCH /collections/p",
}

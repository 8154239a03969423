package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latent-go/latent/server/wire"
)

// TestSnapshots takes one of a collection, downloads it, uploads it under another name, and recovers from it in place.
func TestSnapshots(t *testing.T) {
	s := open(t, Options{})
	small(t, s, "p")
	run(t, s, []step{
		{"GET", "/collections/p/snapshots", "", 200, "[]"},
		{"GET", "/snapshots", "", 200, "[]"},
		{"GET", "/collections/nowhere/snapshots", "", 404, "Not found"},
		{"POST", "/collections/nowhere/snapshots", "", 404, "Not found"},
	})
	made := must(t, s, "POST", "/collections/p/snapshots", "").(map[string]any)
	name, sum := made["name"].(string), made["checksum"].(string)
	if list := must(t, s, "GET", "/collections/p/snapshots", ""); fmt.Sprint(list) != fmt.Sprint([]any{made}) {
		t.Errorf("snapshots %v, made %v", list, made)
	}
	file := request(t, s, "GET", "/collections/p/snapshots/"+name, "")
	if file.code != 200 || float64(len(file.body)) != made["size"].(float64) || !strings.Contains(file.header.Get("Content-Disposition"), name) {
		t.Fatalf("download: %d, %d bytes, %v", file.code, len(file.body), file.header)
	}
	upload := func(to, query string, content string) answered {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		m.WriteField("ignored", "x")
		f, _ := m.CreateFormFile("snapshot", name)
		io.WriteString(f, content)
		m.Close()
		return request(t, s, "POST", "/collections/"+to+"/snapshots/upload"+query, b.String(), "Content-Type", m.FormDataContentType())
	}
	if a := upload("copy", "?priority=snapshot&checksum="+sum, file.body); a.code != 200 || a.result != true {
		t.Fatalf("upload: %d %s", a.code, a.body)
	}
	for what, a := range map[string]answered{
		"a wrong checksum": upload("copy", "?checksum="+strings.Repeat("0", 64), file.body),
		"cut short":        upload("copy", "", file.body[:len(file.body)/2]),
		"a flipped bit":    upload("copy", "?checksum="+sum, file.body[:len(file.body)/2]+string(file.body[len(file.body)/2]^1)+file.body[len(file.body)/2+1:]),
	} {
		if a.code != 400 {
			t.Errorf("%s: %d %s", what, a.code, a.body)
		}
	}
	run(t, s, []step{
		{"POST", "/collections/copy/points/count", `{}`, 200, `{"count":4}`},
		{"POST", "/collections/p/points/delete?wait=true", `{"filter":{}}`, 200, ""},
		{"POST", "/collections/p/points/count", `{}`, 200, `{"count":0}`},
		{"PUT", "/collections/p/snapshots/recover", `{"location":"http://example.com/collections/p/snapshots/` + name + `","checksum":"` + sum + `"}`, 200, "true"}, // the test's own host
		{"POST", "/collections/p/points/count", `{}`, 200, `{"count":4}`},
		{"PUT", "/collections/q/snapshots/recover", `{"location":"file:///qdrant/snapshots/p/` + name + `","priority":"no_sync"}`, 200, "true"},
		{"POST", "/collections/q/points/count", `{}`, 200, `{"count":4}`},
		{"PUT", "/collections/q/snapshots/recover", `{"location":"http://elsewhere.example/collections/p/snapshots/` + name + `"}`, 403, "disabled"},
		{"DELETE", "/collections/p/snapshots/" + name, "", 200, "true"},
		{"DELETE", "/collections/p/snapshots/" + name, "", 404, "Not found"},
		{"GET", "/collections/p/snapshots/" + name, "", 404, "Not found"},
		{"POST", "/collections/p/snapshots?wait=false", "", 202, `"status":"accepted"`},
	})
	full := must(t, s, "POST", "/snapshots", "").(map[string]any)["name"].(string)
	if a := request(t, s, "GET", "/snapshots/"+full, ""); a.code != 200 || len(a.body) == 0 {
		t.Errorf("download of all: %d", a.code)
	}
	run(t, s, []step{{"DELETE", "/snapshots/" + full, "", 200, "true"}, {"DELETE", "/snapshots/" + full, "", 404, ""}, {"GET", "/snapshots", "", 200, "[]"}})
}

// TestFetch recovers from the snapshot of another server, with its key.
func TestFetch(t *testing.T) {
	from, to := open(t, Options{Keys: wire.Keys{Full: []string{"k"}}}), open(t, Options{Fetch: true})
	key := []string{"api-key", "k"}
	request(t, from, "PUT", "/collections/p", `{"vectors":{"size":2,"distance":"Dot"}}`, key...)
	request(t, from, "PUT", "/collections/p/points?wait=true", `{"points":[{"id":1,"vector":[1,2]}]}`, key...)
	name := request(t, from, "POST", "/collections/p/snapshots", "", key...).result.(map[string]any)["name"]
	rest, _ := serveOn(t, from)
	location := fmt.Sprintf("http://%s/collections/p/snapshots/%s", rest, name)
	run(t, to, []step{
		{"PUT", "/collections/new/snapshots/recover", `{"location":"` + location + `"}`, 400, "401"},
		{"PUT", "/collections/new/snapshots/recover", `{"location":"` + location + `","api_key":"k"}`, 200, "true"},
		{"POST", "/collections/new/points/count", `{}`, 200, `{"count":1}`},
	})
	http.DefaultClient.CloseIdleConnections()
}

// TestOrigins asks as pages in a browser do.
func TestOrigins(t *testing.T) {
	closed, some, all := open(t, Options{}), open(t, Options{CORS: []string{"https://good.example"}}), open(t, Options{CORS: []string{"*"}})
	for _, c := range []struct {
		s           *Server
		method      string
		origin      string
		code        int
		allowOrigin string
	}{
		{closed, "PUT", "https://evil.example", 403, ""},
		{closed, "GET", "https://evil.example", 404, ""}, // the browser keeps the answer from the page
		{closed, "OPTIONS", "https://evil.example", 405, ""},
		{closed, "PUT", "http://example.com", 200, ""}, // the same origin
		{some, "OPTIONS", "https://good.example", 204, "https://good.example"},
		{some, "PUT", "https://good.example", 200, "https://good.example"},
		{some, "PUT", "https://evil.example", 403, ""},
		{all, "PUT", "https://evil.example", 200, "https://evil.example"},
	} {
		a := request(t, c.s, c.method, "/collections/x"+fmt.Sprint(c.code), `{}`, "Origin", c.origin, "Access-Control-Request-Method", "PUT")
		if a.code != c.code || a.header.Get("Access-Control-Allow-Origin") != c.allowOrigin {
			t.Errorf("%s from %s: %d, allowed %q, want %d and %q", c.method, c.origin, a.code, a.header.Get("Access-Control-Allow-Origin"), c.code, c.allowOrigin)
		}
	}
}

// TestHosts asks a server on loopback under names that are not its own.
func TestHosts(t *testing.T) {
	s := open(t, Options{Loopback: true, Hosts: []string{"vectors.lan"}})
	locked := open(t, Options{Loopback: true, Keys: wire.Keys{Full: []string{"k"}}})
	get := func(s *Server, host string) int {
		r, _ := http.NewRequest("GET", "/collections", nil)
		r.Host = host
		r.Header.Set("api-key", "k")
		w := &memory{header: http.Header{}}
		s.Handler().ServeHTTP(w, r)
		return w.code
	}
	for host, want := range map[string]int{"localhost:6333": 200, "127.0.0.1:6333": 200, "[::1]:6333": 200, "LOCALHOST.": 200, "vectors.lan": 200, "evil.example:6333": 403, "": 403} {
		if got := get(s, host); got != want {
			t.Errorf("host %q: %d, want %d", host, got, want)
		}
		if got := get(locked, host); got != 200 {
			t.Errorf("host %q with a key: %d", host, got)
		}
	}
}

type memory struct {
	header http.Header
	code   int
}

func (m *memory) Header() http.Header         { return m.header }
func (m *memory) WriteHeader(c int)           { m.code = c }
func (m *memory) Write(b []byte) (int, error) { return len(b), nil }

// TestMetrics looks for what dashboards look for.
func TestMetrics(t *testing.T) {
	s := open(t, Options{Version: "1.2.3"})
	small(t, s, "p")
	request(t, s, "GET", "/collections/nowhere", "")
	request(t, s, "GET", "/what/ever", "")
	text := request(t, s, "GET", "/metrics", "").body
	for _, want := range []string{
		`app_info{name="latent - vector store",version="1.2.3"} 1`, `collections_total 1`, `collection_points{id="p"} 4`, `latent_collection_state{id="p",state="green"} 1`,
		`rest_responses_total{endpoint="/collections/{collection}/points",method="PUT",status="200"} 1`,
		`rest_responses_total{endpoint="/collections/{collection}",method="GET",status="404"} 1`,
		`rest_responses_total{endpoint="other",method="other",status="404"} 1`,
		`rest_responses_duration_seconds_count{endpoint="/collections/{collection}",method="PUT"} 1`, "latent_panics_total 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "/what") || strings.Contains(text, "nowhere") {
		t.Error("what clients make up becomes a label")
	}
}

// TestPanic sees that a bug costs one request, and is told.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	s := open(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	s.mux.HandleFunc("GET /bug", func(http.ResponseWriter, *http.Request) { panic("a bug") })
	a := request(t, s, "GET", "/bug", "", "X-Request-Id", "mine")
	if a.code != 500 || !strings.Contains(a.err, "mine") || a.header.Get("X-Request-Id") != "mine" || !strings.Contains(log.String(), "a bug") {
		t.Errorf("%d %s; log %s", a.code, a.body, log.String())
	}
	if a := request(t, s, "GET", "/healthz", "", "X-Request-Id", "two words\n"); a.code != 200 || len(a.header.Get("X-Request-Id")) != 16 {
		t.Errorf("after it: %d, id %q", a.code, a.header.Get("X-Request-Id"))
	}
}

// selfSigned is a certificate for 127.0.0.1, and what a client must trust for it.
func selfSigned(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(crand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	parsed, _ := x509.ParseCertificate(der)
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2", "http/1.1"}}, &tls.Config{RootCAs: pool}
}

// TestTLS asks both sides over TLS, and the REST side without.
func TestTLS(t *testing.T) {
	secure, trust := selfSigned(t)
	s := open(t, Options{TLS: secure, Keys: wire.Keys{Full: []string{"k"}}})
	rest, rpc := serveOn(t, s)
	tr := &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	req, _ := http.NewRequest("GET", "https://"+rest+"/collections", nil)
	req.Header.Set("api-key", "k")
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.ProtoMajor != 2 {
		t.Errorf("%s over %s", resp.Status, resp.Proto)
	}
	if resp, err := http.Get("http://" + rest + "/collections"); err == nil {
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("in the clear: %s", resp.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if _, err := connect(t, rpc, "k", trust).ListCollections(ctx); err != nil {
		t.Error(err)
	}
}

// TestShutdown ends a server under load: every request that was answered well is in the store, none is cut off half-way,
// and Serve returns.
func TestShutdown(t *testing.T) {
	s := open(t, Options{Grace: 5 * time.Second})
	small(t, s, "p")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ending, end := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- s.Serve(ending, l, nil) }()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	acknowledged := map[int]bool{}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := 1000 + w*100000 + i
				req, _ := http.NewRequest("PUT", "http://"+l.Addr().String()+"/collections/p/points?wait=true", strings.NewReader(fmt.Sprintf(`{"points":[{"id":%d,"vector":[1,2]}]}`, id)))
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				if err != nil {
					return
				}
				var e struct{ Result struct{ Status string } }
				if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
					t.Errorf("cut off: %v", err)
				}
				resp.Body.Close()
				if e.Result.Status == "completed" {
					mu.Lock()
					acknowledged[id] = true
					mu.Unlock()
				}
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	end()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
	wg.Wait()
	if len(acknowledged) == 0 {
		t.Fatal("nothing was acknowledged")
	}
	for id := range acknowledged {
		if a := request(t, s, "GET", fmt.Sprintf("/collections/p/points/%d", id), ""); a.code != 200 {
			t.Fatalf("point %d was acknowledged and is not there: %s", id, a.body)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// start runs latent serve until the test stops it, and says where it listens.
func start(t *testing.T, args ...string) (a serveAnswer, stop func() int, log *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	log = &bytes.Buffer{}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, &env{out: w, err: log}, append([]string{"serve", "--json", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"}, args...))
		w.Close()
	}()
	if err := json.NewDecoder(r).Decode(&a); err != nil {
		cancel()
		t.Fatalf("%v; exit code %d, log %s", err, <-code, log)
	}
	return a, func() int { cancel(); return <-code }, log
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	os.WriteFile(key, []byte("secret\n"), 0o600)
	t.Setenv(envReadKey, "reader")
	for i, want := range []int{http.StatusOK, http.StatusConflict} { // the second time it is there
		a, stop, log := start(t, filepath.Join(dir, "store"), "--api-key-file", key)
		ask := func(method, path, key string) int {
			req, _ := http.NewRequest(method, a.HTTP+path, strings.NewReader(`{"vectors":{"size":2,"distance":"Dot"}}`))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("api-key", key)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		if got := ask("PUT", "/collections/c", "secret"); got != want {
			t.Errorf("run %d: creating gives %d, want %d", i, got, want)
		}
		if got := ask("GET", "/collections", "reader"); got != http.StatusOK {
			t.Errorf("reading with the key of the environment: %d", got)
		}
		if got := ask("DELETE", "/collections/c", "reader"); got != http.StatusForbidden {
			t.Errorf("deleting with the key to read: %d", got)
		}
		if got := ask("GET", "/collections", ""); got != http.StatusUnauthorized {
			t.Errorf("without a key: %d", got)
		}
		http.DefaultClient.CloseIdleConnections()
		if code := stop(); code != exitDone {
			t.Errorf("exit code %d, log %s", code, log)
		}
	}
}

func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	serial := func(n int64) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{SerialNumber: big.NewInt(n), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
		if err != nil {
			t.Fatal(err)
		}
		pkcs, _ := x509.MarshalPKCS8PrivateKey(k)
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs}), 0o600)
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
		os.Chtimes(cert, time.Now(), time.Unix(1e9+n, 0))
	}
	serial(1)
	a, stop, log := start(t, filepath.Join(dir, "store"), "--tls-cert", cert, "--tls-key", key)
	for n := int64(1); n <= 2; n++ { // the second one replaces the first while the server runs
		serial(n)
		c, err := tls.Dial("tcp", strings.TrimPrefix(a.HTTP, "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != n {
			t.Errorf("certificate %d, want %d", got, n)
		}
		c.Close()
	}
	if code := stop(); code != exitDone {
		t.Errorf("exit code %d, log %s", code, log)
	}
}

func TestServeRefuses(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	os.WriteFile(empty, []byte("\n"), 0o600)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--http nonsense", exitMisused, "want HOST:PORT"},
		{"--http off --grpc off", exitMisused, "nothing is left to serve"},
		{"--http " + taken.Addr().String(), exitFailed, "is in use"},
		{"--tls-cert x", exitMisused, "go together"},
		{"--tls-cert x --tls-key y", exitFailed, "x"},
		{"--max-body 3", exitMisused, "--max-body"},
		{"--timeout 0s", exitMisused, "--timeout"},
		{"--log-level loud", exitMisused, "--log-level"},
		{"--log-format xml", exitMisused, "--log-format"},
		{"--embedder /nowhere", exitFailed, "tokenizer.json"},
		{"--api-key-file " + empty, exitFailed, "holds no key"},
		{"--cors nonsense", exitMisused, "not an origin"},
		{"a b", exitMisused, "accepts at most 1"},
	} {
		var out, log bytes.Buffer
		args := append([]string{"serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"}, strings.Fields(c.args)...)
		if !strings.HasPrefix(c.args, "a ") {
			args = append(args, filepath.Join(dir, "store"))
		}
		if code := run(context.Background(), &env{out: &out, err: &log}, args); code != c.code || !strings.Contains(log.String(), c.want) {
			t.Errorf("serve %s: exit code %d, %q; want %d and %q", c.args, code, log.String(), c.code, c.want)
		}
	}
}

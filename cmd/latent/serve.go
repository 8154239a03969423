package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/model/sentence"
	"github.com/latent-go/latent/server"
	"github.com/latent-go/latent/vec"
)

type serveFlags struct {
	http, grpc        string
	keys, readKeys    []string
	keyFile, readFile string
	cert, key         string
	cors, hosts       []string
	maxBody           int64
	maxUpload         int64
	timeout, grace    time.Duration
	flush             time.Duration
	cache             int64
	fetch             bool
	embedder          string
	logLevel, logAs   string
}

// serveAnswer says where the server listens.
type serveAnswer struct {
	Dir  string `json:"dir"`
	HTTP string `json:"http,omitempty"`
	GRPC string `json:"grpc,omitempty"`
}

// Environment variables that hold keys, so that none need stand in a list of processes.
const (
	envKey     = "LATENT_API_KEY"
	envReadKey = "LATENT_READ_ONLY_API_KEY"
)

func newServe(e *env) *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve [DIR]",
		Short: "Serve the collections of a folder to Qdrant's clients",
		Long: `Serve the collections of a folder (./latent-data if none is named, made if it is not there) over
HTTP and gRPC, as Qdrant's clients speak them. What Qdrant does not have is under /latent, and
pages to look at in a browser under /ui.

Only this machine is served unless --http and --grpc name other addresses; then ask for keys.
A key is given with --api-key, with --api-key-file, or in ` + envKey + ` and ` + envReadKey + `.

The first interrupt or SIGTERM lets requests under way finish and closes the store; the exit
code is then 0. docs/server.md says what of Qdrant's API is there and what is promised of data.`,
		Example: `  latent serve
  latent serve /var/lib/latent --http :6333 --grpc :6334 --api-key-file /etc/latent/key
  latent serve --cors https://example.org --tls-cert cert.pem --tls-key key.pem`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			dir := "latent-data"
			if len(a) > 0 {
				dir = a[0]
			}
			return runServe(c.Context(), e, f, dir)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.http, "http", "127.0.0.1:6333", "address of the REST side; :6333 serves other machines, too; off leaves it out")
	fs.StringVar(&f.grpc, "grpc", "127.0.0.1:6334", "address of the gRPC side; off leaves it out")
	fs.StringSliceVar(&f.keys, "api-key", nil, "ask for this key to read and write; can be repeated")
	fs.StringSliceVar(&f.readKeys, "read-only-key", nil, "let the holder of this key read; can be repeated")
	fs.StringVar(&f.keyFile, "api-key-file", "", "a file with keys to read and write, one a line")
	fs.StringVar(&f.readFile, "read-only-key-file", "", "a file with keys to read, one a line")
	fs.StringVar(&f.cert, "tls-cert", "", "certificate (PEM) to serve with; read again when it changes")
	fs.StringVar(&f.key, "tls-key", "", "its private key (PEM)")
	fs.StringSliceVar(&f.cors, "cors", nil, "origin whose pages may ask, such as https://example.org, or *; can be repeated")
	fs.StringSliceVar(&f.hosts, "allow-host", nil, "further name of this machine, for a server on loopback without a key; can be repeated")
	fs.Int64Var(&f.maxBody, "max-body", 32<<20, "bytes of a request at most")
	fs.Int64Var(&f.maxUpload, "max-upload", 0, "bytes of an uploaded snapshot at most; 0 for no limit")
	fs.BoolVar(&f.fetch, "fetch-snapshots", false, "recover collections from snapshots at other servers' URLs, too")
	fs.DurationVar(&f.timeout, "timeout", time.Minute, "time for one request at most")
	fs.DurationVar(&f.grace, "grace", 10*time.Second, "time for requests under way when the server ends")
	fs.DurationVar(&f.flush, "flush-interval", time.Second, "writes that clients do not wait for are on disk after this")
	fs.Int64Var(&f.cache, "cache", 128<<20, "bytes of memory for blocks of the database")
	fs.StringVar(&f.embedder, "embedder", "", "sentence encoder for searches by text on the pages under /ui: a folder, or a name in the catalogue, such as minilm-l6")
	fs.StringVar(&f.logLevel, "log-level", "info", "debug (every request), info, warn or error")
	fs.StringVar(&f.logAs, "log-format", "auto", "text, json, or auto: text on a terminal, JSON elsewhere")
	return c
}

func runServe(ctx context.Context, e *env, f serveFlags, dir string) error {
	o, err := f.options(e)
	if err != nil {
		return err
	}
	if f.embedder != "" {
		p := e.progress()
		enc, err := openEncoder(ctx, p, f.embedder)
		p.done()
		if err != nil {
			return err
		}
		o.Embedder = embedder{enc}
	}
	rest, err := listen("http", f.http)
	if err != nil {
		return err
	}
	rpc, err := listen("grpc", f.grpc)
	if err != nil {
		return errors.Join(err, closeAll(rest))
	}
	if rest == nil && rpc == nil {
		return misuse("--http off --grpc off: nothing is left to serve")
	}
	o.Loopback = onLoopback(rest)
	store, err := collection.Open(dir, collection.Options{Log: o.Log, FlushInterval: f.flush, CacheBytes: f.cache})
	if err != nil {
		return errors.Join(err, closeAll(rest, rpc))
	}
	s, err := server.New(store, o)
	if err != nil {
		return errors.Join(usageError{err}, store.Close(), closeAll(rest, rpc))
	}
	a := serveAnswer{Dir: dir}
	if abs, err := filepath.Abs(dir); err == nil {
		a.Dir = abs
	}
	if rest != nil {
		a.HTTP = "http://" + rest.Addr().String()
		if o.TLS != nil {
			a.HTTP = "https://" + rest.Addr().String()
		}
	}
	if rpc != nil {
		a.GRPC = rpc.Addr().String()
	}
	if !o.Keys.Any() && !(onLoopback(rest) && onLoopback(rpc)) {
		o.Log.Warn("other machines are served, and no key is asked for: set --api-key-file or " + envKey)
	}
	err = e.print(a, func(w io.Writer) {
		fmt.Fprintf(w, "serving %s\n", a.Dir)
		if a.HTTP != "" {
			fmt.Fprintf(w, "  REST  %s\n  pages %s/ui\n", a.HTTP, a.HTTP)
		}
		if a.GRPC != "" {
			fmt.Fprintf(w, "  gRPC  %s\n", a.GRPC)
		}
	})
	if err == nil {
		err = s.Serve(ctx, rest, rpc)
	} else {
		closeAll(rest, rpc)
	}
	if ctx.Err() != nil {
		o.Log.Info("closing the store")
	}
	return errors.Join(err, store.Close())
}

// embedder is a sentence encoder as the pages ask it.
type embedder struct{ *sentence.Encoder }

func (m embedder) Embed(ctx context.Context, texts []string) (vec.Matrix, error) {
	return m.Encode(ctx, texts, sentence.Options{})
}

func (f serveFlags) options(e *env) (o server.Options, err error) {
	if o.Log, err = f.log(e); err != nil {
		return o, err
	}
	if o.Keys.Full, err = keys(f.keys, f.keyFile, envKey); err != nil {
		return o, err
	}
	if o.Keys.ReadOnly, err = keys(f.readKeys, f.readFile, envReadKey); err != nil {
		return o, err
	}
	switch {
	case (f.cert == "") != (f.key == ""):
		return o, misuse("--tls-cert and --tls-key go together")
	case f.maxBody < 1<<10 || f.maxBody > 1<<31-1:
		return o, misuse("--max-body %d: want from 1024 to %d bytes", f.maxBody, 1<<31-1)
	case f.maxUpload < 0:
		return o, misuse("--max-upload %d: want a positive number, or 0 for no limit", f.maxUpload)
	case f.timeout <= 0 || f.grace <= 0 || f.flush <= 0:
		return o, misuse("--timeout, --grace and --flush-interval: want positive durations, such as 30s")
	case f.cache < 1<<20:
		return o, misuse("--cache %d: want at least %d bytes", f.cache, 1<<20)
	}
	if f.cert != "" {
		pair := &certificate{cert: f.cert, key: f.key}
		if _, err := pair.get(nil); err != nil {
			return o, err
		}
		o.TLS = &tls.Config{GetCertificate: pair.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	}
	for _, h := range f.hosts {
		o.Hosts = append(o.Hosts, strings.ToLower(h))
	}
	o.Version, o.CORS, o.Fetch = programVersion(), f.cors, f.fetch
	o.MaxBody, o.MaxUpload, o.Timeout, o.Grace = f.maxBody, f.maxUpload, f.timeout, f.grace
	return o, nil
}

func (f serveFlags) log(e *env) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return nil, misuse("--log-level %s: want debug, info, warn or error", f.logLevel)
	}
	how := &slog.HandlerOptions{Level: level}
	switch {
	case f.logAs == "text", f.logAs == "auto" && e.terminal:
		return slog.New(slog.NewTextHandler(e.err, how)), nil
	case f.logAs == "json", f.logAs == "auto":
		return slog.New(slog.NewJSONHandler(e.err, how)), nil
	}
	return nil, misuse("--log-format %s: want text, json or auto", f.logAs)
}

// keys are those of flags, of a file and of the environment.
func keys(flags []string, file, variable string) ([]string, error) {
	all := append([]string{}, flags...)
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		n := len(all)
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); line != "" {
				all = append(all, line)
			}
		}
		if len(all) == n {
			return nil, fmt.Errorf("%s holds no key: without one everybody would be let in", file)
		}
	}
	if v := os.Getenv(variable); v != "" {
		all = append(all, v)
	}
	for _, k := range all {
		if k == "" {
			return nil, misuse("an empty key: without a key everybody would be let in")
		}
	}
	return all, nil
}

// listen opens an address; nil for off.
func listen(flag, address string) (net.Listener, error) {
	if address == "off" {
		return nil, nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, misuse("--%s %s: want HOST:PORT, :PORT or off: %v", flag, address, err)
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use, perhaps by another latent or by Qdrant: end it, or choose another address with --%s: %w", address, flag, err)
	}
	return l, err
}

func closeAll(ls ...net.Listener) (err error) {
	for _, l := range ls {
		if l != nil {
			err = errors.Join(err, l.Close())
		}
	}
	return err
}

// onLoopback says whether only this machine can reach l.
func onLoopback(l net.Listener) bool {
	if l == nil {
		return true
	}
	a, ok := l.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// certificate is a pair of files that is read again when it was replaced, as renewals do it.
type certificate struct {
	cert, key string

	mu   sync.Mutex
	read time.Time // modification time of the cert that pair is of
	pair *tls.Certificate
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, err := os.Stat(c.cert)
	if err == nil && c.pair != nil && at.ModTime().Equal(c.read) {
		return c.pair, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.cert, c.key)
	}
	if err != nil {
		if c.pair != nil { // half replaced: the old one does for now
			return c.pair, nil
		}
		return nil, err
	}
	c.pair, c.read = &pair, at.ModTime()
	return c.pair, nil
}

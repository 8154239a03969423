// Package server answers Qdrant's clients, and what else the store can tell, over HTTP and gRPC.
//
//	s, err := server.New(store, server.Options{})
//	err = s.Serve(ctx, rest, grpc) // two listeners; until ctx ends
//
// The REST side is a table of routes (routes.go) whose handlers turn JSON into calls of package collection; package rpc
// does the same for gRPC; package wire is what both share. What Qdrant does not have lies under /latent (latent.go),
// and pages for people under /ui (package explorer).
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/server/explorer"
	"github.com/latent-go/latent/server/rpc"
	"github.com/latent-go/latent/server/wire"
)

// Options say how to serve. The zero Options serve everyone who reaches the listeners, with limits that suit most.
type Options struct {
	Keys    wire.Keys
	Version string       // of this program, as / and /telemetry tell it
	Log     *slog.Logger // nil logs nothing

	MaxBody     int64         // bytes of a JSON body or a gRPC message; 32 MiB if 0, as in Qdrant
	MaxUpload   int64         // bytes of an uploaded snapshot; no limit if 0
	Timeout     time.Duration // for what a request asks for; a minute if 0
	BodyTimeout time.Duration // for a body to arrive, and for a piece of an upload or a download; 30 s if 0
	Slow        time.Duration // requests that take longer are warned of in the log; 5 s if 0
	Grace       time.Duration // for requests under way when the server ends; 10 s if 0

	CORS     []string    // origins whose pages may ask, such as https://example.org; "*" for all
	Loopback bool        // only this machine is served: without a key, refuse names that are not its own
	Hosts    []string    // further names that are
	Fetch    bool        // recover snapshots from the URLs of other servers, too
	TLS      *tls.Config // nil serves in the clear

	Embedder explorer.Embedder // searches texts on the pages under /ui; nil leaves that out
}

func (o *Options) defaults() {
	set(&o.Version, "0.0.0")
	set(&o.Log, discard)
	set(&o.MaxBody, 32<<20)
	set(&o.Timeout, time.Minute)
	set(&o.BodyTimeout, 30*time.Second)
	set(&o.Slow, 5*time.Second)
	set(&o.Grace, 10*time.Second)
}

func set[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Server serves one store. It is safe for concurrent use; the store stays the caller's, to be closed after Serve.
type Server struct {
	store   *collection.Store
	o       Options
	log     *slog.Logger
	metrics *metrics
	handler http.Handler
	mux     *http.ServeMux
	grpc    *grpc.Server
	started time.Time
	jobs    jobs
	heavy   chan struct{} // holds one analysis
	pages   *explorer.Explorer
	active  sync.WaitGroup // requests under way
}

// New makes a Server of store.
func New(store *collection.Store, o Options) (*Server, error) {
	o.defaults()
	protect := http.NewCrossOriginProtection()
	for _, origin := range o.CORS {
		if origin == "*" {
			continue
		}
		if err := protect.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("server: %q is not an origin: want scheme and host, such as https://example.org: %w", origin, err)
		}
	}
	s := &Server{store: store, o: o, log: o.Log, started: time.Now(), jobs: newJobs(), heavy: make(chan struct{}, 1)}
	s.metrics = newMetrics(s)
	s.pages = explorer.New(store, explorer.Options{Keys: o.Keys, Embedder: o.Embedder, Version: o.Version, Timeout: o.Timeout, Heavy: s.heavy, Log: o.Log})
	s.mux = s.routes()
	s.handler = s.observe(s.origins(protect, s.hosts(s.deadlines(trim(s.mux)))))
	s.grpc = rpc.New(store, rpc.Options{Keys: o.Keys, Title: title, Version: qdrantVersion, MaxMessage: int(o.MaxBody), Timeout: o.Timeout, Log: o.Log, TLS: o.TLS, Observe: s.metrics.rpc})
	return s, nil
}

// Handler is the REST side.
func (s *Server) Handler() http.Handler { return s.handler }

// GRPC is the gRPC side.
func (s *Server) GRPC() *grpc.Server { return s.grpc }

// Serve answers on both listeners until ctx ends; then it takes no new requests, lets those under way finish for as long
// as Options.Grace, and returns nil. A nil listener leaves its side out. It can be called once.
func (s *Server) Serve(ctx context.Context, rest, rpc net.Listener) error {
	web := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		TLSConfig:         s.o.TLS,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 2)
	sides := 0
	if rest != nil {
		sides++
		go func() {
			if s.o.TLS != nil {
				ended <- web.ServeTLS(rest, "", "")
			} else {
				ended <- web.Serve(rest)
			}
		}()
	}
	if rpc != nil {
		sides++
		go func() { ended <- s.grpc.Serve(rpc) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended: // a listener failed
		sides--
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.Grace)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(drained)
	}()
	if late := web.Shutdown(grace); late != nil {
		s.log.Warn("requests did not end in time", "grace", s.o.Grace)
		web.Close()
	}
	select {
	case <-drained:
	case <-grace.Done():
		s.grpc.Stop()
		<-drained
	}
	for range sides {
		if e := <-ended; err == nil && !errors.Is(e, http.ErrServerClosed) && !errors.Is(e, grpc.ErrServerStopped) {
			err = e
		}
	}
	s.active.Wait() // those cut off, too
	s.pages.Close()
	s.jobs.end(s.o.Grace)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

// Package rpc answers Qdrant's gRPC clients: it implements the server interfaces that Qdrant's Go client generates from
// its protocol, with the calls of package collection.
package rpc

import (
	"context"
	"crypto/tls"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/server/wire"
)

// Options say how to serve.
type Options struct {
	Keys       wire.Keys
	Title      string // of the program, as HealthCheck tells it
	Version    string // of Qdrant that clients shall take this for
	MaxMessage int    // bytes
	Timeout    time.Duration
	Log        *slog.Logger
	TLS        *tls.Config
	Observe    func(endpoint, status string, took time.Duration) // called for each answer
}

// New makes a gRPC server of store.
func New(store *collection.Store, o Options) *grpc.Server {
	s := &service{store: store, o: o}
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(o.MaxMessage),
		grpc.ChainUnaryInterceptor(s.intercept),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.MaxConcurrentStreams(1000),
		grpc.MaxHeaderListSize(64 << 10),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 15 * time.Minute, Time: 2 * time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true), // so that the store is not closed under one
	}
	if o.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(o.TLS)))
	}
	g := grpc.NewServer(options...)
	qdrant.RegisterQdrantServer(g, health{s: s})
	qdrant.RegisterCollectionsServer(g, collections{s: s})
	qdrant.RegisterPointsServer(g, points{s: s})
	qdrant.RegisterSnapshotsServer(g, snapshots{s: s})
	return g
}

// service is what the four services of the protocol share.
type service struct {
	store *collection.Store
	o     Options
}

// reads are the calls for which a read-only key is enough; HealthCheck needs none.
var reads = map[string]bool{}

func init() {
	for _, name := range []string{
		"Collections/Get", "Collections/List", "Collections/ListCollectionAliases", "Collections/ListAliases",
		"Collections/CollectionClusterInfo", "Collections/CollectionExists", "Collections/ListShardKeys",
		"Points/Get", "Points/Search", "Points/SearchBatch", "Points/SearchGroups", "Points/Scroll", "Points/Recommend",
		"Points/RecommendBatch", "Points/RecommendGroups", "Points/Discover", "Points/DiscoverBatch", "Points/Count",
		"Points/Query", "Points/QueryBatch", "Points/QueryGroups", "Points/Facet", "Points/SearchMatrixPairs", "Points/SearchMatrixOffsets",
		"Snapshots/List", "Snapshots/ListFull",
	} {
		reads["/qdrant."+name] = true
	}
}

func access(method string) wire.Access {
	switch {
	case method == qdrant.Qdrant_HealthCheck_FullMethodName:
		return wire.Nothing
	case reads[method]:
		return wire.Read
	}
	return wire.Write
}

// intercept checks the key, bounds the time, tells errors in the protocol's codes, and turns a panic into one.
func (s *service) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	start := time.Now()
	defer func() {
		if p := recover(); p != nil {
			s.o.Log.ErrorContext(ctx, "panic", "method", info.FullMethod, "panic", p, "stack", string(debug.Stack()))
			err = wire.Errorf(wire.Internal, "the request met a bug; the log says more")
		}
		if of, ok := req.(interface{ GetCollectionName() string }); ok {
			err = wire.Since(s.store, of.GetCollectionName(), err)
		}
		err = told(err)
		took := time.Since(start)
		code := status.Code(err)
		if s.o.Observe != nil {
			s.o.Observe(info.FullMethod, code.String(), took)
		}
		level := slog.LevelDebug
		if code == codes.Internal {
			level = slog.LevelError
		}
		s.o.Log.Log(ctx, level, "request", "method", info.FullMethod, "status", code.String(), "ms", float64(took.Microseconds())/1000, "error", err)
	}()
	key, given := key(ctx)
	if err := s.o.Keys.Check(key, given, access(info.FullMethod)); err != nil {
		return nil, err
	}
	limit := s.o.Timeout
	if t, ok := req.(interface{ GetTimeout() uint64 }); ok && t.GetTimeout() > 0 {
		limit = min(limit, time.Duration(min(t.GetTimeout(), 1<<30))*time.Second)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return next(ctx, req)
}

// told is err with the code of its kind.
func told(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	e := wire.Of(err)
	return status.Error(e.GRPC(), e.Error())
}

func key(ctx context.Context) (string, bool) {
	md, _ := metadata.FromIncomingContext(ctx)
	if k := md.Get("api-key"); len(k) > 0 {
		return k[0], true
	}
	for _, a := range md.Get("authorization") {
		if k, ok := strings.CutPrefix(a, "Bearer "); ok {
			return k, true
		}
	}
	return "", false
}

type health struct {
	qdrant.UnimplementedQdrantServer
	s *service
}

func (h health) HealthCheck(context.Context, *qdrant.HealthCheckRequest) (*qdrant.HealthCheckReply, error) {
	return &qdrant.HealthCheckReply{Title: h.s.o.Title, Version: h.s.o.Version}, nil
}

// timed is the time since start in seconds, as answers tell it.
func timed(start time.Time) float64 { return time.Since(start).Seconds() }

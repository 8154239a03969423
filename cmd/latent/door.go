package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/pflag"

	"github.com/latent-go/latent/client"
	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/server"
)

// doorFlags say where collections are.
type doorFlags struct{ url, dir, key string }

func (f *doorFlags) flags(fs *pflag.FlagSet) {
	fs.StringVar(&f.url, "url", "http://127.0.0.1:6333", "the server that has the collection")
	fs.StringVar(&f.dir, "dir", "", "the folder of the collection, if no server has it open; in place of --url")
	fs.StringVar(&f.key, "api-key", "", "key of the server; better given in "+envKey)
}

// door is a way to collections: a server, or a folder that none serves. For the latter a server without a network answers
// here, so that both speak the same.
type door struct {
	*client.Client
	store *collection.Store // nil where a server has it
}

func (f doorFlags) open(fs *pflag.FlagSet) (*door, error) {
	if f.dir == "" {
		c, err := dialed(f.url, f.key)
		return &door{Client: c}, err
	}
	if fs.Changed("url") {
		return nil, misuse("--dir and --url: the collection is in one place; give one of them")
	}
	store, err := collection.Open(f.dir, collection.Options{})
	if err != nil {
		return nil, fmt.Errorf("%w; if a server has %s open, name it with --url instead of --dir", err, f.dir)
	}
	s, err := server.New(store, server.Options{})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	c, err := client.New("http://store", client.Options{HTTP: &http.Client{Transport: within{s.Handler()}}})
	return &door{c, store}, err
}

func dialed(url, key string) (*client.Client, error) {
	if key == "" {
		key = os.Getenv(envKey)
	}
	c, err := client.New(url, client.Options{APIKey: key})
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

func (d *door) close() error {
	if d.store == nil {
		return nil
	}
	return d.store.Close()
}

// put stores points; if vectorsOnly, vectors of points that are there.
func (d *door) put(ctx context.Context, name string, points []client.Point, vectorsOnly, durable bool) error {
	switch {
	case vectorsOnly:
		return d.UpdateVectors(ctx, name, points, durable)
	case d.store == nil:
		return d.Upsert(ctx, name, points, durable)
	}
	col, err := d.store.Collection(name)
	if err != nil {
		return err
	}
	same := make([]point.Point, len(points))
	for i, p := range points {
		same[i] = point.Point(p)
	}
	_, err = col.Apply(ctx, []collection.Op{collection.Upsert{Points: same}}, durable)
	return err
}

// within carries requests to a handler in this process.
type within struct{ http.Handler }

func (h within) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	a := &answered{header: http.Header{}, code: http.StatusOK}
	h.ServeHTTP(a, r)
	return &http.Response{StatusCode: a.code, Header: a.header, Body: io.NopCloser(&a.body), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

type answered struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (a *answered) Header() http.Header         { return a.header }
func (a *answered) WriteHeader(code int)        { a.code = code }
func (a *answered) Write(b []byte) (int, error) { return a.body.Write(b) }

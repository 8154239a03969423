// Package client speaks to a latent server, or to any other that has Qdrant's REST API, and to what latent adds to it.
//
//	c, err := client.New("http://127.0.0.1:6333", client.Options{})
//	err = c.CreateCollection(ctx, "papers", client.Config{Vectors: client.Vectors{"": {Size: 384, Distance: client.Cosine}}})
//	err = c.Upsert(ctx, "papers", points, true)
//	hits, err := c.Query(ctx, "papers", client.Query{Query: client.Near(v), Limit: 10, WithPayload: true})
//
// The official clients of Qdrant work as well; this one has no gRPC to bring along, and the endpoints under /latent.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client speaks to one server. It is safe for concurrent use.
type Client struct {
	base string
	o    Options
}

// Options say how to reach a server. The zero Options do for one on this machine without keys.
type Options struct {
	APIKey  string
	HTTP    *http.Client  // nil: http.DefaultTransport with connections enough for 64 goroutines
	Timeout time.Duration // of a request; 0 means a minute. Analyses, snapshots and CreateIndex take as long as their context lets them
	// Retries of requests that a busy or starting server refused (429, 503), or that did not reach it or lost its answer; 0
	// means 3, -1 none. What may not be done twice, such as CreateCollection, is sent again only where it did not arrive.
	Retries int
}

// New returns a client of the server at base, such as "http://127.0.0.1:6333".
func New(base string, o Options) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("client: %q is no address of a server: want http://host:port", base)
	}
	if o.HTTP == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 64
		o.HTTP = &http.Client{Transport: t, CheckRedirect: stay}
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	switch {
	case o.Retries == 0:
		o.Retries = 3
	case o.Retries < 0:
		o.Retries = 0
	}
	return &Client{strings.TrimSuffix(u.String(), "/"), o}, nil
}

// stay follows no redirect to another server: the key, in a header that net/http does not know for one, would go along.
func stay(r *http.Request, via []*http.Request) error {
	if first := via[0].URL; r.URL.Host != first.Host || r.URL.Scheme != first.Scheme || len(via) > 3 {
		return http.ErrUseLastResponse
	}
	return nil
}

// Error is a server's refusal.
type Error struct {
	Status  int    // of HTTP
	Message string // the server's
}

func (e *Error) Error() string { return fmt.Sprintf("client: %d: %s", e.Status, e.Message) }

// Is lets errors.Is find ErrNotFound, ErrExists and ErrKey.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrExists:
		return e.Status == http.StatusConflict
	case ErrKey:
		return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
	}
	return false
}

// What an Error may be.
var (
	ErrNotFound = errors.New("client: not found")
	ErrExists   = errors.New("client: it is there already")
	ErrKey      = errors.New("client: the API key is missing, wrong or for reading only")
)

// request is what is asked of the server.
type request struct {
	method, path string
	body, result any  // if not nil: sent as JSON, and where the result goes
	long         bool // it takes as long as it takes
	once         bool // done twice it is not the same as done once
	bare         bool // the answer has no envelope
}

// Call does what has no method here: it sends body, if not nil, as JSON and reads the result of the envelope to result, if
// not nil. The path is escaped already, as in "/collections/papers/points/query/groups".
func (c *Client) Call(ctx context.Context, method, path string, body, result any) error {
	return c.do(ctx, request{method: method, path: path, body: body, result: result})
}

func (c *Client) do(ctx context.Context, r request) error {
	b, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	if r.bare {
		if err := json.Unmarshal(b, r.result); err != nil {
			return fmt.Errorf("client: %s %s: %w", r.method, r.path, err)
		}
		return nil
	}
	var envelope struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(b, &envelope); err != nil {
		return fmt.Errorf("client: %s %s: the answer is not JSON; is this the server's address? %w", r.method, r.path, err)
	}
	if r.result == nil {
		return nil
	}
	if err := json.Unmarshal(envelope.Result, r.result); err != nil {
		return fmt.Errorf("client: %s %s: %w", r.method, r.path, err)
	}
	return nil
}

// send returns the body of the answer, after as many tries as Options allow.
func (c *Client) send(ctx context.Context, r request) ([]byte, error) {
	var content []byte
	if r.body != nil {
		var err error
		if content, err = json.Marshal(r.body); err != nil {
			return nil, fmt.Errorf("client: %s %s: %w", r.method, r.path, err)
		}
	}
	for try := 0; ; try++ {
		b, err := c.once(ctx, r, content)
		if err == nil || try == c.o.Retries || ctx.Err() != nil || !worthTrying(err, r.once) {
			return b, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond << try):
		}
	}
}

// worthTrying says whether a request that met err may be sent again.
func worthTrying(err error, once bool) bool {
	if e := new(Error); errors.As(err, &e) {
		return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
	}
	if dial := new(net.OpError); errors.As(err, &dial) && dial.Op == "dial" {
		return true
	}
	return !once && !errors.Is(err, context.DeadlineExceeded)
}

func (c *Client) once(ctx context.Context, r request, content []byte) ([]byte, error) {
	if !r.long {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.o.Timeout)
		defer cancel()
	}
	res, err := c.open(ctx, r.method, r.path, content)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, fmt.Errorf("client: %s %s: %w", r.method, r.path, err)
	}
	return b, nil
}

// open returns an answer that is not a refusal. Its body is the caller's to close.
func (c *Client) open(ctx context.Context, method, path string, content []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.o.APIKey != "" {
		req.Header.Set("Api-Key", c.o.APIKey)
	}
	res, err := c.o.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	return nil, &Error{res.StatusCode, message(b)}
}

// message finds the words in a refusal: an envelope's, a problem's of RFC 9457, or plain text.
func message(b []byte) string {
	var told struct {
		Status struct{ Error string }
		Detail string
		Errors []struct{ Message, Location string }
	}
	switch err := json.Unmarshal(b, &told); {
	case told.Status.Error != "":
		return told.Status.Error
	case err == nil && told.Detail != "":
		for _, e := range told.Errors {
			told.Detail += "; " + strings.TrimSpace(e.Location+" "+e.Message)
		}
		return told.Detail
	}
	return strings.TrimSpace(string(b))
}

// path joins parts, each of which may hold anything.
func path(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(p))
	}
	return b.String()
}

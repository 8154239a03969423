package server

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/latent-go/latent/collection"
	"github.com/latent-go/latent/server/wire"
)

// snapshot is the description of one, as Qdrant has it.
type snapshot struct {
	Name     string  `json:"name"`
	Created  *string `json:"creation_time"`
	Size     int64   `json:"size"`
	Checksum *string `json:"checksum"`
}

func describe(i collection.SnapshotInfo) snapshot {
	s := snapshot{Name: i.Name, Size: i.Size}
	if !i.Created.IsZero() {
		t := i.Created.UTC().Format("2006-01-02T15:04:05")
		s.Created = &t
	}
	if i.Checksum != "" {
		s.Checksum = &i.Checksum
	}
	return s
}

func describeAll(list []collection.SnapshotInfo, err error) (any, error) {
	out := []snapshot{}
	for _, i := range list {
		out = append(out, describe(i))
	}
	return out, err
}

// longer does work that may take longer than other requests may; with ?wait=false after the answer.
func (c *call) longer(what string, work func(context.Context) (any, error)) (any, error) {
	wait, err := boolParam(c.URL.Query(), "wait", true)
	if err != nil {
		return nil, err
	}
	if wait {
		http.NewResponseController(c.w).SetWriteDeadline(time.Time{}) // until the client goes
		return work(c.Context())
	}
	c.s.jobs.run(func(ctx context.Context) {
		if _, err := work(ctx); err != nil {
			c.s.log.Error(what+" that nobody waits for failed", "path", c.URL.Path, "error", err)
		}
	})
	return accepted{}, nil
}

func listSnapshots(c *call) (any, error) {
	col, err := c.collection()
	if err != nil {
		return nil, err
	}
	return describeAll(col.Snapshots())
}

func createSnapshot(c *call) (any, error) {
	col, err := c.collection()
	if err != nil {
		return nil, err
	}
	return c.longer("snapshot", func(ctx context.Context) (any, error) {
		i, err := col.Snapshot(ctx)
		return describe(i), err
	})
}

func deleteSnapshot(c *call) (any, error) {
	col, err := c.collection()
	if err != nil {
		return nil, err
	}
	return c.longer("deleting a snapshot", func(context.Context) (any, error) {
		return true, col.DeleteSnapshot(c.PathValue("snapshot"))
	})
}

func downloadSnapshot(c *call) (any, error) {
	col, err := c.collection()
	if err != nil {
		return nil, err
	}
	r, err := col.OpenSnapshot(c.PathValue("snapshot"))
	return c.send(r, err)
}

func listFullSnapshots(c *call) (any, error) { return describeAll(c.s.store.Snapshots()) }

func createFullSnapshot(c *call) (any, error) {
	return c.longer("snapshot", func(ctx context.Context) (any, error) {
		i, err := c.s.store.Snapshot(ctx)
		return describe(i), err
	})
}

func deleteFullSnapshot(c *call) (any, error) {
	return c.longer("deleting a snapshot", func(context.Context) (any, error) {
		return true, c.s.store.DeleteSnapshot(c.PathValue("snapshot"))
	})
}

func downloadFullSnapshot(c *call) (any, error) {
	r, err := c.s.store.OpenSnapshot(c.PathValue("snapshot"))
	return c.send(r, err)
}

// send writes a file as the answer.
func (c *call) send(r io.ReadCloser, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	h := c.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": c.PathValue("snapshot")}))
	if s, ok := r.(interface{ Size() int64 }); ok {
		h.Set("Content-Length", strconv.FormatInt(s.Size(), 10))
	}
	control := http.NewResponseController(c.w)
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			control.SetWriteDeadline(time.Now().Add(c.s.o.BodyTimeout)) // for this piece
			if _, err := c.w.Write(buf[:n]); err != nil {
				return written{}, nil // the client went
			}
		}
		if err == io.EOF {
			return written{}, nil
		}
		if err != nil {
			c.s.log.Error("a snapshot cannot be read", "path", c.URL.Path, "error", err)
			panic(http.ErrAbortHandler) // so that the client does not take what it has for the whole
		}
	}
}

// uploadSnapshot restores a collection from the file that a form brings, as it comes in.
func uploadSnapshot(c *call) (any, error) {
	name := c.PathValue("collection")
	if err := wire.CheckName(name); err != nil {
		return nil, err
	}
	checksum, err := checksumOf(c.URL.Query().Get("checksum"))
	if err != nil {
		return nil, err
	}
	if err := priority(c.URL.Query().Get("priority")); err != nil {
		return nil, err
	}
	if _, err := boolParam(c.URL.Query(), "wait", true); err != nil {
		return nil, err
	}
	if c.s.o.MaxUpload > 0 {
		c.Body = http.MaxBytesReader(c.w, c.Body, c.s.o.MaxUpload)
	}
	c.Body = &patient{c.Body, http.NewResponseController(c.w), c.s.o.BodyTimeout}
	form, err := c.MultipartReader()
	if err != nil {
		return nil, wire.Errorf(wire.BadFormat, "Multipart error: %v", err)
	}
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return nil, wire.Errorf(wire.BadFormat, "Multipart error: Field `snapshot` is required")
		}
		if err != nil {
			return nil, wire.Errorf(wire.BadFormat, "Multipart error: %v", err)
		}
		if part.FormName() != "snapshot" {
			continue
		}
		if err := c.s.store.Restore(c.Context(), name, part, checksum); err != nil {
			if large := new(http.MaxBytesError); errors.As(err, &large) {
				return nil, wire.Errorf(wire.BadFormat, "the snapshot is larger than allowed (limit: %d bytes)", large.Limit)
			}
			return nil, unfit(err)
		}
		return true, nil
	}
}

// unfit says of a damaged snapshot that comes from a client that it is the client's.
func unfit(err error) error {
	if errors.Is(err, collection.ErrCorrupt) {
		return &wire.Error{Kind: wire.BadInput, Message: err.Error(), Err: err}
	}
	return err
}

// patient gives each piece of a body its own time.
type patient struct {
	io.ReadCloser
	c *http.ResponseController
	d time.Duration
}

func (p *patient) Read(b []byte) (int, error) {
	p.c.SetReadDeadline(time.Now().Add(p.d))
	p.c.SetWriteDeadline(time.Now().Add(2 * p.d))
	return p.ReadCloser.Read(b)
}

func checksumOf(s string) (string, error) {
	if s != "" && (len(s) != 64 || strings.Trim(strings.ToLower(s), "0123456789abcdef") != "") {
		return "", wire.Errorf(wire.Invalid, "Validation error in query parameters: [checksum: invalid SHA256 hash]")
	}
	return strings.ToLower(s), nil
}

func priority(p string) error {
	switch p {
	case "", "no_sync", "snapshot", "replica": // one server: all are the same
		return nil
	}
	return variant(p, "`no_sync`, `snapshot`, `replica`")
}

// recoverSnapshot restores a collection from a snapshot that the server has or, if that is allowed, from one that another
// server gives. A location is never taken for a path on this machine.
func recoverSnapshot(c *call) (any, error) {
	var body struct {
		Location *string `json:"location"`
		Priority string  `json:"priority"`
		Checksum string  `json:"checksum"`
		APIKey   string  `json:"api_key"`
	}
	if err := c.read(&body); err != nil {
		return nil, err
	}
	name := c.PathValue("collection")
	if err := wire.CheckName(name); err != nil {
		return nil, err
	}
	if body.Location == nil {
		return nil, missing("location")
	}
	checksum, err := checksumOf(body.Checksum)
	if err != nil {
		return nil, err
	}
	if err := priority(body.Priority); err != nil {
		return nil, err
	}
	where, err := url.Parse(*body.Location)
	if err != nil {
		return nil, wire.Errorf(wire.BadFormat, "Format error in JSON body: location: %v", err)
	}
	open, err := c.source(where, body.APIKey)
	if err != nil {
		return nil, err
	}
	return c.longer("recovery", func(ctx context.Context) (any, error) {
		r, err := open(ctx)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return true, unfit(c.s.store.Restore(ctx, name, r, checksum))
	})
}

// source says how the snapshot at a location is opened.
func (c *call) source(where *url.URL, key string) (func(context.Context) (io.ReadCloser, error), error) {
	web := where.Scheme == "http" || where.Scheme == "https"
	if of, name, ok := ownSnapshot(where.Path); ok && (where.Scheme == "file" || web && strings.EqualFold(where.Host, c.Host)) {
		return func(context.Context) (io.ReadCloser, error) {
			col, err := c.s.store.Collection(of)
			if err != nil {
				return nil, err
			}
			return col.OpenSnapshot(name)
		}, nil
	}
	switch {
	case web && c.s.o.Fetch:
		return func(ctx context.Context) (io.ReadCloser, error) { return fetch(ctx, where, key) }, nil
	case web:
		return nil, wire.Errorf(wire.Forbidden, "Snapshot recovery from remote URLs is disabled in the configuration: start the server with --fetch-snapshots, or upload the file")
	}
	return nil, wire.Errorf(wire.BadInput, "location %.200q: want the URL of a snapshot, or file:///COLLECTION/SNAPSHOT for one that this server has; others can be uploaded", where)
}

// ownSnapshot reads …/COLLECTION/snapshots/NAME and …/COLLECTION/NAME.
func ownSnapshot(p string) (of, name string, ok bool) {
	dir, name := path.Split(path.Clean("/" + p))
	of = path.Base(dir)
	if parent := path.Dir(path.Clean(dir)); of == "snapshots" && path.Base(parent) != "/" {
		of = path.Base(parent)
	}
	return of, name, of != "/" && name != ""
}

func fetch(ctx context.Context, where *url.URL, key string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return nil, wire.Errorf(wire.BadInput, "location: %v", err)
	}
	if key != "" {
		req.Header.Set("Api-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, wire.Errorf(wire.BadInput, "Failed to download snapshot from %s: %v", where.Redacted(), err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, wire.Errorf(wire.BadInput, "Failed to download snapshot from %s: status - %s", where.Redacted(), resp.Status)
	}
	return resp.Body, nil
}

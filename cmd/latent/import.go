package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/latent-go/latent/client"
	"github.com/latent-go/latent/collection/point"
)

type importFlags struct {
	door             doorFlags
	in               input
	vector, distance string
	payload, index   []string
	batch            int
	resume, update   bool
	wait             bool
	qdrant, from     string
	fromKey          string
}

// importAnswer is what import prints with --json.
type importAnswer struct {
	Source     string  `json:"source"`
	Collection string  `json:"collection"`
	Created    bool    `json:"created"`
	From       int     `json:"from"`   // the row that it went on from; those before were there
	Points     int     `json:"points"` // written
	Total      int     `json:"total"`  // in the collection now
	Seconds    float64 `json:"seconds"`
	Rate       float64 `json:"points_per_second"`
}

func newImport(e *env) *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "import COLLECTION [VECTORS]",
		Short: "Bring vectors from a file, or the collection of a running Qdrant, into a collection",
		Long: `Bring vectors from a file, or the collection of a running Qdrant, into a collection, which is made if it is not there.

VECTORS is a file (npy, npz, fvecs, Parquet, JSONL, CSV, GloVe, safetensors, IDX, …), the name of a data set, or generated
data (synthetic:NAME?n=ROWS). A row's ID is the one that the file has, if that is a number or a UUID; of another text it is a
UUID that follows from the text, which goes into the payload; and without IDs it is the number of the row. So an import done
twice changes nothing. Columns of text become the payload (--payload). A file of JSON points, one a line, as
"latent export" writes it, keeps IDs, payloads and vectors of all names and kinds as they are.

An import that was interrupted goes on with --resume: it looks which rows are there and begins with the first that is not.
When it ends, all is on disk.

With --from-qdrant the points of a collection of a running Qdrant, or of another latent, are read through its API: vectors,
payloads, settings and payload indexes, but not aliases. What changes there meanwhile may or may not be brought along.`,
		Example: `  latent import papers embeddings.parquet --payload title,year:integer --index year:integer
  latent import words glove.6B.300d.txt --dir latent-data --distance cosine
  latent import docs --from-qdrant http://10.0.0.7:6333 --from-key "$KEY"`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: func(c *cobra.Command, a []string) error { return runImport(c.Context(), e, f, c.Flags(), a) },
	}
	fs := c.Flags()
	f.door.flags(fs)
	f.in.flags(fs)
	fs.StringVar(&f.vector, "vector", "", "name of the vector, if the collection has names")
	fs.StringVar(&f.distance, "distance", "", "cosine (the default), dot, euclid or manhattan, for a collection that is made")
	fs.StringSliceVar(&f.payload, "payload", nil, "columns that go into payloads, as NAME or NAME:TYPE of keyword, integer, float, bool, json; none for none (default all, as text)")
	fs.StringSliceVar(&f.index, "index", nil, "payload fields to index afterwards, as NAME:TYPE of keyword, integer, float, bool, datetime, geo, text, uuid")
	fs.IntVar(&f.batch, "batch", 256, "points of a request; choose fewer where points are large, as a request has 32 MiB at most")
	fs.BoolVar(&f.resume, "resume", false, "go on with the first row whose point is not there")
	fs.BoolVar(&f.update, "update", false, "give points that are there this vector, and leave their payload and other vectors")
	fs.BoolVar(&f.wait, "wait", false, "return when the vectors are indexed")
	fs.StringVar(&f.qdrant, "from-qdrant", "", "address of a Qdrant whose collection of the same name is to be brought over")
	fs.StringVar(&f.from, "from-collection", "", "its name there, if it is another")
	fs.StringVar(&f.fromKey, "from-key", "", "API key there")
	return c
}

func runImport(ctx context.Context, e *env, f importFlags, fs *pflag.FlagSet, a []string) (err error) {
	switch {
	case f.qdrant == "" && len(a) < 2:
		return misuse("say what to import: a file, a data set, or --from-qdrant")
	case f.qdrant != "" && len(a) > 1:
		return misuse("--from-qdrant and %s: one import has one source", a[1])
	case f.qdrant == "" && (f.from != "" || f.fromKey != ""):
		return misuse("--from-collection and --from-key go with --from-qdrant")
	case f.batch < 1 || f.batch > 1<<16:
		return misuse("--batch %d: want 1 to 65536", f.batch)
	case f.in.MaxRows < 0:
		return misuse("--rows %d: want a number of vectors, or 0 for all", f.in.MaxRows)
	}
	if f.distance != "" {
		if _, ok := distances[f.distance]; !ok {
			return misuse("--distance %s: want cosine, dot, euclid or manhattan", f.distance)
		}
	}
	indexes, err := indexed(f.index)
	if err != nil {
		return err
	}
	to, err := f.door.open(fs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	out := importAnswer{Collection: a[0]}
	var r *rows
	var made func() error // the collection that is missing
	if f.qdrant != "" {
		out.Source = f.qdrant
		r, made, indexes, err = f.migration(ctx, e, to, a[0], indexes)
	} else {
		out.Source = a[1]
		if r, err = openRows(ctx, e, f, a[1]); err == nil {
			made = func() error { return f.create(ctx, to, a[0], r) }
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()

	there, err := to.HasCollection(ctx, a[0])
	switch {
	case err != nil:
		return err
	case !there && f.update:
		return fmt.Errorf("there is no collection %s whose points --update could give vectors", a[0])
	case !there:
		if err := made(); err != nil {
			return err
		}
		out.Created = true
	case f.qdrant == "" && r.dim > 0:
		if err := f.fits(ctx, to, a[0], r); err != nil {
			return err
		}
	}

	began := time.Now()
	if err := f.copy(ctx, e, to, r, &out); err != nil {
		err = fmt.Errorf("%w\nthe first %d rows are stored; the same command with --resume goes on from there", err, out.From+out.Points)
		if ctx.Err() != nil {
			fmt.Fprintln(e.err, err)
		}
		return err
	}
	out.Seconds = time.Since(began).Seconds()
	out.Rate = float64(out.Points) / max(out.Seconds, 1e-9)
	if n := out.From + out.Points; f.qdrant != "" && n != r.total {
		fmt.Fprintf(e.err, "%s counted %d points, and %d were read: was it written to meanwhile? The same command again brings what came\n", out.Source, r.total, n)
	}
	var failed error // the points are there; one field must not keep the others from their index
	for _, ix := range indexes {
		if err := to.CreateIndex(ctx, a[0], ix.field, ix.schema); err != nil {
			failed = errors.Join(failed, fmt.Errorf("all points are stored, but the index of the field %s cannot be made: %w", ix.field, err))
		}
	}
	if failed != nil {
		return failed
	}
	if f.wait {
		if err := to.Wait(ctx, a[0]); err != nil {
			return err
		}
	}
	if out.Total, err = to.Count(ctx, a[0], nil); err != nil {
		return err
	}
	return e.print(out, func(w io.Writer) {
		if out.From > 0 {
			fmt.Fprintf(w, "%s: rows before %d were there\n", out.Collection, out.From)
		}
		fmt.Fprintf(w, "%s: %d points in %.1f s, %.0f a second; it has %d now\n", out.Collection, out.Points, out.Seconds, out.Rate, out.Total)
	})
}

var distances = map[string]client.Distance{"cosine": client.Cosine, "dot": client.Dot, "euclid": client.Euclid, "manhattan": client.Manhattan,
	"": client.Cosine, "l2": client.Euclid, "euclidean": client.Euclid, "ip": client.Dot}

// create makes a collection for the vectors of r.
func (f importFlags) create(ctx context.Context, to *door, name string, r *rows) error {
	if r.dim == 0 {
		return fmt.Errorf("there is no collection %s, and a file of points does not say what its vectors are: create it first", name)
	}
	v, err := f.vectorOf(r)
	if err != nil {
		return err
	}
	return to.CreateCollection(ctx, name, client.Config{Vectors: client.Vectors{f.vector: v}})
}

func (f importFlags) vectorOf(r *rows) (client.Vector, error) {
	how := f.distance
	if how == "" {
		how = r.metric
	}
	d, ok := distances[how]
	if !ok {
		return client.Vector{}, fmt.Errorf("the data set is compared by %s, which is no distance of collections: choose one with --distance", how)
	}
	return client.Vector{Size: r.dim, Distance: d}, nil
}

// fits says, before anything is written, whether a collection takes the vectors of r.
func (f importFlags) fits(ctx context.Context, to *door, name string, r *rows) error {
	info, err := to.Collection(ctx, name)
	if err != nil {
		return err
	}
	have := info.Config.Params.Vectors
	v, ok := have[f.vector]
	switch {
	case !ok && f.update && f.vector != "":
		v, err := f.vectorOf(r)
		if err != nil {
			return err
		}
		return to.AddVector(ctx, name, f.vector, v)
	case !ok:
		names := []string{}
		for n := range have {
			names = append(names, fmt.Sprintf("%q", n))
		}
		slices.Sort(names)
		return fmt.Errorf("the collection %s has no vector %q, only %s: name one with --vector", name, f.vector, strings.Join(names, ", "))
	case v.Size != r.dim:
		return fmt.Errorf("the collection %s has vectors of %d numbers, and these have %d", name, v.Size, r.dim)
	case f.distance != "" && distances[f.distance] != v.Distance:
		return fmt.Errorf("the collection %s compares by %s, not by %s: leave --distance out, or import into another", name, v.Distance, f.distance)
	}
	return nil
}

type fieldIndex struct {
	field  string
	schema any
}

func indexed(texts []string) ([]fieldIndex, error) {
	var all []fieldIndex
	for _, t := range texts {
		i := strings.LastIndexByte(t, ':')
		if i < 1 {
			return nil, misuse("--index %s: want FIELD:TYPE, such as year:integer", t)
		}
		all = append(all, fieldIndex{t[:i], t[i+1:]})
	}
	return all, nil
}

// migration reads a collection of another server, and says how to make one like it.
func (f importFlags) migration(ctx context.Context, e *env, to *door, name string, indexes []fieldIndex) (*rows, func() error, []fieldIndex, error) {
	from, err := client.New(f.qdrant, client.Options{APIKey: f.fromKey})
	if err != nil {
		return nil, nil, nil, usageError{err}
	}
	source := f.from
	if source == "" {
		source = name
	}
	var info struct {
		Config struct {
			Params       map[string]json.RawMessage `json:"params"`
			HNSW         json.RawMessage            `json:"hnsw_config"`
			Quantization json.RawMessage            `json:"quantization_config"`
			Metadata     json.RawMessage            `json:"metadata"`
		} `json:"config"`
		Schema map[string]client.Field `json:"payload_schema"`
	}
	if err := from.Call(ctx, "GET", "/collections/"+url.PathEscape(source), nil, &info); err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", f.qdrant, err)
	}
	for field, s := range info.Schema {
		ix := fieldIndex{field, s.Type}
		if len(s.Params) > 0 && string(s.Params) != "null" {
			var left []string
			if ix.schema, left = schemaHere(s.Params); left != nil {
				fmt.Fprintf(e.err, "%s: the text index is made without %s, which are not there yet: it finds the words as they are written\n", field, strings.Join(left, " and "))
			}
		}
		indexes = append(indexes, ix)
	}
	slices.SortStableFunc(indexes, func(a, b fieldIndex) int { return strings.Compare(a.field, b.field) })
	r, err := openCollection(ctx, from, source, nil)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", f.qdrant, err)
	}
	if f.in.MaxRows > 0 {
		r.limit(f.in.MaxRows)
	}
	body := map[string]json.RawMessage{"hnsw_config": info.Config.HNSW, "quantization_config": info.Config.Quantization, "metadata": info.Config.Metadata}
	for _, key := range []string{"vectors", "sparse_vectors", "on_disk_payload"} {
		body[key] = info.Config.Params[key]
	}
	for key, v := range body {
		if len(v) == 0 || string(v) == "null" {
			delete(body, key)
		}
	}
	return r, func() error {
		return to.Call(ctx, "PUT", "/collections/"+url.PathEscape(name), body, nil)
	}, indexes, nil
}

// schemaHere is what an index of Qdrant's was made with, without what would be refused here, and what that is.
func schemaHere(params json.RawMessage) (schema any, left []string) {
	var m map[string]any
	if err := json.Unmarshal(params, &m); err != nil || m["type"] != "text" {
		return params, nil
	}
	if s, _ := m["stemmer"].(map[string]any); s != nil && s["type"] != "none" {
		left = append(left, "stemmer")
		delete(m, "stemmer")
	}
	if m["ascii_folding"] == true {
		left = append(left, "folding to ASCII")
		delete(m, "ascii_folding")
	}
	set, _ := m["stopwords"].(map[string]any)
	languages, _ := set["languages"].([]any)
	if _, one := m["stopwords"].(string); one || len(languages) > 0 {
		left = append(left, "stop words of a language")
		if delete(m, "stopwords"); set["custom"] != nil {
			m["stopwords"] = map[string]any{"custom": set["custom"]}
		}
	}
	if left == nil {
		return params, nil
	}
	return m, left
}

// copyWorkers send requests side by side: the server reads the JSON of one while it stores another.
const copyWorkers = 2

// copy writes the rows of r to a collection. out says which are stored when it ends, also by an error: those from out.From
// on, out.Points of them, without a hole.
func (f importFlags) copy(ctx context.Context, e *env, to *door, r *rows, out *importAnswer) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p := e.progress()
	defer p.done()
	report := func() { p.step("import "+out.Source, out.From+out.Points, r.total) }

	type part struct {
		first  int
		points []client.Point
	}
	var (
		mu    sync.Mutex
		ready = map[int]int{} // by first row: rows stored beyond those counted in out
		parts = make(chan part)
		group sync.WaitGroup
	)
	send := func(b part, durable bool) error {
		if err := to.put(ctx, out.Collection, b.points, f.update, durable); err != nil {
			return fmt.Errorf("rows %d to %d: %w", b.first, b.first+len(b.points)-1, err)
		}
		mu.Lock()
		defer mu.Unlock()
		ready[b.first] = len(b.points)
		for n, ok := ready[out.From+out.Points]; ok; n, ok = ready[out.From+out.Points] {
			delete(ready, out.From+out.Points)
			out.Points += n
		}
		report()
		return nil
	}
	for range copyWorkers {
		group.Go(func() {
			for b := range parts {
				if ctx.Err() != nil {
					continue
				}
				if err := send(b, false); err != nil {
					stop(err)
				}
			}
		})
	}

	// The last part is held back until all others are stored. It is written durably, and so are they by then.
	var last part
	row, resuming := 0, f.resume
	err := func() error {
		defer group.Wait()
		defer close(parts)
		for {
			points, err := r.next(f.batch)
			if err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			b := part{row, points}
			row += len(points)
			if resuming {
				there, err := f.there(ctx, to, out.Collection, points)
				if err != nil {
					return err
				}
				if there {
					out.From = row
					report()
					continue
				}
				resuming = false
			}
			if last.points != nil {
				select {
				case parts <- last:
				case <-ctx.Done():
					return nil
				}
			}
			last = b
			if ctx.Err() != nil {
				return nil
			}
		}
	}()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = errors.Join(cause, err)
	}
	if err == nil && last.points != nil {
		err = send(last, true)
	}
	return err
}

// there says whether all of some points are in a collection.
func (f importFlags) there(ctx context.Context, to *door, name string, points []client.Point) (bool, error) {
	ids := make([]point.ID, len(points))
	for i, p := range points {
		ids[i] = p.ID
	}
	have, err := to.Get(ctx, name, ids, f.update)
	if err != nil {
		return false, err
	}
	found := map[point.ID]bool{}
	for _, p := range have {
		if _, ok := p.Vectors[f.vector]; ok || !f.update {
			found[p.ID] = true
		}
	}
	return !slices.ContainsFunc(ids, func(id point.ID) bool { return !found[id] }), nil
}

// limit ends r after n rows.
func (r *rows) limit(n int) {
	next := r.next
	if r.total >= 0 {
		r.total = min(r.total, n)
	}
	r.next = func(want int) ([]client.Point, error) {
		if n == 0 {
			return nil, io.EOF
		}
		points, err := next(min(want, n))
		n -= len(points)
		return points, err
	}
}

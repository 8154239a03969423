package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/client"
	"github.com/latent-go/latent/collection/filter"
	"github.com/latent-go/latent/collection/point"
	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/vec"
)

type exportFlags struct {
	door                doorFlags
	out, vector, filter string
}

// exportAnswer is what export prints with --json.
type exportAnswer struct {
	Collection string   `json:"collection"`
	Files      []string `json:"files"`
	Points     int      `json:"points"`
	Without    int      `json:"without_vector,omitempty"` // left out, as they do not have the vector
}

func newExport(e *env) *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use:   "export COLLECTION -o FILE",
		Short: "Write the points of a collection to a file",
		Long: `Write the points of a collection to a file, in the order of their IDs.

FILE.jsonl (or .jsonl.gz) holds points as they are, one a line: ID, vectors of all names and kinds, payload. Other formats hold
one dense vector of each point, chosen with --vector where there are several. Parquet, CSV and TSV have columns for the ID and,
as JSON, the payload; "latent import" reads both back. Beside FILE.npy, which holds numbers only, FILE.points.jsonl has ID and
payload of each row.

What changes meanwhile may or may not be in the file; a snapshot is of one moment.`,
		Example: `  latent export papers -o papers.jsonl.gz
  latent export papers -o papers.parquet --dir latent-data --filter '{"must": {"key": "year", "range": {"gte": 2020}}}'`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, a []string) error { return runExport(c.Context(), e, f, c.Flags(), a[0]) },
	}
	fs := c.Flags()
	f.door.flags(fs)
	fs.StringVarP(&f.out, "out", "o", "", "the file to write, in the format of its ending")
	fs.StringVar(&f.vector, "vector", "", "name of the vector, if the collection has names")
	fs.StringVar(&f.filter, "filter", "", "only points that this filter lets through, as JSON")
	return c
}

func runExport(ctx context.Context, e *env, f exportFlags, fs *pflag.FlagSet, name string) (err error) {
	if f.out == "" {
		return misuse("say where to write the points, with -o FILE")
	}
	if err := writable(f.out); err != nil {
		return err
	}
	var only *filter.Filter
	if f.filter != "" {
		only = new(filter.Filter)
		if err := json.Unmarshal([]byte(f.filter), only); err != nil {
			return misuse("--filter: %v", err)
		}
	}
	from, err := f.door.open(fs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.close()) }()
	r, err := openCollection(ctx, from.Client, name, only)
	if err != nil {
		return err
	}
	p := e.progress()
	defer p.done()
	out := exportAnswer{Collection: name, Files: []string{f.out}}
	// each calls visit with every point that was read.
	each := func(visit func(client.Point) error) error {
		for n := 0; ; {
			points, err := r.next(1000)
			if err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			for _, point := range points {
				if err := visit(point); err != nil {
					return err
				}
			}
			n += len(points)
			p.step("export "+name, n, r.total)
		}
	}
	base := strings.TrimSuffix(f.out, ".gz")
	if filepath.Ext(base) == ".jsonl" {
		out.Points, err = exportPoints(f.out, each)
	} else {
		err = f.exportVectors(&out, r.total, each)
	}
	if err != nil {
		return err
	}
	p.done()
	return e.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d points\n", out.Collection, out.Points)
		if out.Without > 0 {
			fmt.Fprintf(w, "%d points do not have the vector and are left out\n", out.Without)
		}
		fmt.Fprintln(w, strings.Join(out.Files, "\n"))
	})
}

// exportPoints writes a point a line.
func exportPoints(path string, each func(func(client.Point) error) error) (n int, err error) {
	err = artifact.Atomic(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<16)
		var enc *json.Encoder
		var zip *gzip.Writer
		if strings.HasSuffix(path, ".gz") {
			zip = gzip.NewWriter(b)
			enc = json.NewEncoder(zip)
		} else {
			enc = json.NewEncoder(b)
		}
		enc.SetEscapeHTML(false)
		err := each(func(p client.Point) error {
			if p.Vectors == nil {
				p.Vectors = point.Vectors{}
			}
			n++
			return enc.Encode(struct { // with a vector always, as upserts want it
				ID      point.ID      `json:"id"`
				Vectors point.Vectors `json:"vector"`
				Payload point.Payload `json:"payload,omitempty"`
			}(p))
		})
		if err == nil && zip != nil {
			err = zip.Close()
		}
		return errors.Join(err, b.Flush())
	})
	return n, err
}

// exportVectors writes one dense vector of each point.
func (f exportFlags) exportVectors(out *exportAnswer, total int, each func(func(client.Point) error) error) error {
	var (
		values []float32
		dim    int
		set    dataset.Set
		texts  = dataset.Column{Name: "payload"}
	)
	err := each(func(p client.Point) error {
		v, ok := p.Vectors[f.vector]
		switch {
		case !ok && f.vector == "" && len(p.Vectors) > 0:
			return misuse("the vectors of %s have names: choose one with --vector, or write .jsonl, which holds all", out.Collection)
		case !ok:
			out.Without++
			return nil
		case v.Dense == nil:
			return misuse("the vector %q is not one dense vector a point: write .jsonl, which holds all kinds", f.vector)
		}
		if dim == 0 {
			dim = len(v.Dense)
			values = make([]float32, 0, dim*total)
		}
		values = append(values, v.Dense...)
		text := ""
		if p.Payload != nil {
			b, err := p.Payload.MarshalJSON()
			if err != nil {
				return err
			}
			text = string(b)
		}
		set.IDs = append(set.IDs, p.ID.String())
		texts.Values = append(texts.Values, text)
		return nil
	})
	if err != nil {
		return err
	}
	out.Points = len(set.IDs)
	if out.Points == 0 {
		return fmt.Errorf("no point of %s has the vector %q: nothing is written", out.Collection, f.vector)
	}
	set.X = vec.Matrix{Data: values, Rows: out.Points, Cols: dim}
	set.Columns = []dataset.Column{texts}
	if filepath.Ext(f.out) == ".npy" {
		beside := f.out + ".points.jsonl"
		if err := exportBeside(beside, &set); err != nil {
			return err
		}
		out.Files = append(out.Files, beside)
	}
	return dataset.Save(f.out, &set)
}

// exportBeside writes the IDs and payloads of rows.
func exportBeside(path string, set *dataset.Set) error {
	return artifact.Atomic(path, func(w io.Writer) error {
		b := bufio.NewWriter(w)
		for i, id := range set.IDs {
			if _, err := point.ParseUUID(id); err == nil && len(id) == 36 {
				id = `"` + id + `"`
			}
			payload := set.Columns[0].Values[i]
			if payload == "" {
				payload = "{}"
			}
			fmt.Fprintf(b, "{\"id\":%s,\"payload\":%s}\n", id, payload)
		}
		return b.Flush()
	})
}

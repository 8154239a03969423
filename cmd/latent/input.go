package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/latent-go/latent/dataset"
	"github.com/latent-go/latent/dataset/catalog"
	"github.com/latent-go/latent/dataset/synthetic"
	"github.com/latent-go/latent/vec"
)

// input is how a command reads its vectors.
type input struct {
	dataset.Options
}

func (in *input) flags(f *pflag.FlagSet) {
	f.StringVar(&in.Column, "column", "", "which column, array or tensor of the file holds the vectors")
	f.StringVar(&in.IDColumn, "id-column", "", "which column holds the IDs")
	f.IntVar(&in.MaxRows, "rows", 0, "read so many rows at most")
}

// loaded is what an argument that names vectors stands for.
type loaded struct {
	Name    string
	X       vec.Matrix
	Labels  []string   // of the rows, where the file has them
	Queries vec.Matrix // of a data set that has queries of its own
	Metric  string     // usually used with a data set
}

// load reads the vectors that arg names: generated data, a file, or a data set.
func (in *input) load(ctx context.Context, e *env, arg string) (loaded, error) {
	if in.MaxRows < 0 {
		return loaded{}, misuse("--rows %d: want a number of vectors, or 0 for all", in.MaxRows)
	}
	l, err := in.loadAll(ctx, e, arg)
	if n := in.MaxRows; err == nil && n > 0 && n < l.X.Rows {
		l.X = l.X.Slice(0, n)
		if l.Labels != nil {
			l.Labels = l.Labels[:n]
		}
	}
	return l, err
}

func (in *input) loadAll(ctx context.Context, e *env, arg string) (loaded, error) {
	if strings.HasPrefix(arg, synthetic.Prefix) {
		s, err := synthetic.Parse(arg)
		if err != nil {
			return loaded{}, usageError{err}
		}
		set, err := s.Generate(ctx)
		return loaded{Name: s.String(), X: set.X}, err
	}
	file, _, _ := strings.Cut(arg, "#")
	_, err := os.Stat(file)
	switch {
	case err == nil:
		return in.file(ctx, e, arg)
	case !errors.Is(err, fs.ErrNotExist):
		return loaded{}, err
	}
	if _, err := catalog.Find(arg); err == nil {
		p := e.progress()
		defer p.done()
		set, err := catalog.Load(ctx, arg, catalog.Options{Progress: p.of(arg), Log: func(s string) { p.say("%s", s) }})
		if err != nil {
			return loaded{}, err
		}
		return loaded{Name: arg, X: set.Train, Labels: set.Words, Queries: set.Test, Metric: set.Data.Metric}, nil
	}
	return loaded{}, fmt.Errorf("%s: no such file, and no data set of that name; latent data list prints those", arg)
}

// writable says, before long work, whether a file can be written at path; "" stands for no file.
func writable(path string) error {
	if path == "" {
		return nil
	}
	if st, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("%s cannot be written: %w; make the folder first", path, err)
	} else if !st.IsDir() {
		return fmt.Errorf("%s cannot be written: %s is no folder", path, filepath.Dir(path))
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return fmt.Errorf("%s cannot be written: it is a folder; name a file", path)
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".latent.*.tmp")
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	probe.Close()
	return os.Remove(probe.Name())
}

// outputs says, before long work, whether files can be written at paths, none of which may be the input; "" stands for
// no file.
func outputs(in string, paths ...string) error {
	for _, path := range paths {
		if err := writable(path); err != nil {
			return err
		}
		if err := notInput(path, in); err != nil {
			return err
		}
	}
	return nil
}

// notInput says that a command would write over what it reads.
func notInput(out, in string) error {
	a, errA := os.Stat(out)
	b, errB := os.Stat(in)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return misuse("%s is what is read; write to another file", out)
	}
	return nil
}

// file reads a file. It stops waiting when ctx ends; reading leaves nothing behind.
func (in *input) file(ctx context.Context, e *env, path string) (loaded, error) {
	p := e.progress()
	defer p.done()
	o := in.Options
	o.Progress = p.of("read " + path)
	type result struct {
		set *dataset.Set
		err error
	}
	done := make(chan result, 1)
	go func() {
		set, err := dataset.Load(path, o)
		done <- result{set, err}
	}()
	select {
	case <-ctx.Done():
		return loaded{}, ctx.Err()
	case r := <-done:
		if r.err != nil {
			return loaded{}, r.err
		}
		return loaded{Name: path, X: r.set.X, Labels: r.set.IDs}, nil
	}
}

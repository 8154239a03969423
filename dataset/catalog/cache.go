package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/latent-go/latent/artifact"
)

// File is a file of a data set in the cache.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// manifest lies beside the files it lists; a folder without one is not a data set.
type manifest struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Source  string `json:"source"`
	Files   []File `json:"files"`
}

const manifestName = "manifest.json"

// Cached says whether the cache seems to hold the data set: its files are there, of their sizes. Get looks closer.
func (e Entry) Cached(o Options) bool {
	cache, err := o.dir()
	if err != nil {
		return false
	}
	dir := filepath.Join(cache, e.Name)
	m, err := e.manifest(dir)
	if err != nil {
		return false
	}
	for _, f := range m.Files {
		if info, err := os.Stat(filepath.Join(dir, f.Name)); err != nil || info.Size() != f.Bytes {
			return false
		}
	}
	return true
}

// manifest reads what a folder says that it holds. A folder that is not there gives os.ErrNotExist.
func (e Entry) manifest(dir string) (m manifest, err error) {
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%s: %w", manifestName, err)
	}
	if m.Name != e.Name || m.Version != e.version {
		return m, fmt.Errorf("it is %s, version %d; this program reads %s, version %d", m.Name, m.Version, e.Name, e.version)
	}
	for _, f := range m.Files {
		if f.Name != filepath.Base(f.Name) {
			return m, fmt.Errorf("%s lists %q", manifestName, f.Name)
		}
	}
	return m, nil
}

// open returns the data set in a folder after checking every byte of it.
func (e Entry) open(ctx context.Context, dir string) (Data, error) {
	m, err := e.manifest(dir)
	if err != nil {
		return Data{}, err
	}
	for _, f := range m.Files {
		r, err := os.Open(filepath.Join(dir, f.Name))
		if err != nil {
			return Data{}, fmt.Errorf("%s: %v", f.Name, err) // not ErrNotExist: the data set is there, a part of it is not
		}
		n, sum, err := digest(ctx, r)
		r.Close()
		if err != nil {
			return Data{}, err
		}
		if n != f.Bytes || sum != f.SHA256 {
			return Data{}, fmt.Errorf("%s is damaged: %d bytes of sha256 %s, want %d of %s", f.Name, n, sum, f.Bytes, f.SHA256)
		}
	}
	return Data{Entry: e, Dir: dir, Source: m.Source, Files: m.Files}, nil
}

// seal makes the files in dir durable and writes their manifest.
func seal(ctx context.Context, dir string, m manifest) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, item := range list {
		f, err := os.OpenFile(filepath.Join(dir, item.Name()), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		n, sum, err := digest(ctx, f)
		if err == nil {
			err = f.Sync()
		}
		f.Close()
		if err != nil {
			return err
		}
		m.Files = append(m.Files, File{item.Name(), n, sum})
	}
	return artifact.Atomic(filepath.Join(dir, manifestName), func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(m)
	})
}

// replace moves out to final. What stands at final is moved into work, with which it goes.
func replace(final, out, work string) error {
	if err := os.Rename(final, filepath.Join(work, "old")); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Rename(out, final); err != nil {
		return err
	}
	return artifact.SyncDir(filepath.Dir(final))
}

func workPrefix(name string) string { return "." + name + ".work-" }

// sweep removes what a fetch that was killed has left.
func sweep(cache, name string) {
	list, _ := os.ReadDir(cache)
	for _, item := range list {
		info, err := item.Info()
		if err == nil && strings.HasPrefix(item.Name(), workPrefix(name)) && time.Since(info.ModTime()) > 24*time.Hour {
			os.RemoveAll(filepath.Join(cache, item.Name()))
		}
	}
}

// digest reads r to its end and returns its length and SHA-256.
func digest(ctx context.Context, r io.Reader) (int64, string, error) {
	h := sha256.New()
	n, err := io.Copy(h, withContext(ctx, r))
	return n, hex.EncodeToString(h.Sum(nil)), err
}

// withContext ends reads when ctx does.
func withContext(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

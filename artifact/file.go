package artifact

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Save writes w to a file that appears whole or not at all: to a temporary file beside path, synced, then renamed.
// What stood at path before stays there if anything fails.
func Save(path string, w io.WriterTo) error {
	return Atomic(path, func(f io.Writer) error {
		_, err := w.WriteTo(f)
		return err
	})
}

// Atomic is [Save] for a function that writes.
func Atomic(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("artifact: write %s: %w", path, cause(err))
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
			err = fmt.Errorf("artifact: write %s: %w", path, cause(err))
		}
	}()
	b := bufio.NewWriterSize(tmp, copyChunk)
	if err = write(b); err != nil {
		return err
	}
	if err = b.Flush(); err != nil {
		return err
	}
	if err = tmp.Chmod(0o644); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return SyncDir(dir)
}

// cause is err without the name of the temporary file, which tells a reader nothing.
func cause(err error) error {
	if p, ok := err.(*os.PathError); ok {
		return p.Err
	}
	return err
}

// SaveJSON is [Save] for a value as JSON that people can read.
func SaveJSON(path string, v any) error {
	return Atomic(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	})
}

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncDir(d)
}

// Open maps the artifact at path into memory, of this kind and of a version up to max, and checks all of it. The
// file must not be written to in place while it is open; Save never does.
func Open(path, kind string, max uint32) (*File, error) {
	data, closer, err := Map(path)
	if err != nil {
		return nil, fmt.Errorf("artifact: open %s: %w", path, err)
	}
	f := &File{name: path, data: data, close: closer}
	if _, err = f.parseHead(kind, max); err == nil {
		err = f.verify()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// LoadFile is [Open], and makes of the file what from makes of it, which may keep views of its sections, and is to close
// it. The file is closed if from fails.
func LoadFile[T any](path, kind string, max uint32, from func(*File) (T, error)) (T, error) {
	var none T
	f, err := Open(path, kind, max)
	if err != nil {
		return none, err
	}
	v, err := from(f)
	if err != nil {
		f.Close()
		return none, err
	}
	return v, nil
}

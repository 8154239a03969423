package dataset

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latent-go/latent/vec"
)

const (
	readBuffer = 1 << 20
	sniffLen   = 4096
	// Compressed bytes that grow past both of these are taken for a zip bomb: zeros shrink 1030 times, one-hot rows of
	// 1000 float64, the sparsest data we could think of, 761 times.
	bombBytes = 1 << 28
	bombRatio = 800
)

// source is where the bytes of one file, or of one member of an archive, come from.
type source struct {
	name    string        // as errors name it
	ext     string        // of the name, lower case, without .gz
	r       *bufio.Reader // the bytes in order
	at      io.ReaderAt   // the same bytes anywhere; nil where they are compressed
	size    int64         // how many there are, -1 where that is only known at the end
	most    int64         // how many there can be: size, or what deflate can make of the compressed bytes; -1 where even that is unknown
	origin  int64         // of the bytes in the file, where at is not nil
	taken   int64         // how many were taken with take and skipTo
	gzip    bool          // they were compressed
	closers []func() error
}

// splitPath takes "file.npz#name" apart, unless a file has that name.
func splitPath(p string, o Options) (string, Options) {
	if i := strings.LastIndexByte(p, '#'); i >= 0 && o.Column == "" {
		if _, err := os.Stat(p); err != nil {
			o.Column, p = p[i+1:], p[:i]
		}
	}
	return p, o
}

func openSource(p string) (*source, error) {
	file, err := os.Open(p)
	if err != nil {
		return nil, err
	}
	st, err := file.Stat()
	if err == nil && st.IsDir() {
		err = fmt.Errorf("%s is a folder; name a file in it", p)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	s := &source{name: filepath.Base(p), ext: strings.ToLower(filepath.Ext(p)), size: -1, most: -1, closers: []func() error{file.Close}}
	if st.Mode().IsRegular() {
		s.at, s.size, s.most = file, st.Size(), st.Size()
	}
	s.r = bufio.NewReaderSize(file, readBuffer)
	return s, nil
}

// bytesSource is a source of bytes in memory.
func bytesSource(name string, b []byte) *source {
	return &source{name: name, ext: strings.ToLower(path.Ext(name)), r: bufio.NewReaderSize(bytes.NewReader(b), 64<<10), at: bytes.NewReader(b), size: int64(len(b)), most: int64(len(b))}
}

func (s *source) close() error {
	var err error
	for _, c := range slices.Backward(s.closers) {
		err = errors.Join(err, c())
	}
	s.closers = nil
	return err
}

// wrap adds to an error where it comes from, once.
func (s *source) wrap(err error) error {
	if prefix := "dataset: " + s.name + ": "; !strings.HasPrefix(err.Error(), prefix) {
		return fmt.Errorf("%s%w", prefix, err)
	}
	return err
}

// checksum looks past the last row, where gzip and zip compare their checksums. It returns io.EOF if all is well.
func (s *source) checksum() error {
	if _, err := s.r.Peek(1); err != nil && err != io.EOF {
		return fmt.Errorf("it is damaged, copy or download it again: %w", err)
	}
	return io.EOF
}

// peek returns the next bytes, at most n, and fewer near the end.
func (s *source) peek(n int) []byte {
	b, _ := s.r.Peek(min(n, s.r.Size()))
	return b
}

// take returns the next n bytes, and takes memory for them only as they arrive.
func (s *source) take(n int64) ([]byte, error) {
	b, err := readN(s.r, n)
	s.taken += int64(len(b))
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("it is cut short: its header goes on to byte %d, %d are there; copy or download it again", s.taken+n-int64(len(b)), s.taken)
	}
	return b, err
}

// skipTo goes on to a place that lies ahead.
func (s *source) skipTo(at int64) error {
	n, err := io.CopyN(io.Discard, s.r, at-s.taken)
	if s.taken += n; err == io.EOF {
		err = fmt.Errorf("it is cut short: its data begin at byte %d, %d are there; copy or download it again", at, s.taken)
	}
	return err
}

// inflated is the most bytes that n bytes of deflate can stand for: 258 for two bits, and a little for the start.
func inflated(n int64) int64 { return 1032*n + 1024 }

// likely is how many bytes it is safe to take memory for at once: those that are there, or 20 times the compressed ones.
func (s *source) likely() int64 {
	if s.size >= 0 {
		return s.size
	}
	return s.most / 50
}

// recognise finds the format of src by its content, then by its name, and sets up f to read it.
func recognise(f *File, src *source, o Options, vectors bool) error {
	head := src.peek(sniffLen)
	is := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case len(head) == 0:
		if _, err := src.r.Peek(1); err != nil && err != io.EOF {
			return err
		}
		return errors.New("it is empty")
	case is("\x1f\x8b"):
		if err := src.gunzip(); err != nil {
			return err
		}
		return recognise(f, src, o, vectors)
	case is("PK\x03\x04"), is("PK\x05\x06"):
		return openZip(f, src, o, vectors)
	case is("PAR1"):
		return openParquet(f, src, o, vectors)
	case is(npyMagic):
		return openNpy(f, src, vectors)
	}
	if err := foreign(head); err != nil {
		return err
	}
	switch t := strings.TrimSpace(string(head[:min(len(head), 64)])); {
	case vecsKinds[src.ext] != 0:
		return openVecs(f, src)
	case binKinds[src.ext] != 0:
		return openBin(f, src)
	case isIDX(head):
		return openIDX(f, src, vectors)
	case isSafetensors(head):
		return openSafetensors(f, src, o)
	case looksLikeJSON(t):
		return openJSON(f, src, o, vectors)
	case isWord2vecBinary(head, src.ext):
		return openWord2vecBinary(f, src, o)
	case isText(head), slices.Contains(textExts, src.ext):
		return openText(f, src, o, vectors)
	}
	return fmt.Errorf("it begins with % x, which no format known here does; these are npy, npz, fvecs, bvecs, ivecs, fbin, u8bin, i8bin, "+
		"IDX, Parquet, JSON, JSONL, CSV, TSV, word2vec, GloVe and safetensors", head[:min(len(head), 8)])
}

// foreign names formats that are met often and not read, and what to do about it.
func foreign(head []byte) error {
	for _, k := range []struct{ magic, what, cure string }{
		{"\x89HDF\r\n\x1a\n", "HDF5", "convert it: numpy.save('x.npy', h5py.File('x.h5')['train'][:])"},
		{"ARROW1", "Arrow IPC", "write it as Parquet: pyarrow.parquet.write_table"},
		{"\x28\xb5\x2f\xfd", "zstd", "decompress it first: zstd -d"},
		{"\xfd7zXZ\x00", "xz", "decompress it first: xz -d"},
		{"BZh", "bzip2", "decompress it first: bzip2 -d"},
		{"7z\xbc\xaf", "7z", "unpack it first"},
		{"\x80\x02", "a Python pickle", "write it with numpy.save or safetensors"},
		{"\x80\x03", "a Python pickle", "write it with numpy.save or safetensors"},
		{"\x80\x04", "a Python pickle", "write it with numpy.save or safetensors"},
		{"\x80\x05", "a Python pickle", "write it with numpy.save or safetensors"},
	} {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return fmt.Errorf("it is %s, which is not read here; %s", k.what, k.cure)
		}
	}
	return nil
}

// textExts are names of text, which may hold control characters all the same.
var textExts = []string{".csv", ".tsv", ".txt", ".vec", ".glove"}

// isText tells text, in UTF-8 or close to it, from binary numbers: those have control characters.
func isText(head []byte) bool {
	return !slices.ContainsFunc(head, func(c byte) bool { return c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b })
}

// gunzip goes on with what src holds compressed.
func (s *source) gunzip() error {
	if s.gzip {
		return errors.New("it is compressed twice; decompress it first")
	}
	in := &counter{r: s.r}
	z, err := gzip.NewReader(bufio.NewReader(in))
	if err != nil {
		return fmt.Errorf("it is no gzip after all: %w", err)
	}
	s.r = bufio.NewReaderSize(&bombGuard{r: z, in: func() int64 { return in.n }}, readBuffer)
	if s.most >= 0 {
		s.most = inflated(s.most)
	}
	s.at, s.size, s.taken, s.gzip = nil, -1, 0, true
	if s.ext == ".gz" {
		s.ext = strings.ToLower(path.Ext(s.name[:len(s.name)-len(".gz")]))
	}
	return nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// bombGuard stops compressed bytes that go on and on.
type bombGuard struct {
	r   io.Reader
	in  func() int64 // compressed bytes taken so far
	out int64
}

func (g *bombGuard) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if g.out += int64(n); g.out > bombBytes && g.out/bombRatio > g.in() {
		return 0, fmt.Errorf("it has grown to %d times its compressed size, as a zip bomb does; decompress it yourself if you trust it", g.out/max(g.in(), 1))
	}
	return n, err
}

// openZip chooses a member of a zip archive, of which npz is one kind, and reads it as it would a file.
func openZip(f *File, src *source, o Options, vectors bool) error {
	if src.at == nil {
		return errors.New("it is a zip archive, which is read from its end, in gzip or a pipe; unpack it to a file first")
	}
	z, err := zip.NewReader(src.at, src.size)
	if err != nil {
		return fmt.Errorf("its directory, at the end, cannot be read, so it is probably cut short: %w", err)
	}
	var names []string
	var members []*zip.File
	for _, m := range z.File {
		if strings.HasSuffix(m.Name, "data.pkl") {
			return errors.New("it is a PyTorch checkpoint, which is not read here; write it with safetensors.torch.save_file")
		}
		if m.FileInfo().IsDir() || strings.HasPrefix(path.Base(m.Name), ".") || strings.HasPrefix(m.Name, "__MACOSX/") {
			continue
		}
		members = append(members, m)
		names = append(names, strings.TrimSuffix(m.Name, ".npy"))
	}
	at := -1
	switch {
	case len(members) == 0:
		return fmt.Errorf("the archive is empty: %w", vec.ErrTooFew)
	case o.Column != "":
		if at = slices.Index(names, o.Column); at < 0 {
			at = slices.IndexFunc(members, func(m *zip.File) bool { return m.Name == o.Column })
		}
		if at < 0 {
			described, _ := describe(members, names)
			return fmt.Errorf("no member %q; it has %s", o.Column, list(described))
		}
		o.Column = ""
	case len(members) == 1:
		at = 0
	default:
		described, matrices := describe(members, names)
		if len(matrices) != 1 || !vectors {
			return fmt.Errorf("more than one member; choose one by name, as in %s#%s; it has %s", src.name, names[0], list(described))
		}
		at = matrices[0] // among one-dimensional arrays, as labels are, a single matrix leaves no choice
	}
	if err := src.enter(members[at], names[at]); err != nil {
		return err
	}
	if head := src.peek(4); bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return errors.New("it is an archive within an archive; unpack it first")
	}
	if err := recognise(f, src, o, vectors); err != nil {
		return err
	}
	if f.format == "npy" {
		f.format = "npz"
	}
	return nil
}

// describe says what the members of an archive are, the first of them if they are many, and which are matrices.
func describe(members []*zip.File, names []string) (described []string, matrices []int) {
	for i, m := range members {
		what := m.Name
		if i < 1000 {
			if h, err := peekNpy(m); err == nil {
				what = names[i] + " (" + h.String() + ")"
				if len(h.shape) > 1 && h.num != 0 {
					matrices = append(matrices, i)
				}
			}
		}
		described = append(described, what)
	}
	return described, matrices
}

// enter goes on with a member of an archive. One that is stored as it is can be read anywhere.
func (s *source) enter(m *zip.File, name string) error {
	r, err := m.Open()
	if err != nil {
		return fmt.Errorf("member %s: %w", name, err)
	}
	s.closers = append(s.closers, r.Close)
	if m.Method == zip.Store {
		at, err := m.DataOffset()
		if err != nil || m.UncompressedSize64 > uint64(s.size) || at > s.size-int64(m.UncompressedSize64) {
			return fmt.Errorf("member %s: it does not lie within the archive, which is cut short or damaged", name)
		}
		n := int64(m.UncompressedSize64)
		s.at, s.size, s.most, s.origin = io.NewSectionReader(s.at, at, n), n, n, at
		s.r = bufio.NewReaderSize(r, readBuffer)
	} else {
		in := int64(min(m.CompressedSize64, uint64(s.size)))
		s.at, s.size, s.most = nil, -1, inflated(in)
		s.r = bufio.NewReaderSize(&bombGuard{r: r, in: func() int64 { return in }}, readBuffer)
	}
	s.name += "#" + name
	s.ext = strings.ToLower(path.Ext(m.Name))
	return nil
}

// Package artifact is the file format of everything latent derives and can derive again: maps, codecs, indexes. An
// artifact has a kind, a version and named sections, each with a checksum and aligned so that a memory-mapped file
// can be used as it lies. FORMAT.md draws it.
//
//	err := artifact.Save("map.pca", m)             // m is an io.WriterTo; the file appears whole or not at all
//	f, err := artifact.Open("map.pca", "pca", 1)   // memory-mapped
//	mean, err := artifact.Slice[float32](f, "mean")
package artifact

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"unsafe"
)

const (
	magic     = "latent\x00\x01"
	kindLen   = 16
	nameLen   = 16
	headLen   = 8 + kindLen + 4 + 4     // magic, kind, version, sections
	entryLen  = nameLen + 8 + 8 + 4 + 4 // name, offset, length, CRC32C, zero
	alignment = 64                      // of every section: a cache line
	maxCount  = 1 << 10                 // sections a file may have
	copyChunk = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CorruptError says that an artifact is damaged, cut short, or not what it was taken for.
type CorruptError struct {
	File   string // "" when it was read from a stream
	Offset int64
	Reason string
}

func (e *CorruptError) Error() string {
	name := e.File
	if name == "" {
		name = "stream"
	}
	return fmt.Sprintf("artifact: %s: at byte %d: %s; build it again", name, e.Offset, e.Reason)
}

// Section is a named run of bytes. Names have at most 16 bytes.
type Section struct {
	Name string
	Data []byte
}

// Number is what a section can hold as a slice.
type Number interface {
	~uint8 | ~int8 | ~uint16 | ~int16 | ~uint32 | ~int32 | ~uint64 | ~int64 | ~float32 | ~float64
}

// Numbers returns a section that holds s, little-endian. On little-endian machines it shares the memory of s.
func Numbers[T Number](name string, s []T) Section {
	var zero T
	if len(s) == 0 {
		return Section{Name: name}
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
	if bigEndian {
		b = swapped(b, int(unsafe.Sizeof(zero)))
	}
	return Section{Name: name, Data: b}
}

// JSON returns a section that holds v as JSON. A v that cannot be JSON panics.
func JSON(name string, v any) Section {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("artifact: section %s: %v", name, err))
	}
	return Section{Name: name, Data: b}
}

// Bytes returns a section that holds what w writes: an artifact within an artifact.
func Bytes(name string, w io.WriterTo) (Section, error) {
	var b bytes.Buffer
	_, err := w.WriteTo(&b)
	return Section{Name: name, Data: b.Bytes()}, err
}

// Write writes an artifact. Names that are too long or met twice panic: they are constants of the caller.
func Write(w io.Writer, kind string, version uint32, sections ...Section) (int64, error) {
	if len(kind) > kindLen || len(sections) > maxCount {
		panic("artifact: kind too long or too many sections: " + kind)
	}
	head := make([]byte, 0, headLen+entryLen*len(sections)+4)
	head = append(head, magic...)
	head = append(head, padded(kind, kindLen)...)
	head = binary.LittleEndian.AppendUint32(head, version)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(sections)))
	at := aligned(int64(cap(head)))
	seen := map[string]bool{}
	for _, s := range sections {
		if len(s.Name) > nameLen || seen[s.Name] {
			panic("artifact: section name too long or twice: " + s.Name)
		}
		seen[s.Name] = true
		head = append(head, padded(s.Name, nameLen)...)
		head = binary.LittleEndian.AppendUint64(head, uint64(at))
		head = binary.LittleEndian.AppendUint64(head, uint64(len(s.Data)))
		head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(s.Data, castagnoli))
		head = binary.LittleEndian.AppendUint32(head, 0)
		at = aligned(at + int64(len(s.Data)))
	}
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))

	var done int64
	put := func(b []byte) error {
		n, err := w.Write(b)
		done += int64(n)
		return err
	}
	err := put(head)
	for _, s := range sections {
		if err == nil {
			err = put(make([]byte, aligned(done)-done))
		}
		if err == nil {
			err = put(s.Data)
		}
	}
	if err == nil {
		err = put(make([]byte, aligned(done)-done))
	}
	return done, err
}

// File is an artifact opened. Its sections were checked against their checksums, and stay valid until Close.
type File struct {
	Version  uint32
	name     string
	sections map[string]place
	data     []byte
	close    func() error
}

type place struct{ at, end int64 }

// Read reads an artifact of this kind, of a version up to max, to the end of its last section and no further.
func Read(r io.Reader, kind string, max uint32) (*File, error) {
	head, err := readN(r, nil, headLen)
	if err != nil {
		return nil, &CorruptError{Offset: int64(len(head)), Reason: "cut short: " + err.Error()}
	}
	if string(head[:8]) != magic {
		return nil, &CorruptError{Reason: "not an artifact of latent"}
	}
	n := int(binary.LittleEndian.Uint32(head[headLen-4:]))
	if n > maxCount {
		return nil, &CorruptError{Offset: headLen - 4, Reason: fmt.Sprintf("%d sections, at most %d make sense", n, maxCount)}
	}
	all, err := readN(r, head, entryLen*n+4)
	if err != nil {
		return nil, &CorruptError{Offset: int64(len(all)), Reason: "cut short: " + err.Error()}
	}
	f := &File{data: all}
	end, err := f.parseHead(kind, max)
	if err != nil {
		return nil, err
	}
	if f.data, err = readN(r, all, int(end)-len(all)); err != nil {
		return nil, &CorruptError{Offset: int64(len(f.data)), Reason: "cut short: " + err.Error()}
	}
	return f, f.verify()
}

// Load is [Read], and makes of the file what from makes of it.
func Load[T any](r io.Reader, kind string, max uint32, from func(*File) (T, error)) (T, error) {
	f, err := Read(r, kind, max)
	if err != nil {
		var none T
		return none, err
	}
	return from(f)
}

// readN appends n bytes of r to b, growing only as the bytes arrive.
func readN(r io.Reader, b []byte, n int) ([]byte, error) {
	want := len(b) + n
	for len(b) < want {
		step := min(want-len(b), max(copyChunk, len(b)))
		at := len(b)
		b = append(b, make([]byte, step)...)
		m, err := io.ReadFull(r, b[at:])
		if err != nil {
			return b[:at+m], err
		}
	}
	return b, nil
}

// parseHead reads the table of sections in f.data and returns where the last one's padding ends.
func (f *File) parseHead(kind string, maxVersion uint32) (int64, error) {
	bad := func(at int, format string, a ...any) (int64, error) {
		return 0, &CorruptError{File: f.name, Offset: int64(at), Reason: fmt.Sprintf(format, a...)}
	}
	b := f.data
	if len(b) < headLen || string(b[:8]) != magic {
		return bad(0, "not an artifact of latent")
	}
	n := int(binary.LittleEndian.Uint32(b[headLen-4:]))
	end := headLen + entryLen*n
	if n > maxCount || end+4 > len(b) {
		return bad(headLen-4, "cut short: %d sections do not fit in %d bytes", n, len(b))
	}
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return bad(0, "checksum of the head does not match")
	}
	if got := unpadded(b[8 : 8+kindLen]); got != kind {
		return bad(8, "it holds %q, want %q", got, kind)
	}
	f.Version = binary.LittleEndian.Uint32(b[8+kindLen:])
	if f.Version == 0 || f.Version > maxVersion {
		return bad(8+kindLen, "version %d of %q; this program reads up to %d", f.Version, kind, maxVersion)
	}
	f.sections = make(map[string]place, n)
	at := aligned(int64(end + 4))
	for i := range n {
		e := b[headLen+i*entryLen:]
		name := unpadded(e[:nameLen])
		offset, length := binary.LittleEndian.Uint64(e[nameLen:]), binary.LittleEndian.Uint64(e[nameLen+8:])
		if offset != uint64(at) || length > 1<<56 {
			return bad(headLen+i*entryLen, "section %q lies at %d with %d bytes, want it at %d", name, offset, length, at)
		}
		f.sections[name] = place{at, at + int64(length)}
		at = aligned(at + int64(length))
	}
	return at, nil
}

// verify compares every section with its checksum.
func (f *File) verify() error {
	n := int(binary.LittleEndian.Uint32(f.data[headLen-4:]))
	for i := range n {
		e := f.data[headLen+i*entryLen:]
		p := f.sections[unpadded(e[:nameLen])]
		if p.end > int64(len(f.data)) {
			return &CorruptError{File: f.name, Offset: int64(len(f.data)), Reason: "cut short"}
		}
		if crc32.Checksum(f.data[p.at:p.end], castagnoli) != binary.LittleEndian.Uint32(e[nameLen+16:]) {
			return &CorruptError{File: f.name, Offset: p.at, Reason: fmt.Sprintf("checksum of section %q does not match", unpadded(e[:nameLen]))}
		}
	}
	return nil
}

// Raw returns a section's bytes: a view, not to be written to.
func (f *File) Raw(name string) ([]byte, error) {
	p, ok := f.sections[name]
	if !ok {
		return nil, &CorruptError{File: f.name, Reason: fmt.Sprintf("no section %q", name)}
	}
	return f.data[p.at:p.end:p.end], nil
}

// Slice returns a section as numbers: a view where it can be one, not to be written to.
func Slice[T Number](f *File, name string) ([]T, error) {
	b, err := f.Raw(name)
	if err != nil {
		return nil, err
	}
	var zero T
	size := int(unsafe.Sizeof(zero))
	if len(b)%size != 0 {
		return nil, &CorruptError{File: f.name, Offset: f.sections[name].at, Reason: fmt.Sprintf("section %q has %d bytes, not a multiple of %d", name, len(b), size)}
	}
	if len(b) == 0 {
		return nil, nil
	}
	if bigEndian {
		b = swapped(b, size)
	}
	if p := unsafe.Pointer(unsafe.SliceData(b)); uintptr(p)%uintptr(size) == 0 {
		return unsafe.Slice((*T)(p), len(b)/size), nil
	}
	out := make([]T, len(b)/size)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&out[0])), len(b)), b)
	return out, nil
}

// Decode reads a section that JSON wrote into v.
func (f *File) Decode(name string, v any) error {
	b, err := f.Raw(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return &CorruptError{File: f.name, Offset: f.sections[name].at, Reason: fmt.Sprintf("section %q: %v", name, err)}
	}
	return nil
}

// Reject returns the error for a file whose sections do not fit together.
func (f *File) Reject(format string, a ...any) error {
	return &CorruptError{File: f.name, Reason: fmt.Sprintf(format, a...)}
}

// Close lets go of the file. Views of its sections must not be used afterwards.
func (f *File) Close() error {
	if f.close == nil {
		return nil
	}
	c := f.close
	f.close = nil
	return c()
}

func aligned(n int64) int64 { return (n + alignment - 1) &^ (alignment - 1) }

func padded(s string, n int) []byte { return append([]byte(s), make([]byte, n-len(s))...) }

func unpadded(b []byte) string { return string(bytes.TrimRight(b, "\x00")) }

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

func swapped(b []byte, size int) []byte {
	out := make([]byte, len(b))
	for i := 0; i < len(b); i += size {
		for j := range size {
			out[i+j] = b[i+size-1-j]
		}
	}
	return out
}

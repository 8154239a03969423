package dataset

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/latent-go/latent/vec"
)

const (
	npyMagic     = "\x93NUMPY"
	maxNpyHeader = 1 << 20 // numpy itself stops at 10,000 bytes unless told otherwise
)

// npyHeader is what the head of an npy file says.
type npyHeader struct {
	descr   string // as numpy writes it
	num     number // 0: not numbers
	text    byte   // 'U' or 'S' for strings of width characters, 0 otherwise
	width   int
	big     bool
	fortran bool
	shape   []uint64
	at      int64 // where the data begin
}

func (h npyHeader) String() string { return h.descr + " " + shapeString(h.shape) }

// npyNumbers are numpy's names for numbers, without the byte order. Truth values count as 0 and 1.
var npyNumbers = map[string]number{
	"i1": i1, "u1": u1, "b1": u1, "i2": i2, "u2": u2, "i4": i4, "u4": u4, "i8": i8, "u8": u8, "f2": f2, "f4": f4, "f8": f8,
}

func openNpy(f *File, src *source, vectors bool) error {
	h, err := readNpyHeader(src.take)
	if err != nil {
		return err
	}
	if !vectors {
		return openNpyLabels(f, src, h)
	}
	if h.num == 0 {
		return fmt.Errorf("it holds %s, which are no real numbers; write it with x.astype('float32')", h)
	}
	l, err := newLayout(src, h.num, h.big, h.at, h.shape, h.fortran)
	if err != nil {
		return err
	}
	return f.use("npy", l, src)
}

// readNpyHeader reads a header of version 1, 2 or 3. take returns the next bytes.
func readNpyHeader(take func(int64) ([]byte, error)) (npyHeader, error) {
	var h npyHeader
	b, err := take(8)
	if err != nil {
		return h, err
	}
	if string(b[:6]) != npyMagic {
		return h, errors.New("it is no npy file")
	}
	lenBytes := int64(4)
	switch b[6] {
	case 1:
		lenBytes = 2
	case 2, 3:
	default:
		return h, fmt.Errorf("it is npy of version %d.%d; versions 1 to 3 are known", b[6], b[7])
	}
	if b, err = take(lenBytes); err != nil {
		return h, err
	}
	n := int64(binary.LittleEndian.Uint32(append(b, 0, 0)))
	if n > maxNpyHeader {
		return h, fmt.Errorf("its header is said to have %d bytes, the limit is %d; is the file damaged?", n, maxNpyHeader)
	}
	if b, err = take(n); err != nil {
		return h, err
	}
	h.at = 8 + lenBytes + n
	if err := h.parse(string(b)); err != nil {
		return h, fmt.Errorf("its header cannot be read, %w; it is %.200q", err, b)
	}
	return h, nil
}

// parse reads the text of a header, a Python dictionary of three known keys, as in
//
//	{'descr': '<f4', 'fortran_order': False, 'shape': (60000, 784), }
func (h *npyHeader) parse(s string) error {
	p := pyText{strings.TrimRight(s, " \n\x00")}
	if !p.next("{") {
		return errors.New("it does not begin with {")
	}
	seen := map[string]bool{}
	for !p.next("}") {
		key, ok := p.quoted()
		if !ok || !p.next(":") || seen[key] {
			return fmt.Errorf("a key is wrong or met twice at %.20q", p.rest)
		}
		seen[key] = true
		switch key {
		case "descr":
			if strings.HasPrefix(strings.TrimSpace(p.rest), "[") {
				return errors.New("it has records with fields; write one field by itself")
			}
			if h.descr, ok = p.quoted(); !ok {
				return fmt.Errorf("descr is wrong at %.20q", p.rest)
			}
		case "fortran_order":
			if h.fortran = p.next("True"); !h.fortran && !p.next("False") {
				return fmt.Errorf("fortran_order is wrong at %.20q", p.rest)
			}
		case "shape":
			if h.shape, ok = p.tuple(); !ok {
				return fmt.Errorf("shape is wrong at %.20q", p.rest)
			}
		default:
			return fmt.Errorf("key %q is unknown", key)
		}
		if !p.next(",") && !strings.HasPrefix(strings.TrimSpace(p.rest), "}") {
			return fmt.Errorf("a comma is missing at %.20q", p.rest)
		}
	}
	if len(seen) != 3 {
		return errors.New("a key is missing")
	}
	return h.parseDescr()
}

func (h *npyHeader) parseDescr() error {
	if len(h.descr) < 3 || !strings.Contains("<>|=", h.descr[:1]) {
		return fmt.Errorf("%q is no type known here", h.descr)
	}
	h.big = h.descr[0] == '>' || h.descr[0] == '=' && hostBig
	h.num = npyNumbers[h.descr[1:]]
	if c := h.descr[1]; c == 'U' || c == 'S' {
		n, err := strconv.ParseUint(h.descr[2:], 10, 20)
		if err != nil {
			return fmt.Errorf("%q is no type known here", h.descr)
		}
		h.text, h.width = c, int(n)
	}
	return nil
}

// pyText is what is left to read of a Python literal.
type pyText struct{ rest string }

func (p *pyText) next(token string) bool {
	s := strings.TrimLeft(p.rest, " \n")
	if !strings.HasPrefix(s, token) {
		return false
	}
	p.rest = s[len(token):]
	return true
}

func (p *pyText) quoted() (string, bool) {
	for _, q := range []string{"'", `"`} {
		if p.next(q) {
			s, rest, ok := strings.Cut(p.rest, q)
			p.rest = rest
			return s, ok && !strings.Contains(s, `\`)
		}
	}
	return "", false
}

func (p *pyText) tuple() ([]uint64, bool) {
	shape := []uint64{}
	if !p.next("(") {
		return nil, false
	}
	for !p.next(")") {
		s := strings.TrimLeft(p.rest, " ")
		n := len(s) - len(strings.TrimLeft(s, "0123456789"))
		v, err := strconv.ParseUint(s[:n], 10, 63)
		if err != nil || len(shape) == 32 {
			return nil, false
		}
		shape = append(shape, v)
		p.rest = strings.TrimPrefix(s[n:], "L") // Python 2 wrote 60000L
		if !p.next(",") && !strings.HasPrefix(strings.TrimLeft(p.rest, " "), ")") {
			return nil, false
		}
	}
	return shape, true
}

// peekNpy reads the header of a member of an archive.
func peekNpy(m *zip.File) (npyHeader, error) {
	r, err := m.Open()
	if err != nil {
		return npyHeader{}, err
	}
	defer r.Close()
	return readNpyHeader(func(n int64) ([]byte, error) { return readN(r, n) })
}

// openNpyLabels reads a one-dimensional array of integers or strings as the one column of f.
func openNpyLabels(f *File, src *source, h npyHeader) error {
	if len(h.shape) == 2 && h.shape[1] == 1 {
		h.shape = h.shape[:1]
	}
	size := h.num.size()
	switch {
	case h.text == 'U':
		size = 4 * h.width
	case h.text == 'S':
		size = h.width
	case !h.num.integer():
		return fmt.Errorf("it holds %s; labels are integers or strings: %w", h, vec.ErrDim)
	}
	if len(h.shape) != 1 {
		return fmt.Errorf("it holds %s; labels are an array of one dimension: %w", h, vec.ErrDim)
	}
	if err := checkBytes(src, h.at, h.shape[0], uint64(size)); err != nil {
		return err
	}
	f.useLabels("npy", int(h.shape[0]), &labelReader{src: src, size: size, text: func(b []byte) string {
		switch h.text {
		case 'U':
			return fromUTF32(b, h.big)
		case 'S':
			return string(bytes.TrimRight(b, "\x00"))
		}
		return strconv.FormatInt(h.num.integerAt(b, h.big), 10)
	}})
	return nil
}

// fromUTF32 reads a string as numpy keeps it: four bytes a character, zeros at the end.
func fromUTF32(b []byte, big bool) string {
	if big {
		turn(b, 4)
	}
	s := make([]byte, 0, len(b)/4)
	for ; len(b) >= 4; b = b[4:] {
		s = utf8.AppendRune(s, rune(binary.LittleEndian.Uint32(b)))
	}
	return string(bytes.TrimRight(s, "\x00"))
}

// writeNpy writes x as numpy's save does, in version 1.
func writeNpy(w io.Writer, x vec.Matrix) error {
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", x.Rows, x.Cols)
	pad := -(10 + len(dict) + 1) & 63 // so that the data begin at a multiple of 64
	head := append([]byte(npyMagic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(dict)+pad+1))
	head = append(head, dict...)
	head = append(head, strings.Repeat(" ", pad)...)
	if _, err := w.Write(append(head, '\n')); err != nil {
		return err
	}
	return writeFloats(w, x.Data)
}

// writeNpz writes an archive of one array, called vectors, stored as it is so that it can be read anywhere.
func writeNpz(w io.Writer, x vec.Matrix) error {
	z := zip.NewWriter(w)
	m, err := z.CreateHeader(&zip.FileHeader{Name: "vectors.npy", Method: zip.Store})
	if err != nil {
		return err
	}
	if err := writeNpy(m, x); err != nil {
		return err
	}
	return z.Close()
}

// writeFloats writes numbers as little-endian float32.
func writeFloats(w io.Writer, x []float32) error {
	if !hostBig {
		_, err := w.Write(asBytes(x))
		return err
	}
	return binary.Write(w, binary.LittleEndian, x)
}

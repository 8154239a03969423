package dataset

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unsafe"
)

const (
	maxLine    = 16 << 20 // bytes of the longest line, or JSON value, that is taken into memory
	maxColumns = 1 << 20  // columns of text, which take more memory than bytes
)

// lines reads text line by line.
type lines struct {
	r     *bufio.Reader
	long  []byte   // a line longer than the buffer of r
	ahead [][]byte // lines given back
	n     int      // number of the last line, from 1
	blank int      // number of the first blank line that content has passed over on its way to another, or 0
}

// next returns the next line without its newline. It is good until the next call.
func (l *lines) next() ([]byte, error) {
	l.n++
	if len(l.ahead) > 0 {
		b := l.ahead[0]
		l.ahead = l.ahead[1:]
		return b, nil
	}
	b, err := l.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		l.long = append(l.long[:0], b...)
		for err == bufio.ErrBufferFull {
			if len(l.long) > maxLine {
				return nil, fmt.Errorf("line %d is longer than %d MiB; is a quote or a newline missing?", l.n, maxLine>>20)
			}
			b, err = l.r.ReadSlice('\n')
			l.long = append(l.long, b...)
		}
		b = l.long
	}
	if err != nil && (err != io.EOF || len(b) == 0) {
		l.n--
		return nil, err
	}
	return bytes.TrimSuffix(b, []byte("\n")), nil
}

// back gives lines back, copied, which were the last to be read.
func (l *lines) back(ls ...[]byte) {
	ahead := make([][]byte, 0, len(ls)+len(l.ahead))
	for _, b := range ls {
		ahead = append(ahead, bytes.Clone(b))
	}
	l.ahead = append(ahead, l.ahead...)
	l.n -= len(ls)
}

// content returns the next line that is not blank.
func (l *lines) content() ([]byte, error) {
	from := l.n + 1
	for {
		b, err := l.next()
		if err == nil && len(bytes.TrimSpace(b)) == 0 {
			continue
		}
		if err == nil && l.n > from && l.blank == 0 {
			l.blank = from
		}
		return b, err
	}
}

// newLines reads src as text, without the byte order mark that some programs put first.
func newLines(src *source) *lines {
	if bytes.HasPrefix(src.peek(3), []byte("\xef\xbb\xbf")) {
		src.r.Discard(3)
	}
	return &lines{r: src.r}
}

// parseFloat reads a number without allocating. What is too large for float32 is infinite.
func parseFloat(b []byte) (float32, bool) {
	if len(b) == 0 {
		return 0, false
	}
	v, err := strconv.ParseFloat(unsafe.String(&b[0], len(b)), 32)
	return float32(v), err == nil || errors.Is(err, strconv.ErrRange)
}

func isNumber(b []byte) bool {
	_, ok := parseFloat(bytes.TrimSpace(b))
	return ok
}

// openText tells word vectors, numbers between spaces, CSV and TSV apart by the first two lines.
func openText(f *File, src *source, o Options, vectors bool) error {
	l := newLines(src)
	first, err := l.content()
	for err == nil && first[0] == '#' && !numbersAfterFirst(first) { // as numpy.savetxt writes a header
		first, err = l.content()
		l.blank = 0 // between a header and the rows
	}
	if err == io.EOF {
		return errors.New("it is blank")
	}
	if err != nil {
		return err
	}
	first = bytes.Clone(first)
	second, err := l.next()
	if err != nil && err != io.EOF {
		return err
	}
	if second == nil {
		l.back(first)
	} else {
		second = bytes.Clone(second)
		l.back(first, second)
	}
	if vectors {
		if w, ok := recogniseWords(first, second, src.ext); ok {
			return openWords(f, l, w, o)
		}
	}
	return openDelimited(f, src, l, first, o, vectors)
}

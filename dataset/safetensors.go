package dataset

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/latent-go/latent/vec"
)

// maxTensorHeader is the format's own limit.
const maxTensorHeader = 100_000_000

var tensorNumbers = map[string]number{
	"F64": f8, "F32": f4, "F16": f2, "BF16": bf2, "I64": i8, "I32": i4, "I16": i2, "I8": i1, "U64": u8, "U32": u4, "U16": u2, "U8": u1, "BOOL": u1,
}

type tensor struct {
	Type    string    `json:"dtype"`
	Shape   []uint64  `json:"shape"`
	Offsets [2]uint64 `json:"data_offsets"`
}

func isSafetensors(head []byte) bool {
	if len(head) < 10 || head[8] != '{' {
		return false
	}
	n := binary.LittleEndian.Uint64(head)
	return n >= 2 && n <= maxTensorHeader
}

// safetensorsHeader reads what begins the file: the header's length, then JSON that says where each tensor lies after it.
// It returns the tensors by name and the place from which their offsets count.
func safetensorsHeader(src *source) (map[string]tensor, int64, error) {
	b, err := src.take(8)
	if err != nil {
		return nil, 0, err
	}
	n := binary.LittleEndian.Uint64(b)
	if n > maxTensorHeader {
		return nil, 0, fmt.Errorf("its header is damaged: a length of %d bytes, the format allows %d", n, maxTensorHeader)
	}
	if b, err = src.take(int64(n)); err != nil {
		return nil, 0, err
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(b, &header); err != nil {
		return nil, 0, fmt.Errorf("its header is damaged: %w", err)
	}
	delete(header, "__metadata__")
	tensors := make(map[string]tensor, len(header))
	for name, raw := range header {
		var t tensor
		if err := json.Unmarshal(raw, &t); err != nil {
			return nil, 0, fmt.Errorf("its header is damaged: tensor %q: %w", name, err)
		}
		if t.Offsets[0] > t.Offsets[1] || t.Offsets[1] > 1<<56 {
			return nil, 0, fmt.Errorf("its header is damaged: tensor %q lies from %d to %d", name, t.Offsets[0], t.Offsets[1])
		}
		tensors[name] = t
	}
	return tensors, 8 + int64(n), nil
}

// layout says where in src the tensor lies, as a matrix: a tensor of one axis is one row, what follows the first axis of
// several is of one row.
func (t tensor) layout(src *source, name string, start int64) (layout, error) {
	shape := t.Shape
	for len(shape) < 2 {
		shape = append([]uint64{1}, shape...)
	}
	l, err := newLayout(src, tensorNumbers[t.Type], false, start+int64(t.Offsets[0]), shape, false)
	if err != nil {
		return l, fmt.Errorf("tensor %q: %w", name, err)
	}
	if got := int64(t.Offsets[1] - t.Offsets[0]); got != int64(l.rows)*l.rowBytes() {
		return l, fmt.Errorf("its header is damaged: tensor %q of %s %s has %d bytes, want %d", name, t.Type, shapeString(t.Shape), got, int64(l.rows)*l.rowBytes())
	}
	return l, nil
}

// openSafetensors opens the one tensor that can be vectors, or the one that is named.
func openSafetensors(f *File, src *source, o Options) error {
	tensors, start, err := safetensorsHeader(src)
	if err != nil {
		return err
	}
	var candidates, described []string
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		t := tensors[name]
		described = append(described, fmt.Sprintf("%s (%s %s)", name, t.Type, shapeString(t.Shape)))
		if len(t.Shape) >= 2 && tensorNumbers[t.Type] != 0 {
			candidates = append(candidates, name)
		}
	}
	i, err := pickVectors("tensor", candidates, o, described)
	if err != nil {
		return err
	}
	l, err := tensors[candidates[i]].layout(src, candidates[i], start)
	if err != nil {
		return err
	}
	return f.use("safetensors", l, src)
}

// LoadTensors reads every tensor of floating-point numbers in a safetensors file, as the weights of a model are kept. A
// tensor of one axis comes as a matrix of one row, and one of more than two with all that follows its first axis in a
// row. Tensors of integers are passed over. Errors are as for Open.
func LoadTensors(path string) (map[string]vec.Matrix, error) {
	src, err := openSource(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer src.close()
	out, err := loadTensors(src)
	if err != nil {
		return nil, src.wrap(err)
	}
	return out, nil
}

func loadTensors(src *source) (map[string]vec.Matrix, error) {
	if !isSafetensors(src.peek(10)) {
		return nil, errors.New("it is not a safetensors file")
	}
	tensors, start, err := safetensorsHeader(src)
	if err != nil {
		return nil, err
	}
	names := slices.Collect(maps.Keys(tensors))
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(tensors[a].Offsets[0], tensors[b].Offsets[0]), cmp.Compare(a, b))
	})
	out := map[string]vec.Matrix{}
	for _, name := range names {
		if t := tensors[name]; tensorNumbers[t.Type] != 0 && !tensorNumbers[t.Type].integer() {
			l, err := t.layout(src, name, start)
			if err != nil {
				return nil, err
			}
			if l.at < src.taken {
				return nil, fmt.Errorf("its header is damaged: tensor %q begins at byte %d, where another lies", name, l.at)
			}
			if err := src.skipTo(l.at); err != nil {
				return nil, err
			}
			b, err := src.take(int64(l.rows) * l.rowBytes())
			if err != nil {
				return nil, err
			}
			x := vec.NewMatrix(l.rows, l.cols)
			l.num.float32s(x.Data, b, false)
			if err := x.Check(); err != nil {
				return nil, fmt.Errorf("tensor %q: %w", name, err)
			}
			out[name] = x
		}
	}
	return out, nil
}

// writeSafetensors writes one tensor, called vectors.
func writeSafetensors(w io.Writer, x vec.Matrix) error {
	header, err := json.Marshal(map[string]tensor{"vectors": {"F32", []uint64{uint64(x.Rows), uint64(x.Cols)}, [2]uint64{0, 4 * uint64(len(x.Data))}}})
	if err != nil {
		return err
	}
	header = append(header, strings.Repeat(" ", (8-len(header)%8)%8)...) // so that data begin at a multiple of 8
	var b bytes.Buffer
	b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header))))
	b.Write(header)
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	return writeFloats(w, x.Data)
}

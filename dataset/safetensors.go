package dataset

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
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

// openSafetensors reads the header: its length, then JSON that says where each tensor lies after it.
func openSafetensors(f *File, src *source, o Options) error {
	b, err := src.take(8)
	if err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint64(b))
	if b, err = src.take(n); err != nil {
		return err
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(b, &header); err != nil {
		return fmt.Errorf("its header is damaged: %w", err)
	}
	delete(header, "__metadata__")
	names := slices.Sorted(maps.Keys(header))
	var candidates, described []string
	tensors := map[string]tensor{}
	for _, name := range names {
		var t tensor
		if err := json.Unmarshal(header[name], &t); err != nil {
			return fmt.Errorf("its header is damaged: tensor %q: %w", name, err)
		}
		tensors[name] = t
		described = append(described, fmt.Sprintf("%s (%s %s)", name, t.Type, shapeString(t.Shape)))
		if len(t.Shape) >= 2 && tensorNumbers[t.Type] != 0 {
			candidates = append(candidates, name)
		}
	}
	i, err := pickVectors("tensor", candidates, o, described)
	if err != nil {
		return err
	}
	name := candidates[i]
	t := tensors[name]
	if t.Offsets[0] > t.Offsets[1] || t.Offsets[1] > 1<<56 {
		return fmt.Errorf("its header is damaged: tensor %q lies from %d to %d", name, t.Offsets[0], t.Offsets[1])
	}
	l, err := newLayout(src, tensorNumbers[t.Type], false, 8+n+int64(t.Offsets[0]), t.Shape, false)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	if got := int64(t.Offsets[1] - t.Offsets[0]); got != int64(l.rows)*l.rowBytes() {
		return fmt.Errorf("its header is damaged: tensor %q of %s %s has %d bytes, want %d", name, t.Type, shapeString(t.Shape), got, int64(l.rows)*l.rowBytes())
	}
	return f.use("safetensors", l, src)
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

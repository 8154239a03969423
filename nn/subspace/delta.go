package subspace

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"math"

	"github.com/latent-go/latent/artifact"
	"github.com/latent-go/latent/vec"
)

const kindDelta = "subspace"

// Delta is what was learnt, to be kept or sent: d numbers and what draws the space again. It fits one start only, which
// it knows by a checksum.
type Delta struct {
	V []float32
	deltaHead
}

type deltaHead struct {
	Options Options
	Blocks  uint64 // checksum of the names and sizes of the tensors
	Start   uint64 // checksum of θ₀
}

// Delta returns what was learnt from a start, the model's point before Fit.
func (f *Fitted) Delta(start []float32) *Delta {
	return &Delta{f.V, deltaHead{f.Space.o, sumOfBlocks(f.Space.blocks), sumOfPoint(start)}}
}

// WriteTo writes the delta as an artifact.
func (d *Delta) WriteTo(w io.Writer) (int64, error) {
	return artifact.Write(w, kindDelta, 1, artifact.JSON("head", d.deltaHead), artifact.Numbers("v", d.V))
}

// ReadDelta reads what WriteTo wrote.
func ReadDelta(r io.Reader) (*Delta, error) {
	return artifact.Load(r, kindDelta, 1, func(f *artifact.File) (*Delta, error) {
		d := &Delta{}
		if err := f.Decode("head", &d.deltaHead); err != nil {
			return nil, err
		}
		v, err := artifact.Slice[float32](f, "v")
		if err != nil {
			return nil, err
		}
		d.V = append(d.V, v...)
		if o := d.Options.Dim; o < 0 || o != 0 && o != len(v) {
			return nil, f.Reject("%d numbers for a dimension of %d", len(v), o)
		}
		for i, x := range d.V {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return nil, f.Reject("number %d is %v", i, x)
			}
		}
		return d, f.Close()
	})
}

// Apply moves a model that stands at the delta's start to where it was learnt to be, to the same bits.
func (d *Delta) Apply(m *Model) error {
	start, err := m.Point()
	if err != nil {
		return err
	}
	if sumOfBlocks(m.blocks) != d.Blocks {
		return fmt.Errorf("subspace: the delta is of a model with other tensors: %w", vec.ErrDim)
	}
	if sumOfPoint(start) != d.Start {
		return fmt.Errorf("subspace: the model does not stand where the delta begins: load the weights that it was learnt from")
	}
	s, err := New(m.blocks, d.Options)
	if err != nil {
		return err
	}
	if n, _ := s.Dims(); n != len(d.V) {
		return fmt.Errorf("subspace: the delta has %d numbers, its space %d: %w", len(d.V), n, vec.ErrDim)
	}
	θ := make([]float32, len(start))
	s.Move(θ, d.V)
	vec.AddScaled(θ, start, 1)
	return m.SetPoint(θ)
}

var crcTable = crc64.MakeTable(crc64.ECMA)

func sumOfBlocks(blocks []Block) uint64 {
	h := crc64.New(crcTable)
	for _, b := range blocks {
		fmt.Fprintf(h, "%q %d\n", b.Name, b.Size)
	}
	return h.Sum64()
}

func sumOfPoint(θ []float32) uint64 {
	h := crc64.New(crcTable)
	_ = binary.Write(h, binary.LittleEndian, θ) // a hash takes all
	return h.Sum64()
}

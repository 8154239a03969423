package server

import (
	"encoding/json"
	"math"
)

// score is a score as JSON, which has no infinity.
type score float32

func (s score) MarshalJSON() ([]byte, error) {
	f := float32(s)
	switch x := float64(f); {
	case math.IsNaN(x), x == 0: // no -0
		f = 0
	case math.IsInf(x, 0):
		f = float32(math.Copysign(math.MaxFloat32, x))
	}
	return json.Marshal(f)
}

package index

import (
	"fmt"
	"math"

	"github.com/latent-go/latent/vec"
)

// Check returns the error that Add or Search of an index of dim dimensions under m owes for the rows of x, nil if they
// will do. Members call it, and put their name before it.
func Check(x vec.Matrix, dim int, m vec.Metric) error {
	if x.Cols != dim {
		return fmt.Errorf("vectors have %d dimensions, the index has %d: %w", x.Cols, dim, vec.ErrDim)
	}
	if err := x.Check(); err != nil {
		return err
	}
	if m == vec.Cosine {
		for i := range x.Rows {
			if vec.Norm(x.Row(i)) == 0 {
				return fmt.Errorf("row %d has no direction, which cosine needs: %w", i, vec.ErrZero)
			}
		}
	}
	return nil
}

// NextIDs returns the n IDs that follow the largest in use, -1 for none, as Add gives them to rows that come without.
func NextIDs(n int, largest int64) ([]uint32, error) {
	first := largest + 1
	if first+int64(n)-1 > math.MaxUint32 {
		return nil, fmt.Errorf("no IDs for %d vectors after %d; give IDs: %w", n, largest, ErrID)
	}
	ids := make([]uint32, n)
	for i := range ids {
		ids[i] = uint32(first) + uint32(i)
	}
	return ids, nil
}

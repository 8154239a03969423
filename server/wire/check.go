package wire

import "github.com/latent-go/latent/collection/point"

// Limits on what one request may ask for, so that none can take the server down.
const (
	MaxLimit    = 1 << 20 // results
	MaxPrefetch = 64      // prefetches of one query
	MaxMMR      = 16384   // candidates, as in Qdrant
	MaxSample   = 10000   // points of a distance matrix: its work grows with the square
	DefaultSize = 3       // of a group
	Default     = 10      // results
)

// Count checks a number of results.
func Count(field string, n *int64, otherwise, least int) (int, error) {
	switch {
	case n == nil:
		return otherwise, nil
	case *n < 0:
		return 0, Errorf(BadFormat, "Format error in JSON body: invalid value: integer `%d`, expected usize", *n)
	case *n < int64(least):
		return 0, Refuse(field, "value %d invalid, must be %d or larger", *n, least)
	case *n > MaxLimit:
		return 0, Refuse(field, "value %d invalid, must be from %d to %d", *n, least, MaxLimit)
	}
	return int(*n), nil
}

// CheckVector refuses what Qdrant refuses of any vector, whatever the collection.
func CheckVector(field string, v point.Vector) error {
	switch {
	case v.Sparse != nil:
		if len(v.Sparse.Indices) != len(v.Sparse.Values) {
			return Refuse(field+".values", "must be the same length as indices")
		}
		seen := make(map[uint32]bool, len(v.Sparse.Indices))
		for _, i := range v.Sparse.Indices {
			if seen[i] {
				return Refuse(field+".indices", "must be unique")
			}
			seen[i] = true
		}
	case v.Multi != nil:
		if len(v.Multi) == 0 {
			return Refuse(field, "multi-dense vector must not be empty")
		}
		for _, row := range v.Multi {
			if len(row) == 0 {
				return Refuse(field, "multi-dense vector must not contain empty vectors")
			}
			if len(row) != len(v.Multi[0]) {
				return Refuse(field, "all vectors must have the same dimension, found vector with dimension %d", len(row))
			}
		}
	case len(v.Dense) == 0:
		return Refuse(field, "dense vector must not be empty")
	}
	return nil
}

// CheckCandidates refuses what would make one query too much work.
func CheckCandidates(n int) error {
	if n > MaxMMR {
		return Refuse("mmr.candidates_limit", "value %d invalid, must be %d or less", n, MaxMMR)
	}
	return nil
}

// CheckSample is CheckCandidates for a matrix of distances.
func CheckSample(n int) error {
	if n > MaxSample {
		return Refuse("sample", "value %d invalid, must be from 2 to %d", n, MaxSample)
	}
	return nil
}

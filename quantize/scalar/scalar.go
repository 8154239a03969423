// Package scalar is the codecs that keep each dimension of a vector by itself: Float32 as it is, Float16 in half the
// bytes, and Int8 ("sq8") and Int4 ("sq4") as a number of equal steps across the range that the data has.
//
//	c, err := scalar.FitInt8(x, scalar.Options{})        // a quarter of the bytes
//	codes := c.Encode(nil, x.Row(0))
//	s := c.Scorer(vec.Euclidean, q)
//	s.Distances(dst, codes)                              // the query stays float32
//
// A scorer's distance is the one between the query and the decoded vector, up to rounding. Under vec.Cosine that is
// 1 - q·x̂ with x̂ as it decodes: x̂ is not scaled back to length 1, of which it falls short or over by the rounding of
// the code.
package scalar

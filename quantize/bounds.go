package quantize

// BoundScorer is a Scorer that knows how far off its distances are likely to be.
type BoundScorer interface {
	Scorer
	// BoundsAt writes to dst[i] the distance to code ids[i] of codes, and to lo[i] what lies epsilon standard deviations below
	// it: the true distance is hardly ever less.
	BoundsAt(dst, lo []float32, codes []byte, ids []uint32, epsilon float32)
}

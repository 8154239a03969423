package quantize

// Blocked is a Codec whose codes can also lie in blocks, interleaved, where its scorers measure them several times faster:
// what an index that looks at one run of codes after another does well to use. Code i of blocks is in block i/BlockRows(),
// which has BlockRows()*CodeSize() bytes; where no code was put, any may be read.
type Blocked interface {
	Codec
	// BlockRows is the number of codes in a block, 0 if this codec has no blocks; then the other methods panic.
	BlockRows() int
	// Put writes code as code i of blocks.
	Put(blocks []byte, i int, code []byte)
	// Get appends code i of blocks to dst.
	Get(dst []byte, blocks []byte, i int) []byte
}

// BlockScorer is what the scorers of a Blocked with blocks are too.
type BlockScorer interface {
	Scorer
	// BlockDistances writes the distance to each of the len(dst) codes of blocks, whole ones. It may be a coarser
	// estimate than Distances gives; the codec says how coarse.
	BlockDistances(dst []float32, blocks []byte)
}

// BlockRows is the number of codes in a block of c, 0 if it has none.
func BlockRows(c Codec) int {
	if b, ok := c.(Blocked); ok {
		return b.BlockRows()
	}
	return 0
}

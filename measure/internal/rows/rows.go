// Package rows draws samples of rows, finds equal ones and names their labels: what every measure does first.
package rows

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/latent-go/latent/vec"
)

// Sample returns k row numbers out of n, drawn without replacement, ascending. It returns all of them if k is n or more.
func Sample(n, k int, seed uint64) []int {
	ids := make([]int, n)
	for i := range ids {
		ids[i] = i
	}
	if k >= n {
		return ids
	}
	rng := rand.New(rand.NewPCG(seed, 0x5a3913))
	for i := range k {
		j := i + rng.IntN(n-i)
		ids[i], ids[j] = ids[j], ids[i]
	}
	slices.Sort(ids[:k])
	return ids[:k:k]
}

// Groups returns, for each row of x, the number of the first row that equals it, value by value (so 0 equals -0):
// its own number if there is none before it. Time and memory O(n·d) and O(n).
func Groups(x vec.Matrix) []int {
	first := make([]int, x.Rows)
	seen := make(map[uint64][]int, x.Rows) // rows by hash: those that collide are compared
	seed := maphash.MakeSeed()             // the groups do not depend on it
	a, b := make([]byte, 4*x.Cols), make([]byte, 4*x.Cols)
	for i := range x.Rows {
		key(a, x.Row(i))
		h := maphash.Bytes(seed, a)
		first[i] = i
		for _, j := range seen[h] {
			if key(b, x.Row(j)); bytes.Equal(a, b) {
				first[i] = j
				break
			}
		}
		if first[i] == i {
			seen[h] = append(seen[h], i)
		}
	}
	return first
}

// Label is how a label is called in a message: by its name in quotes, or by its number where names has none.
func Label(names []string, label int) string {
	if label >= 0 && label < len(names) {
		return strconv.Quote(names[label])
	}
	return strconv.Itoa(label)
}

func key(dst []byte, row []float32) {
	for j, v := range row {
		binary.LittleEndian.PutUint32(dst[4*j:], math.Float32bits(v+0)) // -0 + 0 is 0
	}
}

package rank

import (
	"math"
	"reflect"
	"testing"
)

func TestOf(t *testing.T) {
	if got := Of([]float64{5, -1, 5, 2, 5}); !reflect.DeepEqual(got, []float64{3, 0, 3, 1, 3}) {
		t.Error(got)
	}
	// scipy 1.11.4: spearmanr([5, -1, 5, 2, 5], [1, 2, 2, 7, 0])
	if got := Spearman([]float64{5, -1, 5, 2, 5}, []float64{1, 2, 2, 7, 0}); math.Abs(got - -0.6308932681440449) > 1e-12 {
		t.Error(got)
	}
}

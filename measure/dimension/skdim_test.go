package dimension_test

import (
	"context"
	"math"
	"testing"

	"github.com/latent-go/latent/measure/dimension"
	"github.com/latent-go/latent/vec"
)

// TestAgreesWithScikitDimension holds the estimators against scikit-dimension 0.5.0 (Python 3.11, numpy 2.4.6) on the same points.
// testdata/reference.py prints the table.
func TestAgreesWithScikitDimension(t *testing.T) {
	type want struct{ twoNN, mle, mom, correlation, fisher float64 }
	for _, c := range []struct {
		n, d int
		want want
	}{
		{600, 2, want{1.968629, 1.907426, 1.857548, 1.891838, 1.920666}},
		{1000, 5, want{4.628471, 4.341071, 4.283114, 4.256039, 4.711815}},
		{1500, 10, want{8.560606, 7.986034, 7.914258, 7.608935, 9.244333}},
	} {
		x, o := dimension.Fixed(c.n, c.d), dimension.Options{K: 20}
		for _, e := range []struct {
			name string
			f    func(context.Context, vec.Matrix, dimension.Options) (dimension.Estimate, error)
			want float64
			tol  float64 // relative
		}{
			{"TwoNN", dimension.TwoNN, c.want.twoNN, 1e-5}, // 3e-7 seen: the points are centred in float32, and six decimals are quoted
			{"MLE", dimension.MLE, c.want.mle, 1e-5},
			{"MOM", dimension.MOM, c.want.mom, 1e-5},
			{"Correlation", dimension.Correlation, c.want.correlation, 1e-5},
			{"FisherS", dimension.FisherS, c.want.fisher, 1e-5},
		} {
			got, err := e.f(ctx, x, o)
			if err != nil {
				t.Errorf("%s n=%d d=%d: %v", e.name, c.n, c.d, err)
				continue
			}
			t.Logf("%-12s n=%d d=%d: %.6f, skdim %.6f, apart %.1e", e.name, c.n, c.d, got.Value, e.want, got.Value/e.want-1)
			if !(math.Abs(got.Value/e.want-1) <= e.tol) {
				t.Errorf("%s n=%d d=%d: %.6f, scikit-dimension has %.6f", e.name, c.n, c.d, got.Value, e.want)
			}
		}
	}
}

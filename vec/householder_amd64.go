//go:build amd64 && !noasm

package vec

// rank2LeftFast does the first rows of rank2Left and says how many.
func rank2LeftFast(a []float64, step int, q, u, x, p []float64, i, rows int) int {
	if !hasAVX2 || i == 0 {
		return 0
	}
	some := 2
	if hasAVX512 {
		some = 4
	}
	done := 0
	for ; done+some <= rows; done += some {
		var at [12]float64
		var sums [4]float64
		copy(at[:some], u[i+done:])
		copy(at[some:2*some], q[i+done:])
		copy(at[2*some:3*some], x[i+done:])
		row := a[done*step:]
		_ = row[(some-1)*step+i-1] // the assembly does not check: this is the last value it touches
		if hasAVX512 {
			rank2x4AVX512(&row[0], 8*step, &q[0], &u[0], &x[0], &p[0], i, &at[0], &sums[0])
		} else {
			rank2x2AVX2(&row[0], 8*step, &q[0], &u[0], &x[0], &p[0], i, &at[0], &sums[0])
		}
		for r, v := range sums[:some] {
			p[i+done+r] += v
		}
	}
	return done
}

// reflectFast is Reflect of four rows, of squares values or more.
func reflectFast(z []float64, step int, u []float64, h float64) bool {
	if !hasAVX2 {
		return false
	}
	n := len(u) &^ 7
	_ = z[3*step+len(u)-1]
	var sums [4]float64
	if hasAVX512 {
		reflect4AVX512Dots(&z[0], 8*step, &u[0], n, &sums[0])
	} else {
		reflect4AVX2Dots(&z[0], 8*step, &u[0], n, &sums[0])
	}
	rest := u[n:]
	for r := range sums {
		for j, v := range z[r*step+n:][:len(rest)] {
			sums[r] += v * rest[j]
		}
		sums[r] /= h
		for j, v := range rest {
			z[r*step+n+j] -= sums[r] * v
		}
	}
	if hasAVX512 {
		reflect4AVX512Subtract(&z[0], 8*step, &u[0], n, &sums[0])
	} else {
		reflect4AVX2Subtract(&z[0], 8*step, &u[0], n, &sums[0])
	}
	return true
}

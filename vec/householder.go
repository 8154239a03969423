package vec

//go:generate go -C _avo run ./householder -out ../householder_amd64.s -stubs ../householder_stub_amd64.go -pkg vec

// Rank2Mul subtracts quᵀ+uqᵀ from the symmetric n×n matrix a and adds what results times x to p; q, u, x and p have
// length n. Row i of a begins at a[i*step], and of it only what is left of the diagonal, and the diagonal, is read and
// written. It is a step of Householder's way to a tridiagonal matrix, in one pass over a.
func Rank2Mul(a []float64, step int, q, u, x, p []float64) {
	n := len(p)
	sameLen(len(q), n)
	sameLen(len(u), n)
	sameLen(len(x), n)
	for i := 0; i < n; i += squares {
		rows := min(squares, n-i)
		rank2Left(a[i*step:], step, q, u, x, p, i, rows)
		for r := i; r < i+rows; r++ { // the square on the diagonal
			row := a[r*step+i:][:r+1-i]
			sum := rank2Row(row, q[i:], u[i:], x[i:], p[i:], q[r], u[r], x[r])
			p[r] += sum - row[r-i]*x[r] // the diagonal was counted twice
		}
	}
}

const squares = 8 // along the diagonal, as wide as what is left of them is a multiple of

// rank2Left does the first i columns, a multiple of squares, of rows i to i+rows, which a begins with.
func rank2Left(a []float64, step int, q, u, x, p []float64, i, rows int) {
	done := rank2LeftFast(a, step, q, u, x, p, i, rows)
	for r := done; r < rows; r++ {
		p[i+r] += rank2Row(a[r*step:][:i], q, u, x, p, q[i+r], u[i+r], x[i+r])
	}
}

// rank2Row does the columns of one row that row holds, of which q, u, x and p begin with the values, and returns what it adds
// to p at the row, whose own values are qr, ur and xr.
func rank2Row(row, q, u, x, p []float64, qr, ur, xr float64) (sum float64) {
	q, u, x, p = q[:len(row)], u[:len(row)], x[:len(row)], p[:len(row)]
	for j, v := range row {
		v -= ur*q[j] + qr*u[j]
		row[j] = v
		sum += v * x[j]
		p[j] += v * xr
	}
	return sum
}

// Reflect subtracts (z·u/h)u from each row z of some, of len(u) values each, that begin step apart in rows: with h half
// of u's squared length, their mirror images in the plane to which u is normal.
func Reflect(rows []float64, step, n int, u []float64, h float64) {
	done := 0
	if len(u) >= squares {
		for ; done+4 <= n; done += 4 {
			if !reflectFast(rows[done*step:], step, u, h) {
				break
			}
		}
	}
	for r := done; r < n; r++ {
		z := rows[r*step:][:len(u)]
		var s float64
		for j, v := range u {
			s += v * z[j]
		}
		s /= h
		for j, v := range u {
			z[j] -= s * v
		}
	}
}

package dimension

import "github.com/latent-go/latent/vec"

// Fixed returns points that testdata/reference.py makes the same, to the bit: n rows of d uniform numbers u of 24 bits by splitmix64,
// and after them u_j² - u_{j+1}/2, which bends the cube into R^2d.
func Fixed(n, d int) vec.Matrix {
	x := vec.NewMatrix(n, 2*d)
	u := make([]float64, d)
	for i := range n {
		for j := range u {
			z := uint64(i*d+j+1) * 0x9e3779b97f4a7c15
			z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
			z = (z ^ z>>27) * 0x94d049bb133111eb
			z ^= z >> 31
			u[j] = float64(z>>40) / (1 << 24)
			x.Row(i)[j] = float32(u[j])
		}
		for j := range u {
			x.Row(i)[d+j] = float32(float64(u[j]*u[j]) - u[(j+1)%d]/2)
		}
	}
	return x
}

//go:build xla

package nn

import _ "github.com/gomlx/go-xla/compute/xla" // GOMLX_BACKEND=xla, xla:cpu, xla:cuda

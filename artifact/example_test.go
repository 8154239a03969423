package artifact_test

import (
	"bytes"
	"fmt"

	"github.com/latent-go/latent/artifact"
)

func Example() {
	var b bytes.Buffer
	if _, err := artifact.Write(&b, "map.shift", 1, artifact.Numbers("mean", []float32{1, 2})); err != nil {
		fmt.Println(err)
		return
	}
	f, err := artifact.Read(&b, "map.shift", 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	mean, err := artifact.Slice[float32](f, "mean")
	fmt.Println(mean, err)

	_, err = artifact.Read(bytes.NewReader([]byte("something else, of more than thirty-two bytes")), "map.shift", 1)
	fmt.Println(err)
	// Output:
	// [1 2] <nil>
	// artifact: stream: at byte 0: not an artifact of latent; build it again
}

// Package clock reads the processor's clock, which other work on the machine disturbs less than the one on the wall.
//
//	begin := clock.Process()
package clock

// Process is the processor time of all threads of this process so far, in seconds; 0 where that is not known.
func Process() float64 { return process() }

//go:build amd64 && !noasm

package vec

import "golang.org/x/sys/cpu"

// What the processor and the operating system offer. Tests switch these off to run every path.
var (
	hasAVX2    = cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasF16C && cpu.X86.HasBMI2
	hasAVX512  = hasAVX2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ
	hasVNNI    = hasAVX512 && cpu.X86.HasAVX512VNNI
	hasVPOPCNT = hasAVX512 && cpu.X86.HasAVX512VPOPCNTDQ
)

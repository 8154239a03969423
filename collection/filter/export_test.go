package filter

// SipHash is what tests compare with published values.
var SipHash = sipHash

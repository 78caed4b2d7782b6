package dataset

// Random numbers come from PCG generators whose second word says what they are for, so
// that one seed gives independent numbers to each use.
const (
	splitStream   = 0x73706c6974 // Images.Split
	shuffleStream = 0x73687566   // the order of an epoch
	augmentStream = 0x61756700   // one image's crop, flip and cutout
)

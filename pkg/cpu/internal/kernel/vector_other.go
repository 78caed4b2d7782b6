//go:build !amd64 && !arm64

package kernel

// vectorSets returns no sets: there is no assembly for this architecture.
func vectorSets() []*Set {
	return nil
}

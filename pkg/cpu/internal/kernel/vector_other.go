//go:build !amd64

package kernel

// vectorSets returns the sets that are assembly: none here.
func vectorSets() []*Set {
	return nil
}

//go:build !(linux && (amd64 || arm64) && cgo && !noxla)

package e2e

// notLinked says whether the command is built without XLA here.
const notLinked = true

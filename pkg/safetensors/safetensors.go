// Package safetensors reads and writes safetensors files: the length of a header in eight
// bytes, the header as JSON, and the bytes of the tensors, one after the other
// (https://github.com/huggingface/safetensors#format).
//
// It is written by hand because github.com/nlpodyssey/safetensors holds the whole file in
// memory beside its tensors, on the way in and on the way out.
//
// Files that [Write] wrote carry a checksum of everything in them. Other readers, PyTorch's
// among them, see it as one more line of metadata.
//
// read.go reads and checks files, write.go writes them, and checksum.go computes the checksum.
package safetensors

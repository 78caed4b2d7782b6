// Package nn provides what ResNets need and GoMLX lacks or gets wrong on some backends: batch
// normalisation and padding with the true gradient everywhere, and cross-entropy with label
// smoothing.
//
// They are functions that build graphs, like those of GoMLX's own layers packages. As those do,
// they panic on impossible arguments.
//
// batchnorm.go has batch normalisation, pad.go padding, crossentropy.go the loss, and precision.go
// what mixed precision needs.
package nn

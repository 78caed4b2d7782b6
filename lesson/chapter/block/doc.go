// Package block is the code of notebook 3, The residual block: its experiments, its drawings and
// a comparison.
//
//   - identity.go: how a shortcut changes what the layers beside it have to learn. Two
//     convolutions learn a function f, once alone and once with their input added to their
//     output, so that they only have to learn f(x) − x (He et al. 2015, section 3.1). Which
//     is easier depends on how close f is to the identity, and on whether the input has gone
//     through a ReLU; [Learn] varies both.
//   - placement.go: how the mean of the signal depends on the place of a block's last ReLU
//     ([SignalMeans]).
//   - scale.go: what the size of a weight in front of a batch norm does to training ([Train]).
//   - diagram.go: drawings of blocks, made from the network ([Diagram]).
//   - compare.go: a block built in the notebook compared with the one of package resnet, on
//     the same input and with the same weights ([Compare]), and blocks that are the identity.
package block

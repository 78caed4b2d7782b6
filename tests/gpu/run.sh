#!/bin/sh
# Measures on this machine's GPU; run.sh -h has the flags. Needs nothing but this folder and a
# Python that has PyTorch and JAX.
exec "$(dirname "$0")/gpu-bench" run "$@"

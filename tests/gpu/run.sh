#!/bin/sh
# Measures on this machine's GPU; run.sh -h has the flags. Needs nothing but this folder and a
# Python that has PyTorch and JAX. Programs come packed, and are unpacked once.
here=$(dirname "$0")
for name in gpu-bench xla.test unpack; do
	if [ ! -x "$here/$name" ] && [ -f "$here/$name.gz" ]; then
		gunzip -c "$here/$name.gz" >"$here/$name.new" && chmod +x "$here/$name.new" && mv "$here/$name.new" "$here/$name" || exit 1
	fi
done
exec "$here/gpu-bench" run "$@"

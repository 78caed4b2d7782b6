#!/bin/sh
# Measure on this machine's GPU; run.sh -h lists the flags. All it needs is this folder and a Python
# with PyTorch and JAX. The programs are compressed; the first run decompresses them, and so does the first
# one after newer ones were copied over them.
here=$(dirname "$0")
for name in gpu-bench xla.test unpack; do
	if [ -f "$here/$name.gz" ] && { [ ! -x "$here/$name" ] || [ "$here/$name.gz" -nt "$here/$name" ]; }; then
		gunzip -c "$here/$name.gz" >"$here/$name.new" && chmod +x "$here/$name.new" && mv "$here/$name.new" "$here/$name" || exit 1
	fi
done
exec "$here/gpu-bench" run "$@"

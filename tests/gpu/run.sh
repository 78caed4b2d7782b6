#!/bin/sh
# Measure on this machine's GPU; run.sh -h lists the flags. All it needs is this folder and a Python
# with PyTorch and JAX. The programs are compressed; the first run decompresses them.
here=$(dirname "$0")
for name in gpu-bench xla.test unpack; do
	if [ ! -x "$here/$name" ] && [ -f "$here/$name.gz" ]; then
		gunzip -c "$here/$name.gz" >"$here/$name.new" && chmod +x "$here/$name.new" && mv "$here/$name.new" "$here/$name" || exit 1
	fi
done
exec "$here/gpu-bench" run "$@"

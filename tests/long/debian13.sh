#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and passes on Debian 13, against libfuse 3.17: in a fresh tree made by
# debootstrap, with real mounts through this kernel.  As root.
set -eu
. "$(dirname "$0")/tree.sh"
tree=$work/trixie
debian trixie "$tree"
sources "$tree/lensfs"
mount --bind "$tree" "$tree" # a root like others, whose propagation can be set
opened "$tree"
mount --rbind --make-rslave /sys "$tree/sys"
enter "$tree" sh -c 'cd /lensfs && tests/run --quick'

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# container.sh MAKE_CHECKPOINT - packaging/Containerfile, built and run by the
# commands of packaging/README.md.  buildah does it, which needs no daemon and no
# control groups; the base image, under the name that the file gives it, is a tree
# made by debootstrap: no registry is asked.  As root.
set -eu
. "$(dirname "$0")/tree.sh"
make=$(realpath "$1")
if ! command -v buildah >/dev/null; then
	echo "needs buildah"
	exit 77
fi
export BUILDAH_ISOLATION=chroot
engine() { buildah --root "$work/store" --runroot "$work/run" --storage-driver vfs "$@"; }
base=$(sed -n 's/^FROM \([^ ]*\).*/\1/p' "$root/packaging/Containerfile" | sort -u)
release=${base##*:}
debian "${release%-slim}" "$work/base"
container=$(engine from scratch)
cp -a "$work/base/." "$(engine mount "$container")/"
engine commit -q --rm "$container" "$base" >/dev/null
rm -rf --one-file-system "$work/base"

mkdir "$work/models"
"$make" "$work/models/fp8" >/dev/null
sources "$work/lensfs"
cd "$work/lensfs"

exec 3>&1 # for what is said while the output is kept

# run_image OPTION... IMAGE WORD...: as "podman run" would, in a container of
# its own that is gone afterwards.
run_image()
{
	local options=() entry='' container status=0
	while [ "${1#-}" != "$1" ]; do
		case $1 in
		--rm) shift ;;
		--entrypoint) entry=$2; shift 2 ;;
		-v) options+=(-v "${2/#\/srv\/models:/$work/models:}"); shift 2 ;;
		--device | --cap-add) options+=("$1" "$2"); shift 2 ;;
		*) fail "the README's podman run has an option that is not known here: $1" >&3 ;;
		esac
	done
	container=$(engine from --pull-never "${options[@]}" "$1") || return
	shift
	[ "$entry" ] || entry=$(engine inspect --format '{{index .OCIv1.Config.Entrypoint 0}}' "$container") || return
	engine run "$container" -- "$entry" "$@" || status=$?
	engine rm "$container" >/dev/null
	return $status
}
podman()
{
	local verb=$1
	shift
	case $verb in
	build) engine bud --pull-never "$@" ;;
	run) run_image "$@" ;;
	*) false ;;
	esac >"$work/out" 2>&1 || fail "podman $verb $*: $(tail -n 30 "$work/out")" >&3
}

# The commands, those that go on in a second line whole.
sed -n '/^podman /,/[^\\]$/p' "$root/packaging/README.md" >"$work/commands"
[ "$(grep -c '^podman ' "$work/commands")" = 3 ] || fail "not three commands in packaging/README.md"
# shellcheck source=/dev/null
. "$work/commands"
grep -q 'model.safetensors' "$work/out" || fail "no view in the container: $(tail -n 5 "$work/out")"

# What convert made in one, a mount in another shows.
run_image -v /srv/models:/models:ro --device /dev/fuse --cap-add SYS_ADMIN --entrypoint sh lensfs:0.1.0 \
	-c 'lensfs mount --to hf /models/fp8 /mnt && diff -r /mnt /models/bf16 && lensfs umount /mnt' >"$work/out" 2>&1 ||
	fail "$(tail -n 5 "$work/out")"
# The capability is what makes the mount: the file's head says so.
! run_image -v /srv/models:/models:ro --device /dev/fuse --entrypoint lensfs lensfs:0.1.0 mount /models/fp8 /mnt \
	>"$work/out" 2>&1 || fail "mounted without a privilege"
grep -q "lensfs: mount: '/mnt'" "$work/out" || fail "no word on why it is not mounted: $(tail -n 5 "$work/out")"
echo "built from $base, and its image converts and mounts"

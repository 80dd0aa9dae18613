#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Where a mount may be: over its own source, inside it, around it, beside it,
# by links and by other names.  Each works or is refused, and nothing hangs.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
"$make" --shards 2 "$src" >/dev/null || fail "make-checkpoint"
mkdir -p "$src/sub/deeper" "$src/empty"
echo text >"$src/sub/deeper/file"
"$lensfs" convert -q "$src" "$want" || fail "convert"
cp -a "$src" "$work/copy"
mounted() { grep -qF " $1 " /proc/self/mountinfo; }
works() { timeout 20 "$lensfs" mount "$@" 2>"$work/err" || fail "mount $*: $(cat "$work/err")"; }
ends() { timeout 30 "$lensfs" umount "$1" 2>"$work/err" || fail "umount $1: $(cat "$work/err")"; }

# over the source itself, called by any name
ln -s "$src" "$work/link"
over()
{
	works "$@"
	mounted "$src" || fail "mount $*: not there"
	same "$src" "$want"
	timeout 20 cat "$src/.lens/plan" >/dev/null || fail "mount $*: .lens/plan"
	ends "$src"
	same "$src" "$work/copy"
}
over "$src" "$src"
over "$src/" "$work/link"
over "$work/link" "$src/sub/.."
cd "$src" || exit 2
over . .
over . "$PWD"
cd "$work" || exit 2
over src ./src

# twice over the source: the second is a view of the first
works "$src" "$src"
works --recipe identity "$src" "$src"
same "$src" "$want"
ends "$src"
same "$src" "$want"
ends "$src"
same "$src" "$work/copy"

# a mount of a mount, ended in either order
mkdir "$work/second"
works "$src" "$mnt"
works --recipe identity "$mnt" "$work/second"
same "$work/second" "$want"
ends "$work/second"
works --recipe identity "$mnt" "$work/second"
umount -l "$mnt" || fail "umount -l"
same "$work/second" "$want"
ends "$work/second"

# mounted again while the last server is on its way out: that one leaves it be
serve
kill -STOP "$server"
ends "$mnt"
works "$src" "$mnt"
kill -CONT "$server"
ended 0
mounted "$mnt" || fail "a server that ended took the next mount away"
same "$mnt" "$want"
ends "$mnt"

# inside the source: where the view shows nothing, or refused
inside()
{
	if timeout 20 "$lensfs" mount "$src" "$1" 2>"$work/err"; then
		[ "$(timeout 60 find "$1" | wc -l)" = "$(find "$want" | wc -l)" ] || fail "inside the source, at $1: other names"
		timeout 60 cmp "$1/sub/deeper/file" "$src/sub/deeper/file" || fail "inside the source, at $1: a file"
		timeout 60 find "$src" -type f -exec cat {} + >/dev/null || fail "inside the source, at $1: reading it all"
		ends "$1"
	else
		[ $? -lt 124 ] || fail "inside the source, at $1: it hangs"
		mounted "$1" && fail "inside the source, at $1: refused, and mounted"
	fi
	same "$src" "$work/copy"
}
inside "$src/empty"
inside "$src/sub/deeper"
refuses "choose a mount point outside the source" mount "$src" "$src/sub"
refuses "choose a mount point outside the source" mount "$src" "$work/link/sub"

# around the source
mkdir -p "$work/outer/inner"
cp -a "$src" "$work/outer/inner/model"
ln -s "$work/outer/inner/model" "$work/model"
for source in "$work/outer/inner/model" "$work/model" outer/inner/model; do
	refuses "the source is inside it" mount "$source" "$work/outer"
	refuses "the source is inside it" mount "$source" "$work/outer/inner"
done
ln -s "$work/outer" "$work/around"
refuses "the source is inside it" mount "$work/model" "$work/around"
(cd "$work/outer/inner/model" && refuses "the source is inside it" mount . ..) || exit 1

# a source whose shards are links into the mount point
mkdir "$work/linked" "$work/store"
cp -a "$src/." "$work/linked"
mv "$work/linked"/model-00001-* "$work/store/part"
ln -s "$work/store/part" "$work/linked/$(basename "$src"/model-00001-*)"
if timeout 20 "$lensfs" mount --follow-links "$work/linked" "$work/store" 2>"$work/err"; then
	same "$work/store" "$want"
	ends "$work/store"
else
	[ $? -lt 124 ] || fail "links into the mount point: it hangs"
	mounted "$work/store" && fail "links into the mount point: refused, and mounted"
fi
[ -s "$work/store/part" ] || fail "the store is still hidden"

# names that need care
strange="$work/a b,c\\d:\$(e)'é"
mkdir "$strange"
works "$src" "$strange"
same "$strange" "$want"
ends "$strange"
cp -a "$src" "$strange/model"
works "$strange/model" "$mnt"
same "$mnt" "$want"
ends "$mnt"

# no places
refuses "$mnt/none" mount "$src" "$mnt/none"
refuses "tokenizer.json" mount "$src" "$src/tokenizer.json"
[ -z "$(mounts)" ] || fail "left mounted: $(mounts)"

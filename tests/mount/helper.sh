#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Called as mount(8) and its helpers call: two operands, options after -o with
# other spellings, from fstab, under other names.
#
# mount(8) calls helpers without a PATH, as if lensfs were installed: so it is,
# in a mount namespace of this test alone.
if [ -z "${LENSFS_TEST_UNSHARED:-}" ] && unshare -m true 2>/dev/null; then
	LENSFS_TEST_UNSHARED=1 exec unshare -m "$BASH" "$0"
fi
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
"$make" --shards 2 "$src" >/dev/null || fail "make-checkpoint"
bin=$work/bin
mkdir "$bin"
for name in lensfs mount.lensfs mount.fuse.lensfs; do ln -s "$lensfs" "$bin/$name"; done
export PATH=$bin:$PATH

# form WANT COMMAND...: the command mounts, and shows WANT.
form()
{
	local wanted=$1
	shift
	timeout 20 "$@" >"$work/out" 2>&1 || fail "$*: exit $?: $(cat "$work/out")"
	[ -s "$work/out" ] && fail "$*: it said $(cat "$work/out")"
	same "$mnt" "$wanted"
	timeout 30 umount "$mnt" || fail "$*: umount"
}
# convert NAME OPTION...: what is to come out.
expect()
{
	local name=$1
	shift
	"$lensfs" convert -q "$@" "$src" "$work/$name" || fail "convert $*"
}
expect native
expect hf --recipe dequant
expect one --recipe dequant --dtype f32 --shard-size 20KB --exclude '.*\.(gate|up)_proj\.weight$|.{1,2}_head.*'

for as in "$bin/lensfs" "$bin/mount.lensfs" "$bin/mount.fuse.lensfs"; do
	form "$work/native" "$as" "$src" "$mnt"
	form "$work/hf" "$as" "$src" "$mnt" -o recipe=dequant
	form "$work/hf" "$as" "$src" "$mnt" -o ro,nosuid,recipe=dequant,noatime -o nodev
	form "$work/hf" "$as" -o to=hf "$src" "$mnt"
done
for as in "$bin/mount.lensfs" "$bin/mount.fuse.lensfs"; do
	form "$work/hf" "$as" "$src" "$mnt" -s -n -v -o rw,recipe=dequant
	"$as" "$src" "$mnt" -f -o recipe=dequant || fail "$as -f"
	[ -z "$(mounts)" ] || fail "$as -f: it mounted"
done

# each option of its own, a comma in a value
form "$work/one" lensfs "$src" "$mnt" -o 'recipe=dequant,dtype=f32,shard_size=20KB,cache_size=1MiB,cache_compress=never,jobs=3,strict,follow_links' \
	-o 'exclude=.*\.(gate|up)_proj\.weight$|.{1\,2}_head.*'
timeout 20 lensfs "$src" "$mnt" -o "inspect,log=$work/log" || fail "-o inspect,log"
[ -e "$work/log" ] || fail "-o log: there is none"
find "$mnt" -maxdepth 1 -name .lens | grep -q . || fail "-o inspect: .lens is not listed"
umount "$mnt"

# from a configuration file, which -o goes before
printf '# the whole\nto = hf\nstrict = yes\n' >"$work/conf"
LENSFS_CONF=$work/conf form "$work/hf" lensfs "$src" "$mnt"
LENSFS_CONF=$work/conf form "$work/one" lensfs "$src" "$mnt" -o 'recipe=dequant,dtype=f32,shard_size=20KB' \
	-o 'exclude=.*\.(gate|up)_proj\.weight$|.{1\,2}_head.*'
echo 'frob = 1' >>"$work/conf"
LENSFS_CONF=$work/conf refuses "'$work/conf': line 4: frob: no such option" "$src" "$mnt"

# wrong ones mount nothing, and say which
for option in frob frob=1 recipe recipe= recipe=frob dtype=f64 jobs=0 to=native strict=yes; do
	refuses "${option%%=*}" "$src" "$mnt" -o "$option"
done

# mount(8) itself, by type and from an fstab
if [ -n "${LENSFS_TEST_UNSHARED:-}" ] && [ -x /sbin/mount.fuse3 ] && mount --bind "$bin" /usr/local/sbin; then
	form "$work/hf" mount -t fuse.lensfs "$src" "$mnt" -o ro,recipe=dequant
	form "$work/native" mount -t fuse.lensfs "$src" "$mnt"
	expect small --recipe dequant --shard-size 20KB
	echo "$src $mnt fuse.lensfs ro,nofail,x-systemd.requires=network.target,recipe=dequant,shard_size=20KB 0 0" >"$work/fstab"
	form "$work/small" mount -T "$work/fstab" "$mnt"
	timeout 20 mount -t fuse.lensfs "$src" "$mnt" -o recipe=frob 2>"$work/err" && fail "mount -o recipe=frob"
	grep -q "no recipe is called 'frob'" "$work/err" || fail "mount -o recipe=frob: $(cat "$work/err")"
	umount /usr/local/sbin
else
	echo "mount(8) itself was not tried: no mount.fuse3, or no namespace of our own"
fi
[ -z "$(mounts)" ] || fail "left mounted: $(mounts)"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# debian.sh RELEASE MAKE_CHECKPOINT BOOT - the Debian package, in trees that
# debootstrap makes: built, looked at by lintian, installed in a fresh tree, used
# there by mount(8), fstab and a user, purged, and nothing is left.  A tree of
# trixie is booted, too, by BOOT, which is boot.sh.  As root.
set -eu
. "$(dirname "$0")/tree.sh"
suite=$1 make=$(realpath "$2") boot=$3
fresh=$work/fresh build=$work/build
debian "$suite" "$fresh"
inside "$fresh" apt-get update -q
"$make" --shards 2 "$fresh/srv/fp8" >/dev/null

# --- built ------------------------------------------------------------------

cp -a "$fresh" "$build"
opened "$build"
sources "$build/build/lensfs"
cp -r "$build/build/lensfs/packaging/debian" "$build/build/lensfs/debian"
inside "$build" apt-get install -qy --no-install-recommends build-essential lintian
inside "$build" sh -c 'cd /build/lensfs && apt-get build-dep -qy --no-install-recommends ./ && dpkg-buildpackage -b -us -uc'
inside "$build" sh -c 'lintian --allow-root --fail-on error,warning /build/*.changes'
deb=$(ls "$build"/build/lensfs_*.deb)
echo "$suite: built, and lintian has nothing to say"

# --- installed, used, purged ------------------------------------------------

cp -a "$fresh" "$work/used"
used=$work/used
opened "$used"
cp "$deb" "$used/srv/lensfs.deb"
mkdir "$used/mnt/a" "$used/mnt/b" "$used/mnt/c"
files() { (cd "$used" && find . -xdev \( -path ./proc -o -path ./var/cache -o -path ./var/lib/apt -o -path ./var/log \
	-o -path ./run/mount \) -prune -o -print | sort); }
inside "$used" apt-get install -qy --no-install-recommends fuse3 # what it leaves behind is not ours
files >"$work/before"
inside "$used" apt-get install -qy --no-install-recommends /srv/lensfs.deb
for file in usr/share/man/man1/lensfs.1.gz usr/share/man/man5/lensfs-recipe.5.gz usr/share/man/man8/mount.fuse.lensfs.8.gz \
	usr/share/bash-completion/completions/lensfs usr/share/zsh/vendor-completions/_lensfs \
	usr/share/fish/vendor_completions.d/lensfs.fish usr/lib/systemd/system/lensfs@.service; do
	[ -s "$used/$file" ] || fail "$suite: the package lacks $file"
done
grep -o '](\(docs\|packaging\)/[^)#]*' "$used/usr/share/doc/lensfs/README.md" | cut -c3- | grep -v '\.[15]$' | sort -u >"$work/links"
[ -s "$work/links" ] || fail "$suite: README.md in the package has no links"
while read -r link; do
	[ -e "$used/usr/share/doc/lensfs/$link" ] || fail "$suite: README.md in the package links to $link, which is not there"
done <"$work/links"
inside "$used" lensfs convert -q --recipe mistral4 /srv/fp8 /srv/native
inside "$used" lensfs convert -q --to hf /srv/fp8 /srv/bf16

# by type
inside "$used" mount -t fuse.lensfs /srv/fp8 /mnt/a -o ro,recipe=mistral4
inside "$used" diff -r /mnt/a /srv/native
inside "$used" umount /mnt/a

# from fstab, with the line of the manual
line=$(sed -n '/^\/srv.*fuse\.lensfs/p' "$root/docs/lensfs.1")
[ -n "$line" ] || fail "the manual has no line for fstab"
echo "$line" | sed 's|^[^ ]* [^ ]*|/srv/fp8 /mnt/b|; s|=/srv/models/fp8|=/srv/fp8|' >>"$used/etc/fstab"
inside "$used" mount -a
inside "$used" mount -a # what is mounted is left alone
[ "$(grep -c "$used/mnt/b " /proc/self/mountinfo)" = 1 ] || fail "$suite: mount -a: not one mount"
inside "$used" diff -r /mnt/b /srv/bf16
inside "$used" umount /mnt/b
sed -i '/fuse\.lensfs/d' "$used/etc/fstab"

# by a user
inside "$used" chown nobody /mnt/c
inside "$used" setpriv --reuid nobody --regid nogroup --clear-groups sh -c \
	'lensfs mount /srv/fp8 /mnt/c && diff -r /mnt/c /srv/native && lensfs umount /mnt/c'
grep -q "$used/mnt" /proc/self/mountinfo && fail "$suite: still mounted"
rm -r "$used/srv/native" "$used/srv/bf16"

# gone
inside "$used" apt-get purge -qy lensfs
inside "$used" apt-get autoremove --purge -qy
files >"$work/after"
diff "$work/before" "$work/after" >"$work/out" || fail "$suite: after the purge: $(cat "$work/out")"
echo "$suite: installed, used and purged, and nothing is left"

[ "$suite" != trixie ] || "$BASH" "$boot" "$fresh" "$deb"

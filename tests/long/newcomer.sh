#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# newcomer.sh RELEASE - the README's first command, by someone who has a fresh
# Debian and the sources and no more: by root, then, in another fresh tree, by a
# user with sudo, whose mounts go by fusermount3.  Tells how long it takes until
# the first converted tensor is read.  As root.
set -eu
. "$(dirname "$0")/tree.sh"
suite=$1
command=$(awk '/^```/ { in_block = !in_block; next } in_block && /^tests\// { print; exit }' "$root/README.md")
[ -n "$command" ] || fail "the README has no command of tests/"
debian "$suite" "$work/fresh"

# seconds PATTERN: until a line was said that matches, with one decimal.
seconds()
{
	awk -v p="$1" -v start="$start" '{ at = $1; sub(/^[^ ]* /, "") } $0 ~ p { printf "%.1f\n", at - start; found = 1; exit }
		END { exit !found }' "$work/said" || fail "$suite, $who: nothing like '$1' was said: $(tail -n 20 "$work/said")"
}

# follow WHO COMMAND...: run it in $tree, and look at what it says, and when.
follow()
{
	local line packages built first
	who=$1 start=$EPOCHREALTIME
	shift
	set +e
	enter "$tree" "$@" 2>&1 | while IFS= read -r line; do printf '%s %s\n' "$EPOCHREALTIME" "$line"; done >"$work/said"
	[ "${PIPESTATUS[0]}" = 0 ] || fail "$suite, $who: '$command' fails: $(tail -n 20 "$work/said")"
	set -e
	packages=$(seconds '^[$] (meson setup|ninja)') built=$(seconds '^[$] .*lensfs plan') first=$(seconds '^0000000 +[0-9a-f]')
	echo "$suite, $who: $first s to the first converted tensor: packages until $packages s, built at $built s"
	! grep -q "$tree/tmp" /proc/self/mountinfo || fail "$suite, $who: a mount is left"
	[ -z "$(ls -A "$tree/tmp")" ] || fail "$suite, $who: left in /tmp: $(ls -A "$tree/tmp")"
}

for how in root user; do
	tree=$work/$how
	cp -a "$work/fresh" "$tree"
	opened "$tree"
	if [ "$how" = root ]; then
		sources "$tree/srv/lensfs"
		run=(sh -c "cd /srv/lensfs && $command")
	else
		inside "$tree" apt-get update -q
		inside "$tree" apt-get install -qy --no-install-recommends sudo
		inside "$tree" useradd -m -s /bin/bash someone
		echo 'someone ALL=(ALL) NOPASSWD: ALL' >"$tree/etc/sudoers.d/someone"
		sources "$tree/home/someone/lensfs"
		inside "$tree" chown -R someone: /home/someone
		run=(setpriv --reuid someone --regid someone --init-groups env HOME=/home/someone USER=someone
			sh -c "cd ~/lensfs && $command")
	fi
	follow "$how, fresh" "${run[@]}"
	follow "$how, again" "${run[@]}"
	umount "$tree/dev/fuse" "$tree/dev/pts" "$tree/proc"
	rm -rf --one-file-system "$tree"
done

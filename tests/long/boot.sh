#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# boot.sh TREE DEB - called by debian.sh with a tree that has a checkpoint in
# /srv/fp8: boots it in a container, where views come up by fstab and as
# services, a server is killed and comes back, and is stopped.
set -eu
tree=$1 deb=$2
if ! command -v systemd-nspawn >/dev/null; then
	echo "not booted: no systemd-nspawn"
	exit 0
fi
fail() { echo "FAIL: $*"; exit 1; }
inside()
{
	chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		"$@" >"$tree/out" 2>&1 </dev/null || fail "boot: $*: $(tail -n 30 "$tree/out")"
}
cp "$deb" "$tree/srv/lensfs.deb"
inside apt-get install -qy --no-install-recommends systemd systemd-sysv dbus /srv/lensfs.deb
inside lensfs convert -q /srv/fp8 /srv/native

# Two views by fstab, of a source that another line has to mount first; one
# service that is enabled, and one whose source is not there.
mkdir -p "$tree/etc/lensfs/mnt" "$tree/srv/store" "$tree/srv/models" "$tree/mnt/fstab" "$tree/mnt/net" \
	"$tree/mnt/at-boot" "$tree/mnt/wrong"
mv "$tree/srv/fp8" "$tree/srv/store/"
cat >"$tree/etc/fstab" <<'END'
/srv/models/fp8 /mnt/fstab fuse.lensfs ro,nofail,x-systemd.requires-mounts-for=/srv/models/fp8 0 0
/srv/models/fp8 /mnt/net fuse.lensfs ro,nofail,_netdev,x-systemd.requires-mounts-for=/srv/models/fp8 0 0
/srv/store /srv/models none bind 0 0
END
printf 'SOURCE=/srv/models/fp8\nOPTIONS=--recipe mistral4 --exclude nothing --cache-size 64MiB\n' >"$tree/etc/lensfs/mnt/at-boot.conf"
printf 'SOURCE=/srv/nowhere\n' >"$tree/etc/lensfs/mnt/wrong.conf"

cat >"$tree/etc/systemd/system/checks.service" <<'END'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/checks.sh
ExecStopPost=systemctl poweroff --no-block
StandardOutput=file:/result
StandardError=inherit
TimeoutStartSec=120
[Install]
WantedBy=default.target
END
cat >"$tree/checks.sh" <<'END'
#!/bin/bash
set -eu
trap 'echo "FAIL in line $LINENO"; systemctl status --no-pager -l "$unit" || true' ERR
unit='lensfs@mnt-at\x2dboot.service'
pid() { systemctl show -P MainPID "$unit"; }
soon() { for _ in {1..100}; do "$@" && return; sleep 0.1; done; echo "never: $*"; false; }
not() { ! "$@"; } # a bare ! never ends a script
said() { journalctl -q -b -t lensfs -p err _PID="$was" | grep -q "lensfs\[$was\]: .*safetensors"; }
again() { local now; now=$(pid); [ "$now" != 0 ] && [ "$now" != "$was" ] && systemctl -q is-active "$unit"; }

systemd-analyze verify --man=no "$unit"
soon systemctl -q is-active mnt-fstab.mount # nofail: nothing waits for it
diff -r /mnt/fstab /srv/native
soon systemctl -q is-active mnt-net.mount
diff -r /mnt/net /srv/native
[ "$(systemctl show -P WantedBy mnt-fstab.mount) $(systemctl show -P WantedBy mnt-net.mount)" = "local-fs.target remote-fs.target" ]
systemctl -q is-active "$unit"
diff -r /mnt/at-boot /srv/native

was=$(pid)
kill -KILL "$was"
soon again
diff -r /mnt/at-boot /srv/native
systemctl stop "$unit"
not mountpoint -q /mnt/at-boot
systemctl -q is-active mnt-fstab.mount

not systemctl start lensfs@mnt-wrong.service
not mountpoint -q /mnt/wrong
journalctl -q -b -u lensfs@mnt-wrong.service | grep -q "'/srv/nowhere'"
systemctl stop lensfs@mnt-wrong.service
systemctl stop mnt-fstab.mount mnt-net.mount

# A daemon has but the journal to talk to, and is found there by its name.
cp -r /srv/native /srv/changed
lensfs mount --recipe identity /srv/changed /mnt/wrong
was=$(pidof lensfs)
touch -d yesterday /srv/changed/*.safetensors
not cat /mnt/wrong/*.safetensors >/dev/null 2>&1
soon said
lensfs umount /mnt/wrong
not grep lensfs /proc/self/mountinfo
not grep -lsx lensfs /proc/[0-9]*/comm
echo done
END
chmod +x "$tree/checks.sh"
inside systemctl enable 'lensfs@mnt-at\x2dboot.service' checks.service
timeout 300 systemd-nspawn --quiet --boot --register=no --keep-unit --bind=/dev/fuse --directory "$tree" \
	>"$tree/console" 2>&1 </dev/null || fail "boot: exit $?: $(tail -n 30 "$tree/console")"
[ "$(tail -n 1 "$tree/result")" = "done" ] || fail "boot: $(cat "$tree/result"; tail -n 20 "$tree/console")"
echo "booted: fstab and services mount, a killed server comes back"

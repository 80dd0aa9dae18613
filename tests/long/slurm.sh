#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# slurm.sh LENSFS MAKE_CHECKPOINT - packaging/slurm/convert.sbatch, run by a real
# slurmctld with two nodes on this host: eight parts, of which one is killed in
# the middle and requeued, make what one process makes.  As root.
set -u
lensfs=$(realpath "$1") make=$(realpath "$2")
script=$(cd "$(dirname "$0")/../.." && pwd)/packaging/slurm/convert.sbatch
for program in slurmctld slurmd munged; do
	if [ "$(id -u)" != 0 ] || ! command -v "$program" >/dev/null; then
		echo "needs root, slurmctld, slurmd and munged"
		exit 77
	fi
done
work=$(mktemp -d)
chmod 755 "$work"
pids=()
tidy()
{
	local pid
	trap - EXIT
	scancel -p test 2>/dev/null
	for _ in {1..100}; do
		[ -n "$(squeue -h 2>/dev/null)" ] || break
		sleep 0.1
	done
	for pid in "${pids[@]}"; do kill "$pid"; done 2>/dev/null
	wait
	rm -rf "$work"
}
trap tidy EXIT
trap 'exit 1' INT TERM
fail() { echo "FAIL: $*"; tail -n 5 "$work"/*.log; exit 1; }
# within SECONDS COMMAND...: it comes true.
within()
{
	local n=$(($1 * 10))
	shift
	while [ $((n--)) -gt 0 ]; do
		"$@" && return
		sleep 0.1
	done
	fail "never: $*"
}

# --- a cluster --------------------------------------------------------------

# Ports of our own, as far as one can tell.
port=$((20000 + $$ % 10000 * 3))
host=$(hostname -s)
mkdir "$work/munge" "$work/state" "$work/n1" "$work/n2"
chmod 700 "$work/munge"
head -c 128 /dev/urandom >"$work/munge/key"
chmod 400 "$work/munge/key"
cat >"$work/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket,cred_expire=5
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=4
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=4
PartitionName=test Nodes=n1,n2 Default=YES State=UP
END
# Needed where there are no control groups, known since version 23.
slurmd -V | awk '{ exit $2 + 0 < 23 }' && echo "CgroupPlugin=disabled" >"$work/cgroup.conf"
export SLURM_CONF=$work/slurm.conf

munged --foreground --force --key-file="$work/munge/key" --socket="$work/munge.socket" --pid-file="$work/munge/pid" \
	--seed-file="$work/munge/seed" --log-file="$work/munge/log" >"$work/munged.log" 2>&1 &
pids+=($!)
within 10 test -S "$work/munge.socket"
slurmctld -D -f "$SLURM_CONF" >"$work/slurmctld.log" 2>&1 &
pids+=($!)
for node in n1 n2; do
	slurmd -D -f "$SLURM_CONF" -N "$node" >"$work/$node.log" 2>&1 &
	pids+=($!)
done
idle() { [ "$(sinfo -h -N -o %t 2>/dev/null | grep -c idle)" = 2 ]; }
within 30 idle

# --- the array --------------------------------------------------------------

"$make" --hidden 256 --inter 256 --experts 16 --layers 8 "$work/src" >/dev/null
export LENSFS_CONF=
"$lensfs" convert -q --shard-size 500KB "$work/src" "$work/want" || fail "convert"
[ "$(find "$work/want" -name '*.safetensors' | wc -l)" -gt 16 ] || fail "too few files for eight parts"

# The first run of part 3 stops where it is, a moment after it began.
cat >"$work/lensfs" <<END
#!/bin/bash
if [ "\$SLURM_ARRAY_TASK_ID" = 3 ] && [ ! -e "$work/stopped" ]; then
	"$lensfs" "\$@" &
	sleep 0.02
	kill -STOP \$!
	touch "$work/stopped"
	sleep 600
fi
exec "$lensfs" "\$@"
END
chmod 755 "$work/lensfs"
export LENSFS=$work/lensfs
job=$(sbatch --parsable -D "$work" -o "$work/part-%a.log" "$script" --shard-size 500KB "$work/src" "$work/got") || fail "sbatch"
state() { scontrol -o show job "$job" | grep -c "JobState=$1"; }
seven() { [ "$(state COMPLETED)" = 7 ]; }
within 60 test -e "$work/stopped"
within 60 seven
[ -e "$work/got/config.json" ] && fail "config.json is there before all weights are"
scontrol requeue "${job}_3" || fail "requeue"
all() { [ "$(state COMPLETED)" = 8 ]; }
within 120 all
diff -r "$work/want" "$work/got" || fail "the parts are not what one process makes"
grep -H . "$work"/part-[0124567].log && fail "they said something"

# A part of an array does not know of how many.
job=$(sbatch --parsable -D "$work" -o "$work/few.log" --array=3,5 "$script" "$work/src" "$work/few") || fail "sbatch"
both() { [ "$(state FAILED)" = 2 ]; }
within 60 both
grep -q 'is to be said with PARTS' "$work/few.log" || fail "no word about PARTS"
job=$(PARTS=8 sbatch --parsable -D "$work" -o "$work/again.log" --array=3,5 "$script" --shard-size 500KB "$work/src" "$work/got") ||
	fail "sbatch"
done_() { [ "$(state COMPLETED)" = 2 ]; }
within 60 done_
diff -r "$work/want" "$work/got" || fail "running parts again changed something"

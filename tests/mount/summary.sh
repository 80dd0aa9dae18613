#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Summaries through a mount: made when they are read and not before, on threads
# of their own, in little memory, and given up when nobody waits for them.
# shellcheck source=tests/mount/lib.sh
. "$(dirname "$0")/lib.sh"
mkdir "$src"
# Two tensors of 400 GB, all holes, that nobody reads to their end; and small ones.
python3 - "$src" <<'END' || fail "make"
import json, struct, sys
huge, small = 400 << 30, 40
head, at = {}, 0
for name, size in ("huge.a", huge), ("huge.b", huge), *((f"small.{i}", small) for i in range(40)):
    head[name] = {"dtype": "F32", "shape": [size // 4], "data_offsets": [at, at + size]}
    at += size
text = json.dumps(head).encode()
with open(sys.argv[1] + "/model.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text)
    f.truncate(8 + len(text) + at)
END
serve --recipe identity --cache-size 64MiB --shard-size 10TB
tensors=$mnt/.lens/tensors
read_so_far() { awk '$1 == "lensfs_source_bytes_total" { print $2 }' "$mnt/.lens/stats"; }
stands_still()
{
	local before
	before=$(read_so_far)
	sleep 0.2
	[ "$(read_so_far)" = "$before" ]
}

# Who looks at names, sizes and attributes gets no value read.
find "$tensors" -printf '%s %p\n' >/dev/null || fail "find"
du -a "$tensors" >/dev/null || fail "du"
[ "$(read_so_far)" = 0 ] || fail "looking at names has read $(read_so_far) bytes"
[ "$(stat -c %s "$tensors/small/7/summary")" = "$(wc -c <"$tensors/small/7/summary")" ] || fail "another size"

# Attributes by the rules: a size when asked for one, ERANGE in too little room, ENODATA, and nothing for what is not ours.
python3 - "$mnt" <<'END' || fail "attributes"
import ctypes, errno, os, sys
file = os.path.join(sys.argv[1], "model.safetensors")
libc = ctypes.CDLL(None, use_errno=True)

def ask(fn, *args):
    ctypes.set_errno(0)
    return getattr(libc, fn)(file.encode(), *args), ctypes.get_errno()

value, names = os.getxattr(file, "user.lens.plan"), os.listxattr(file)
assert value.startswith(b"huge.a\tF32\t[107374182400]\tmodel.safetensors\t") and value.count(b"\n") == 42, value[:200]
assert names == ["user.lens.plan", "user.lens.recipe", "user.lens.source"], names
n, listed = len(value), len("\0".join(names)) + 1
buf = ctypes.create_string_buffer(n)
plan = b"user.lens.plan"
assert ask("getxattr", plan, None, 0) == (n, 0)
assert ask("getxattr", plan, buf, n) == (n, 0) and buf.raw == value
assert ask("getxattr", plan, buf, n - 1) == (-1, errno.ERANGE)
assert ask("getxattr", b"user.lens.key", buf, n) == (-1, errno.ENODATA)
assert ask("getxattr", b"user.other", buf, n) == (-1, errno.ENODATA)
assert ask("getxattr", b"security.capability", buf, n) == (-1, errno.EOPNOTSUPP)
assert ask("listxattr", None, 0) == (listed, 0)
assert ask("listxattr", buf, listed) == (listed, 0)
assert ask("listxattr", buf, listed - 1) == (-1, errno.ERANGE)
assert os.listxattr(sys.argv[1]) == []
END

# As every program reads.
cat "$tensors/small/3/summary" >"$work/cat"
cp "$tensors/small/3/summary" "$work/cp"
dd if="$tensors/small/3/summary" of="$work/dd" bs=7 status=none
cmp "$work/cat" "$work/cp" && cmp "$work/cat" "$work/dd" || fail "bytes differ from reader to reader"
[ "$(head -c 20 "$tensors/small/3/summary")" = "$(head -c 20 "$work/cat")" ] || fail "head"
[ "$(tail -c 20 "$tensors/small/3/summary")" = "$(tail -c 20 "$work/cat")" ] || fail "tail"
[ "$(grep -rc 'zero  *10$' "$tensors/small" --include summary | grep -c ':1$')" = 40 ] || fail "grep -r"

# More of them at once than the mount has threads: others go on being served, and those who are killed are gone at once.
readers=()
for i in {1..6}; do
	cat "$tensors/huge/$([ $((i % 2)) = 0 ] && echo a || echo b)/summary" >/dev/null &
	readers+=($!)
done
soon "nothing is read" not stands_still
timeout 10 cat "$tensors/small/5/raw" "$tensors/small/5/summary" >/dev/null || fail "others wait for a summary"
for pid in "${readers[@]}"; do kill -TERM "$pid"; done
for pid in "${readers[@]}"; do
	soon "a reader that was killed stays" not kill -0 "$pid" 2>/dev/null
	wait "$pid"
done
soon "nobody waits, and it goes on" stands_still
grep -qE '^lensfs_reads_cancelled_total +6$' "$mnt/.lens/stats" || fail "six were called off, not $(grep ^lensfs_reads_c "$mnt/.lens/stats")"
peak=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$server/status")
grep -qE 'lib(asan|tsan|ubsan)' "/proc/$server/maps" || [ "$peak" -lt 160 ] || fail "took $peak MiB"

# One that is under way does not keep the server from ending.
cat "$tensors/huge/a/summary" >/dev/null 2>&1 &
reader=$!
soon "nothing is read" not stands_still
kill -TERM "$server"
kill -KILL "$reader"
ended 0
echo "summaries: $peak MiB at most"

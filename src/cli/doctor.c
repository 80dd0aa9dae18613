/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.c - what was found of a machine, judged: each line is well, limits
 * what can be reached, or is broken, and says how to mend it.
 */
#include "cli/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Requests of 1 MiB. */
#define PAGES 256u
/* A quarter of it is a panel; less makes transposing slow. */
#define MEMORY ((uint64_t)256 << 20)
/* Shards, and readers of a mount. */
#define FILES 4096u

struct lines {
	size_t n;
	struct lens_verdict *v;
};

LENS_PRINTF(5, 6)
static void say(struct lines *l, const char *name, enum lens_health health,
		const char *cure, const char *fmt, ...)
{
	struct lens_verdict *x = &l->v[l->n++];
	va_list ap;

	x->name = name;
	x->health = health;
	x->cure = health == LENS_OK ? NULL : cure;
	va_start(ap, fmt);
	(void)vsnprintf(x->text, sizeof(x->text), fmt, ap);
	va_end(ap);
}

static void device(struct lines *l, const struct lens_facts *f)
{
	const char *cure = "as root: chmod 666 /dev/fuse";

	if (f->device == ENOENT || f->device == ENODEV || f->device == ENXIO)
		cure = f->container ?
			       "start the container with --device /dev/fuse" :
			       "as root: modprobe fuse";
	else if (f->device == EPERM && f->container)
		cure = "start the container with --device /dev/fuse";
	if (f->device)
		say(l, "device", LENS_BROKEN, cure, "/dev/fuse: %s",
		    strerror(f->device));
	else
		say(l, "device", LENS_OK, NULL, "/dev/fuse can be opened");
}

/* Who may not mount needs fusermount3. */
static void fusermount(struct lines *l, const struct lens_facts *f)
{
	const bool there = f->fusermount[0];

	if (f->admin)
		say(l, "fusermount3", LENS_OK, NULL,
		    "not needed: this user may mount");
	else if (!there)
		say(l, "fusermount3", LENS_BROKEN,
		    "as root: apt install fuse3 (or what has it)",
		    "there is none, and without it only root mounts");
	else if (!f->setuid && !f->user_namespace)
		say(l, "fusermount3", LENS_BROKEN,
		    "as root: chown root and chmod u+s that file",
		    "'%s' is not setuid root", LENS_SHOW(f->fusermount));
	else
		say(l, "fusermount3", LENS_OK, NULL, "%s",
		    LENS_SHOW(f->fusermount));
}

static void trial(struct lines *l, const struct lens_facts *f)
{
	const char *cure = "see the lines above";

	if (f->container && f->root && !f->admin)
		cure = "start the container with --cap-add SYS_ADMIN --device "
		       "/dev/fuse --security-opt apparmor=unconfined";
	else if (f->container)
		cure = "mount outside and hand the folder in; or start the "
		       "container with --cap-add SYS_ADMIN --device /dev/fuse";
	if (f->trial)
		say(l, "mount", LENS_BROKEN, cure, "a trial failed: %.200s",
		    LENS_SHOW(f->trial_said));
	else
		say(l, "mount", LENS_OK, NULL, "a trial worked");
}

static void others(struct lines *l, const struct lens_facts *f)
{
	if (f->root)
		say(l, "allow_other", LENS_OK, NULL,
		    "mounts of root are open to all users");
	else if (f->allow_other)
		say(l, "allow_other", LENS_OK, NULL,
		    "/etc/fuse.conf has user_allow_other");
	else
		say(l, "allow_other", LENS_LIMITS,
		    "as root: echo user_allow_other >>/etc/fuse.conf; then "
		    "mount with -o allow_other",
		    "other users, root too, can't see your mounts");
}

static void kernel(struct lines *l, const struct lens_facts *f)
{
	if (f->major < 4 || (f->major == 4 && f->minor < 20))
		say(l, "kernel", LENS_LIMITS, "a kernel of 4.20 or newer",
		    "%u.%u: no request exceeds 128 KiB", f->major, f->minor);
	else
		say(l, "kernel", LENS_OK, NULL, "%u.%u", f->major, f->minor);
	if (f->max_pages && f->max_pages < PAGES)
		say(l, "max_pages", LENS_LIMITS,
		    "as root: sysctl fs.fuse.max_pages_limit=256",
		    "a request has %llu pages at most, 256 are wanted",
		    (unsigned long long)f->max_pages);
	else
		say(l, "max_pages", LENS_OK, NULL, "requests of 1 MiB");
	if (f->readahead)
		say(l, "read-ahead", LENS_OK, NULL,
		    "a mount raises its own to 4 MiB");
	else
		say(l, "read-ahead", LENS_LIMITS,
		    "as root, after mounting: echo 4096 >/sys/class/bdi/"
		    "$(mountpoint -d MOUNTPOINT)/read_ahead_kb",
		    "stays at 128 KiB: plain reads and mmap are slower");
}

static void container(struct lines *l, const struct lens_facts *f)
{
	if (f->container)
		say(l, "container", LENS_LIMITS,
		    "mount outside and hand the folder in, or share it: "
		    "-v DIR:DIR:rshared",
		    "%.60s: what is mounted here is seen in here only",
		    LENS_SHOW(f->container));
	else if (f->user_namespace)
		say(l, "container", LENS_LIMITS, "mount outside of it",
		    "a user namespace: what is mounted here is seen in here "
		    "only");
	else
		say(l, "container", LENS_OK, NULL, "none");
}

static void resources(struct lines *l, const struct lens_facts *f)
{
	const char *by =
		f->memory_limited ? " (the control group's limit)" : "";
	char size[32];

	if (f->memory < MEMORY)
		say(l, "memory", LENS_LIMITS,
		    "more memory, or --cache-size 64MiB and fewer --jobs",
		    "%s can be had%s", lens_format_size(size, f->memory), by);
	else
		say(l, "memory", LENS_OK, NULL, "%s can be had%s",
		    lens_format_size(size, f->memory), by);
	if (f->files < FILES)
		say(l, "open files", LENS_LIMITS,
		    "raise the hard limit: LimitNOFILE= in a unit, or "
		    "/etc/security/limits.conf",
		    "%llu at most: as many shards as that can't be opened",
		    (unsigned long long)f->files);
	else
		say(l, "open files", LENS_OK, NULL, "%llu",
		    (unsigned long long)f->files);
}

static void speed(struct lines *l, const struct lens_facts *f)
{
	if (strcmp(f->kernels, "scalar") == 0)
		say(l, "vectors", LENS_LIMITS,
		    f->masked ? "unset LENS_CPU_MASK" : "another CPU",
		    "none: decoding is several times slower");
	else
		say(l, "vectors", LENS_OK, NULL, "%s", f->kernels);
}

static void helper(struct lines *l, const struct lens_facts *f)
{
	if (f->helper)
		say(l, "mount(8)", LENS_OK, NULL,
		    "mount -t fuse.lensfs and fstab find us");
	else
		say(l, "mount(8)", LENS_LIMITS,
		    "as root: apt install fuse3 (or what has mount.fuse3)",
		    "mount -t fuse.lensfs and fstab do not work");
}

size_t lens_doctor(const struct lens_facts *f, struct lens_verdict *out)
{
	struct lines l = { .v = out };

	device(&l, f);
	fusermount(&l, f);
	trial(&l, f);
	others(&l, f);
	kernel(&l, f);
	container(&l, f);
	resources(&l, f);
	speed(&l, f);
	helper(&l, f);
	return l.n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - why requests fail, without drowning the log: a reader that tries
 * again and again hears the same thing each time, the log once a minute.
 */
#include "fuse/session.h"
#include "lens/log.h"

#define MINUTE 60000000000ull /* ns */
#define SLOTS 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	uint64_t what; /* a hash of what failed; 0: nothing yet */
	uint64_t at;   /* by lens_now() */
} said[SLOTS];         /* guarded by @lock */

/* What failed: the tensor, where one is named; else all of it. */
static uint64_t hash(const char *msg)
{
	static const char tensor[] = "tensor '";
	const char *end = strncmp(msg, tensor, sizeof(tensor) - 1) == 0 ?
				  strstr(msg, "': ") :
				  NULL;
	uint64_t h = 0xcbf29ce484222325u;

	for (; *msg && msg != end; msg++)
		h = (h ^ (unsigned char)*msg) * 0x100000001b3u;
	return h | 1;
}

void lens_fuse_report(const struct lens_err *err)
{
	const uint64_t what = hash(err->msg);
	const size_t slot = (what >> 32) % SLOTS;
	const uint64_t now = lens_now();
	bool again;

	(void)pthread_mutex_lock(&lock);
	again = said[slot].what == what && now - said[slot].at < MINUTE;
	if (!again) {
		said[slot].what = what;
		said[slot].at = now;
	}
	(void)pthread_mutex_unlock(&lock);
	if (!again)
		lens_log(LENS_LOG_ERROR, "read: %s", err->msg);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tensors.c - tensors of a view, or of a checkpoint.
 */
#include "cli/tensors.h"

size_t lens_tensors_count(const struct lens_tensors *ts)
{
	return ts->view ? lens_plan_count(lens_view_plan(ts->view)) :
			  lens_ckpt_count(ts->ckpt);
}

const struct lens_tensor *lens_tensors_at(const struct lens_tensors *ts,
					  size_t i)
{
	return ts->view ? &lens_plan_at(lens_view_plan(ts->view), i)->t :
			  lens_ckpt_at(ts->ckpt, i);
}

const char *lens_tensors_file(const struct lens_tensors *ts, size_t i,
			      uint64_t *off)
{
	const struct lens_tensor *t = lens_tensors_at(ts, i);

	*off = 0;
	if (ts->view) {
		struct lens_place p = lens_view_place(ts->view, i);

		*off = p.off;
		return lens_view_weight_name(ts->view, p.file);
	}
	if (!t->n_chunks)
		return NULL;
	*off = t->chunks[0].off;
	return lens_ckpt_file(ts->ckpt, t->chunks[0].file)->name;
}

size_t lens_tensors_part(const struct lens_tensors *ts, size_t i, uint64_t off,
			 size_t most)
{
	const uint64_t size = lens_tensors_at(ts, i)->size;
	uint64_t end = size;
	struct lens_panel panel;

	/* Who reads a panel to its end has no more use for it. */
	if (ts->view && off < size && lens_view_panel_max(ts->view) &&
	    lens_plan_panel(lens_view_plan(ts->view), i, off,
			    lens_view_panel_max(ts->view), &panel))
		end = panel.off + panel.n;
	return end - off < most ? (size_t)(end - off) : most;
}

int lens_tensors_read(const struct lens_tensors *ts, size_t i, uint64_t off,
		      size_t n, void *buf, struct lens_err *err)
{
	/* Each tensor has a reader of its own, as files have in a mount. */
	return ts->view ? lens_view_tensor_read(ts->view, i, off, n, buf,
						(uint64_t)i + 1, err) :
			  lens_ckpt_read(ts->ckpt, lens_ckpt_at(ts->ckpt, i),
					 off, n, buf, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The members of the cluster, as the node that is asked knows them. */
#ifndef MP_CTL_MEMBERS_H
#define MP_CTL_MEMBERS_H

#include "codec/snapshot.h"
#include "ctl/cmd.h"

/* caps is NULL when they are not known. */
typedef void (*mp_member_cb)(
	void *arg, const struct mp_snap_member *member, const struct mp_caps *caps);

/* What the node that is asked says of itself. */
struct mp_member_self {
	bool known;               /* an older one does not tell */
	struct mp_snap_self said; /* but for drained_by: */
	char drained_by[MP_NAME_MAX + 1];
};

/* Calls each for every member, in order of their ids. 0, or what the node or the way to it says, in
 * ctx->err. What each gets is borrowed for the call. self may be NULL. */
int mp_members_visit(
	struct mp_cmd_ctx *ctx, mp_member_cb each, void *arg, struct mp_member_self *self);

/* One as an object of a list, with the keys of `nodes --json` and what its columns show; in
 * nodes.c. */
void mp_w_member(struct mp_writer *w, const struct mp_snap_member *m, const struct mp_caps *caps);

/* It drains, and nothing is left there. */
bool mp_member_drained(const struct mp_snap_member *member);

#endif

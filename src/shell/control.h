/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.db: the rows that must survive a power cut before anything that depends on them is said
 * (DESIGN 8; tables in mp/store.h). SQLite in WAL mode, synchronous=FULL.
 *
 * One thread writes. It takes whatever is queued, commits it in one transaction (group commit),
 * and the loop thread hears of the highest sequence number that is durable. What nobody waits for
 * (that a result need not be held any more) goes with what is written next. While the disk is full
 * or fails nothing is reported; the same rows are tried again until they are written.
 *
 * Every row carries a checksum, so a damaged file gives an error and never a wrong row.
 */
#ifndef MP_SHELL_CONTROL_H
#define MP_SHELL_CONTROL_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/store.h"

#include <uv.h>

/* Versions of the schema that this program reads; a newer one is refused. */
#define MP_CONTROL_SCHEMA 1

struct mp_control;

struct mp_control_config {
	const char *path;     /* copied */
	uv_loop_t *loop;      /* borrowed until closed */
	uint64_t patience_ms; /* how long rows that nobody waits for may wait for others */
	/* Both run on the loop's thread, never from inside a call of this module. */
	void (*durable)(void *ctx, uint64_t seq); /* all rows up to seq are on disk */
	/* Writing failed (once per trouble, not per retry), or works again (err->code is 0).
	 * MP_ECORRUPT will not mend itself: the node is to stop. The text is one line for a log. */
	void (*health)(void *ctx, const struct mp_error *err);
	void *ctx;
};

/*
 * Opens the file, making it when there is none, and checks it whole. The caller holds the lock of
 * the state directory. Errors: MP_EVERSION (written by a newer program), MP_EINVAL (a database of
 * something else), MP_ECORRUPT (damaged; the text says what to do), MP_EFULL, MP_EIO, MP_ENOMEM.
 */
int mp_control_open(
	const struct mp_control_config *config, struct mp_control **out, struct mp_error *err);

/* Called with each durable row, keys ascending. What row points to is good until it returns. Not 0:
 * stops, and is returned. */
typedef int (*mp_control_load_cb)(void *ctx, const struct mp_row *row);

/* The tables that are restored at the start, in their order. 0, MP_ECORRUPT, MP_EIO, MP_ENOMEM or
 * what cb returned. Any thread. */
int mp_control_load(
	struct mp_control *control, mp_control_load_cb cb, void *ctx, struct mp_error *err);

/* The rows of one table with from <= key < to. As mp_control_load(). */
int mp_control_read(struct mp_control *control, enum mp_table table, struct mp_span from,
	struct mp_span to, mp_control_load_cb cb, void *ctx, struct mp_error *err);
/* The same of a file that nobody has opened and that need not be whole: rows are good or there is
 * an error. MP_EIO too when there is none. */
int mp_control_read_file(const char *path, enum mp_table table, struct mp_span from,
	struct mp_span to, mp_control_load_cb cb, void *ctx, struct mp_error *err);

/*
 * Copies rows and queues them under seq, which is above that of the call before. All or none of
 * one call's rows are on disk after any crash, and none without those of the calls before.
 * MP_ENOMEM, or MP_ELIMIT when MP_CONTROL_QUEUE_MAX bytes wait: nothing was taken; the node is to
 * stop, which is safe, as nothing was said that depends on these rows.
 */
int mp_control_write(
	struct mp_control *control, uint64_t seq, const struct mp_row *rows, size_t count);

/* The trouble the writer is in (code 0: none) and the bytes that wait. Any thread. */
void mp_control_state(struct mp_control *control, struct mp_error *err, size_t *queued);

/*
 * Writes what is queued (blocks; one attempt when the disk fails), then closes; closed(ctx) runs
 * on the loop, and nothing else after this call. 0, or the error for which queued rows were not
 * written.
 */
int mp_control_close(struct mp_control *control, void (*closed)(void *ctx), void *ctx);

#endif

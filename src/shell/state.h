/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state directory: whose it is, its lock, keys and credential.
 *
 *   meshpipe      marker: this directory is ours, and the version of its layout
 *   lock          held by the process that uses it
 *   node.key      this node's secret keys (0600)
 *   authority.key the cluster's authority key, where it is kept on-line (0600)
 *   credential    authority log, invite, certificate, and the founder's admission
 *   name, port    as chosen at the first start
 *   control.db cache.db work/ control.sock
 */
#ifndef MP_SHELL_STATE_H
#define MP_SHELL_STATE_H

#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/error.h"
#include "mp/limits.h"
#include "mp/member.h"
#include "util/buf.h"

struct mp_state {
	char dir[MP_PATH_MAX + 1];
	int dir_fd;
	int lock_fd;
	struct mp_secret *secret;
	struct mp_node_id id;
	struct mp_xkey xkey;
	struct mp_cluster_id cluster;
	bool has_credential;
	bool founder; /* this node made the cluster */
	uint8_t credential[MP_CREDENTIAL_MAX];
	size_t credential_size;
	struct mp_name name;
	uint16_t port; /* as used last; 0 none */
};

/* Which one, by DESIGN 10: option, $MP_STATE, the default of this user. MP_ELIMIT. */
int mp_state_default(const char *option, char out[MP_PATH_MAX + 1], struct mp_error *err);

/*
 * Opens and locks; makes the directory (0700) and the keys when there are none. MP_EBUSY: another
 * process uses it; MP_EEXIST: the directory has other things in it; MP_EVERSION; MP_EAUTH: cannot
 * be written or a key is readable by others; MP_EIO, MP_EFULL.
 */
int mp_state_open(const char *dir, const char *name, struct mp_state *out, struct mp_error *err);
void mp_state_close(struct mp_state *state);

/* Founds a cluster: authority key, invite, certificate and admission of this node. */
int mp_state_found(struct mp_state *state, struct mp_error *err);

/* Takes a token: this node's certificate, signed by its invite key. seeds: those that the token
 * names, for when the command line names none; *seed_count at most seed_max. */
int mp_state_take_token(struct mp_state *state, struct mp_span token, char seeds[][128],
	size_t seed_max, size_t *seed_count, struct mp_error *err);

/* A token for others, made with the authority key kept here. MP_ENOENT: it is not here. */
int mp_state_invite(const struct mp_state *state, uint32_t roles, mp_time valid_ms,
	const char *const *seeds, size_t seed_count, struct mp_buf *token, struct mp_error *err);

int mp_state_set_port(struct mp_state *state, uint16_t port, struct mp_error *err);

/* DIR/leaf; false when it does not fit. */
bool mp_state_path(const struct mp_state *state, const char *leaf, char out[MP_PATH_MAX + 1]);

#endif

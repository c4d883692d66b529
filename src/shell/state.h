/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state directory: whose it is, its lock, keys and credential.
 *
 *   meshpipe      marker: this directory is ours, and the version of its layout
 *   lock          held by the process that uses it, whose id is in it
 *   node.key      this node's secret keys (0600)
 *   authority.key the cluster's authority key, where it is kept on-line (0600)
 *   credential    authority log, invite, certificate, and the founder's admission
 *   joining       seeds to ask, from taking a token until this node is a member
 *   waiting       seeds to knock at without a token, and the cluster that the first one named
 *   port          as picked at the first start
 *   node.conf     what an operator says that it can do
 *   network       where it listens, where others reach it, its timings, as said last
 *   control.db cache.db work/ control.sock
 *
 * Files are replaced whole, in an order in which any crash leaves a directory that can be opened
 * and whose last command can be given again.
 */
#ifndef MP_SHELL_STATE_H
#define MP_SHELL_STATE_H

#include "codec/settings.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/error.h"
#include "mp/limits.h"
#include "mp/member.h"
#include "util/buf.h"

#include <sys/types.h>

#define MP_STATE_SEEDS_MAX 16
#define MP_STATE_SEED_SIZE 280 /* HOST:PORT and a NUL */

/* As people write it; what is empty was never said. */
struct mp_state_network {
	char listen[MP_STATE_SEED_SIZE];
	char advertise[MP_ADDRS_MAX][MP_STATE_SEED_SIZE];
	size_t advertise_count;
	bool reach_out; /* nobody can open a stream to it */
	bool wan;       /* its timings are those for long ways */
};

struct mp_state {
	char dir[MP_PATH_MAX + 1];
	int dir_fd;
	int lock_fd;
	bool has_lock;
	struct mp_secret *secret;
	struct mp_node_id id;
	struct mp_xkey xkey;
	struct mp_cluster_id cluster;
	bool has_credential;
	bool founder; /* this node made the cluster */
	bool joining; /* it has a credential and is not known to be a member yet */
	bool waiting; /* to be admitted without a token, to `pin` if that is known */
	bool pinned;
	struct mp_cluster_id pin;
	uint8_t credential[MP_CREDENTIAL_MAX];
	size_t credential_size;
	struct mp_name name;
	bool renamed;  /* joining: `name` was given now and is not the one in the credential */
	uint16_t port; /* as used last; 0 none */
	struct mp_state_network network;
	mp_time returned_ms; /* wall: when it came back without its control.db; 0: it never did */
	char seeds[MP_STATE_SEEDS_MAX][MP_STATE_SEED_SIZE]; /* to ask, or to look at */
	size_t seed_count;
	/* What mp_state_open() has made, for mp_state_abandon(): */
	bool fresh;           /* all that is in the directory */
	uint32_t made_dirs;   /* it, and so many less one above it */
	uint32_t mode_before; /* its permissions, if it was there and empty */
};

/* Which one, by DESIGN 10: option, $MP_STATE, the default of this user. MP_EUSAGE: an empty option,
 * or nothing says; MP_ELIMIT. */
int mp_state_default(const char *option, char out[MP_PATH_MAX + 1], struct mp_error *err);

/*
 * Opens and locks; makes the directory (0700) and the keys when there are none. Waits while what is
 * left of a killed process still ends. `name` may be NULL: the one kept, or the host's. On error
 * there is nothing to close. MP_EBUSY: another process uses it; MP_EEXIST: the directory has other
 * things in it, or the node has another name; MP_EVERSION; MP_EAUTH: cannot be written, or a key
 * is readable by others; MP_EINVAL: not a name; MP_ECORRUPT; MP_EIO, MP_EFULL, MP_ELIMIT.
 */
int mp_state_open(const char *dir, const char *name, struct mp_state *out, struct mp_error *err);

/* A default name that is most likely taken, as by another node of this machine, gets the beginning
 * of the id behind it. Before a token is taken. */
void mp_state_name_apart(struct mp_state *state);
void mp_state_close(struct mp_state *state);
/* Closes; when this process made it, and so nothing in it can be missed, removes all of it. For a
 * start that failed before it served. */
void mp_state_abandon(struct mp_state *state);

/* Founds a cluster: authority key, invite, certificate and admission of this node. */
int mp_state_found(struct mp_state *state, struct mp_error *err);

/*
 * Takes a token: this node's certificate, signed by its invite key, and whom to ask: these seeds,
 * or else those that the token names. A token of the cluster that this node is a member of changes
 * nothing. A cluster of its own without another member or a run is replaced; of any other cluster
 * MP_ECLUSTER. Or the errors of mp_token_decode(), mp_trust_join() and of files.
 */
int mp_state_take_token(struct mp_state *state, struct mp_span token, const char *const *seeds,
	size_t seed_count, struct mp_error *err);

/* From now on it waits to be admitted, by these seeds or (none) those kept. MP_EINVAL, MP_EIO,
 * MP_EFULL. */
int mp_state_wait(
	struct mp_state *state, const char *const *seeds, size_t count, struct mp_error *err);
/* A seed is of that cluster: no other one will do. MP_ECLUSTER, MP_EIO, MP_EFULL. */
int mp_state_pin(struct mp_state *state, const struct mp_cluster_id *cluster, struct mp_error *err);
/* Is what is here a cluster of its own, of which nothing would be missed? The errors of reading
 * control.db. */
int mp_state_is_alone(const struct mp_state *state, bool *alone, struct mp_error *err);

/* Where others may be, for a member; none: as before. In memory only. MP_EINVAL. */
int mp_state_hint(
	struct mp_state *state, const char *const *seeds, size_t count, struct mp_error *err);

/* Other seeds than those kept. MP_EINVAL, MP_EIO, MP_EFULL. */
int mp_state_set_seeds(
	struct mp_state *state, const char *const *seeds, size_t seed_count, struct mp_error *err);

/* control.db is damaged or gone: sets aside what is left of it, and comes back as the same node by
 * asking these members. If it was draining, and that can be read, it is in the next one.
 * MP_EINVAL: no seeds, or this directory was never a member's; MP_EIO, MP_EFULL. */
enum mp_state_drain {
	MP_STATE_DRAIN_UNKNOWN,
	MP_STATE_DRAINS_NOT,
	MP_STATE_DRAINS,
};
struct mp_state_back {
	char aside[64]; /* what was set aside is called so */
	enum mp_state_drain drain;
};
int mp_state_return(struct mp_state *state, const char *const *seeds, size_t seed_count,
	mp_time wall_ms, struct mp_state_back *back, struct mp_error *err);

/* It is a member now: the directory says so, too. Any thread may, for only who opens it next looks
 * at that. */
void mp_state_keep_joined(const struct mp_state *state);

/* With the authority key kept here; MP_EAUTH with what to do: it is not. Or as the functions of
 * shell/signing.h. `log`: the authority log as the node knows it; empty: that of the credential.
 * Any thread, while the node serves. */
int mp_state_sign_takeover(const struct mp_state *state, struct mp_span log,
	struct mp_span takeover, struct mp_buf *out, struct mp_sig *sig, struct mp_error *err);
int mp_state_invite(const struct mp_state *state, struct mp_span log, uint32_t roles,
	mp_time valid_ms, const char *const *seeds, size_t seed_count, struct mp_buf *token,
	struct mp_error *err);
int mp_state_admit(const struct mp_state *state, struct mp_span log, struct mp_span request,
	uint32_t roles, mp_time valid_ms, struct mp_buf *token, struct mp_error *err);

/* What the next start takes when nothing else is said. MP_EIO, MP_EFULL, MP_EAUTH. */
int mp_state_set_port(struct mp_state *state, uint16_t port, struct mp_error *err);
int mp_state_set_network(
	struct mp_state *state, const struct mp_state_network *network, struct mp_error *err);
/* The file alone; any thread. */
int mp_state_keep_network(
	const struct mp_state *state, const struct mp_state_network *network, struct mp_error *err);

/* node.conf, codec/settings.h. Without the file nothing is said. MP_EINVAL, MP_ELIMIT with file and
 * line; MP_EIO, MP_EAUTH, MP_EFULL, MP_ENOMEM. Any thread, one at a time. */
int mp_state_load_settings(
	const struct mp_state *state, struct mp_settings *out, struct mp_error *err);
int mp_state_save_settings(
	const struct mp_state *state, const struct mp_settings *settings, struct mp_error *err);

/* Who may pass through the directory, besides its owner: that group, or everybody. What is in it
 * stays the owner's alone. MP_EAUTH, MP_EIO. */
int mp_state_open_to(
	const struct mp_state *state, bool has_group, gid_t group, bool all, struct mp_error *err);

/* DIR/leaf; false when it does not fit. */
bool mp_state_path(const struct mp_state *state, const char *leaf, char out[MP_PATH_MAX + 1]);

#endif

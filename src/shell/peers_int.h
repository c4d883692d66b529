/* SPDX-License-Identifier: Apache-2.0 */
/* What peers.c, which has all streams, shares with peers_conn.c, which is one of them.
 *
 * A stream's memory lives until libuv has closed its handle, so that a callback which closes it,
 * however deep, finds it CLOSING when it comes back. */
#ifndef MP_SHELL_PEERS_INT_H
#define MP_SHELL_PEERS_INT_H

#include "codec/frame.h"
#include "shell/gate.h"
#include "shell/peers.h"
#include "util/dlist.h"

enum mp_conn_state {
	MP_CONN_CONNECTING,
	MP_CONN_GREETING,
	MP_CONN_OPEN,
	MP_CONN_RETIRED,
	MP_CONN_CLOSING,
};

/* A message that waits for the handshake. */
struct mp_conn_pending {
	struct mp_conn_pending *next;
	size_t size;
	uint8_t bytes[];
};

struct mp_conn {
	struct mp_dlist link;  /* in peers->conns, until CLOSING */
	struct mp_dlist dirty; /* in peers->dirty: has something to write */
	struct mp_peers *peers;
	enum mp_conn_state state;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	struct mp_buf writing; /* what uv_write borrows */
	bool write_busy;
	struct mp_session session;
	bool has_session;
	bool opener;    /* we opened it */
	bool joiner;    /* it proved an invite only, so far */
	bool unproved;  /* counted in peers->unproved */
	bool stranger;  /* accepted, and from where no member is */
	bool unreached; /* an address before this one did not even refuse */
	bool crowded;   /* another one is to have its place */
	bool judged;    /* the handshake is good: it is about who it is */
	bool doomed;    /* by mp_peers_drop() */
	bool watched;   /* its path is asked for signs of life */
	bool is_guest;  /* no node: never used for peers */
	struct mp_peers_guest guest;
	struct mp_buf credential; /* of guest */
	struct mp_dlist turn;     /* in peers->turns: a client that has said more than was heard */
	struct mp_buf ahead;      /* that; what is before ahead_at was heard */
	size_t ahead_at;
	bool id_known; /* who we want, or who it turned out to be */
	struct mp_node_id id;
	enum mp_class klass;
	struct mp_addr addr;
	struct mp_addr others[3]; /* to try when addr cannot be reached; port 0 ends the list */
	uint64_t since_ms;        /* loop time of the last change of state */
	uint64_t used_ms;         /* of the last message */
	struct mp_conn_pending *first, **last;
	size_t pending_bytes;
};

#define MP_PEERS_READ_SIZE 65536

struct mp_peers {
	struct mp_peers_config config;
	uv_tcp_t listener;
	bool listening;
	bool accepting;
	bool unaccepted;  /* one waits, for memory or until we accept any */
	uv_timer_t sweep; /* runs while a stream may run out of time */
	uv_timer_t idle;
	uv_prepare_t writer;   /* runs while something is dirty */
	struct mp_dlist conns; /* newest last */
	struct mp_dlist dirty;
	uv_idle_t turner; /* runs while there are turns: one request of a client in each of the
			     loop's */
	struct mp_dlist turns;
	size_t unproved;
	struct mp_gate gate;
	uint64_t guests; /* numbers of streams so far */
	size_t handles;  /* open uv handles */
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
	struct mp_peers_stats stats;
	uint8_t read_buffer[MP_PEERS_READ_SIZE];
};

/* ---- one stream (peers_conn.c) ---- */

/* CONNECTING; NULL when there is no memory. */
struct mp_conn *mp_conn_new(struct mp_peers *peers, bool opener);
/* Tries addr, then the others. May close it. */
void mp_conn_connect(struct mp_conn *c);
/* TCP is there: greets. May close it. */
void mp_conn_greet(struct mp_conn *c);
/* Stops, and begins, to take what comes. May close it. */
void mp_conn_read(struct mp_conn *c, bool on);
/* What came: all of it, or of a client the first message. True: it was a message. May close it. */
bool mp_conn_input(struct mp_conn *c, struct mp_span *input);
/* A message, now or when it is open. */
void mp_conn_send(struct mp_conn *c, struct mp_span bytes);
/* Writes what the socket takes, and leaves the rest to the loop. May close it. */
void mp_conn_flush(struct mp_conn *c);
/* Closes; tells about it as `state` when the peer was being used or wanted. err may be NULL. */
void mp_conn_close(struct mp_conn *c, enum mp_link_state state, const struct mp_error *err);
void mp_conn_fail(struct mp_conn *c, int code, const char *text);
/* Its time is over: closes what does not come to an end. */
void mp_conn_timeout(struct mp_conn *c);
/* Opened by us, and neither side has said anything for close_ms? */
bool mp_conn_idle(const struct mp_conn *c);
/* Has it a deadline? */
bool mp_conn_hurries(const struct mp_conn *c);

/* It has proved membership, or that it may control us. */
void mp_conn_proved(struct mp_conn *c);

/* ---- guests (peers_guest.c) ---- */

/* What one that knocks is told: [cluster32]. An error of the buffer. */
int mp_guest_greeting(const struct mp_conn *c, struct mp_buf *buf);
/* Who is it? 0 and it is a guest, or an error with a text. */
int mp_guest_knock(struct mp_conn *c, const struct mp_session_event *ev, struct mp_span *request,
	struct mp_error *err);
int mp_guest_client(struct mp_conn *c, const struct mp_session_event *ev, struct mp_span credential,
	struct mp_error *err);
/* Its stream is OPEN. Either may close it. */
void mp_guest_up(struct mp_conn *c, struct mp_span request);
void mp_guest_message(struct mp_conn *c, struct mp_span bytes);
/* An open stream of a client, which is heard when it is its turn: one of them in each turn of the
 * loop, and none that does not take its answers, so that they leave time for all else. */
bool mp_guest_is_client(const struct mp_conn *c);
void mp_guest_input(struct mp_conn *c, struct mp_span bytes);
/* It has taken its answers. */
void mp_guest_written(struct mp_conn *c);
void mp_guest_on_turn(uv_idle_t *turner);

/* ---- all of them (peers.c) ---- */

size_t mp_peers_clients(const struct mp_peers *peers);

/* The stream to use for that peer and class, other than `but`: OPEN, or one that we are opening. */
struct mp_conn *mp_peers_find(const struct mp_peers *peers, const struct mp_node_id *id,
	enum mp_class klass, const struct mp_conn *but);
void mp_peers_hurry(struct mp_peers *peers);
void mp_peers_dirty(struct mp_peers *peers, struct mp_conn *c);
void mp_peers_handle_closed(struct mp_peers *peers);

#endif

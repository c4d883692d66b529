/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of swim share; nobody else includes it.
 *
 *   swim.c        life cycle, this node's own word, input, timers
 *   swim_view.c   what is believed of whom: statements, accusations, suspicion, death
 *   swim_news.c   what is told to whom: the queue, datagrams, gossip
 *   swim_probe.c  who is asked: probes, relays, the dead
 *   swim_sync.c   streams: whole views, capabilities
 *   swim_trust.c  who is shut out, who may sign, gossip keys
 */
#ifndef MP_CORE_SWIM_IMPL_H
#define MP_CORE_SWIM_IMPL_H

#include "core/swim.h"

#define SWIM_NONE           UINT32_MAX
#define SWIM_HEALTH_MAX     7
#define SWIM_INDIRECT       3 /* relays of one probe */
#define SWIM_CONFIRM_MAX    3 /* confirmations that bring a suspicion to its shortest */
#define SWIM_FANOUT         3 /* where the profile names none */
#define SWIM_FANOUT_MAX     8
#define SWIM_RELAYS_MAX     32   /* more: not relayed, the asker has others */
#define SWIM_GREET_MAX      8    /* members pinged at once on start */
#define SWIM_LEAP_MAX       1024 /* refutations that an accusation may be ahead of a statement */
#define SWIM_REPLY_MS       5000 /* "you are dead" to one peer at most this often */
#define SWIM_REFUTE_MS      200  /* new words against accusations are so far apart */
#define SWIM_WANT_MS        300  /* what gossip told half of may come by itself for so long */
#define SWIM_PULL_MS        1000 /* views pulled at most this often, unless due */
#define SWIM_FEW            64   /* members: their views are small, and pulled sooner */
#define SWIM_PULL_FEW_MS    250
#define SWIM_RESYNCS_MAX    8 /* more views pulled after a start, while some are not verified */
#define SWIM_CAPS_MS        300
#define SWIM_LAG_MS         250 /* a tick later than this is our own fault */
#define SWIM_LEAVE_MS       3000
#define SWIM_MISMATCHES     3  /* of the view digest in a row, until a view is pulled */
#define SWIM_MISMATCHES_MAX 48 /* doubled up to this while it does not help */
#define SWIM_CREDENTIAL_MAX (MP_DGRAM_ROOM - 8) /* larger: not gossiped, but sent by streams */
#define SWIM_TELL_MAX       64   /* to so many; the others will see that their view differs */
#define SWIM_PROLONG_MAX    3    /* times that a sign of life stays an execution */
#define SWIM_TRUST_ROUNDS   2    /* of gossip in which what is new of trust is sent, by streams, */
#define SWIM_TRUST_FANOUT   8    /* to so many each */
#define SWIM_SHUT_MS        1000 /* to tell the others, for one who has shut itself out */
#define SWIM_FIRST_MAX      (1u << 16) /* of a boot, below it begins what is said first */
#define SWIM_LOST_SCANS     8 /* looks in a second for whose datagram it is that does not open */
#define SWIM_MISSES         3 /* pings without an answer by datagram, until streams are used */

/* Kinds of news about a member; at most one of each waits. */
enum swim_news_kind {
	NEWS_ACCUSATION,
	NEWS_CREDENTIAL,
	NEWS_STATEMENT,
	NEWS_REVOCATION,
	NEWS_KINDS,
};

struct swim_news {
	uint32_t slot;
	uint8_t kind;
	uint8_t sent;
};

/* What SWIM keeps beside a member, by slot. */
struct swim_peer {
	mp_time suspect_ms;                      /* SUSPECT: since when */
	mp_time expire_ms;                       /* SUSPECT: when it will be dead */
	mp_time dead_ms;                         /* DEAD: since when */
	mp_time replied_ms;                      /* our last "you are dead" to it */
	mp_time reminded_ms;                     /* and our last word on an old accusation by it */
	struct mp_node_id accuser;               /* the last one whose word was new */
	uint32_t accusers[SWIM_CONFIRM_MAX + 1]; /* slots */
	uint64_t digest;                         /* its share of the view digest */
	uint32_t news[NEWS_KINDS];               /* index in the queue + 1 */
	uint8_t accuser_count;
	uint8_t prolonged;
	uint8_t addr;      /* which of its addresses is tried */
	uint8_t misses;    /* probes of ours that no datagram answered, since one did */
	bool bulk_up;      /* a bulk stream to it is open */
	mp_time dial_ms;   /* not before that again, by a node that keeps its streams open itself */
	bool unverified;   /* known from disk or hearsay of a join, nothing heard since */
	bool lived;        /* was alive in this boot of ours */
	bool hearsay_dead; /* the accusation said DEAD */
};

struct swim_probe {
	uint32_t slot; /* SWIM_NONE: none runs */
	uint64_t seq;
	mp_time sent_ms, ask_ms, end_ms; /* ask_ms: NEVER once others were asked */
	uint32_t relays[SWIM_INDIRECT];
	uint8_t relay_count, nacks;
};

/* A ping on behalf of somebody else. */
struct swim_relay {
	uint32_t asker, target; /* slots; asker SWIM_NONE: free */
	uint64_t asker_seq, seq;
	mp_time nack_ms, end_ms; /* nack_ms: NEVER once sent */
	struct mp_addr from;
	bool by_stream;
};

struct mp_swim {
	const struct mp_alloc *alloc;
	struct mp_roster *roster;
	struct mp_dgram *dgram;
	bool started, leaving, synced;
	bool doubled; /* our key has signed what we have not: swim_double.c */
	mp_time leave_until_ms;
	bool left_late; /* that time is over, and was acted upon */
	uint32_t self;  /* slot; SWIM_NONE before it is known */
	/* This node's word. */
	struct mp_statement own;
	struct mp_buf own_bytes; /* signed; empty: has to be signed */
	struct mp_buf caps;
	struct mp_load load;
	/* Tables beside the roster. */
	struct swim_peer *peers;
	uint32_t *order;        /* probe order, as long as peer_count */
	struct swim_news *news; /* room for NEWS_KINDS each */
	size_t peer_count, peer_cap, news_count;
	size_t order_at;
	uint32_t urgent; /* slot to probe next */
	uint64_t digest;
	uint64_t seq;
	uint32_t health;
	uint32_t mismatches, mismatches_max; /* of digests, in a row */
	bool compared;                       /* some digest, since the last time a view was due */
	mp_time isolated_since_ms;           /* NEVER: not isolated */
	struct swim_probe probe;
	struct swim_relay relays[SWIM_RELAYS_MAX];
	size_t relay_count;
	uint32_t pull_from; /* SWIM_NONE: nobody */
	bool pull_has_about;
	bool sums_asked; /* and not answered yet */
	unsigned resyncs;
	struct mp_node_id pull_about;
	/* Timers. */
	mp_time refuted_ms, refute_ms; /* last, and next */
	uint64_t accused_of;           /* the highest incarnation of ours that was accused */
	mp_time probe_ms, gossip_ms, suspicion_ms, relay_ms, push_pull_ms, dead_contact_ms;
	mp_time pull_ms, pulled_ms, caps_ms, gossiped_ms, dial_ms;
	/* Trust. */
	uint64_t trust;        /* its share of the view digest */
	uint32_t trust_rounds; /* of gossip that are left */
	mp_time shut_ms;       /* our own key is shut out: when to stop; NEVER: it is not */
	mp_time scanned_ms;    /* SWIM_LOST_SCANS */
	uint32_t scans;
	uint64_t stats[MP_SWIM_STAT_COUNT];
};

#define SWIM_DIAL_MS       1000 /* between looks at who has no stream of ours */
#define SWIM_DIAL_AGAIN_MS 5000
#define SWIM_DIAL_MAX      16 /* members at once */

/* ---- swim.c ---- */

static inline const struct mp_member *
swim_member(const struct mp_swim *swim, uint32_t slot)
{
	return mp_roster_slot(swim->roster, slot);
}

static inline struct mp_member *
swim_edit(struct mp_swim *swim, const struct mp_member *m)
{
	return mp_roster_edit(swim->roster, m);
}

static inline struct swim_peer *
swim_peer(struct mp_swim *swim, const struct mp_member *m)
{
	mp_assert(m->slot < swim->peer_count);
	return &swim->peers[m->slot];
}

/* Can anything of ours get there? Who tells no address, or has not spoken yet, has to have opened a
 * stream. */
static inline bool
swim_reaches(const struct mp_member *m)
{
	return m->addr_count > 0 || m->link_up;
}

/* Follows the roster: a peer for each member. MP_ENOMEM. */
int mp_swim_follow(struct mp_swim *swim, struct mp_env *env);
/* A new signed statement of this node with this incarnation, told to all. MP_ENOMEM. */
int mp_swim_speak(struct mp_swim *swim, struct mp_env *env, uint64_t incarnation);
/* Nothing happens by itself any more. */
void mp_swim_timers_stop(struct mp_swim *swim);

/* ---- swim_view.c ---- */

/* Its share of the view digest is computed anew. */
void mp_swim_view_changed(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m);
/* SUSPECT or DEAD, told by `sender`. */
int mp_swim_accuse(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	const struct mp_swim_record *record);
/* Our own probe failed. */
void mp_swim_suspect(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m);
/* Something signed by it, of the boot we know, has just arrived. */
void mp_swim_vouch(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m);
/* Answers what this node was accused of last, with a new word. MP_ENOMEM. */
int mp_swim_refute(struct mp_swim *swim, struct mp_env *env);
void mp_swim_judge(struct mp_swim *swim, struct mp_env *env);
/* Our tick came late: time in which this node did not run counts for nobody who is suspected. */
void mp_swim_excuse(struct mp_swim *swim, const struct mp_env *env, mp_time late_ms);
/* Is it under an accusation that others should hear of? */
bool mp_swim_accused(const struct mp_swim *swim, const struct mp_member *m);
void mp_swim_health_add(struct mp_swim *swim, int delta);

/* ---- swim_news.c ---- */

void mp_swim_tell(
	struct mp_swim *swim, struct mp_env *env, uint32_t slot, enum swim_news_kind kind);
/* There is something to say: gossip begins, if it does not go on. */
void mp_swim_gossip_soon(struct mp_swim *swim, const struct mp_env *env);
void mp_swim_untell(struct mp_swim *swim, uint32_t slot, enum swim_news_kind kind);
/* Sends a record (NULL: only news) and as much news as fits; to NULL: by the path that works. */
void mp_swim_send(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m,
	const struct mp_addr *to, const struct mp_swim_record *record);
/* The record alone in a datagram, to see whether one comes through. */
void mp_swim_try(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m,
	const struct mp_swim_record *record);
/* The same record, alone, as a message on a stream. */
void mp_swim_send_stream(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m,
	const struct mp_swim_record *record);
/* A credential that no datagram holds, to many at once. */
void mp_swim_tell_credential(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m);
void mp_swim_gossip(struct mp_swim *swim, struct mp_env *env);
/* Up to max members other than this node and `except` that may be listening, at random: the alive
 * only, or (dead) the dead only, or (neither) alive and suspect. */
enum swim_pick {
	PICK_ALIVE,
	PICK_PRESENT,
	PICK_DEAD,
};
size_t mp_swim_pick(struct mp_swim *swim, struct mp_env *env, enum swim_pick what, uint32_t except,
	uint32_t *slots, size_t max);

/* ---- swim_probe.c ---- */

void mp_swim_probe_tick(struct mp_swim *swim, struct mp_env *env);
void mp_swim_relay_tick(struct mp_swim *swim, struct mp_env *env);
void mp_swim_contact_dead(struct mp_swim *swim, struct mp_env *env);
void mp_swim_greet(struct mp_swim *swim, struct mp_env *env);
/* This node cannot be reached: it keeps streams of both classes open to all who can be. */
void mp_swim_dial(struct mp_swim *swim, struct mp_env *env);
void mp_swim_ping(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m);
/* PING, ACK, PING_REQ, NACK, IND_ACK. */
void mp_swim_probe_record(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	const struct mp_addr *from, const struct mp_swim_record *record);

/* ---- swim_sync.c ---- */

/* Pulls the view of that member soon. Not if it was only about one, `about`, which has become a
 * member and spoken by then; NULL: in any case. */
/* How one item of a message fared, which is counted when it was refused. Returns rc. */
static inline int
mp_swim_item(struct mp_swim *swim, int rc)
{
	if (rc == MP_ESIG || rc == MP_EAUTH || rc == MP_ECLUSTER || rc == MP_EFORMAT)
		swim->stats[MP_SWIM_STAT_ITEMS_REFUSED]++;
	return rc;
}

void mp_swim_want(struct mp_swim *swim, struct mp_env *env, const struct mp_member *from,
	const struct mp_node_id *about);
/* Of some we have only heard so far, or read. */
bool mp_swim_unverified(const struct mp_swim *swim);
void mp_swim_sync_tick(struct mp_swim *swim, struct mp_env *env);
void mp_swim_caps_tick(struct mp_swim *swim, struct mp_env *env);
void mp_swim_want_caps(struct mp_swim *swim, struct mp_env *env);
/* Messages 32-35 and 96. */
int mp_swim_sync_message(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_span bytes);

/* ---- swim_double.c ---- */

/* Our own key has signed this, and we have not. */
void mp_swim_double(struct mp_swim *swim, struct mp_env *env, const struct mp_statement *heard);
/* Tells a member what it said last, as far as we know: there, not too often, or (NULL) by a stream.
 */
void mp_swim_remind(struct mp_swim *swim, struct mp_env *env, const struct mp_member *m,
	const struct mp_addr *to);

/* ---- swim_trust.c ---- */

/* mp_swim_shut() holds soon, or, when the others know already, at once. Nothing is listened to from
 * now on; news go on being told. */
void mp_swim_shut_soon(struct mp_swim *swim, const struct mp_env *env, bool told);

/* Its share of the view digest is computed anew. True when it has changed. */
bool mp_swim_trust_changed(struct mp_swim *swim);
void mp_swim_trust_send(
	struct mp_swim *swim, struct mp_env *env, const struct mp_member *to, bool answer);
/* What is new goes out by streams. */
void mp_swim_trust_push(struct mp_swim *swim, struct mp_env *env);
/* TRUST. */
int mp_swim_trust_message(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_span bytes);
/* REVOKED. */
int mp_swim_revoked_in(struct mp_swim *swim, struct mp_env *env, const struct mp_member *sender,
	struct mp_span record);

#endif

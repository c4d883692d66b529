/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mpctl and a node say to each other, and how a node passes a request on to one that knows.
 *
 * On the socket each message is a 4-byte big-endian length and a CBOR array whose first item is its
 * number. 100–149 are answered by the core, 150–199 by the shell (shell/ctlsock.h). Every request
 * gets one answer: [200, payload] or [201, code, text]. A client sends the next request when it has
 * the answer to the last one.
 *
 * Decoders return MP_EFORMAT, MP_ETRUNC or MP_ELIMIT and borrow from the input. Encoders append to
 * a buffer and return 0 or its error.
 */
#ifndef MP_CODEC_MSG_CTL_H
#define MP_CODEC_MSG_CTL_H

#include "codec/cbor.h"
#include "codec/msg_blob.h"
#include "mp/base.h"
#include "mp/crypto.h"
#include "mp/limits.h"
#include "mp/pipeline.h"
#include "mp/store.h"
#include "mp/work.h"

enum mp_ctl_number {
	MP_CTL_SUBMIT = 100, /* [100, pipeline, [[name, value]...], inputs digest|null, key|null,
			      * ? secrets] -> run16; secrets as codec/record_secret.h has them */
	MP_CTL_SHOW = 101,   /* [101, run, from, count] -> a page of a run, codec/msg_show.h */
	MP_CTL_RUNS = 102,   /* [102] -> all known runs */
	MP_CTL_NODES = 103,  /* [103, from, count] -> a page of members, codec/snapshot.h */
	MP_CTL_WAIT = 104,   /* [104, run] -> as SHOW with count 0, once it has ended */
	MP_CTL_CANCEL = 105, /* [105, run, by] -> null */
	MP_CTL_FETCH =
		106, /* [106, [[digest, size|null]...], [node...]] -> null, they are here now */
	MP_CTL_LEAVE = 107, /* [107] -> null, once the node has left */
	MP_CTL_LOG = 108,   /* [108, node32, run16, module, term, counter, which, offset, size]
			     * -> [offset, bytes] of an attempt that runs on that node; MP_ENOENT:
			     * it does not, or the node cannot be asked */
	MP_CTL_LEAVE_ANYWAY = 109, /* [109] as LEAVE, whatever goes with it */
	MP_CTL_EVENTS = 111,   /* [111, run, from, count] -> a page of what the log says from that
				* index  on, codec/msg_show.h; count is ignored */
	MP_CTL_RESOLVE = 110,  /* [110, run, module, rerun, by] -> null */
	MP_CTL_TAKEOVER = 112, /* [112, run] -> a takeover record that is to be signed */
	MP_CTL_TAKE = 113,     /* [113, takeover record, sig64] -> null */
	MP_CTL_DRAIN = 114,    /* [114, node, on, by] -> null; node: a name, an id in hex, or the
				* start of one; from another node always the receiver */
	MP_CTL_SECRETS = 115,  /* [115, run, secrets|null] -> [name...] that the run waits for; null
				* only asks */
	/* Who wants to be admitted, core/wait.h. KNOCK is the shell's word for a stranger, and not
	 * a request of clients. */
	MP_CTL_KNOCK = 120,   /* [120, request, addr18] -> token|null */
	MP_CTL_PENDING = 121, /* [121] -> [[request, addr18, since_ms]...] of all nodes; from
			       * another node: of the receiver */
	MP_CTL_GRANT = 122, /* [122, id32, token] -> null, once all nodes know that can be asked */
	/* What an authority signs, core/swim.h. */
	MP_CTL_REVOKE = 130,  /* [130, node, why, force] -> the body that is to be signed, of
			       * codec/record_revoke.h; node as in DRAIN, or any key in hex */
	MP_CTL_TRUST = 131,   /* [131, enum mp_ctl_trust, record, gossip key32|null] -> null */
	MP_CTL_CHARTER = 132, /* [132] -> [cluster32, id32, [authority log...], [revocation...]] */
	/* For who checks a run for itself (mpctl verify), codec/msg_ctl_proof.h. */
	MP_CTL_RECORD = 140,  /* [140, run] -> [signed record, pipeline, signed end|null] */
	MP_CTL_ENTRIES = 141, /* [141, run, from, count] -> a page of its committed log, from that
			       * index on; count is ignored */
	MP_CTL_CREDENTIALS = 142, /* [142, from, count] -> a page of all members' credentials, those
				   * that left included; count is ignored */
	MP_CTL_COPY = 143, /* [143, node32, digest32, offset, size] -> [size of the blob, bytes] as
			    * they are on that node's disk; MP_ENOENT: it has none; MP_ECORRUPT: not
			    * any more, for it was damaged; MP_ENOQUORUM: it cannot be reached */
	MP_CTL_OK = 200,
	MP_CTL_ERROR = 201,
};

/* Between nodes, on control streams: */
#define MP_MSG_CTL_ASK    56 /* [56, ask, hops, request] */
#define MP_MSG_CTL_ANSWER 57 /* [57, ask, answer] */

#define MP_CTL_PARAMS_MAX   MP_RUN_PARAMS_MAX
#define MP_CTL_FETCH_MAX    65536
#define MP_CTL_TAKEOVER_MAX 1024

enum mp_ctl_trust {
	MP_CTL_TRUST_REVOKE = 1,    /* a signed revocation */
	MP_CTL_TRUST_AUTHORITY = 2, /* the authority log, with one more entry */
	MP_CTL_TRUST_ROTATE = 3,    /* nothing: only the gossip key */
};

#define MP_CTL_CHARTER_MAX (64u * 1024) /* a record of TRUST */

struct mp_ctl_request {
	enum mp_ctl_number number;
	struct mp_span run;      /* text: an id in hex, or the start of one */
	uint32_t from;           /* of a page: the first one wanted */
	uint32_t count;          /* SHOW, NODES: at most so many; 0 for none */
	struct mp_span pipeline; /* SUBMIT */
	struct mp_span params;   /* SUBMIT: the encoded array, checked */
	struct mp_hash inputs;   /* SUBMIT: zero when there are none */
	struct mp_span key;      /* SUBMIT: empty when there is none */
	struct mp_span secrets;  /* SUBMIT, SECRETS: checked; empty when there are none */
	struct mp_span by;       /* CANCEL, RESOLVE, DRAIN */
	struct mp_span name;     /* DRAIN, REVOKE: of a node, or its id or the start of that */
	bool on;                 /* DRAIN; REVOKE: this node, too */
	struct mp_span why;      /* REVOKE */
	enum mp_ctl_trust what;  /* TRUST */
	struct mp_span trust;    /* TRUST: the record */
	bool has_gossip_key;     /* TRUST */
	uint8_t gossip_key[MP_SYMKEY_SIZE];
	struct mp_span module;   /* RESOLVE */
	bool rerun;              /* RESOLVE: false for done */
	struct mp_span takeover; /* TAKE */
	struct mp_sig sig;       /* TAKE */
	struct mp_span blobs;    /* FETCH: the encoded array, checked */
	struct mp_span holders;  /* FETCH: the encoded array, checked */
	struct mp_node_id node;  /* LOG, GRANT, COPY */
	struct mp_hash blob;     /* COPY */
	struct mp_span record;   /* KNOCK: a request of codec/record_cert.h */
	struct mp_addr addr;     /* KNOCK */
	struct mp_span token;    /* GRANT */
	struct mp_log_piece log; /* LOG; COPY: its offset and size */
};

int mp_ctl_request_decode(struct mp_span bytes, struct mp_ctl_request *out);

struct mp_ctl_param {
	struct mp_span name, value; /* UTF-8 text */
};

/* Walks an array of the request, whose shape the decoder has checked. Begin with
 * mp_ctl_list_begin(&r, request.params); each gives the next element, and false at the end. */
size_t mp_ctl_list_begin(struct mp_cbor_r *r, struct mp_span array);
bool mp_ctl_param_next(struct mp_cbor_r *r, size_t *left, struct mp_ctl_param *out);
/* A size that is not known is MP_SIZE_UNKNOWN. */
bool mp_ctl_blob_next(struct mp_cbor_r *r, size_t *left, struct mp_blob_ref *out);
bool mp_ctl_holder_next(struct mp_cbor_r *r, size_t *left, struct mp_node_id *out);

/* Clients' side. */
int mp_ctl_submit_encode(struct mp_buf *buf, struct mp_span pipeline,
	const struct mp_ctl_param *params, size_t param_count, const struct mp_hash *inputs,
	const char *key, struct mp_span secrets);
/* secrets empty: only asks. */
int mp_ctl_secrets_encode(struct mp_buf *buf, const char *run, struct mp_span secrets);
/* WAIT, TAKEOVER, RECORD; and with NULL for run: RUNS, LEAVE, LEAVE_ANYWAY, PENDING, CHARTER. */
int mp_ctl_simple_encode(struct mp_buf *buf, enum mp_ctl_number number, const char *run);
/* SHOW, EVENTS, ENTRIES; with NULL for run: NODES, CREDENTIALS. */
int mp_ctl_page_encode(struct mp_buf *buf, enum mp_ctl_number number, const char *run,
	uint32_t from, uint32_t count);
int mp_ctl_cancel_encode(struct mp_buf *buf, const char *run, const char *by);
int mp_ctl_resolve_encode(
	struct mp_buf *buf, const char *run, const char *module, bool rerun, const char *by);
int mp_ctl_fetch_encode(struct mp_buf *buf, const struct mp_blob_ref *blobs, size_t count,
	const struct mp_node_id *holders, size_t holder_count);
int mp_ctl_drain_encode(struct mp_buf *buf, const char *node, bool on, const char *by);
int mp_ctl_revoke_encode(struct mp_buf *buf, const char *node, const char *why, bool force);
/* key may be NULL. */
int mp_ctl_trust_encode(struct mp_buf *buf, enum mp_ctl_trust what, struct mp_span record,
	const uint8_t key[MP_SYMKEY_SIZE]);
int mp_ctl_take_encode(struct mp_buf *buf, struct mp_span takeover, const struct mp_sig *sig);
int mp_ctl_knock_encode(struct mp_buf *buf, struct mp_span request, const struct mp_addr *addr);
int mp_ctl_grant_encode(struct mp_buf *buf, const struct mp_node_id *id, struct mp_span token);
int mp_ctl_log_encode(
	struct mp_buf *buf, const struct mp_node_id *node, const struct mp_log_piece *piece);
int mp_ctl_copy_encode(struct mp_buf *buf, const struct mp_node_id *node,
	const struct mp_hash *blob, uint64_t offset, uint32_t size);

/* Answers. payload is one encoded item. */
int mp_ctl_ok_encode(struct mp_buf *buf, struct mp_span payload);
int mp_ctl_ok_null_encode(struct mp_buf *buf);
int mp_ctl_error_encode(struct mp_buf *buf, int code, const char *text);
/* 0 with *payload, or the code that the answer carries with its text in err, or the decoder's own
 * error. */
int mp_ctl_answer_decode(struct mp_span bytes, struct mp_span *payload, struct mp_error *err);

/* The payload of SUBMIT's answer. */
int mp_ctl_submitted_encode(struct mp_buf *buf, const struct mp_run_id *run);
int mp_ctl_submitted_decode(struct mp_span payload, struct mp_run_id *run);
/* The payload of SECRETS' answer; names has room for MP_SECRETS_MAX. */
int mp_ctl_lacks_encode(struct mp_buf *buf, const struct mp_names_list *names);
int mp_ctl_lacks_decode(struct mp_span payload, char names[][MP_NAME_MAX + 1], size_t *n);
/* The payload of CHARTER's answer. */
struct mp_ctl_charter {
	struct mp_cluster_id cluster;
	struct mp_node_id id;
	struct mp_cbor_r
		logs; /* log_count items, mp_cbor_r_item() each; the one that counts first */
	size_t log_count;
	struct mp_cbor_r revocations; /* mp_cbor_r_bytes() each */
	size_t revocation_count;
};
int mp_ctl_charter_decode(struct mp_span payload, struct mp_ctl_charter *out);
/* The payload of LOG's answer, and of COPY's with the size of the blob; bytes are borrowed. */
int mp_ctl_logged_encode(struct mp_buf *buf, uint64_t offset, struct mp_span bytes);
int mp_ctl_logged_decode(struct mp_span payload, uint64_t *offset, struct mp_span *bytes);

/* The payload of KNOCK's answer: empty when it waits yet. Borrowed. */
int mp_ctl_knocked_encode(struct mp_buf *buf, struct mp_span token);
int mp_ctl_knocked_decode(struct mp_span payload, struct mp_span *token);

/* One of PENDING's answer, whose array is read by mp_cbor_r_array(&r, MP_CTL_PENDING_MAX). What
 * the request proves is found by mp_request_open(). */
#define MP_CTL_PENDING_MAX 1024

struct mp_ctl_pending {
	struct mp_span request; /* borrowed */
	struct mp_addr addr;
	mp_time since_ms;
};

int mp_ctl_pending_encode(struct mp_buf *buf, const struct mp_ctl_pending *p);
/* Errors are in r->rc. */
void mp_ctl_pending_next(struct mp_cbor_r *r, struct mp_ctl_pending *out);

/* ---- what the shell answers ---- */

enum mp_ctl_local_number {
	MP_CTL_BLOB_WRITE = 150,  /* [150, digest, size, offset, bytes] -> complete */
	MP_CTL_BLOB_STAT = 151,   /* [151, [digest...]] -> [size|null...], null: not complete */
	MP_CTL_BLOB_READ = 152,   /* [152, digest, offset, size] -> [size of the blob, bytes] */
	MP_CTL_INVITE = 153,      /* [153, roles, expires_ms] -> token, text */
	MP_CTL_INFO = 154,        /* [154] -> struct mp_ctl_info */
	MP_CTL_CACHE_STAT = 155,  /* [155] -> [blobs, bytes, stored, results, bytes of them] */
	MP_CTL_CACHE_FILE = 156,  /* [156] -> [what is wrong|null, results, damaged ones] */
	MP_CTL_CACHE_BLOBS = 157, /* [157, after32] -> [blobs, bytes, last32|null, [damaged...]],
				   * null: there are no more */
	/* [158, takeover record] -> [takeover record, sig64]: in the name of the authority whose
	 * key is kept here. */
	MP_CTL_SIGN_TAKEOVER = 158,
	MP_CTL_NODE_SET = 159, /* [159, settings] -> null, codec/settings.h; kept and told */
	MP_CTL_ADMIT = 170,    /* [170, request, roles, expires_ms] -> token, text, for it alone */
};

#define MP_CTL_STAT_MAX 4096
/* A piece of a blob or a log in one answer. */
#define MP_CTL_READ_MAX  (1024u * 1024)
#define MP_CTL_TOKEN_MAX 65536
/* An invite lives at most this long. */
#define MP_CTL_INVITE_MS_MAX (366ull * 24 * 60 * 60 * 1000)

struct mp_ctl_local {
	enum mp_ctl_local_number number;
	struct mp_hash digest;    /* BLOB_WRITE, BLOB_READ; CACHE_BLOBS: after this one */
	uint64_t total;           /* BLOB_WRITE: size of the blob */
	uint64_t offset;          /* BLOB_WRITE, BLOB_READ */
	uint32_t size;            /* BLOB_READ: at most so many bytes */
	struct mp_span bytes;     /* BLOB_WRITE, SIGN_TAKEOVER; ADMIT: the request */
	struct mp_cbor_r digests; /* BLOB_STAT: mp_cbor_r_fixed() each */
	struct mp_span settings;  /* NODE_SET: encoded; mp_settings_read() */
	size_t digest_count;
	uint32_t roles;      /* INVITE, ADMIT: MP_ROLE_* */
	uint64_t expires_ms; /* INVITE, ADMIT: from now, above 0 */
};

/* Is it a request of 150–199, well-formed or not? */
bool mp_ctl_is_local(struct mp_span bytes);
int mp_ctl_local_decode(struct mp_span bytes, struct mp_ctl_local *out);

/* By out->number, and what belongs to it; bytes, digests and so on of the others are ignored.
 * Digests of BLOB_STAT come as an array. */
int mp_ctl_local_encode(
	struct mp_buf *buf, const struct mp_ctl_local *m, const struct mp_hash *digests);

/* The payload of INFO's answer: [id32, name, cluster32, address18|null, version, boot_ms,
 * [[name, value]...]]. */
struct mp_ctl_counter {
	const char *name;
	uint64_t value;
};

/* A bound on what strangers and clients take up, and how much of it they do. */
struct mp_ctl_limit {
	const char *name;
	uint64_t now, max, source_max; /* source_max: of one source */
};

struct mp_ctl_info {
	struct mp_node_id id;
	char name[MP_NAME_MAX + 1];
	struct mp_cluster_id cluster;
	struct mp_addr addr; /* port 0: none */
	char version[64];
	mp_time started_ms;                    /* Unix */
	uint64_t gossip_epoch, gossip_digest;  /* of mp_node_gossip_epoch(), and _digest() */
	const struct mp_ctl_counter *counters; /* encoder */
	size_t counter_count;
	const struct mp_ctl_limit *limits; /* encoder */
	size_t limit_count;
	/* decoder: counter_count of [name, value], limit_count of [name, now, max, source_max] */
	struct mp_cbor_r items, limit_items;
};

int mp_ctl_info_encode(struct mp_buf *buf, const struct mp_ctl_info *info);
int mp_ctl_info_decode(struct mp_span payload, struct mp_ctl_info *out);
/* The version alone, which is at its place in all versions, whatever else they say. */
int mp_ctl_info_version(struct mp_span payload, char *out, size_t size);

/* The payloads of the answers about the cache. */
int mp_ctl_totals_encode(struct mp_buf *buf, const struct mp_cache_totals *totals);
int mp_ctl_totals_decode(struct mp_span payload, struct mp_cache_totals *out);
int mp_ctl_sound_encode(struct mp_buf *buf, const struct mp_cache_sound *sound);
int mp_ctl_sound_decode(struct mp_span payload, struct mp_cache_sound *out);
int mp_ctl_checked_encode(struct mp_buf *buf, const struct mp_cache_checked *checked);
int mp_ctl_checked_decode(struct mp_span payload, struct mp_cache_checked *out);

/* An address as 18 bytes: IPv6 and port, big-endian. */
void mp_ctl_addr_write(struct mp_cbor_w *w, const struct mp_addr *addr);
void mp_ctl_addr_read(struct mp_cbor_r *r, struct mp_addr *addr);

#endif

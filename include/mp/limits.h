/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every bound in one place, with what happens when it is reached. A bound on something that comes
 * from outside is checked before memory is taken for it.
 */
#ifndef MP_LIMITS_H
#define MP_LIMITS_H

/* Datagrams: IPv6's minimum MTU less headers (RFC 8200 section 5). Larger: dropped, counted. */
#define MP_DGRAM_MAX 1232

/* One message on a stream, decoded whole. Larger: the stream is closed, counted. */
#define MP_MSG_MAX (16u * 1024 * 1024)

/* One encrypted frame on a stream (Noise section 3: 65535 with its tag). */
#define MP_FRAME_MAX 65535

/* One piece of a blob in the store and on the wire. */
#define MP_CHUNK_SIZE (256u * 1024)

/* One blob. Larger: the producer fails with a clear error. */
#define MP_BLOB_MAX (16ull * 1024 * 1024 * 1024)

/* Members of one cluster. More: admission is refused. */
#define MP_MEMBERS_MAX 10000

/* Electors of one run: 1, 3 or 5. */
#define MP_ELECTORS_MAX 5

/* Names of nodes, modules, pipelines, tags, parameters: bytes without the NUL. */
#define MP_NAME_MAX 128

/* Addresses in one member's signed record. */
#define MP_ADDRS_MAX 4

/* Runs of which one node has the log in memory. More: submissions are refused. */
#define MP_RUNS_MAX 4096

/* Ended runs among them, and modules of these together. More: the one that has not been looked at
 * for longest is on the disk only. */
#define MP_RUNS_RESTING_MAX     8
#define MP_RUNS_RESTING_MODULES 10000u

/* Runs of which a node keeps the record and the end. More: of the member that has opened most of
 * them the oldest ended one is forgotten, with its log; if none has ended, one that this node only
 * knows of. */
#define MP_RUNS_KNOWN_MAX 20000

/* Modules of one expanded pipeline, and edges between them. */
#define MP_MODULES_MAX 1000000u
#define MP_EDGES_MAX   4000000u

/* Modules that one module needs: the results of all go with it in one message. More: the pipeline
 * is refused. */
#define MP_NEEDS_MAX 12000u

/* A pipeline as people write it. More: refused. */
#define MP_PIPELINE_BYTES_MAX (64u * 1024 * 1024)

/* A pipeline in CBOR: what nodes are sent, in one message with its run record. More: refused by
 * whatever reads it, mpctl validate included. */
#define MP_PIPELINE_CBOR_MAX (MP_MSG_MAX - 1024u * 1024)

/* Nesting of CBOR and YAML. */
#define MP_DEPTH_MAX 16

/* A path inside a workspace, bytes without the NUL. */
#define MP_PATH_MAX 4000

/* One encoded module specification: what travels in an offer. */
#define MP_SPEC_MAX (256u * 1024)

/* Files in one manifest (a module's outputs or a run's inputs). */
#define MP_MANIFEST_FILES_MAX 200000u

/* One manifest as bytes. More: the producer fails with a clear error. */
#define MP_MANIFEST_BYTES_MAX (32u * 1024 * 1024)

/* stdout and stderr kept of one attempt, each. More: the middle is cut, and said so. */
#define MP_OUTPUT_KEEP_MAX (16u * 1024 * 1024)

/* Authority log: keys ever added or removed. */
#define MP_AUTHORITY_MAX 64

/* Branches of the authority log that are kept, where two admins wrote at once: those that come
 * first by mp_authority_cmp(). */
#define MP_BRANCHES_MAX 8

/* Epochs of gossip keys: a new key's may be so far above the highest that is known here, and none
 * may be higher than all that will ever be needed. Higher: the key is refused, so that no member
 * can make one that could not be replaced any more. */
#define MP_GOSSIP_EPOCH_LEAP 65536u
#define MP_GOSSIP_EPOCH_MAX  (1ull << 62)

/* Keys that were shut out. More: refused. */
#define MP_REVOKED_MAX MP_MEMBERS_MAX

/* Pieces of blobs that this node asks for at a time, of one peer and of all. More wait. */
#define MP_FETCH_PEER_MAX 16
#define MP_FETCH_ALL_MAX  64

/* Sources of one blob that are remembered from those who want it. More: not asked by name. */
#define MP_FETCH_HOLDERS_MAX 8

/* Pieces of blobs that are being read for peers at a time, and that wait for it. A peer that asks
 * for more than its share is not answered. */
#define MP_SERVE_READS_MAX 32
#define MP_SERVE_QUEUE_MAX 64

/* Requests to keep copies that one peer has open here. More: refused. */
#define MP_HOLD_PEER_MAX 256

/* Runs that a worker remembers the fence of. More: the one without attempts that was used longest
 * ago is forgotten; when all have attempts here, a new one is refused. */
#define MP_WORKER_RUNS_MAX 1024

/* Results that a worker keeps until they are committed. More: it takes no new attempts. */
#define MP_WORKER_HELD_MAX 65536

/* Messages of a leader, and their bytes, that wait for its fence to be durable. More: dropped. */
#define MP_WORKER_WAIT_MAX       64
#define MP_WORKER_WAIT_BYTES_MAX (32u * 1024 * 1024)

/* One run record; parameters of one run, and bytes of one value; copies of a result. More: the
 * submission is refused. */
#define MP_RUN_RECORD_MAX (255u * 1024)
#define MP_RUN_PARAMS_MAX 1024
#define MP_RUN_PARAM_MAX  65536
#define MP_COPIES_MAX     16

/* One encoded log entry; a longer one is not appended. */
#define MP_ENTRY_MAX (512u * 1024)

/* Entries of one run's log, and their bytes, in memory. More: only what ends the run is appended.
 */
#define MP_LOG_ENTRIES_MAX (8u * 1024 * 1024)
#define MP_LOG_BYTES_MAX   (2ull * 1024 * 1024 * 1024)

/* One message with entries: this many of them and about this many bytes, and messages to one
 * elector that wait for its answer. More: sent when an answer comes. */
#define MP_APPEND_ENTRIES_MAX    512
#define MP_APPEND_BYTES_MAX      (1024u * 1024)
#define MP_APPEND_UNANSWERED_MAX 8

/* Messages of a node to itself in one step. More: lost, counted. */
#define MP_LOOP_MAX 4096

/* Effects of one step. A step that would emit more stops early and asks to be called again. */
#define MP_EFFECTS_MAX 65536

/* Rows that wait for control.db, in bytes. More: refused, and the node stops. */
#define MP_CONTROL_QUEUE_MAX (256u * 1024 * 1024)
/* So long rows that nobody waits for may wait for others, to be written with them. */
#define MP_CONTROL_PATIENCE_MS 50u

/* What a module may leave in $MP_OUTPUT. More: the module fails. */
#define MP_VALUE_MAX (1024u * 1024)

/* A credential (codec/record_trust.h), typically 900 bytes. Larger: refused. */
#define MP_CREDENTIAL_MAX (8u * 1024)

/* What a handshake message carries besides its keys. Larger: the stream is closed. */
#define MP_HANDSHAKE_MAX (MP_CREDENTIAL_MAX + 1024u)

/* Encrypted bytes that wait to be written to one peer. More: sending is refused, for the caller to
 * try again once some are written. */
#define MP_STREAM_QUEUE_MAX (2u * MP_MSG_MAX + 1024u * 1024)

/* A stream's sender changes its key after so many frames, bytes, milliseconds. A peer that sends
 * twice as many frames or bytes under one key is cut off. */
#define MP_REKEY_FRAMES (1u << 20)
#define MP_REKEY_BYTES  (1u << 30)
#define MP_REKEY_MS     (60 * 60 * 1000)

/* One pipeline: parameters, names in one env, axes of a matrix, entries of one exclude, entries of
 * other lists (argv, globs, tools, tags). More: the pipeline is refused, as for all that follow. */
#define MP_PARAMS_MAX   1024
#define MP_ENV_MAX      512
#define MP_AXES_MAX     8
#define MP_EXCLUDES_MAX 1024
#define MP_LIST_MAX     16384

/* Values in one module, or under one other key, of a pipeline file. */
#define MP_PIPELINE_VALUES_MAX (2u * 1024 * 1024)

/* Bytes of a YAML file read ahead of the value that is next: libfyaml keeps some hundred bytes for
 * each bracket among them. More: the file is refused. */
#define MP_YAML_AHEAD_MAX (1024u * 1024)

/* One argument or one environment string: Linux takes 32 pages with the NUL (execve(2)). */
#define MP_ARG_MAX 131071

/* Attempts of a module by its own `retry`, and durations: a year of 366 days. */
#define MP_ATTEMPTS_MAX    100
#define MP_DURATION_MS_MAX (366ull * 24 * 60 * 60 * 1000)

/* Bytes that the modules of one graph expand to, all together. */
#define MP_GRAPH_BYTES_MAX (512ull * 1024 * 1024)

/* Records of the result cache that one node names for one base, the newest; and bytes of one
 * record. More: not named; not kept. */
#define MP_CACHE_PER_BASE   8
#define MP_CACHE_RECORD_MAX 5120

/* Bases in one question to a node's cache, and keys in another; a longer list is asked in parts. */
#define MP_CACHE_ASK_MAX 4096
#define MP_CACHE_GET_MAX 1024

/* Bases that a run asks for at all. More: the rest of its modules miss. */
#define MP_CACHE_BASES_MAX 65536

/* Blobs that are checked in one go, and about how many bytes. More: in the next one. */
#define MP_CACHE_CHECK_MAX       64
#define MP_CACHE_CHECK_BYTES_MAX (64u * 1024 * 1024)

/* Members that are asked for what they have, the ones with an open stream first. More: not asked.
 */
#define MP_CACHE_PEERS_MAX 256

/* Questions of one kind of one peer to our cache that are open. More: answered with nothing. */
#define MP_CACHE_PEER_MAX 64

/* What runs of a `once` module needs a lease of so long from a leader of its run. Without one it
 * gets SIGTERM, and SIGKILL after at most that pause. */
#define MP_ONCE_LEASE_MS 20000
#define MP_ONCE_KILL_MS  5000

/* Secrets that one pipeline declares. More: refused. Bytes of one value, and of all names and
 * values of a run. More: mpctl refuses to submit, and so does a node. */
#define MP_SECRETS_MAX       64
#define MP_SECRET_VALUE_MAX  (32u * 1024)
#define MP_SECRETS_BYTES_MAX (128u * 1024)

#endif

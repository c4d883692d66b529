/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of a member: its certificate, its state, what it can do. */
#ifndef MP_MEMBER_H
#define MP_MEMBER_H

#include "mp/base.h"
#include "mp/limits.h"

enum mp_member_state {
	MP_MEMBER_ALIVE,
	MP_MEMBER_SUSPECT,
	MP_MEMBER_DEAD,
	MP_MEMBER_LEFT, /* announced, for ever */
};

enum mp_member_status {
	MP_NODE_AVAILABLE,
	MP_NODE_BUSY,
	MP_NODE_DRAINING,
	MP_NODE_OFFLINE,
	MP_NODE_DOUBLED, /* two nodes had its key: core/swim_double.c */
};

/* How a node talks to a member. */
enum mp_path {
	MP_PATH_NONE, /* to itself, and to those of whom nothing is known yet */
	MP_PATH_UDP,
	MP_PATH_TCP, /* datagrams get lost, streams do not */
};

#define MP_ROLE_NODE    0x1u
#define MP_ROLE_SUBMIT  0x2u
#define MP_ROLE_OBSERVE 0x4u
#define MP_ROLE_ADMIN   0x8u

#define MP_TAGS_MAX      32
#define MP_TOOLS_MAX     64
#define MP_GPUS_MAX      16
#define MP_RESOURCES_MAX 16
#define MP_WORD_MAX      64

/*
 * Capabilities (DESIGN 4): as bytes a deterministic CBOR array
 *   [slots, os, arch, cpus, memory_bytes, [[tool, version]...], [tag...], zone,
 *    kernel, version, disk_bytes, disk_free_bytes, [gpu...], [[resource, count]...]]
 * sorted by name inside, except GPUs; a longer array is from a newer node, the rest is skipped. The
 * first nodes said no more than the first line.
 */
struct mp_tool {
	char name[MP_WORD_MAX];
	char version[MP_WORD_MAX];
};

struct mp_resource {
	char name[MP_WORD_MAX];
	uint64_t count;
};

struct mp_caps {
	uint32_t slots;
	char os[MP_WORD_MAX];   /* "linux" */
	char arch[MP_WORD_MAX]; /* "x86_64" */
	uint32_t cpus;
	uint64_t memory_bytes;
	uint32_t tool_count;
	struct mp_tool tools[MP_TOOLS_MAX];
	uint32_t tag_count;
	char tags[MP_TAGS_MAX][MP_WORD_MAX];
	char zone[MP_WORD_MAX];    /* "": none */
	char kernel[MP_WORD_MAX];  /* its release; "": not said */
	char version[MP_WORD_MAX]; /* of mpnode; "": not said */
	uint64_t disk_bytes;       /* of the file system of the state directory; 0: not said */
	uint64_t disk_free_bytes;  /* in coarse steps, for every change is told to all */
	uint32_t gpu_count;
	char gpus[MP_GPUS_MAX][MP_WORD_MAX];
	uint32_t resource_count;
	struct mp_resource resources[MP_RESOURCES_MAX];
	bool wan; /* its timings are those for long ways */
};

/* How much a node has to do, by its own word. */
struct mp_load {
	uint32_t used;     /* slots: commands that run */
	uint32_t attempts; /* that it knows, with results that are not committed yet */
	uint32_t leads;    /* runs that have not ended */
	bool drained;      /* it drains, and none of these is left */
	uint32_t runs;     /* a digest of the runs that it knows of; 0: it was not said */
};

/* Bounded text of a name on the wire and in JSON. */
struct mp_name {
	char s[MP_NAME_MAX + 1];
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "core/out.h"

#include "mp/limits.h"

#define BLOCK_MIN  (64u * 1024)
#define BLOCK_KEEP (1024u * 1024) /* a larger block is given back at the next step */

/* Step memory: a list of blocks, the newest first. */
struct block {
	struct block *next;
	size_t size; /* of data */
	size_t used;
	_Alignas(max_align_t) uint8_t data[];
};

/* A message or reply that waits for the disk. */
struct waiting {
	struct waiting *next;
	uint64_t after;
	struct mp_effect fx;
	size_t size; /* bytes behind this struct */
	uint8_t bytes[];
};

struct mp_out {
	const struct mp_alloc *alloc;
	mp_out_addrs_cb addrs;
	void *addrs_ctx;
	struct block *blocks;
	struct mp_effect *effects;
	size_t effect_count, effect_cap;
	struct mp_row *rows;
	size_t row_count, row_cap;
	uint64_t seq; /* of the last PERSIST, or of this step's once a row was put */
	uint64_t durable;
	struct waiting *first, **last;
	size_t waiting_count;
	struct mp_buf scratch;
	struct mp_node_id self;
	struct loop *loop_first, **loop_last; /* in step memory */
	size_t loop_count;
	bool failed;
};

/* A message of this node to itself. */
struct loop {
	struct loop *next;
	struct mp_span bytes;
};

struct mp_out *
mp_out_new(const struct mp_alloc *alloc, const struct mp_node_id *self, mp_out_addrs_cb addrs,
	void *ctx)
{
	struct mp_out *out = mp_realloc(alloc, NULL, 0, sizeof(*out));

	if (out == NULL)
		return NULL;
	*out = (struct mp_out){.alloc = alloc, .addrs = addrs, .addrs_ctx = ctx};
	out->last = &out->first;
	out->loop_last = &out->loop_first;
	if (self != NULL)
		out->self = *self;
	mp_buf_init(&out->scratch, alloc, MP_MSG_MAX);
	return out;
}

static void
block_free(struct mp_out *out, struct block *b)
{
	mp_dealloc(out->alloc, b, sizeof(*b) + b->size);
}

void
mp_out_free(struct mp_out *out)
{
	if (out == NULL)
		return;
	while (out->blocks != NULL) {
		struct block *b = out->blocks;

		out->blocks = b->next;
		block_free(out, b);
	}
	while (out->first != NULL) {
		struct waiting *w = out->first;

		out->first = w->next;
		mp_dealloc(out->alloc, w, sizeof(*w) + w->size);
	}
	mp_dealloc(out->alloc, out->effects, out->effect_cap * sizeof(*out->effects));
	mp_dealloc(out->alloc, out->rows, out->row_cap * sizeof(*out->rows));
	mp_buf_fini(&out->scratch);
	mp_dealloc(out->alloc, out, sizeof(*out));
}

void
mp_out_begin(struct mp_out *out)
{
	struct block *keep = NULL;

	while (out->blocks != NULL) {
		struct block *b = out->blocks;

		out->blocks = b->next;
		if (keep == NULL && b->size <= BLOCK_KEEP)
			keep = b;
		else
			block_free(out, b);
	}
	if (keep != NULL) {
		keep->next = NULL;
		keep->used = 0;
		out->blocks = keep;
	}
	out->effect_count = 0;
	mp_assert(out->row_count == 0 && out->loop_first == NULL);
}

void *
mp_out_mem(struct mp_out *out, size_t size)
{
	size_t need = (size + 15) & ~(size_t)15;
	struct block *b = out->blocks;
	void *p;

	if (b == NULL || b->size - b->used < need) {
		size_t block_size = need > BLOCK_MIN ? need : BLOCK_MIN;

		b = mp_realloc(out->alloc, NULL, 0, sizeof(*b) + block_size);
		if (b == NULL)
			return NULL;
		*b = (struct block){.next = out->blocks, .size = block_size};
		out->blocks = b;
	}
	p = b->data + b->used;
	b->used += need;
	memset(p, 0, size);
	return p;
}

struct mp_span
mp_out_copy(struct mp_out *out, struct mp_span bytes)
{
	uint8_t *p = mp_out_mem(out, bytes.n > 0 ? bytes.n : 1);

	if (p == NULL)
		return mp_span(NULL, 0);
	if (bytes.n > 0)
		memcpy(p, bytes.p, bytes.n);
	return mp_span(p, bytes.n);
}

struct mp_buf *
mp_out_scratch(struct mp_out *out)
{
	mp_buf_clear(&out->scratch);
	return &out->scratch;
}

/* Makes room for one more item; false when memory or the bound is out. */
static bool
list_grow(struct mp_out *out, void **list, size_t count, size_t *cap, size_t item)
{
	size_t want = *cap == 0 ? 16 : *cap * 2;
	void *p;

	if (count < *cap)
		return true;
	if (want > MP_EFFECTS_MAX)
		return false;
	p = mp_realloc(out->alloc, *list, *cap * item, want * item);
	if (p == NULL)
		return false;
	*list = p;
	*cap = want;
	return true;
}

/* Networks lose things anyway; what is asked of this machine is always answered. */
static bool
may_be_lost(enum mp_effect_kind kind)
{
	return kind == MP_FX_SEND || kind == MP_FX_DATAGRAM || kind == MP_FX_CONNECT ||
	       kind == MP_FX_RESOLVE || kind == MP_FX_DROP_PEER || kind == MP_FX_REPLY ||
	       kind == MP_FX_CACHE_PUT;
}

void
mp_out_effect(struct mp_out *out, const struct mp_effect *fx)
{
	void *list = out->effects;

	if (!list_grow(out, &list, out->effect_count, &out->effect_cap, sizeof(*fx))) {
		out->failed = out->failed || !may_be_lost(fx->kind);
		return;
	}
	out->effects = list;
	out->effects[out->effect_count++] = *fx;
}

static void
row_add(struct mp_out *out, const struct mp_row *row)
{
	void *list = out->rows;
	struct mp_row copy = *row;

	mp_assert(row->key.n >= 1 && row->key.n <= 64);
	copy.key = mp_out_copy(out, row->key);
	copy.value = mp_out_copy(out, row->value);
	if (copy.key.p == NULL || copy.value.p == NULL ||
		!list_grow(out, &list, out->row_count, &out->row_cap, sizeof(copy))) {
		out->failed = true;
		return;
	}
	out->rows = list;
	if (out->row_count == 0)
		out->seq++;
	out->rows[out->row_count++] = copy;
}

void
mp_out_put(struct mp_out *out, enum mp_table table, struct mp_span key, struct mp_span value)
{
	row_add(out,
		&(struct mp_row){.op = MP_ROW_PUT, .table = table, .key = key, .value = value});
}

void
mp_out_delete(struct mp_out *out, enum mp_table table, struct mp_span key)
{
	row_add(out, &(struct mp_row){.op = MP_ROW_DELETE, .table = table, .key = key});
}

void
mp_out_delete_range(struct mp_out *out, enum mp_table table, struct mp_span from, struct mp_span to)
{
	row_add(out, &(struct mp_row){
			     .op = MP_ROW_DELETE_RANGE, .table = table, .key = from, .value = to});
}

bool
mp_out_failed(const struct mp_out *out)
{
	return out->failed;
}

void
mp_out_end(struct mp_out *out, const struct mp_effect **effects, size_t *count)
{
	if (out->failed) {
		mp_out_effect(
			out, &(struct mp_effect){.kind = MP_FX_FATAL,
				     .u.fatal = {.code = MP_ENOMEM, .text = "out of memory"}});
	} else if (out->row_count > 0) {
		struct mp_span rows =
			mp_out_copy(out, mp_span(out->rows, out->row_count * sizeof(*out->rows)));
		struct mp_effect fx = {.kind = MP_FX_PERSIST};

		fx.u.persist.seq = out->seq;
		fx.u.persist.rows = (const struct mp_row *)(const void *)rows.p;
		fx.u.persist.count = out->row_count;
		if (rows.p == NULL)
			fx = (struct mp_effect){.kind = MP_FX_FATAL,
				.u.fatal = {.code = MP_ENOMEM, .text = "out of memory"}};
		mp_out_effect(out, &fx);
	}
	out->row_count = 0;
	*effects = out->effects;
	*count = out->effect_count;
}

uint64_t
mp_out_seq(const struct mp_out *out)
{
	return out->seq;
}

uint64_t
mp_out_durable(const struct mp_out *out)
{
	return out->durable;
}

static struct mp_span *
effect_bytes(struct mp_effect *fx)
{
	return fx->kind == MP_FX_SEND ? &fx->u.send.bytes : &fx->u.reply.bytes;
}

static void
loop_add(struct mp_out *out, struct mp_span bytes)
{
	struct loop *l = mp_out_mem(out, sizeof(*l));

	if (l == NULL)
		return;
	*l = (struct loop){.bytes = bytes};
	*out->loop_last = l;
	out->loop_last = &l->next;
	out->loop_count++;
}

bool
mp_out_loop(struct mp_out *out, struct mp_span *bytes)
{
	struct loop *l = out->loop_first;

	if (l == NULL)
		return false;
	*bytes = l->bytes;
	out->loop_count--;
	out->loop_first = l->next;
	if (out->loop_first == NULL)
		out->loop_last = &out->loop_first;
	return true;
}

size_t
mp_out_loop_count(const struct mp_out *out)
{
	return out->loop_count;
}

static void
out_release(struct mp_out *out, struct mp_effect *fx, struct mp_span bytes)
{
	struct mp_span copy = mp_out_copy(out, bytes);

	if (copy.p == NULL)
		return;
	if (fx->kind == MP_FX_SEND && mp_node_id_eq(&fx->u.send.peer, &out->self)) {
		loop_add(out, copy);
		return;
	}
	*effect_bytes(fx) = copy;
	mp_out_effect(out, fx);
}

/* Emits now or keeps until `after` is durable. */
static void
out_emit(struct mp_out *out, struct mp_effect *fx, struct mp_span bytes, uint64_t after)
{
	struct waiting *w;

	if (after <= out->durable) {
		out_release(out, fx, bytes);
		return;
	}
	w = mp_realloc(out->alloc, NULL, 0, sizeof(*w) + bytes.n);
	if (w == NULL)
		return;
	*w = (struct waiting){.after = after, .fx = *fx, .size = bytes.n};
	if (bytes.n > 0)
		memcpy(w->bytes, bytes.p, bytes.n);
	*out->last = w;
	out->last = &w->next;
	out->waiting_count++;
}

void
mp_out_persisted(struct mp_out *out, uint64_t seq)
{
	struct waiting **at = &out->first;

	if (seq > out->durable)
		out->durable = seq;
	while (*at != NULL) {
		struct waiting *w = *at;

		if (w->after > out->durable) {
			at = &w->next;
			continue;
		}
		out_release(out, &w->fx, mp_span(w->bytes, w->size));
		*at = w->next;
		out->waiting_count--;
		mp_dealloc(out->alloc, w, sizeof(*w) + w->size);
	}
	out->last = at;
}

void
mp_out_send(struct mp_out *out, const struct mp_node_id *peer, enum mp_class klass,
	struct mp_span bytes, uint64_t after)
{
	struct mp_effect fx = {.kind = MP_FX_SEND};

	mp_assert(bytes.n <= MP_MSG_MAX);
	fx.u.send.peer = *peer;
	fx.u.send.klass = klass;
	if (out->addrs != NULL)
		out->addrs(out->addrs_ctx, peer, fx.u.send.addrs);
	out_emit(out, &fx, bytes, after);
}

void
mp_out_datagram(struct mp_out *out, const struct mp_addr *to, struct mp_span bytes)
{
	struct mp_effect fx = {.kind = MP_FX_DATAGRAM};

	mp_assert(bytes.n <= MP_DGRAM_MAX);
	fx.u.datagram.to = *to;
	fx.u.datagram.bytes = mp_out_copy(out, bytes);
	if (fx.u.datagram.bytes.p != NULL)
		mp_out_effect(out, &fx);
}

void
mp_out_reply(struct mp_out *out, uint64_t request, struct mp_span bytes, bool last, uint64_t after)
{
	struct mp_effect fx = {.kind = MP_FX_REPLY};

	fx.u.reply.request = request;
	fx.u.reply.last = last;
	out_emit(out, &fx, bytes, after);
}

size_t
mp_out_waiting(const struct mp_out *out)
{
	return out->waiting_count;
}

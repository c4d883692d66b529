/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include <stdlib.h>

#include "core/raft_log.h"

/* A row, its key and value in one allocation. */
struct row {
	struct mp_span key, value;
	void *memory;
};

struct table {
	struct row *rows; /* sorted by key */
	size_t count, cap;
};

/* A transaction that is on its way to the platter. */
struct batch {
	struct batch *next;
	uint64_t seq;
	size_t count;
	struct mp_row *rows;
};

struct blob {
	struct mp_hash digest;
	uint64_t size;
	uint64_t have; /* bytes that came, in pieces */
	uint8_t *bytes;
	bool complete;
	bool durable;
};

struct sync {
	struct sync *next;
	uint64_t token;
};

/* A read that is under way; it sees what is durable when it is over. */
struct read {
	struct read *next;
	uint64_t token;
	uint32_t host, life;
	enum mp_table table;
	size_t from_size, to_size;
	uint8_t keys[]; /* from, to */
};

struct sim_disk {
	struct sim_host *host;
	struct table tables[MP_TABLE_COUNT];
	struct batch *first, **last;
	sim_time busy_until; /* one writer: transactions finish in order */
	struct blob *blobs;
	size_t blob_count, blob_cap;
	struct sync *syncs; /* that were asked for, the oldest first */
	sim_time sync_until;
	struct read *reads; /* that are under way */
};

struct sim_disk *
sim_disk_new(struct sim_host *host)
{
	struct sim_disk *disk = calloc(1, sizeof(*disk));

	mp_assert(disk != NULL);
	disk->host = host;
	disk->last = &disk->first;
	return disk;
}

static void syncs_forget(struct sim_disk *disk);

static void
batch_free(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		free((void *)(uintptr_t)b->rows[i].key.p);
	free(b->rows);
	free(b);
}

void
sim_disk_free(struct sim_disk *disk)
{
	for (size_t t = 0; t < MP_TABLE_COUNT; t++) {
		for (size_t i = 0; i < disk->tables[t].count; i++)
			free(disk->tables[t].rows[i].memory);
		free(disk->tables[t].rows);
	}
	while (disk->first != NULL) {
		struct batch *b = disk->first;

		disk->first = b->next;
		batch_free(b);
	}
	for (size_t i = 0; i < disk->blob_count; i++)
		free(disk->blobs[i].bytes);
	free(disk->blobs);
	syncs_forget(disk);
	while (disk->reads != NULL) {
		struct read *r = disk->reads;

		disk->reads = r->next;
		free(r);
	}
	free(disk);
}

static int
key_cmp(struct mp_span a, struct mp_span b)
{
	int c = memcmp(a.p, b.p, mp_min_size(a.n, b.n));

	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

/* First row that is not before key. */
static size_t
table_lower(const struct table *t, struct mp_span key)
{
	size_t lo = 0, hi = t->count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (key_cmp(t->rows[mid].key, key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
table_remove(struct table *t, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		free(t->rows[i].memory);
	if (to > from)
		memmove(t->rows + from, t->rows + to, (t->count - to) * sizeof(*t->rows));
	t->count -= to - from;
}

static void
table_put(struct table *t, struct mp_span key, struct mp_span value)
{
	size_t at = table_lower(t, key);
	uint8_t *memory = malloc(key.n + value.n + 1);

	mp_assert(memory != NULL);
	memcpy(memory, key.p, key.n);
	if (value.n > 0)
		memcpy(memory + key.n, value.p, value.n);
	if (at < t->count && key_cmp(t->rows[at].key, key) == 0)
		table_remove(t, at, at + 1);
	if (t->count == t->cap) {
		t->cap = t->cap == 0 ? 16 : t->cap * 2;
		t->rows = realloc(t->rows, t->cap * sizeof(*t->rows));
		mp_assert(t->rows != NULL);
	}
	memmove(t->rows + at + 1, t->rows + at, (t->count - at) * sizeof(*t->rows));
	t->rows[at] = (struct row){.key = mp_span(memory, key.n),
		.value = mp_span(memory + key.n, value.n),
		.memory = memory};
	t->count++;
}

static void
disk_apply(struct sim_disk *disk, const struct mp_row *row)
{
	struct table *t = &disk->tables[row->table];
	size_t at = table_lower(t, row->key);

	switch (row->op) {
	case MP_ROW_PUT:
		table_put(t, row->key, row->value);
		break;
	case MP_ROW_DELETE:
		if (at < t->count && key_cmp(t->rows[at].key, row->key) == 0)
			table_remove(t, at, at + 1);
		break;
	case MP_ROW_DELETE_RANGE:
		table_remove(t, at, table_lower(t, row->value));
		break;
	}
}

static void
syncs_forget(struct sim_disk *disk)
{
	while (disk->syncs != NULL) {
		struct sync *s = disk->syncs;

		disk->syncs = s->next;
		free(s);
	}
	disk->sync_until = 0;
}

static struct batch *
disk_pop(struct sim_disk *disk)
{
	struct batch *b = disk->first;

	for (size_t i = 0; i < b->count; i++)
		disk_apply(disk, &b->rows[i]);
	disk->first = b->next;
	if (disk->first == NULL)
		disk->last = &disk->first;
	return b;
}

/* The oldest transaction of host `arg` is on the platter. */
static void
disk_done(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = &sim->hosts[arg & 0xff];
	struct mp_event ev = {.kind = MP_EV_PERSISTED};
	struct batch *b;

	if (host->life != (uint32_t)(arg >> 8) || host->disk->first == NULL)
		return;
	b = disk_pop(host->disk);
	ev.u.persisted.seq = b->seq;
	batch_free(b);
	sim_deliver(host, sim->now, &ev);
}

void
sim_disk_persist(struct sim_host *host, const struct mp_effect *fx)
{
	struct sim *sim = host->sim;
	struct sim_disk *disk = host->disk;
	struct batch *b = calloc(1, sizeof(*b));

	mp_assert(b != NULL);
	b->seq = fx->u.persist.seq;
	b->count = fx->u.persist.count;
	b->rows = calloc(b->count, sizeof(*b->rows));
	mp_assert(b->rows != NULL);
	for (size_t i = 0; i < b->count; i++) {
		const struct mp_row *row = &fx->u.persist.rows[i];
		uint8_t *memory = malloc(row->key.n + row->value.n + 1);

		mp_assert(memory != NULL);
		memcpy(memory, row->key.p, row->key.n);
		if (row->value.n > 0)
			memcpy(memory + row->key.n, row->value.p, row->value.n);
		b->rows[i] = *row;
		b->rows[i].key.p = memory;
		b->rows[i].value.p = memory + row->key.n;
	}
	*disk->last = b;
	disk->last = &b->next;
	if (disk->busy_until < sim->now)
		disk->busy_until = sim->now;
	disk->busy_until += sim_between(sim, sim->plan.fsync_min, sim->plan.fsync_max);
	sim_at(sim, disk->busy_until, disk_done, host->index | (uint64_t)host->life << 8);
}

bool
sim_disk_close(struct sim_host *host)
{
	struct sim_disk *disk = host->disk;

	if (disk->first != NULL && host->full_until > host->sim->now)
		return false;
	while (disk->first != NULL)
		batch_free(disk_pop(disk));
	return true;
}

/* Of what was not reported durable, the oldest part may have reached the platter all the same. */
void
sim_disk_crash(struct sim_host *host)
{
	struct sim_disk *disk = host->disk;
	size_t kept = 0;

	while (disk->first != NULL && sim_chance(host->sim, 500)) {
		host->sim->sometimes[SIM_CRASH_KEPT]++;
		batch_free(disk_pop(disk));
	}
	while (disk->first != NULL) {
		struct batch *b = disk->first;

		host->sim->sometimes[SIM_CRASH_LOST]++;
		disk->first = b->next;
		batch_free(b);
	}
	disk->last = &disk->first;
	disk->busy_until = 0;
	syncs_forget(disk);
	for (size_t i = 0; i < disk->blob_count; i++) {
		struct blob *b = &disk->blobs[i];

		if (b->complete && (b->durable || sim_chance(host->sim, 300))) {
			b->durable = true;
			disk->blobs[kept++] = *b;
		} else {
			free(b->bytes);
		}
	}
	disk->blob_count = kept;
}

void
sim_disk_wipe(struct sim_host *host)
{
	for (size_t t = 0; t < MP_TABLE_COUNT; t++) {
		struct table *table = &host->disk->tables[t];

		for (size_t i = 0; i < table->count; i++)
			free(table->rows[i].memory);
		table->count = 0;
	}
}

void
sim_disk_damage(struct sim_host *host)
{
	struct mp_rng *rng = &host->sim->rng;
	struct table *t =
		&host->disk->tables[mp_rng_below(rng, 3) == 0 ? MP_TABLE_VOTE : MP_TABLE_ENTRY];
	const struct row *row;
	size_t at;

	if (t->count == 0)
		return;
	row = &t->rows[mp_rng_below(rng, t->count)];
	/* What names the entry stays: that it was written here is not in question. */
	if (row->value.n <= MP_LOG_ROW_HEAD || !sim_check_damage(host, row->key))
		return;
	at = MP_LOG_ROW_HEAD + mp_rng_below(rng, row->value.n - MP_LOG_ROW_HEAD);
	((uint8_t *)row->memory)[row->key.n + at] ^= (uint8_t)(1u << mp_rng_below(rng, 8));
}

void
sim_disk_restore(struct sim_host *host)
{
	static const enum mp_table restored[] = {
#define X(name) MP_TABLE_##name,
		MP_TABLES_RESTORED(X)
#undef X
	};

	for (size_t t = 0; t < mp_countof(restored); t++) {
		const struct table *table = &host->disk->tables[restored[t]];

		for (size_t i = 0; i < table->count; i++) {
			struct mp_event ev = {.kind = MP_EV_RESTORE};

			ev.u.restore.op = MP_ROW_PUT;
			ev.u.restore.table = restored[t];
			ev.u.restore.key = table->rows[i].key;
			ev.u.restore.value = table->rows[i].value;
			sim_host_step(host, &ev);
		}
	}
}

/* Rows in one answer: few, so that a log takes several. */
#define READ_ROWS 4

static void
read_done(struct sim *sim, uint64_t arg)
{
	struct read *r = (struct read *)(uintptr_t)arg;
	struct sim_host *host = &sim->hosts[r->host];
	struct mp_event ev = {.kind = MP_EV_ROWS_READ};
	struct mp_row rows[READ_ROWS];
	struct read **at = &host->disk->reads;
	const struct table *t;
	size_t from, to, n;

	if (host->life == r->life && host->paused_until > sim->now) {
		sim_at(sim, host->paused_until, read_done, arg);
		return;
	}
	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	if (host->life == r->life && host->node != NULL) {
		t = &host->disk->tables[r->table];
		from = table_lower(t, mp_span(r->keys, r->from_size));
		to = table_lower(t, mp_span(r->keys + r->from_size, r->to_size));
		n = mp_min_size(to - from, READ_ROWS);
		for (size_t i = 0; i < n; i++)
			rows[i] = (struct mp_row){.table = r->table,
				.key = t->rows[from + i].key,
				.value = t->rows[from + i].value};
		ev.u.rows_read.token = r->token;
		ev.u.rows_read.rows = rows;
		ev.u.rows_read.count = n;
		ev.u.rows_read.more = n < to - from;
		sim_host_step(host, &ev);
	}
	free(r);
}

void
sim_disk_read(struct sim_host *host, const struct mp_effect *fx)
{
	struct sim *sim = host->sim;
	struct mp_span from = fx->u.rows_read.from, to = fx->u.rows_read.to;
	struct read *r = calloc(1, sizeof(*r) + from.n + to.n);

	mp_assert(r != NULL);
	r->token = fx->u.rows_read.token;
	r->host = host->index;
	r->life = host->life;
	r->table = fx->u.rows_read.table;
	r->from_size = from.n;
	r->to_size = to.n;
	memcpy(r->keys, from.p, from.n);
	memcpy(r->keys + from.n, to.p, to.n);
	r->next = host->disk->reads;
	host->disk->reads = r;
	sim_at(sim, sim->now + sim_between(sim, sim->plan.fsync_min, sim->plan.fsync_max) / 4,
		read_done, (uint64_t)(uintptr_t)r);
}

struct mp_span
sim_disk_row(const struct sim_host *host, enum mp_table table, struct mp_span key)
{
	const struct table *t = &host->disk->tables[table];
	size_t at = table_lower(t, key);

	if (at < t->count && key_cmp(t->rows[at].key, key) == 0)
		return t->rows[at].value;
	return mp_span(NULL, 0);
}

size_t
sim_disk_count(const struct sim_host *host, enum mp_table table)
{
	return host->disk->tables[table].count;
}

bool
sim_disk_pending(const struct sim_host *host)
{
	return host->disk->first != NULL;
}

/* Rows wait, and blobs are refused. */
void
sim_disk_full(struct sim_host *host, sim_time until)
{
	struct sim_disk *disk = host->disk;

	sim_trace(
		host->sim, host, "disk is full for %.3f s", (double)(until - host->sim->now) / 1e6);
	host->sim->sometimes[SIM_DISK_FULL]++;
	host->full_until = until;
	if (disk->busy_until < until)
		disk->busy_until = until;
}

/* ---- blobs: lists are short, so a scan will do ---- */

static struct blob *
blob_find(const struct sim_disk *disk, const struct mp_hash *digest)
{
	for (size_t i = 0; i < disk->blob_count; i++) {
		if (mp_hash_eq(&disk->blobs[i].digest, digest))
			return &disk->blobs[i];
	}
	return NULL;
}

static struct blob *
blob_add(struct sim_disk *disk, const struct mp_hash *digest, uint64_t size)
{
	struct blob *b;

	if (disk->blob_count == disk->blob_cap) {
		disk->blob_cap = disk->blob_cap == 0 ? 32 : disk->blob_cap * 2;
		disk->blobs = realloc(disk->blobs, disk->blob_cap * sizeof(*disk->blobs));
		mp_assert(disk->blobs != NULL);
	}
	b = &disk->blobs[disk->blob_count++];
	*b = (struct blob){.digest = *digest, .size = size, .bytes = malloc((size_t)size + 1)};
	mp_assert(b->bytes != NULL);
	return b;
}

static sim_time
blob_time(struct sim_host *host)
{
	return host->sim->now + sim_between(host->sim, 20, 500);
}

struct mp_hash
sim_blob_put(struct sim_host *host, struct mp_span bytes, bool durable)
{
	struct mp_hash digest;
	struct blob *b;

	sim_crypto.hash(&digest, &bytes, 1);
	b = blob_find(host->disk, &digest);
	if (b == NULL)
		b = blob_add(host->disk, &digest, bytes.n);
	if (!b->complete && bytes.n > 0)
		memcpy(b->bytes, bytes.p, bytes.n);
	b->complete = true;
	b->durable = b->durable || durable;
	return digest;
}

bool
sim_blob_has(const struct sim_host *host, const struct mp_hash *digest)
{
	const struct blob *b = blob_find(host->disk, digest);

	return b != NULL && b->complete;
}

static bool
blob_elsewhere(const struct sim_host *host, const struct mp_hash *digest)
{
	for (uint32_t i = 0; i < host->sim->plan.hosts; i++) {
		const struct sim_host *other = &host->sim->hosts[i];
		const struct blob *b = blob_find(other->disk, digest);

		if (other != host && b != NULL && b->durable)
			return true;
	}
	return false;
}

void
sim_blob_lose(struct sim_host *host)
{
	struct sim_disk *disk = host->disk;
	size_t at;

	if (disk->blob_count == 0)
		return;
	at = mp_rng_below(&host->sim->rng, disk->blob_count);
	if (!disk->blobs[at].durable || !blob_elsewhere(host, &disk->blobs[at].digest))
		return;
	sim_trace(host->sim, host, "blob %02x%02x%02x%02x is lost", disk->blobs[at].digest.b[0],
		disk->blobs[at].digest.b[1], disk->blobs[at].digest.b[2],
		disk->blobs[at].digest.b[3]);
	host->sim->sometimes[SIM_BLOB_LOST]++;
	free(disk->blobs[at].bytes);
	disk->blobs[at] = disk->blobs[--disk->blob_count];
}

bool
sim_blob_durable(const struct sim_host *host, const struct mp_hash *digest)
{
	const struct blob *b = blob_find(host->disk, digest);

	return b != NULL && b->durable;
}

void
sim_blob_stat(struct sim_host *host, const struct mp_effect *fx)
{
	struct mp_event ev = {.kind = MP_EV_BLOB_STAT};
	size_t count = fx->u.blob_stat.count;
	struct mp_blob_state *states = calloc(count + 1, sizeof(*states));

	mp_assert(states != NULL);
	for (size_t i = 0; i < count; i++) {
		const struct blob *b = blob_find(host->disk, &fx->u.blob_stat.digests[i]);

		if (b != NULL && b->complete)
			states[i] = (struct mp_blob_state){.complete = true, .size = b->size};
	}
	ev.u.blob_stat.token = fx->u.blob_stat.token;
	ev.u.blob_stat.states = states;
	ev.u.blob_stat.count = count;
	sim_deliver(host, blob_time(host), &ev);
	free(states);
}

/* As many of the first ones after `after` as are asked for, found one at a time. */
void
sim_blob_list(struct sim_host *host, const struct mp_effect *fx)
{
	struct mp_event ev = {.kind = MP_EV_BLOB_LIST};
	struct mp_blob_ref *refs = calloc(fx->u.blob_list.max + 1, sizeof(*refs));
	struct mp_hash after = fx->u.blob_list.after;
	size_t n = 0;

	mp_assert(refs != NULL);
	while (n < fx->u.blob_list.max) {
		const struct blob *next = NULL;

		for (size_t i = 0; i < host->disk->blob_count; i++) {
			const struct blob *b = &host->disk->blobs[i];

			if (b->complete && memcmp(b->digest.b, after.b, sizeof(after.b)) > 0 &&
				(next == NULL ||
					memcmp(b->digest.b, next->digest.b, sizeof(after.b)) < 0))
				next = b;
		}
		if (next == NULL)
			break;
		after = next->digest;
		refs[n++] = (struct mp_blob_ref){next->digest, next->size};
	}
	ev.u.blob_list.refs = refs;
	ev.u.blob_list.count = n;
	sim_deliver(host, blob_time(host), &ev);
	free(refs);
}

void
sim_blob_read(struct sim_host *host, const struct mp_effect *fx)
{
	const struct blob *b = blob_find(host->disk, &fx->u.blob_read.digest);
	struct mp_event ev = {.kind = MP_EV_BLOB_READ};

	ev.u.blob_read.token = fx->u.blob_read.token;
	ev.u.blob_read.offset = fx->u.blob_read.offset;
	if (b == NULL || !b->complete) {
		ev.u.blob_read.rc = MP_ENOENT;
	} else if (fx->u.blob_read.offset <= b->size) {
		ev.u.blob_read.size = b->size;
		ev.u.blob_read.bytes = mp_span(b->bytes + fx->u.blob_read.offset,
			mp_min_size(
				fx->u.blob_read.size, (size_t)(b->size - fx->u.blob_read.offset)));
	}
	sim_deliver(host, blob_time(host), &ev);
}

void
sim_blob_write(struct sim_host *host, const struct mp_effect *fx)
{
	struct blob *b = blob_find(host->disk, &fx->u.blob_write.digest);
	struct mp_event ev = {.kind = MP_EV_BLOB_WRITTEN};
	struct mp_span bytes = fx->u.blob_write.bytes;
	uint64_t offset = fx->u.blob_write.offset;
	struct mp_hash digest;

	ev.u.blob_written.token = fx->u.blob_write.token;
	if (host->full_until > host->sim->now) {
		ev.u.blob_written.rc = MP_EFULL;
		sim_deliver(host, blob_time(host), &ev);
		return;
	}
	if (b == NULL)
		b = blob_add(host->disk, &fx->u.blob_write.digest, fx->u.blob_write.size);
	if (!b->complete && offset <= b->size && bytes.n <= b->size - offset) {
		if (bytes.n > 0)
			memcpy(b->bytes + offset, bytes.p, bytes.n);
		b->have += bytes.n;
		if (b->have >= b->size) {
			struct mp_span whole = mp_span(b->bytes, (size_t)b->size);

			sim_crypto.hash(&digest, &whole, 1);
			b->complete = mp_hash_eq(&digest, &b->digest);
			host->sim->sometimes[SIM_BLOB_FETCHED] += b->complete;
			if (!b->complete) {
				ev.u.blob_written.rc = MP_ESIG;
				b->have = 0;
			}
		}
	}
	ev.u.blob_written.complete = b->complete;
	sim_deliver(host, blob_time(host), &ev);
}

/* What is complete when a sync ends is durable. Syncs end in the order they were asked for. */
static void
sync_done(struct sim *sim, uint64_t arg)
{
	struct sim_host *host = &sim->hosts[arg & 0xff];
	struct mp_event ev = {.kind = MP_EV_BLOB_SYNCED};
	struct sync *sync = host->disk->syncs;

	if (host->life != (uint32_t)(arg >> 8) || sync == NULL)
		return;
	for (size_t i = 0; i < host->disk->blob_count; i++)
		host->disk->blobs[i].durable |= host->disk->blobs[i].complete;
	ev.u.blob_synced.token = sync->token;
	host->disk->syncs = sync->next;
	free(sync);
	sim_deliver(host, sim->now, &ev);
}

void
sim_blob_sync(struct sim_host *host, const struct mp_effect *fx)
{
	struct sim *sim = host->sim;
	struct sim_disk *disk = host->disk;
	struct sync *sync = calloc(1, sizeof(*sync)), **last = &disk->syncs;

	mp_assert(sync != NULL);
	sync->token = fx->u.blob_sync.token;
	while (*last != NULL)
		last = &(*last)->next;
	*last = sync;
	if (disk->sync_until < sim->now)
		disk->sync_until = sim->now;
	disk->sync_until += sim_between(sim, sim->plan.fsync_min, sim->plan.fsync_max);
	sim_at(sim, disk->sync_until, sync_done, host->index | (uint64_t)host->life << 8);
}

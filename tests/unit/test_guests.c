/* SPDX-License-Identifier: Apache-2.0 */
/* Who is no node at the port of one: knocks and clients, honest ones and others. */
#include "unit/peers_world.h"

#include <pthread.h>
#include <stdatomic.h>

#include "codec/record_cert.h"
#include "shell/heap.h"
#include "shell/stream.h"

#define TRIES 20000 /* ms */

/* What A has heard of its guests. */
static struct {
	int spoke, gone, asked;
	struct mp_peers_guest guest;
	char text[64], proof[8];
	bool refuse, mute;
	int first_ones; /* that are another one's than those after them */
} heard;

static int
on_client(void *ctx, struct mp_span credential, const struct mp_xkey *xkey,
	struct mp_peers_guest *out, struct mp_error *err)
{
	(void)ctx;
	(void)xkey;
	heard.asked++;
	if (heard.refuse)
		return mp_fail(err, MP_EAUTH, "not this one");
	assert_int_equal(credential.n, 4);
	memset(out->id.b, heard.asked <= heard.first_ones ? 8 : 9, sizeof(out->id.b));
	out->roles = 5;
	return 0;
}

static void
on_guest(void *ctx, const struct mp_peers_guest *guest, struct mp_span bytes)
{
	struct side *s = ctx;

	heard.spoke++;
	heard.guest = *guest;
	memset(heard.text, 0, sizeof(heard.text));
	if (guest->credential.n > 0 && guest->credential.n < sizeof(heard.proof))
		memcpy(heard.proof, guest->credential.p, guest->credential.n);
	if (bytes.n > 0 && bytes.n < sizeof(heard.text))
		memcpy(heard.text, bytes.p, bytes.n);
	if (!heard.mute)
		mp_peers_answer(s->peers, guest->number, mp_span("answer", 6));
	mp_peers_answer(s->peers, guest->number + 1000, mp_span("nobody", 6));
}

static void
on_gone(void *ctx, uint64_t number)
{
	(void)ctx;
	(void)number;
	heard.gone++;
}

/* ---- the other end, in a thread ---- */

struct caller {
	struct mp_stream_config config;
	struct mp_secret *secret;
	struct mp_buf proof;
	int messages; /* that it says, and for which it wants an answer */
	bool at_once; /* says them all before it wants any */
	bool hold;    /* says nothing, and waits for the end */
	int rc;       /* how it ended */
	int answers;
	uint8_t says[64]; /* what it was told in the greeting */
	size_t said;
	atomic_bool over;
	pthread_t thread;
};

static int
on_greeting(void *ctx, struct mp_span says, const struct mp_xkey *xkey, struct mp_error *err)
{
	struct caller *c = ctx;

	(void)err;
	assert_memory_equal(xkey->b, side[A].xkey.b, sizeof(xkey->b));
	c->said = mp_min_size(says.n, sizeof(c->says));
	memcpy(c->says, says.p, c->said);
	return 0;
}

static void *
call(void *arg)
{
	struct caller *c = arg;
	struct mp_stream s = {.fd = -1, .deadline_ms = mp_stream_now_ms() + TRIES};
	struct mp_span answer;
	char where[64];

	(void)snprintf(where, sizeof(where), "127.0.0.1:%u", side[A].addr.port);
	c->rc = mp_stream_open(&s, &c->config, where, NULL);
	for (int i = 0; c->at_once && c->rc == 0 && i < c->messages; i++)
		c->rc = mp_stream_send(&s, mp_span("ask", 3), NULL);
	for (int i = 0; c->rc == 0 && i < c->messages; i++) {
		if (!c->at_once)
			c->rc = mp_stream_send(&s, mp_span("ask", 3), NULL);
		if (c->rc == 0)
			c->rc = mp_stream_receive(&s, &answer, NULL);
		c->answers += c->rc == 0;
	}
	if (c->rc == 0 && (c->messages == 0 || c->hold)) {
		c->rc = mp_stream_receive(&s, &answer, NULL);
		c->answers += c->rc == 0;
	}
	if (c->rc == 0 && c->hold)
		c->rc = mp_stream_receive(&s, &answer, NULL);
	mp_stream_close(&s);
	atomic_store(&c->over, true);
	return NULL;
}

static void
caller_init(struct caller *c, bool knock)
{
	*c = (struct caller){.config = {.alloc = &mp_heap,
				     .knock = knock,
				     .cluster = world_cluster,
				     .check = on_greeting}};
	assert_int_equal(mp_key_generate(&c->secret, MP_KEY_NODE), 0);
	mp_secret_xkey(c->secret, &c->config.static_key);
	c->config.secret = c->secret;
	mp_buf_init(&c->proof, &mp_heap, MP_HANDSHAKE_MAX);
}

/* A request by that key for those streams. */
static void
caller_request(struct caller *c, const struct mp_secret *by, const struct mp_xkey *xkey)
{
	struct mp_request q = {.xkey = *xkey, .name = {"guest"}};
	struct mp_signer self = {.secret = by};

	mp_secret_public(by, self.key);
	mp_buf_clear(&c->proof);
	assert_int_equal(mp_request_sign(&mp_crypto_sodium, &q, &self, &c->proof), 0);
}

static void
caller_class(struct caller *c, uint64_t klass)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, &c->proof);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_uint(&w, klass);
	mp_cbor_w_bytes(&w, "cred", 4);
	assert_int_equal(w.rc, 0);
}

static void
caller_start(struct caller *c)
{
	c->config.proof = mp_buf_span(&c->proof);
	c->config.ctx = c;
	assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
}

static void
caller_end(struct caller *c)
{
	spin(atomic_load(&c->over));
	assert_int_equal(pthread_join(c->thread, NULL), 0);
	mp_secret_free(c->secret);
	mp_buf_fini(&c->proof);
}

static void
caller_run(struct caller *c)
{
	caller_start(c);
	caller_end(c);
}

/* A takes guests. */
static int
guests_setup(void **state)
{
	struct mp_peers_config config;
	struct mp_error err = {0};

	memset(&heard, 0, sizeof(heard));
	assert_int_equal(world_setup(state), 0);
	side_close(A);
	config = side_config(A);
	config.client = on_client;
	config.guest = on_guest;
	config.guest_gone = on_gone;
	assert_int_equal(mp_peers_new(&config, &side[A].peers), 0);
	side[A].closed = false;
	side[A].addr = loopback(free_port());
	assert_int_equal(side_listen(A, &side[A].addr, &err), 0);
	mp_peers_accept(side[A].peers);
	return 0;
}

/* ---- knocks ---- */

static void
test_knock(void **state)
{
	struct mp_request who;
	struct caller c;

	(void)state;
	caller_init(&c, true);
	caller_request(&c, c.secret, &c.config.static_key);
	assert_int_equal(mp_request_open(&mp_crypto_sodium, mp_buf_span(&c.proof), &who, NULL), 0);
	caller_run(&c);
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.answers, 1);
	/* It was told the cluster, and nothing else. */
	assert_int_equal(c.said, 1 + 2 + sizeof(world_cluster.b));
	assert_memory_equal(c.says + 3, world_cluster.b, sizeof(world_cluster.b));
	spin(heard.gone == 1);
	assert_int_equal(heard.spoke, 1);
	assert_true(heard.guest.knocks && heard.guest.roles == 0);
	assert_true(mp_node_id_eq(&heard.guest.id, &who.id));
	assert_int_equal(heard.asked, 0);
	assert_int_equal(side[A].ups + side[A].messages, 0); /* the core has heard nothing */
}

static void
test_bad_knocks(void **state)
{
	struct caller c;

	(void)state;
	/* Somebody else's request, on our own stream. */
	caller_init(&c, true);
	caller_request(&c, side[B].secret, &side[B].xkey);
	caller_run(&c);
	assert_int_equal(c.rc, MP_ECLOSED);
	/* Our key, signed for another stream. */
	caller_init(&c, true);
	caller_request(&c, c.secret, &side[B].xkey);
	caller_run(&c);
	assert_int_equal(c.rc, MP_ECLOSED);
	/* Nothing, junk, and what a client would say. */
	caller_init(&c, true);
	caller_run(&c);
	assert_int_equal(c.rc, MP_ECLOSED);
	caller_init(&c, true);
	caller_class(&c, MP_STREAM_CLASS_CLIENT);
	caller_run(&c);
	assert_int_equal(c.rc, MP_ECLOSED);
	assert_int_equal(heard.spoke + heard.asked, 0);
	/* One that goes on talking. */
	caller_init(&c, true);
	caller_request(&c, c.secret, &c.config.static_key);
	c.messages = 2; /* the first answer is that to the knock itself */
	caller_run(&c);
	assert_int_equal(c.rc, MP_ECLOSED);
	assert_int_equal(heard.spoke, 1);
	assert_int_equal(side[A].ups + side[A].messages, 0);
	assert_int_equal(stats(A).rejected, 4);
	assert_int_equal(stats(A).broken, 1);
}

/* It may not stay, whether it was answered or not. */
static void
test_knock_stays(void **state)
{
	struct caller c;

	(void)state;
	caller_init(&c, true);
	caller_request(&c, c.secret, &c.config.static_key);
	c.hold = true;
	caller_start(&c);
	spin(heard.spoke == 1);
	later(MP_PEERS_GREETING_MS + 1000);
	spin(heard.gone == 1);
	caller_end(&c);
	assert_int_equal(c.rc, MP_ECLOSED);
	assert_int_equal(c.answers, 1);
}

/* ---- clients ---- */

static void
test_client(void **state)
{
	struct caller c;

	(void)state;
	caller_init(&c, false);
	caller_class(&c, MP_STREAM_CLASS_CLIENT);
	c.messages = 3;
	caller_run(&c);
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.answers, 3);
	spin(heard.gone == 1);
	assert_int_equal(heard.spoke, 3);
	assert_int_equal(heard.guest.roles, 5);
	assert_memory_equal(&heard.guest.xkey, &c.config.static_key, sizeof(heard.guest.xkey));
	assert_string_equal(heard.proof, "cred");
	assert_string_equal(heard.text, "ask");
	assert_int_equal(side[A].ups + side[A].downs + side[A].messages, 0);
}

static void
test_bad_clients(void **state)
{
	struct caller c;

	(void)state;
	heard.refuse = true;
	caller_init(&c, false);
	caller_class(&c, MP_STREAM_CLASS_CLIENT);
	c.messages = 1;
	caller_run(&c);
	assert_int_equal(c.rc, MP_ECLOSED);
	assert_int_equal(heard.asked, 1);
	/* There is no such class; and of those of nodes this credential is none. */
	for (uint64_t klass = 0; klass < 5; klass++) {
		if (klass == MP_STREAM_CLASS_CLIENT)
			continue;
		caller_init(&c, false);
		caller_class(&c, klass);
		c.messages = 1;
		caller_run(&c);
		assert_int_equal(c.rc, MP_ECLOSED);
	}
	/* Another cluster. */
	caller_init(&c, false);
	c.config.cluster.b[0] ^= 1;
	caller_class(&c, MP_STREAM_CLASS_CLIENT);
	caller_run(&c);
	assert_int_equal(c.rc, MP_ESIG);
	assert_int_equal(heard.spoke, 0);
	assert_int_equal(heard.asked, 1);
}

/* So many clients, each of which waits for its answer. */
static void
clients_wait(struct caller *c, int count)
{
	heard.mute = true;
	for (int i = 0; i < count; i++) {
		caller_init(&c[i], false);
		caller_class(&c[i], MP_STREAM_CLASS_CLIENT);
		c[i].messages = 1;
		caller_start(&c[i]);
		spin(heard.spoke == i + 1);
	}
}

/* One more: how did it end? */
static int
client_more(void)
{
	static struct caller c;

	caller_init(&c, false);
	caller_class(&c, MP_STREAM_CLASS_CLIENT);
	c.messages = 1;
	caller_run(&c);
	return c.rc;
}

static void
test_too_many_clients(void **state)
{
	static struct caller c[MP_PEERS_CLIENTS_MAX];

	(void)state;
	heard.first_ones = MP_PEERS_CLIENTS_MAX / 2;
	clients_wait(c, MP_PEERS_CLIENTS_MAX);
	assert_int_equal(client_more(), MP_ECLOSED);
	/* They go by their id, as when it is shut out. */
	mp_peers_drop(side[A].peers, &heard.guest.id);
	spin(heard.gone == MP_PEERS_CLIENTS_MAX / 2);
	memset(heard.guest.id.b, 8, sizeof(heard.guest.id.b));
	mp_peers_drop(side[A].peers, &heard.guest.id);
	spin(heard.gone == MP_PEERS_CLIENTS_MAX);
	for (int i = 0; i < MP_PEERS_CLIENTS_MAX; i++)
		caller_end(&c[i]);
}

/* One identity has its share, and leaves the rest to others. */
static void
test_clients_of_one(void **state)
{
	static struct caller c[MP_PEERS_CLIENTS_OF_ONE_MAX];

	(void)state;
	heard.first_ones = MP_PEERS_CLIENTS_OF_ONE_MAX + 1;
	clients_wait(c, MP_PEERS_CLIENTS_OF_ONE_MAX);
	assert_int_equal(client_more(), MP_ECLOSED);
	heard.mute = false;
	assert_int_equal(client_more(), 0);
	memset(heard.guest.id.b, 8, sizeof(heard.guest.id.b));
	mp_peers_drop(side[A].peers, &heard.guest.id);
	for (int i = 0; i < MP_PEERS_CLIENTS_OF_ONE_MAX; i++)
		caller_end(&c[i]);
}

/* Who says a thousand things at once is heard one by one: there is time for all else between. */
static void
test_turns(void **state)
{
	static struct caller c;
	int before;

	(void)state;
	caller_init(&c, false);
	caller_class(&c, MP_STREAM_CLASS_CLIENT);
	c.messages = 1000;
	c.at_once = true;
	caller_start(&c);
	spin_begin();
	do {
		before = heard.spoke;
		if (!spin_round())
			fail_msg("%d were heard", heard.spoke);
		assert_true(heard.spoke <= before + 1);
	} while (heard.spoke < 1000);
	caller_end(&c);
	assert_int_equal(c.rc, 0);
	assert_int_equal(c.answers, 1000);
	assert_int_equal(heard.spoke, 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_knock, guests_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_bad_knocks, guests_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_knock_stays, guests_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_client, guests_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_bad_clients, guests_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
			test_too_many_clients, guests_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_clients_of_one, guests_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_turns, guests_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/peers_world.h"

#include "shell/gate.h"

/* ---- streams that are well ---- */

/* Messages of the sizes in order; what they sum to. */
static void
assert_messages(const struct side *s, const uint64_t *sums, size_t count)
{
	size_t at = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (s->news[i].kind != MP_EV_MESSAGE)
			continue;
		assert_true(at < count);
		assert_int_equal(s->news[i].sum, sums[at++]);
	}
	assert_int_equal(at, count);
}

static void
messages_in_order(void **state)
{
	static const size_t sizes[] = {0, 1, 100, 65536, 300000, 5};
	uint8_t *bytes = malloc(300000);
	uint64_t sums[6];

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < 6; i++) {
		memset(bytes, (int)i + 1, sizes[i]);
		sums[i] = sum_of(mp_span(bytes, sizes[i]));
		send_bytes(A, B, MP_CLASS_CONTROL, bytes, sizes[i]);
	}
	spin(side[B].messages == 6);
	assert_messages(&side[B], sums, 6);
	assert_int_equal(side[A].ups, 1);
	assert_int_equal(side[B].ups, 1);
	assert_true(mp_node_id_eq(&side[B].news[0].peer, &side[A].id));
	assert_false(side[B].news[0].joiner);
	for (size_t i = 0; i < 6; i++) {
		memset(bytes, (int)i + 1, sizes[i]);
		send_bytes(B, A, MP_CLASS_CONTROL, bytes, sizes[i]);
	}
	spin(side[A].messages == 6);
	assert_messages(&side[A], sums, 6);
	assert_int_equal(side[A].ups + side[B].ups, 2);
	assert_int_equal(side[A].troubles + side[B].troubles, 0);
	free(bytes);
}

static void
classes_are_apart(void **state)
{
	(void)state;
	send_text(A, B, "control");
	send_bytes(A, B, MP_CLASS_BULK, "bulk", 4);
	spin(side[B].messages == 2);
	assert_int_equal(side[B].ups, 2);
	assert_int_equal(side[A].ups, 2);
	for (size_t i = 0; i < side[B].count; i++) {
		const struct news *n = &side[B].news[i];

		if (n->kind == MP_EV_MESSAGE)
			assert_int_equal(n->klass, n->size == 4 ? MP_CLASS_BULK : MP_CLASS_CONTROL);
	}
}

/* Both keep one stream, and nobody hears of the other. */
static void
both_open_at_once(void **state)
{
	(void)state;
	send_text(A, B, "from a");
	send_text(B, A, "from b");
	spin(side[A].messages == 1 && side[B].messages == 1);
	send_text(A, B, "again");
	send_text(B, A, "again");
	spin(side[A].messages == 2 && side[B].messages == 2);
	later(6000); /* the second one is closed */
	spin_begin();
	for (int i = 0; i < 50; i++) {
		send_text(A, B, "and again");
		send_text(B, A, "and again");
		spin(side[A].messages == 3 + i && side[B].messages == 3 + i);
		later(100);
	}
	assert_int_equal(side[A].ups, 1);
	assert_int_equal(side[B].ups, 1);
	assert_int_equal(side[A].downs + side[B].downs, 0);
}

static void
connect_to_a_stranger(void **state)
{
	(void)state;
	mp_peers_connect(side[A].peers, &side[B].addr);
	spin(side[A].ups == 1 && side[B].ups == 1);
	assert_true(mp_node_id_eq(&side[A].news[0].peer, &side[B].id));
	assert_true(mp_addr_eq(&side[A].news[0].addr, &side[B].addr));
	send_text(A, B, "over the same stream");
	spin(side[B].messages == 1);
	assert_int_equal(side[B].ups, 1);
}

/* ---- streams that end ---- */

static void
peer_goes_and_comes_back(void **state)
{
	struct mp_peers_config config;

	(void)state;
	send_text(A, B, "one");
	spin(side[B].messages == 1);
	side_close(B);
	spin(side[A].downs == 1);
	send_text(A, B, "nobody is there");
	spin(side[A].refused == 1);
	assert_true(mp_node_id_eq(&side[A].news[2].peer, &side[B].id));
	config = side_config(B);
	assert_int_equal(mp_peers_new(&config, &side[B].peers), 0);
	assert_int_equal(side_listen(B, &side[B].addr, NULL), 0);
	/* It is not ready to act on what it would hear: nothing is sent into the void. */
	send_text(A, B, "three");
	later(300);
	for (int i = 0; i < 1000; i++) /* on loopback, far more than it takes to greet */
		(void)uv_run(&world_loop, UV_RUN_NOWAIT);
	assert_int_equal(side[A].ups, 1);
	assert_int_equal(side[B].messages, 1);
	mp_peers_accept(side[B].peers);
	spin(side[B].messages == 2);
	assert_int_equal(side[A].ups, 2);
}

/* B starts again while A believes in the old stream. */
static void
peer_opens_again(void **state)
{
	struct mp_peers *old;

	(void)state;
	send_text(B, A, "one");
	spin(side[A].messages == 1);
	old = side[B].peers;
	side_open(B);
	send_text(B, A, "two");
	spin(side[A].messages == 2 && side[A].ups == 2);
	assert_int_equal(side[A].downs, 1);
	assert_int_equal(side[A].news[2].state, MP_LINK_DOWN);
	assert_int_equal(side[A].news[3].state, MP_LINK_UP);
	send_text(A, B, "to the new one");
	spin(side[B].messages == 1);
	mp_peers_close(old, on_closed, &side[D]);
	spin(side[D].closed);
}

static void
nobody_listens(void **state)
{
	struct mp_addr addr = loopback(free_port());

	(void)state;
	mp_peers_connect(side[A].peers, &addr);
	spin(side[A].refused == 1);
	assert_true(mp_node_id_is_zero(&side[A].news[0].peer));
	assert_true(mp_addr_eq(&side[A].news[0].addr, &addr));
	assert_int_equal(side[A].troubles, 1);
	side[B].addr = addr;
	send_text(A, B, "hello");
	spin(side[A].refused == 2);
	assert_int_equal(side[A].troubles, 1);
	addr.port = 0;
	side[B].addr = addr;
	send_text(A, B, "no address at all");
	assert_int_equal(stats(A).lost, 1);
}

static void
other_addresses_are_tried(void **state)
{
	struct mp_effect fx = {.kind = MP_FX_SEND};

	(void)state;
	fx.u.send.peer = side[B].id;
	fx.u.send.addrs[0] = loopback(free_port());
	fx.u.send.addrs[1] = loopback(free_port());
	fx.u.send.addrs[2] = side[B].addr;
	fx.u.send.bytes = mp_span_str("found");
	mp_peers_send(side[A].peers, &fx);
	spin(side[B].messages == 1);
	assert_int_equal(side[A].refused + side[A].failed, 0);
	assert_int_equal(side[A].ups, 1);
	fx.u.send.peer = side[C].id;
	fx.u.send.addrs[2] = loopback(free_port());
	mp_peers_send(side[A].peers, &fx);
	spin(side[A].refused == 1);
}

static void
dropped_after_the_last_word(void **state)
{
	(void)state;
	send_text(A, B, "one");
	send_bytes(A, B, MP_CLASS_BULK, "two", 3);
	spin(side[B].messages == 2);
	send_text(A, B, "go away");
	mp_peers_drop(side[A].peers, &side[B].id);
	assert_int_equal(side[A].downs, 2);
	spin(side[B].downs == 2);
	assert_int_equal(side[B].messages, 3);
}

static void
react_by_dropping(struct side *s, const struct mp_event *ev)
{
	int self = (int)(s - side), other = self == A ? B : A;

	if (ev->kind == MP_EV_LINK && ev->u.link.state != MP_LINK_UP)
		return;
	send_text(self, other, "a word");
	mp_peers_drop(s->peers, &side[other].id);
	send_text(self, other, "another");
	mp_peers_drop(s->peers, &side[other].id);
}

/* A callback closes the stream whose bytes it is looking at. */
/* Until idle streams were looked at once more. */
static void
look_at_idle(int i)
{
	unsigned before = side[i].looks;

	spin(side[i].looks > before);
}

/* Whoever opened it closes it, when nothing was said for long and it waits for nothing. */
static void
idle_is_closed(void **state)
{
	(void)state;
	world_close_ms = 4000;
	for (int i = A; i <= B; i++) {
		side_close(i);
		side_open(i);
	}
	send_text(A, B, "one");
	spin(side[B].messages == 1);
	look_at_idle(A);
	assert_int_equal(side[A].downs, 0);
	side[A].busy = true;
	later(4000);
	look_at_idle(A);
	look_at_idle(B);
	assert_int_equal(side[A].downs + side[B].downs, 0);
	side[A].busy = false;
	send_text(B, A, "two"); /* that is use, too */
	spin(side[A].messages == 1);
	look_at_idle(A);
	assert_int_equal(side[A].downs, 0);
	later(4000);
	look_at_idle(A);
	assert_int_equal(side[A].downs, 1);
	spin(side[B].downs == 1);
	send_text(B, A, "three");
	spin(side[A].messages == 2);
	assert_int_equal(side[A].ups, 2);
	assert_int_equal(side[A].troubles + side[B].troubles, 0);
}

static void
dropped_by_a_callback(void **state)
{
	(void)state;
	side[B].react = react_by_dropping;
	for (int i = 1; i <= 20; i++) {
		send_text(A, B, "one");
		send_text(A, B, "two");
		spin(side[B].count >= 2 * (size_t)i && side[A].downs + side[A].failed >= i);
	}
	side[A].react = react_by_dropping;
	for (int i = 1; i <= 20; i++) {
		send_text(A, B, "one");
		spin_begin();
		for (int k = 0; k < 20; k++)
			(void)uv_run(&world_loop, UV_RUN_NOWAIT);
	}
	side[A].react = side[B].react = NULL;
}

static void
closed_while_it_connects(void **state)
{
	(void)state;
	mp_peers_connect(side[A].peers, &side[B].addr);
	send_text(A, B, "never sent");
	send_text(B, A, "neither");
	side_close(A);
	assert_int_equal(side[A].count, 0);
	spin(side[B].failed + side[B].downs + side[B].refused == 1);
}

/* ---- who is not welcome ---- */

static void
another_cluster(void **state)
{
	(void)state;
	world_cluster.b[0]++;
	side_open(C);
	send_text(C, A, "hello");
	spin(side[C].failed == 1 && side[A].troubles == 1);
	assert_int_equal(side[A].count, 0);
	assert_true(had_trouble(C, MP_ESIG)); /* it is the first one to see a proof */
	assert_int_equal(stats(A).rejected, 1);
	assert_int_equal(stats(C).distrusted, 1);
	assert_int_equal(stats(C).refused[MP_REFUSED_HANDSHAKE_FORGED], 1);
	send_text(A, C, "hello");
	spin(side[A].failed == 1);
}

static void
shunned(void **state)
{
	(void)state;
	side[B].shuns = &side[A].id;
	send_text(A, B, "hello");
	/* A has nothing against B, and learns of it when B has closed. */
	spin(side[A].downs + side[A].failed == 1 && side[B].troubles == 1);
	assert_int_equal(side[B].count, 0);
	assert_string_equal(side[B].trouble.text, "shunned");
	send_text(B, A, "hello");
	spin(side[B].failed == 1);
}

static void
somebody_else_answers(void **state)
{
	struct mp_effect fx = {.kind = MP_FX_SEND};

	(void)state;
	fx.u.send.peer = side[C].id;
	fx.u.send.addrs[0] = side[B].addr;
	fx.u.send.bytes = mp_span_str("for c only");
	mp_peers_send(side[A].peers, &fx);
	spin(side[A].failed == 1);
	assert_int_equal(side[A].trouble.code, MP_EAUTH);
	assert_int_equal(stats(A).distrusted, 1);
	assert_int_equal(stats(A).refused[MP_REFUSED_CERT_UNPROVED], 1);
	assert_int_equal(side[B].messages, 0);
	mp_peers_connect(side[A].peers, &side[A].addr);
	spin(side[A].failed == 2 && stats(A).rejected == 1);
	assert_true(had_trouble(A, MP_EEXIST));
}

static void
junk(void **state)
{
	static const char *const texts[] = {"GET / HTTP/1.1\r\n\r\n", "MPS1", "\x16\x03\x01\x02"};
	uint8_t noise[4096];
	int fd;

	(void)state;
	for (size_t i = 0; i < mp_countof(texts); i++) {
		fd = raw_connect(&side[A].addr);
		assert_true(send(fd, texts[i], strlen(texts[i]), 0) > 0);
		mp_key_random(noise, sizeof(noise));
		assert_int_equal(send(fd, noise, sizeof(noise), 0), sizeof(noise));
		spin(raw_closed(fd));
		assert_int_equal(stats(A).rejected, i + 1);
		(void)close(fd);
	}
	fd = raw_connect(&side[A].addr);
	(void)close(fd);
	spin(stats(A).rejected == mp_countof(texts) + 1);
	assert_int_equal(side[A].count, 0);
	send_text(B, A, "and it still works");
	spin(side[A].messages == 1);
}

/* Goes on with a handshake as far as `payload`; true when the other side has closed. */
static bool
raw_pump(int fd, struct mp_session *s, struct mp_span payload, bool *open)
{
	struct mp_session_event ev;
	uint8_t bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	struct mp_span in, out;

	if (n == 0 || (n < 0 && errno != EAGAIN))
		return true;
	in = mp_span(bytes, n > 0 ? (size_t)n : 0);
	for (;;) {
		assert_int_equal(mp_session_next(s, &in, &ev), 0);
		if (ev.type != MP_SESSION_HANDSHAKE)
			break;
		assert_int_equal(mp_session_reply(s, payload, 0), 0);
		*open = true;
	}
	out = mp_session_output(s);
	if (out.n > 0)
		assert_int_equal(send(fd, out.p, out.n, 0), out.n);
	mp_session_sent(s, out.n);
	return false;
}

static void
raw_session(struct mp_session *s, int who)
{
	struct mp_session_config config = {.role = MP_NOISE_INITIATOR,
		.alloc = &side[who].alloc,
		.crypto = &mp_crypto_sodium,
		.secret = side[who].secret,
		.static_key = side[who].xkey,
		.cluster = world_cluster,
		.proto_min = 1,
		.proto_max = 1};
	uint8_t entropy[32];

	mp_key_random(entropy, sizeof(entropy));
	assert_int_equal(mp_session_init(s, &config, entropy), 0);
}

/* A handshake that is good, with a greeting that is none. */
static void
malformed_greeting(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} greetings[] = {{"", 0}, {"\x80", 1}, {"\x82\x00\x40", 3}, {"\x82\x07\x41x", 4},
		{"\x82\x00\x41x", 4}, {"\x82\x00\x41xx", 5}, {"noise", 5}};

	(void)state;
	for (size_t i = 0; i < mp_countof(greetings); i++) {
		int fd = raw_connect(&side[A].addr);
		struct mp_session s;
		bool open = false;

		raw_session(&s, C);
		spin(raw_pump(fd, &s, mp_span(greetings[i].p, greetings[i].n), &open));
		assert_true(open);
		assert_int_equal(stats(A).rejected, i + 1);
		mp_session_fini(&s);
		(void)close(fd);
	}
	assert_int_equal(stats(A).refused[MP_REFUSED_CERT_MALFORMED], stats(A).rejected);
	assert_int_equal(side[A].count, 0);
}

/* ---- bounds ---- */

/* A peer that never reads: what waits for it is bounded, and the rest is lost and counted. */
static void
slow_reader(void **state)
{
	uint8_t *bytes = calloc(1, MP_MSG_MAX), greeting[64];
	struct mp_session s;
	struct mp_cbor_w w;
	struct mp_buf buf;
	int fd = raw_connect(&side[A].addr);
	bool open = false;

	(void)state;
	assert_non_null(bytes);
	raw_session(&s, C);
	mp_buf_init(&buf, &side[C].alloc, sizeof(greeting));
	mp_cbor_w_init(&w, &buf);
	mp_cbor_w_array(&w, 2);
	mp_cbor_w_uint(&w, MP_CLASS_CONTROL);
	mp_cbor_w_bytes(&w, side[C].credential, 33);
	spin(open || raw_pump(fd, &s, mp_buf_span(&buf), &open));
	spin(side[A].ups == 1);
	for (int i = 0; i < 10; i++) {
		send_bytes(A, C, MP_CLASS_CONTROL, bytes, MP_MSG_MAX);
		(void)uv_run(&world_loop, UV_RUN_NOWAIT);
	}
	assert_in_range(stats(A).lost, 4, 8);
	assert_in_range(side[A].heap.live, MP_MSG_MAX, 6 * (size_t)MP_MSG_MAX);
	(void)close(fd);
	spin(side[A].downs == 1 && side[A].heap.live < 65536);
	mp_session_fini(&s);
	mp_buf_fini(&buf);
	assert_int_equal(side[C].heap.live, 0);
	free(bytes);
}

/* Messages that wait for a handshake that does not come, and for a peer that says nothing. */
static void
silent_peer(void **state)
{
	struct sockaddr_storage ss;
	struct mp_addr addr = loopback(free_port());
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t *bytes = calloc(1, MP_MSG_MAX);
	int fd;

	(void)state;
	assert_non_null(bytes);
	mp_addr_to_sockaddr(&ss, &addr);
	assert_int_equal(bind(listener, (struct sockaddr *)&ss, sizeof(struct sockaddr_in)), 0);
	assert_int_equal(listen(listener, 8), 0);
	side[B].addr = addr;
	for (int i = 0; i < 4; i++)
		send_bytes(A, B, MP_CLASS_CONTROL, bytes, MP_MSG_MAX);
	assert_int_equal(stats(A).lost, 2);
	fd = raw_connect(&side[A].addr);
	spin_begin();
	(void)spin_round();
	later(6000);
	spin(side[A].failed == 1 && side[A].troubles == 2 && raw_closed(fd));
	assert_int_equal(side[A].trouble.code, MP_ETIMEOUT);
	(void)close(fd);
	(void)close(listener);
	free(bytes);
}

/* Whoever holds all places with streams that say nothing keeps nobody out. */
static void
a_crowd(void **state)
{
	int fds[MP_PEERS_GREETING_SOURCE_MAX + 10];

	(void)state;
	for (size_t i = 0; i < mp_countof(fds); i++)
		fds[i] = raw_connect(&side[A].addr);
	spin(stats(A).crowded == 10);
	assert_int_equal(stats(A).rejected, 0);
	assert_int_equal(stats(A).unproved, MP_PEERS_GREETING_SOURCE_MAX);
	for (size_t i = 0; i < 10; i++)
		assert_true(raw_closed(fds[i]));
	send_text(B, A, "let me pass");
	spin(side[A].messages == 1);
	assert_int_equal(stats(A).crowded, 11);
	for (size_t i = 0; i < mp_countof(fds); i++)
		(void)close(fds[i]);
	spin(stats(A).rejected == MP_PEERS_GREETING_SOURCE_MAX - 1);
	assert_int_equal(stats(A).refused[MP_REFUSED_HANDSHAKE_CLOSED], stats(A).rejected);
	assert_int_equal(stats(A).unproved, 0);
}

/* Strangers from many sources have to make room, and not who comes from where a member is. */
static void
strangers_go_first(void **state)
{
	int fds[MP_PEERS_GREETING_MAX + 20], member = raw_connect(&side[A].addr);

	(void)state;
	for (size_t i = 0; i < mp_countof(fds); i++)
		fds[i] = raw_connect_from((uint8_t)(2 + i % 8), &side[A].addr);
	spin(stats(A).crowded == 21);
	assert_int_equal(stats(A).unproved, MP_PEERS_GREETING_MAX);
	assert_false(raw_closed(member));
	for (size_t i = 0; i < 21; i++)
		assert_true(raw_closed(fds[i]));
	(void)close(member);
	for (size_t i = 0; i < mp_countof(fds); i++)
		(void)close(fds[i]);
	spin(stats(A).unproved == 0);
}

static uint64_t
all_refused(void)
{
	return stats(A).rejected + stats(A).crowded + stats(A).throttled;
}

/* More connections in a moment than anybody needs. */
static void
a_flood(void **state)
{
	(void)state;
	for (size_t i = 0; stats(A).throttled == 0 && i < 10 * MP_GATE_SOURCE_BURST; i++) {
		uint64_t before = all_refused();

		(void)close(raw_connect(&side[A].addr));
		spin(all_refused() > before);
	}
	assert_int_equal(stats(A).throttled, 1);
	later(1000);
	send_text(B, A, "once it is over");
	spin(side[A].messages == 1);
}

static void
joiners(void **state)
{
	(void)state;
	side[B].credential[0] = 'j';
	mp_peers_connect(side[A].peers, &side[B].addr); /* no help to one that joins */
	spin(side[A].failed == 1);
	assert_int_equal(stats(A).refused[MP_REFUSED_CERT_UNPROVED], 1);
	side[A].troubles = side[A].failed = 0;
	side[A].count = 0;
	mp_peers_connect(side[B].peers, &side[A].addr);
	spin(side[A].ups == 1);
	assert_true(side[A].news[0].joiner);
	later(MP_PEERS_JOINER_MS + 1000);
	spin(side[A].downs == 1 && side[B].downs == 1);
	assert_false(side[A].news[1].joiner);
	assert_int_equal(side[A].trouble.code, MP_ETIMEOUT);
	side[A].admitted = true;
	mp_peers_connect(side[B].peers, &side[A].addr);
	spin(side[A].ups == 2);
	later(MP_PEERS_JOINER_MS + 1000);
	for (int i = 0; i < 3; i++) {
		later(1000);
		send_text(B, A, "still here");
		spin(side[A].messages == i + 1);
	}
	assert_int_equal(side[A].downs, 1);
}

static void
ports(void **state)
{
	struct mp_peers_config config = side_config(C);
	struct mp_addr elsewhere = {
		.ip = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1}, .port = 1};
	struct mp_error err = {0};

	(void)state;
	assert_int_equal(mp_peers_new(&config, &side[C].peers), 0);
	assert_int_equal(side_listen(C, &side[A].addr, &err), MP_EBUSY);
	assert_non_null(strstr(err.text, "in use"));
	side_close(C);
	assert_int_equal(mp_peers_new(&config, &side[C].peers), 0);
	assert_int_equal(side_listen(C, &elsewhere, &err), MP_EINVAL);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(messages_in_order),
		TEST(classes_are_apart),
		TEST(both_open_at_once),
		TEST(connect_to_a_stranger),
		TEST(peer_goes_and_comes_back),
		TEST(peer_opens_again),
		TEST(nobody_listens),
		TEST(other_addresses_are_tried),
		TEST(dropped_after_the_last_word),
		TEST(idle_is_closed),
		TEST(dropped_by_a_callback),
		TEST(closed_while_it_connects),
		TEST(another_cluster),
		TEST(shunned),
		TEST(somebody_else_answers),
		TEST(junk),
		TEST(malformed_greeting),
		TEST(slow_reader),
		TEST(silent_peer),
		TEST(a_crowd),
		TEST(strangers_go_first),
		TEST(a_flood),
		TEST(joiners),
		TEST(ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

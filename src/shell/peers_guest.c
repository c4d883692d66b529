/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of who is no node: one that knocks, or a client. */
#include "codec/cbor.h"
#include "codec/record_cert.h"
#include "shell/peers_int.h"

static struct mp_conn *
guest_find(const struct mp_peers *peers, uint64_t number)
{
	for (struct mp_dlist *l = peers->conns.next; l != &peers->conns; l = l->next) {
		struct mp_conn *c = mp_container_of(l, struct mp_conn, link);

		if (c->is_guest && c->guest.number == number)
			return c;
	}
	return NULL;
}

/* Clients of that identity. */
static size_t
guest_clients(const struct mp_peers *peers, const struct mp_node_id *id)
{
	size_t n = 0;

	for (struct mp_dlist *l = peers->conns.next; l != &peers->conns; l = l->next) {
		const struct mp_conn *c = mp_container_of(l, struct mp_conn, link);

		n += c->is_guest && !c->guest.knocks && mp_node_id_eq(&c->guest.id, id);
	}
	return n;
}

void
mp_peers_answer(struct mp_peers *peers, uint64_t number, struct mp_span bytes)
{
	struct mp_conn *c = guest_find(peers, number);
	uint64_t lost = peers->stats.lost;

	if (c == NULL)
		return;
	mp_conn_send(c, bytes);
	if (peers->stats.lost != lost) /* it would wait for ever */
		mp_conn_fail(c, MP_ELIMIT, "does not take its answers");
}

int
mp_guest_greeting(const struct mp_conn *c, struct mp_buf *buf)
{
	struct mp_cbor_w w;

	mp_cbor_w_init(&w, buf);
	mp_cbor_w_array(&w, 1);
	mp_cbor_w_bytes(&w, c->peers->config.cluster.b, sizeof(c->peers->config.cluster.b));
	return w.rc;
}

int
mp_guest_knock(struct mp_conn *c, const struct mp_session_event *ev, struct mp_span *request,
	struct mp_error *err)
{
	struct mp_request who;
	int rc = mp_request_open(c->peers->config.crypto, ev->data, &who, err);

	if (rc == 0 && memcmp(who.xkey.b, ev->peer.b, sizeof(who.xkey.b)) != 0)
		rc = mp_fail(err, MP_EAUTH, "the stream's key is not the request's");
	if (rc != 0)
		return rc;
	c->is_guest = true;
	c->guest = (struct mp_peers_guest){.knocks = true, .id = who.id, .name = who.name};
	*request = ev->data;
	return 0;
}

int
mp_guest_client(struct mp_conn *c, const struct mp_session_event *ev, struct mp_span credential,
	struct mp_error *err)
{
	struct mp_peers *peers = c->peers;
	struct mp_peers_guest guest = {.knocks = false};
	int rc = MP_EAUTH;

	if (mp_peers_clients(peers) >= MP_PEERS_CLIENTS_MAX)
		return mp_fail(err, MP_EBUSY, "too many clients");
	if (peers->config.client != NULL)
		rc = peers->config.client(peers->config.ctx, credential, &ev->peer, &guest, err);
	if (rc == 0 && guest_clients(peers, &guest.id) >= MP_PEERS_CLIENTS_OF_ONE_MAX)
		rc = mp_fail(err, MP_EBUSY, "too many clients of one identity");
	if (rc == 0 && mp_buf_append(&c->credential, credential.p, credential.n) != 0)
		rc = mp_fail(err, MP_ENOMEM, "out of memory");
	if (rc != 0)
		return rc;
	c->is_guest = true;
	c->guest = guest;
	c->guest.credential = mp_buf_span(&c->credential);
	c->guest.xkey = ev->peer;
	return 0;
}

void
mp_guest_up(struct mp_conn *c, struct mp_span request)
{
	struct mp_peers *peers = c->peers;

	c->guest.number = ++peers->guests;
	c->guest.addr = c->addr;
	c->id = c->guest.id;
	c->id_known = true;
	if (c->guest.knocks)
		peers->config.guest(peers->config.ctx, &c->guest, request);
}

void
mp_guest_message(struct mp_conn *c, struct mp_span bytes)
{
	struct mp_peers *peers = c->peers;

	if (c->guest.knocks)
		mp_conn_fail(c, MP_EFORMAT, "knocks, and may say nothing else");
	else
		peers->config.guest(peers->config.ctx, &c->guest, bytes);
}

/* ---- turns ---- */

bool
mp_guest_is_client(const struct mp_conn *c)
{
	return c->is_guest && !c->guest.knocks && c->state == MP_CONN_OPEN;
}

static void
guest_queue(struct mp_conn *c)
{
	if (mp_dlist_linked(&c->turn))
		return;
	mp_dlist_push(&c->peers->turns, &c->turn);
	(void)uv_idle_start(&c->peers->turner, mp_guest_on_turn);
}

void
mp_guest_input(struct mp_conn *c, struct mp_span bytes)
{
	mp_conn_read(c, false);
	if (mp_buf_append(&c->ahead, bytes.p, bytes.n) != 0)
		mp_conn_fail(c, MP_ENOMEM, "out of memory");
	else
		guest_queue(c);
}

void
mp_guest_written(struct mp_conn *c)
{
	if (mp_guest_is_client(c) && c->ahead.n > 0)
		guest_queue(c);
}

/* True: it was heard. */
static bool
guest_turn(struct mp_conn *c)
{
	struct mp_span input = mp_span(c->ahead.p + c->ahead_at, c->ahead.n - c->ahead_at);
	bool spoke = mp_conn_input(c, &input);

	if (c->state == MP_CONN_CLOSING)
		return true;
	c->ahead_at = c->ahead.n - input.n;
	if (input.n > 0) {
		guest_queue(c);
		return spoke;
	}
	mp_buf_fini(&c->ahead);
	c->ahead_at = 0;
	mp_conn_read(c, true);
	return spoke;
}

void
mp_guest_on_turn(uv_idle_t *turner)
{
	struct mp_peers *peers = mp_container_of(turner, struct mp_peers, turner);
	struct mp_dlist *l;
	bool heard = false;

	while (!heard && (l = mp_dlist_first(&peers->turns)) != NULL) {
		struct mp_conn *c = mp_container_of(l, struct mp_conn, turn);

		mp_dlist_remove(l);
		/* mp_guest_written() comes back to one that has answers to take. */
		heard = !c->write_busy && guest_turn(c);
	}
	if (mp_dlist_first(&peers->turns) == NULL)
		(void)uv_idle_stop(turner);
}

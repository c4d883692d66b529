/* SPDX-License-Identifier: Apache-2.0 */
/* Where a node listens and where it says that it is: UDP and TCP on one port. */
#include <string.h>

#include "crypto/key.h"
#include "shell/daemon_int.h"

#define DEFAULT_PORT 7117
#define PORT_TRIES   20
#define PATH_MS      4000
#define PATH_WAN_MS  15000
#define IDLE_S       120
#define CLOSE_MS     600000
#define KEEP_S       20 /* where only our own streams reach us: routers forget idle ones */

void
mp_daemon_part_closed(void *ctx)
{
	struct mp_daemon *d = ctx;

	mp_assert(d->closing > 0);
	d->closing--;
}

void
mp_daemon_loop_drain(struct mp_daemon *d)
{
	while (d->closing > 0)
		(void)uv_run(&d->loop, UV_RUN_ONCE);
}

/* ---- binding ---- */

static mp_time
path_ms(const struct mp_daemon *d)
{
	return d->config.state->network.wan ? PATH_WAN_MS : PATH_MS;
}

void
mp_daemon_net_timings(struct mp_daemon *d)
{
	mp_peers_set_path(d->peers, path_ms(d));
}

static int
new_peers(struct mp_daemon *d)
{
	const struct mp_state *state = d->config.state;
	struct mp_peers_config config = {.loop = &d->loop,
		.alloc = &mp_heap,
		.crypto = &mp_crypto_sodium,
		.secret = state->secret,
		.static_key = state->xkey,
		.cluster = state->cluster,
		.self = state->id,
		.idle_s = state->network.reach_out ? KEEP_S : IDLE_S,
		.path_ms = path_ms(d),
		.close_ms = state->network.reach_out ? 0 : CLOSE_MS,
		.quiet = mp_daemon_quiet,
		.check = mp_daemon_on_check_peer,
		.member = mp_daemon_member,
		.member_at = mp_daemon_member_at,
		.client = mp_daemon_on_client,
		.guest = mp_daemon_on_guest,
		.guest_gone = mp_daemon_on_guest_gone,
		.credential = mp_daemon_on_credential,
		.event = mp_daemon_on_peer,
		.trouble = mp_daemon_on_trouble,
		.ctx = d};

	return mp_peers_new(&config, &d->peers);
}

static int
bind_both(struct mp_daemon *d, struct mp_addr *addr, struct mp_error *err)
{
	struct sockaddr_storage ss;
	int rc;

	mp_addr_to_sockaddr(&ss, addr);
	rc = mp_udp_open(
		&d->udp, &d->loop, (const struct sockaddr *)&ss, mp_daemon_on_datagram, d, err);
	if (rc == 0 && mp_udp_address(&d->udp, addr) != 0)
		rc = mp_fail(err, MP_EIO, "no address");
	if (rc != 0)
		return rc;
	rc = new_peers(d);
	if (rc != 0)
		return mp_fail(err, rc, "streams: %s", mp_strerror(rc));
	if (d->config.state->network.reach_out)
		return 0;
	mp_addr_to_sockaddr(&ss, addr);
	return mp_peers_listen(d->peers, (const struct sockaddr *)&ss, err);
}

void
mp_daemon_unbind(struct mp_daemon *d)
{
	if (d->udp.open) {
		d->closing++;
		mp_udp_close(&d->udp, mp_daemon_part_closed, d);
	}
	if (d->peers != NULL) {
		d->closing++;
		mp_peers_close(d->peers, mp_daemon_part_closed, d);
		d->peers = NULL;
	}
	mp_daemon_loop_drain(d);
}

/* What to do when it cannot be: the port may be one that was picked before. */
static int
bind_failed(const struct mp_addr *addr, bool kept, struct mp_error *err)
{
	char text[MP_ADDR_TEXT];
	int rc = err->code;

	mp_addr_format(text, addr);
	if (rc == MP_EBUSY)
		(void)mp_fail(err, rc,
			"the port is in use%s; stop what uses it, or give another one with "
			"--listen",
			kept ? " (it was picked when this node first started, and kept)" : "");
	(void)mp_wrap(err, "listen on %s", text);
	return rc;
}

static int
listen_both(struct mp_daemon *d, struct mp_addr *addr, struct mp_error *err)
{
	uint16_t kept = addr->port == 0 ? d->config.state->port : 0;
	int tries = addr->port == 0 && kept == 0 ? PORT_TRIES : 1;

	if (kept != 0)
		addr->port = kept;
	for (;;) {
		struct mp_addr tried = *addr;
		int rc = bind_both(d, &tried, err);

		if (rc == 0) {
			*addr = tried;
			return 0;
		}
		mp_daemon_unbind(d);
		if (rc != MP_EBUSY || --tries == 0)
			return bind_failed(addr, kept != 0, err);
	}
}

/* All addresses are those of both families, where there is IPv6; of a name the first one that this
 * machine has. */
static int
listen_any(struct mp_daemon *d, const char *listen, struct mp_addr *addr, struct mp_error *err)
{
	struct mp_resolved answer;
	struct mp_addr *list = answer.addrs, own;
	int rc = mp_daemon_resolve_now(d, listen, MP_ADDR_LISTEN, &answer, err);

	if (rc != 0)
		return mp_wrap(err, "--listen");
	if (answer.count > 1 && mp_addr_is_any(&list[0]) && mp_addr_is_any(&list[1]) &&
		mp_addr_is_v4(&list[0])) {
		own = list[0];
		list[0] = list[1];
		list[1] = own;
	}
	for (size_t i = 0; i < answer.count; i++) {
		*addr = list[i];
		if (d->config.listen == NULL && d->config.state->port == 0 && addr->port == 0)
			addr->port = DEFAULT_PORT;
		rc = listen_both(d, addr, err);
		if (rc == 0 || rc == MP_EBUSY)
			break;
	}
	return rc;
}

/* ---- what is kept ---- */

static int
keep_text(char out[MP_STATE_SEED_SIZE], const char *text, const char *option, struct mp_error *err)
{
	size_t n = strlen(text);

	if (n >= MP_STATE_SEED_SIZE || strchr(text, '\n') != NULL)
		return mp_fail(err, MP_EUSAGE, "%s: this is no address", option);
	memcpy(out, text, n + 1);
	return 0;
}

/* What was said now goes over what was said before. Where others reach a node depends on where it
 * listens, so another --listen makes an older --advertise void. */
static int
network_choose(struct mp_daemon *d, struct mp_state_network *net, struct mp_error *err)
{
	const struct mp_daemon_config *config = &d->config;
	int rc = 0;

	*net = config->state->network;
	if (config->timing != MP_TIMING_KEPT)
		net->wan = config->timing == MP_TIMING_WAN;
	if (config->reach != MP_REACH_KEPT)
		net->reach_out = config->reach == MP_REACH_OUT;
	if (config->reach == MP_REACH_OUT) {
		net->listen[0] = '\0';
		net->advertise_count = 0;
	}
	if (net->reach_out && (config->listen != NULL || config->advertise_count > 0))
		return mp_fail(err, MP_EUSAGE,
			"--listen, --advertise: this node only reaches out; --reach all ends that");
	if (net->reach_out && config->state->founder)
		return mp_fail(err, MP_EUSAGE,
			"--reach out: somebody has to be reached; a cluster is founded by others");
	if (config->listen != NULL) {
		rc = keep_text(net->listen, config->listen, "--listen", err);
		net->advertise_count = 0;
	}
	if (config->advertise_count > 0)
		net->advertise_count = config->advertise_count;
	for (size_t i = 0; rc == 0 && i < config->advertise_count; i++)
		rc = keep_text(net->advertise[i], config->advertise[i], "--advertise", err);
	return rc;
}

/* ---- where others reach it ---- */

static void
advertise_add(struct mp_daemon *d, struct mp_addr addr, uint16_t port)
{
	if (addr.port == 0)
		addr.port = port;
	for (size_t i = 0; i < d->advertised_count; i++) {
		if (mp_addr_eq(&d->advertised[i], &addr))
			return;
	}
	if (d->advertised_count < mp_countof(d->advertised))
		d->advertised[d->advertised_count++] = addr;
}

static int
advertise(struct mp_daemon *d, const struct mp_state_network *net, const struct mp_addr *own,
	struct mp_error *err)
{
	struct mp_resolved answer;
	struct mp_addr list[2];
	size_t count = 1;

	if (net->reach_out)
		return 0;
	for (size_t i = 0; i < net->advertise_count; i++) {
		int rc = mp_daemon_resolve_now(d, net->advertise[i], MP_ADDR_OWN, &answer, err);

		if (rc != 0)
			return mp_wrap(err, "--advertise");
		for (size_t k = 0; k < answer.count; k++)
			advertise_add(d, answer.addrs[k], own->port);
	}
	if (d->advertised_count > 0)
		return 0;
	list[0] = *own;
	if (mp_addr_is_any(own))
		count = mp_addr_of_machine(!mp_addr_is_v4(own), list);
	for (size_t k = 0; k < count; k++) {
		list[k].port = own->port;
		advertise_add(d, list[k], own->port);
	}
	return 0;
}

int
mp_daemon_open_sockets(struct mp_daemon *d, struct mp_error *err)
{
	struct mp_state_network net;
	struct mp_addr addr;
	int rc = network_choose(d, &net, err);

	if (rc == 0)
		rc = mp_state_set_network(d->config.state, &net, err);
	if (rc == 0) /* ":0" is at the port of the last time, or 7117 */
		rc = listen_any(d, net.listen[0] != '\0' ? net.listen : ":0", &addr, err);
	if (rc == 0)
		rc = advertise(d, &net, &addr, err);
	return rc != 0 ? rc : mp_state_set_port(d->config.state, addr.port, err);
}

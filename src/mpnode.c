/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mpnode: one node of a cluster. ARCHITECTURE.md is the map of the program; in short:
 *
 *   main            this file: options, what is printed, exit codes
 *   shell/state     the state directory: lock, keys, credential, tokens
 *   shell/daemon    the event loop around the node, and all that touches the world
 *   core/node       the node: everything that is decided
 *   codec           bytes and what they mean
 *   crypto          libsodium
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "codec/msg_ctl.h"
#include "codec/token.h"
#include "crypto/key.h"
#include "ctl/client.h"
#include "mp/error.h"
#include "mp/limits.h"
#include "shell/addr.h"
#include "shell/await.h"
#include "shell/daemon.h"
#include "shell/heap.h"
#include "shell/state.h"
#include "util/hex.h"

#define INVITE_MS  ((mp_time)24 * 60 * 60 * 1000)
#define EXIT_USAGE 2
#define EXIT_OUT   3 /* shut out, for ever or until somebody does something about it */

struct options {
	uint32_t given; /* bits of enum option_id */
	const char *state, *name, *listen, *token_file;
	const char *advertise[MP_ADDRS_MAX];
	size_t advertise_count;
	struct mp_settings settings;
	enum mp_reach reach;
	enum mp_timing timing;
	const char *control_group, *run_as;
	bool keep_failed, force, again, trust_submitters;
	char **seeds; /* join: the arguments */
	size_t seed_count;
};

static const char usage_text[] =
	"usage: mpnode init [--state DIR] [--name NAME]\n"
	"       mpnode start [options]\n"
	"       mpnode join SEED:PORT... [--token-file FILE] [options]\n"
	"       mpnode leave [--force] [--state DIR]\n"
	"\n"
	"  init    make this node's identity and a cluster, print the first invite\n"
	"  start   serve in the foreground; on an empty state directory found a cluster\n"
	"  join    become a member of the cluster that a seed belongs to, then serve; without a\n"
	"          token it shows its fingerprint and waits until mpctl admit lets it in\n"
	"  leave   take the running node out of its cluster, for ever\n"
	"\n"
	"  --state DIR             where keys and databases are kept\n"
	"  --name NAME             what people call this node (default: the host's name, with the\n"
	"                          beginning of its id where a seed is on this host)\n"
	"  --listen HOST:PORT      UDP and TCP (default: as last time, or all addresses and port "
	"7117;\n"
	"                          port 0 picks one, once)\n"
	"  --advertise HOST[:PORT] where others reach this node, if elsewhere; may be repeated\n"
	"  --reach out|all         out: nobody can reach this node, it opens all streams "
	"itself\n"
	"  --profile lan|wan       timings; wan is for round trips of more than 100 ms; who joins\n"
	"                          takes those of the cluster\n"
	"  --slots N               attempts at a time (default: processors; 0: only keep and "
	"vote)\n"
	"  --tag TAG               what this node can do, for `requires`; may be repeated\n"
	"  --resource NAME=N       how much it has of what can be counted; may be repeated\n"
	"  --zone ZONE             what fails together with it: a rack, a building\n"
	"  --token-file FILE       the invite token (or $MP_TOKEN); - is standard input\n"
	"  --again                 join: control.db is damaged or lost; come back without it\n"
	"  --force                 leave, even if what only this node has is lost by it\n"
	"  --run-as USER           modules run as USER and see neither keys, databases nor each "
	"other\n"
	"  --trust-submitters      take submissions from elsewhere, to run as this user\n"
	"  --control-group GROUP   its members may use the control socket too\n"
	"  --keep-failed           leave the workspaces of attempts that fail\n"
	"  --help, --version\n";

static int
usage_error(const char *what, const char *arg)
{
	(void)fprintf(stderr, "mpnode: %s%s%s\nTry 'mpnode --help'.\n", what,
		arg != NULL ? ": " : "", arg != NULL ? arg : "");
	return EXIT_USAGE;
}

static int
failed(const struct mp_error *err)
{
	(void)fprintf(stderr, "mpnode: %s\n", err->text);
	return err->code == MP_EUSAGE ? EXIT_USAGE : 1;
}

/* ---- tokens ---- */

static int
read_all(FILE *f, struct mp_buf *buf)
{
	char chunk[4096];
	size_t n;

	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
		int rc = mp_buf_append(buf, chunk, n);

		if (rc != 0)
			return rc;
	}
	return ferror(f) != 0 ? MP_EIO : 0;
}

/* From --token-file or $MP_TOKEN. MP_ENOENT: there is none. */
static int
read_token(const struct options *o, struct mp_buf *text, struct mp_error *err)
{
	const char *env = getenv("MP_TOKEN");
	bool standard = o->token_file != NULL && strcmp(o->token_file, "-") == 0;
	struct stat st;
	FILE *f;
	int rc;

	if (o->token_file == NULL) {
		if (env == NULL || env[0] == '\0')
			return MP_ENOENT;
		rc = mp_buf_append(text, env, strlen(env));
		return rc == 0 ? 0 : mp_fail(err, rc, "$MP_TOKEN: this is no token");
	}
	f = standard ? stdin : fopen(o->token_file, "re");
	if (f == NULL)
		return mp_fail(
			err, MP_EIO, "%s: cannot be read: %s", o->token_file, strerror(errno));
	if (!standard && fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) &&
		(st.st_mode & (S_IRGRP | S_IROTH)) != 0)
		(void)fprintf(stderr,
			"mpnode: %s: others can read it, and join with it; chmod 600 it\n",
			o->token_file);
	rc = read_all(f, text);
	if (!standard)
		(void)fclose(f);
	return rc == 0 ? 0 : mp_fail(err, rc, "%s: this is no token", o->token_file);
}

/* ---- commands ---- */

/* On error there is nothing to close. */
static int
open_state(const struct options *o, struct mp_state *state, struct mp_error *err)
{
	char dir[MP_PATH_MAX + 1];
	int rc = mp_state_default(o->state, dir, err);

	return rc != 0 ? rc : mp_state_open(dir, o->name, state, err);
}

/* Two lines for the person who founds a cluster: how others join it. */
static void
print_how_to_join(const struct mp_state *state, FILE *to)
{
	(void)fprintf(to,
		"mpnode: founded a new cluster; to let another machine join it:\n"
		"mpnode:   (umask 077; mpctl --state %s invite > TOKEN)\n"
		"mpnode:   mpnode join HOST:PORT --token-file TOKEN      (on that machine)\n",
		state->dir);
}

/* Closes the state. */
static int
abandon(struct mp_state *state, const struct mp_error *err)
{
	mp_state_abandon(state);
	return failed(err);
}

/* Closes the state. */
static int
serve(const struct options *o, struct mp_state *state, bool founded)
{
	struct mp_daemon_config config = {.state = state,
		.listen = o->listen,
		.advertise = o->advertise,
		.advertise_count = o->advertise_count,
		.reach = o->reach,
		.timing = o->timing,
		.options = &o->settings,
		.ready = stdout,
		.log = stderr,
		.trust_submitters = o->trust_submitters,
		.control_group = o->control_group,
		.run_as = o->run_as,
		.keep_failed = o->keep_failed};
	struct mp_daemon *daemon = NULL;
	struct mp_error err = {0};
	bool out;
	int rc = 0;

	if (state->renamed)
		rc = mp_fail(&err, MP_EUSAGE,
			"--name: this node has another name in its certificate already; it stays, "
			"or comes anew with a token before the node is a member");
	if (rc == 0)
		rc = mp_daemon_open(&config, &daemon, &err);
	if (rc == MP_ECANCELED) {
		mp_state_abandon(state);
		return 0;
	}
	if (rc != 0)
		return abandon(state, &err);
	if (founded)
		print_how_to_join(state, stderr);
	rc = mp_daemon_run(daemon, &err);
	out = rc == MP_EAUTH;
	mp_daemon_close(daemon);
	mp_state_close(state);
	rc = rc != 0 ? failed(&err) : 0;
	return out ? EXIT_OUT : rc;
}

/* The token alone on stdout, and how to end it. */
static int
print_token(struct mp_span token, struct mp_error *err)
{
	char key[MP_HEX_SIZE(32)];
	struct mp_token_facts facts;
	int rc = mp_token_facts(&mp_crypto_sodium, &mp_heap, token, &facts, err);

	if (rc != 0)
		return rc;
	mp_hex(key, facts.key.b, sizeof(facts.key.b));
	(void)printf("%.*s\n", (int)token.n, (const char *)token.p);
	(void)fprintf(stderr, "mpnode: good for %d h; to end it before: mpctl revoke %s\n",
		(int)(INVITE_MS / 3600000), key);
	return 0;
}

static int
command_init(const struct options *o)
{
	struct mp_error err = {0};
	struct mp_state state;
	struct mp_buf token;
	int rc = open_state(o, &state, &err);

	if (rc != 0)
		return failed(&err);
	mp_buf_init(&token, &mp_heap, MP_TOKEN_MAX);
	if (state.has_credential)
		rc = mp_fail(&err, MP_EEXIST, "%s: belongs to a cluster already", state.dir);
	else
		rc = mp_state_found(&state, &err);
	if (rc == 0)
		rc = mp_state_invite(&state, mp_span(NULL, 0),
			MP_ROLE_NODE | MP_ROLE_SUBMIT | MP_ROLE_OBSERVE, INVITE_MS, NULL, 0, &token,
			&err);
	if (rc == 0)
		rc = print_token(mp_buf_span(&token), &err);
	mp_buf_fini(&token);
	if (rc != 0)
		return abandon(&state, &err);
	mp_state_close(&state);
	return 0;
}

/* A member without its database would begin anew, as somebody whom nobody knows. */
static int
check_database(const struct mp_state *state, struct mp_error *err)
{
	char path[MP_PATH_MAX + 32];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/control.db", state->dir);
	if (!state->has_credential || state->joining || state->port == 0 ||
		(lstat(path, &st) == 0 && st.st_size > 0))
		return 0;
	return mp_fail(err, MP_ECORRUPT,
		"%s: is gone, or empty; mpnode join --again HOST:PORT, with the address of another "
		"member, "
		"comes back as the same node",
		path);
}

/* Without a token. Closes the state. */
static int
await_and_serve(const struct options *o, struct mp_state *state)
{
	struct mp_error err = {0};
	bool shut_out;
	int rc = mp_await_admission(state, stderr, &err);

	if (rc == 0)
		return serve(o, state, false);
	mp_state_close(state); /* even what is fresh: others know the key by now */
	if (rc == MP_ECANCELED)
		return 0;
	shut_out = rc == MP_EAUTH || rc == MP_EEXIST;
	rc = failed(&err);
	return shut_out ? EXIT_OUT : rc;
}

static int
command_start(const struct options *o)
{
	struct mp_error err = {0};
	struct mp_state state;
	bool founded;
	int rc = open_state(o, &state, &err);

	if (rc != 0)
		return failed(&err);
	if (!state.has_credential && state.waiting)
		return await_and_serve(o, &state);
	founded = !state.has_credential;
	if (founded)
		rc = mp_state_found(&state, &err);
	else
		rc = check_database(&state, &err);
	return rc != 0 ? abandon(&state, &err) : serve(o, &state, founded);
}

/* Without a token, is it to wait until somebody admits it? */
static int
waits_to_join(const struct mp_state *state, size_t seed_count, bool *waits, struct mp_error *err)
{
	bool alone = false;
	int rc;

	*waits = false;
	if (seed_count == 0) {
		*waits = !state->has_credential && state->waiting;
		return 0;
	}
	if (state->joining && !state->renamed)
		return 0;
	rc = mp_state_is_alone(state, &alone, err);
	*waits = rc == 0 && alone;
	return rc;
}

/* Membership is there, or begun, or comes with the token, or is waited for. */
static int
take_token(const struct options *o, struct mp_state *state, struct mp_error *err)
{
	const char *const *seeds = (const char *const *)o->seeds;
	size_t seed_count = o->seed_count;
	bool member = state->has_credential && !state->joining;
	struct mp_buf text;
	bool waits = false;
	int rc;

	mp_buf_init(&text, &mp_heap, MP_TOKEN_MAX);
	rc = read_token(o, &text, err);
	if (rc == MP_ENOENT && (rc = waits_to_join(state, seed_count, &waits, err)) == 0)
		rc = waits ? mp_state_wait(state, seeds, seed_count, err) : MP_ENOENT;
	if (waits)
		goto out;
	if (rc == 0)
		rc = mp_state_take_token(state, mp_buf_span(&text), seeds, seed_count, err);
	else if (rc == MP_ENOENT && !state->has_credential)
		rc = mp_fail(err, MP_EUSAGE,
			"join needs SEED:PORT, the address of a member, or an invite token that "
			"names some: --token-file FILE or $MP_TOKEN");
	else if (rc == MP_ENOENT && state->joining && seed_count > 0)
		rc = mp_state_set_seeds(state, seeds, seed_count, err);
	else if (rc == MP_ENOENT || member)
		rc = 0;
	if (rc != 0 && rc != MP_ECLUSTER && member) {
		(void)fprintf(stderr, "mpnode: token: %s; not needed, this node is a member\n",
			err->text);
		rc = 0;
	}
out:
	if (text.p != NULL)
		mp_crypto_sodium.wipe(text.p, text.cap);
	mp_buf_fini(&text);
	return rc;
}

static int
come_back(const struct options *o, struct mp_state *state, struct mp_error *err)
{
	struct mp_state_back back;
	int rc = mp_state_return(state, (const char *const *)o->seeds, o->seed_count,
		(mp_time)time(NULL) * 1000, &back, err);

	if (rc != 0)
		return rc;
	(void)fprintf(stderr,
		"mpnode: coming back without what this node knew; that is set aside as %s/%s\n"
		"mpnode: it takes no part in deciding about runs from before: they need a "
		"majority of their other electors\n",
		state->dir, back.aside);
	if (back.drain == MP_STATE_DRAINS)
		(void)fprintf(stderr, "mpnode: it drains, as before; mpctl undrain %s ends that\n",
			state->name.s);
	else if (back.drain == MP_STATE_DRAIN_UNKNOWN)
		(void)fprintf(stderr,
			"mpnode: whether it was draining cannot be read; if so: mpctl drain %s\n",
			state->name.s);
	return 0;
}

/* The seeds that were given only help to find the others, and may be another cluster's. */
static void
say_member(const struct mp_state *state)
{
	(void)fprintf(stderr,
		"mpnode: %s is a member of cluster %02x%02x%02x%02x... already, and serves it; to "
		"join another one, give an empty --state\n",
		state->name.s, state->cluster.b[0], state->cluster.b[1], state->cluster.b[2],
		state->cluster.b[3]);
}

/* Another node of this machine is there already, and is called what the machine is called. */
static bool
has_local_seed(char **seeds, size_t count)
{
	static const char *const local[] = {"127.", "localhost", "[::1]", "::1"};

	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < mp_countof(local); k++) {
			if (strncmp(seeds[i], local[k], strlen(local[k])) == 0)
				return true;
		}
	}
	return false;
}

static int
command_join(const struct options *o)
{
	struct mp_error err = {0};
	struct mp_state state;
	int rc;

	if (o->seed_count > MP_STATE_SEEDS_MAX)
		return usage_error("too many seeds", NULL);
	for (size_t i = 0; i < o->seed_count; i++) {
		if (strncmp(o->seeds[i], "mp1-", 4) == 0)
			return usage_error("a token is no argument, for others see those: give it "
					   "by --token-file FILE or $MP_TOKEN",
				NULL);
		if (mp_addr_check(o->seeds[i], MP_ADDR_REACH, &err) != 0)
			return usage_error(err.text, NULL);
	}
	rc = open_state(o, &state, &err);
	if (rc != 0)
		return failed(&err);
	if (o->name == NULL && !state.has_credential && !state.waiting &&
		has_local_seed(o->seeds, o->seed_count))
		mp_state_name_apart(&state);
	rc = o->again ? come_back(o, &state, &err) : take_token(o, &state, &err);
	if (rc != 0)
		return abandon(&state, &err);
	if (o->seed_count > 0 && !state.waiting && !state.joining) {
		say_member(&state);
		rc = mp_state_hint(&state, (const char *const *)o->seeds, o->seed_count, &err);
		if (rc != 0)
			return abandon(&state, &err);
	}
	return state.waiting ? await_and_serve(o, &state) : serve(o, &state, false);
}

static bool
has_authority(const char *dir)
{
	char path[MP_PATH_MAX + 32];

	(void)snprintf(path, sizeof(path), "%s/authority.key", dir);
	return access(path, F_OK) == 0;
}

static int
command_leave(const struct options *o)
{
	char dir[MP_PATH_MAX + 1];
	struct mp_error err = {0};
	struct mp_client client = {.fd = -1};
	struct mp_span payload;
	struct mp_buf request;
	int rc = mp_state_default(o->state, dir, &err);

	mp_buf_init(&request, &mp_heap, 64);
	if (rc == 0)
		rc = mp_client_open(&client, &mp_heap, dir, &err);
	if (rc == 0)
		rc = mp_ctl_simple_encode(
			&request, o->force ? MP_CTL_LEAVE_ANYWAY : MP_CTL_LEAVE, NULL);
	if (rc == 0)
		rc = mp_client_call(&client, mp_buf_span(&request), &payload, &err);
	mp_client_close(&client);
	mp_buf_fini(&request);
	if (rc != 0)
		return failed(&err);
	if (has_authority(dir))
		(void)fprintf(stderr,
			"mpnode: %s/authority.key admits new members; copy it to the state "
			"directory of one that stays\n",
			dir);
	return 0;
}

/* ---- options ---- */

enum option_id {
	OPT_STATE,
	OPT_NAME,
	OPT_AGAIN,
	OPT_LISTEN,
	OPT_ADVERTISE,
	OPT_REACH,
	OPT_PROFILE,
	OPT_SLOTS,
	OPT_TAG,
	OPT_RESOURCE,
	OPT_ZONE,
	OPT_TOKEN_FILE,
	OPT_TRUST_SUBMITTERS,
	OPT_CONTROL_GROUP,
	OPT_RUN_AS,
	OPT_KEEP_FAILED,
	OPT_FORCE,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{"state", required_argument, NULL, OPT_STATE},
	{"name", required_argument, NULL, OPT_NAME},
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"advertise", required_argument, NULL, OPT_ADVERTISE},
	{"reach", required_argument, NULL, OPT_REACH},
	{"profile", required_argument, NULL, OPT_PROFILE},
	{"slots", required_argument, NULL, OPT_SLOTS},
	{"tag", required_argument, NULL, OPT_TAG},
	{"resource", required_argument, NULL, OPT_RESOURCE},
	{"zone", required_argument, NULL, OPT_ZONE},
	{"token-file", required_argument, NULL, OPT_TOKEN_FILE},
	{"trust-submitters", no_argument, NULL, OPT_TRUST_SUBMITTERS},
	{"control-group", required_argument, NULL, OPT_CONTROL_GROUP},
	{"run-as", required_argument, NULL, OPT_RUN_AS},
	{"keep-failed", no_argument, NULL, OPT_KEEP_FAILED},
	{"force", no_argument, NULL, OPT_FORCE},
	{"again", no_argument, NULL, OPT_AGAIN},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{0},
};

/* Commands, and which options each takes: what does not count is refused, never ignored. */
enum {
	FOR_INIT = 1,
	FOR_START = 2,
	FOR_JOIN = 4,
	FOR_LEAVE = 8,
	FOR_SERVING = FOR_START | FOR_JOIN,
};

static const struct command {
	const char *name;
	unsigned bit;
	int (*run)(const struct options *o);
} commands[] = {
	{"init", FOR_INIT, command_init},
	{"start", FOR_START, command_start},
	{"join", FOR_JOIN, command_join},
	{"leave", FOR_LEAVE, command_leave},
};

static unsigned
option_commands(enum option_id id)
{
	switch (id) {
	case OPT_STATE:
		return ~0u;
	case OPT_NAME:
		return FOR_INIT | FOR_SERVING;
	case OPT_AGAIN:
	case OPT_TOKEN_FILE:
		return FOR_JOIN;
	case OPT_FORCE:
		return FOR_LEAVE;
	case OPT_LISTEN:
	case OPT_ADVERTISE:
	case OPT_REACH:
	case OPT_PROFILE:
	case OPT_SLOTS:
	case OPT_TAG:
	case OPT_RESOURCE:
	case OPT_ZONE:
	case OPT_TRUST_SUBMITTERS:
	case OPT_CONTROL_GROUP:
	case OPT_RUN_AS:
	case OPT_KEEP_FAILED:
		return FOR_SERVING;
	case OPT_HELP:
	case OPT_VERSION:
		break;
	}
	mp_unreachable();
}

/* 0, or the exit code. */
static int
check_options(const struct options *o, const struct command *command)
{
	for (const struct option *known = long_options; known->name != NULL; known++) {
		char what[64];

		if ((o->given & 1u << known->val) == 0 ||
			(option_commands((enum option_id)known->val) & command->bit) != 0)
			continue;
		(void)snprintf(
			what, sizeof(what), "mpnode %s takes no --%s", command->name, known->name);
		return usage_error(what, NULL);
	}
	return 0;
}

/* Printed whole, or it did not work. */
static int
print(const char *text)
{
	if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
		return 0;
	(void)fprintf(stderr, "mpnode: output: %s\n", strerror(errno));
	return 1;
}

/* What parse_option() returns for a setting. */
static int
said(const char *option, int rc, const struct mp_error *err)
{
	return rc == 0 ? -1 : usage_error(option, err->text);
}

/* Who may do what. False: it is another one. */
static bool
parse_rights(int c, struct options *o)
{
	if (c == OPT_TRUST_SUBMITTERS)
		o->trust_submitters = true;
	else if (c == OPT_CONTROL_GROUP)
		o->control_group = optarg;
	else if (c == OPT_RUN_AS)
		o->run_as = optarg;
	else
		return false;
	return true;
}

/* -1: go on; else the exit code. */
static int
parse_option(int c, struct options *o)
{
	struct mp_error err = {0};

	if (c < OPT_HELP)
		o->given |= 1u << c;
	if (parse_rights(c, o))
		return -1;
	switch (c) {
	case OPT_STATE:
		o->state = optarg;
		return -1;
	case OPT_NAME:
		o->name = optarg;
		return -1;
	case OPT_LISTEN:
		o->listen = optarg;
		return -1;
	case OPT_ADVERTISE:
		if (o->advertise_count == MP_ADDRS_MAX)
			return usage_error("--advertise: too many", optarg);
		o->advertise[o->advertise_count++] = optarg;
		return -1;
	case OPT_REACH:
		o->reach = strcmp(optarg, "out") == 0   ? MP_REACH_OUT
			   : strcmp(optarg, "all") == 0 ? MP_REACH_ALL
							: MP_REACH_KEPT;
		return o->reach != MP_REACH_KEPT ? -1
						 : usage_error("--reach takes out or all", optarg);
	case OPT_PROFILE:
		o->timing = strcmp(optarg, "wan") == 0   ? MP_TIMING_WAN
			    : strcmp(optarg, "lan") == 0 ? MP_TIMING_LAN
							 : MP_TIMING_KEPT;
		return o->timing != MP_TIMING_KEPT
			       ? -1
			       : usage_error("--profile takes lan or wan", optarg);
	case OPT_SLOTS:
		return said("--slots", mp_settings_slots(&o->settings, optarg, &err), &err);
	case OPT_TAG:
		return said("--tag", mp_settings_tag(&o->settings, optarg, true, &err), &err);
	case OPT_RESOURCE:
		return said("--resource", mp_settings_resource(&o->settings, optarg, &err), &err);
	case OPT_ZONE:
		return said("--zone", mp_settings_zone(&o->settings, optarg, &err), &err);
	case OPT_TOKEN_FILE:
		o->token_file = optarg;
		return -1;
	case OPT_KEEP_FAILED:
		o->keep_failed = true;
		return -1;
	case OPT_FORCE:
		o->force = true;
		return -1;
	case OPT_AGAIN:
		o->again = true;
		return -1;
	case OPT_HELP:
		return print(usage_text);
	case OPT_VERSION:
		return print("mpnode (Meshpipe) " MP_VERSION "\n");
	default:
		(void)fprintf(stderr, "Try 'mpnode --help'.\n");
		return EXIT_USAGE;
	}
}

int
main(int argc, char **argv)
{
	struct options o = {.state = NULL};
	const char *name;
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		int rc = parse_option(c, &o);

		if (rc >= 0)
			return rc;
	}
	if (optind == argc) {
		(void)fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
	name = argv[optind++];
	for (size_t i = 0; i < mp_countof(commands); i++) {
		const struct command *command = &commands[i];
		int rc;

		if (strcmp(name, command->name) != 0)
			continue;
		if (optind < argc && command->bit != FOR_JOIN)
			return usage_error("unexpected argument", argv[optind]);
		o.seeds = argv + optind;
		o.seed_count = (size_t)(argc - optind);
		rc = check_options(&o, command);
		return rc != 0 ? rc : command->run(&o);
	}
	return usage_error("no such command", name);
}

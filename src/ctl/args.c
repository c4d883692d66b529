/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: global options anywhere, then those of the command. */
#include <ctype.h>
#include <stdlib.h>

#include "ctl/cmd.h"
#include "util/near.h"

#define HELP_COLUMN 27 /* where it is told what a command or an option does */

static const struct mp_option globals[] = {
	{"state", 0, "DIR", "state directory of the node to talk to"},
	{"json", 0, NULL, "print data as JSON"},
	{"quiet", 'q', NULL, "print errors and data only"},
	{"help", 'h', NULL, "print help"},
	{"version", 0, NULL, "print the version"},
	{"node", 0, "HOST:PORT", "a node elsewhere, with --identity"},
	{"identity", 0, "FILE", "who asks it: keys of mpctl identity new"},
};

const struct mp_cmd *
mp_cmd_find(const char *name)
{
	for (size_t i = 0; i < mp_cmd_count; i++) {
		if (strcmp(mp_cmds[i]->name, name) == 0)
			return mp_cmds[i];
	}
	return NULL;
}

static const struct mp_option *
option_find(const struct mp_option *options, size_t count, const char *name, size_t n, char letter)
{
	for (size_t i = 0; i < count; i++) {
		if (letter != 0 ? options[i].letter == letter
				: strlen(options[i].name) == n &&
					  memcmp(options[i].name, name, n) == 0)
			return &options[i];
	}
	return NULL;
}

static bool
is_global(const struct mp_option *option)
{
	return option >= globals && option < globals + mp_countof(globals);
}

static int
take(struct mp_cmd_ctx *ctx, const struct mp_option *option, const char *value,
	struct mp_error *err)
{
	if (!is_global(option)) {
		if (ctx->given_count == MP_CMD_GIVEN_MAX)
			return mp_fail(err, MP_EUSAGE, "too many options");
		ctx->given[ctx->given_count++] = (struct mp_cmd_given){option, value};
	} else if (strcmp(option->name, "node") == 0) {
		ctx->node = value;
	} else if (strcmp(option->name, "identity") == 0) {
		ctx->identity = value;
	} else if (strcmp(option->name, "state") == 0) {
		ctx->state = value;
	} else {
		ctx->json |= strcmp(option->name, "json") == 0;
		ctx->quiet |= strcmp(option->name, "quiet") == 0;
		ctx->help |= strcmp(option->name, "help") == 0;
		ctx->version |= strcmp(option->name, "version") == 0;
	}
	return 0;
}

static int
unknown_option(const struct mp_cmd_ctx *ctx, const char *name, size_t n, struct mp_error *err)
{
	struct mp_near near;
	char word[64];

	if (n >= sizeof(word))
		return mp_fail(err, MP_EUSAGE, "unknown option --%.40s...", name);
	memcpy(word, name, n);
	word[n] = '\0';
	mp_near_init(&near, word);
	for (size_t i = 0; ctx->cmd != NULL && i < ctx->cmd->option_count; i++)
		mp_near_offer(&near, ctx->cmd->options[i].name);
	for (size_t i = 0; i < mp_countof(globals); i++)
		mp_near_offer(&near, globals[i].name);
	if (near.best != NULL)
		return mp_fail(
			err, MP_EUSAGE, "unknown option --%s; did you mean --%s?", word, near.best);
	return mp_fail(err, MP_EUSAGE, "unknown option --%s", word);
}

/* --name, --name=value, --name value. */
static int
long_option(struct mp_cmd_ctx *ctx, int argc, char *const argv[], int *i, struct mp_error *err)
{
	const char *name = argv[*i] + 2, *eq = strchr(name, '=');
	size_t n = eq != NULL ? (size_t)(eq - name) : strlen(name);
	const struct mp_option *option = option_find(globals, mp_countof(globals), name, n, 0);

	if (option == NULL && ctx->cmd != NULL)
		option = option_find(ctx->cmd->options, ctx->cmd->option_count, name, n, 0);
	if (option == NULL)
		return unknown_option(ctx, name, n, err);
	if (option->arg == NULL && eq != NULL)
		return mp_fail(err, MP_EUSAGE, "--%s takes no value", option->name);
	if (option->arg == NULL || eq != NULL)
		return take(ctx, option, eq != NULL ? eq + 1 : NULL, err);
	if (*i + 1 >= argc)
		return mp_fail(err, MP_EUSAGE, "--%s needs a value: %s", option->name, option->arg);
	return take(ctx, option, argv[++*i], err);
}

/* -l, -lvalue, -l value, and flags in a row. */
static int
short_options(struct mp_cmd_ctx *ctx, int argc, char *const argv[], int *i, struct mp_error *err)
{
	int rc = 0;

	for (const char *p = argv[*i] + 1; rc == 0 && *p != '\0'; p++) {
		const struct mp_option *option =
			option_find(globals, mp_countof(globals), NULL, 0, *p);

		if (option == NULL && ctx->cmd != NULL)
			option =
				option_find(ctx->cmd->options, ctx->cmd->option_count, NULL, 0, *p);
		if (option == NULL)
			return mp_fail(err, MP_EUSAGE, "unknown option -%c", *p);
		if (option->arg == NULL) {
			rc = take(ctx, option, NULL, err);
			continue;
		}
		if (p[1] != '\0')
			return take(ctx, option, p + 1, err);
		if (*i + 1 >= argc)
			return mp_fail(err, MP_EUSAGE, "-%c needs a value: %s", *p, option->arg);
		return take(ctx, option, argv[++*i], err);
	}
	return rc;
}

static int
unknown_command(const char *name, struct mp_error *err)
{
	struct mp_near near;

	mp_near_init(&near, name);
	for (size_t i = 0; i < mp_cmd_count; i++) {
		if (mp_cmds[i]->run != NULL)
			mp_near_offer(&near, mp_cmds[i]->name);
	}
	mp_near_offer(&near, "help");
	if (near.best != NULL)
		return mp_fail(err, MP_EUSAGE, "unknown command '%.60s'; did you mean '%s'?", name,
			near.best);
	return mp_fail(
		err, MP_EUSAGE, "unknown command '%.60s'; mpctl help lists the commands", name);
}

static int
positional(struct mp_cmd_ctx *ctx, const char *arg, struct mp_error *err)
{
	if (ctx->cmd == NULL && !ctx->help && strcmp(arg, "help") == 0) {
		ctx->help = true;
		return 0;
	}
	if (ctx->cmd == NULL) {
		ctx->cmd = mp_cmd_find(arg);
		return ctx->cmd != NULL ? 0 : unknown_command(arg, err);
	}
	if (ctx->arg_count == ctx->cmd->args_max && ctx->cmd->run != NULL && !ctx->help)
		return mp_fail(err, MP_EUSAGE, "unexpected argument '%.60s'", arg);
	if (ctx->arg_count < MP_CMD_ARGS_MAX)
		ctx->args[ctx->arg_count++] = arg;
	return 0;
}

int
mp_cmd_parse(struct mp_cmd_ctx *ctx, int argc, char *const argv[], struct mp_error *err)
{
	bool options = true;
	int rc = 0;

	for (int i = 1; rc == 0 && i < argc; i++) {
		const char *arg = argv[i];

		/* What belongs to a command that is not there yet is not looked at. */
		if (ctx->cmd != NULL && ctx->cmd->run == NULL)
			break;
		if (options && strcmp(arg, "--") == 0)
			options = false;
		else if (options && arg[0] == '-' && arg[1] == '-')
			rc = long_option(ctx, argc, argv, &i, err);
		else if (options && arg[0] == '-' && arg[1] != '\0')
			rc = short_options(ctx, argc, argv, &i, err);
		else
			rc = positional(ctx, arg, err);
	}
	if (rc != 0 || ctx->help || ctx->version)
		return rc;
	if (ctx->cmd == NULL)
		return mp_fail(err, MP_EUSAGE, "no command; mpctl help lists the commands");
	if (ctx->cmd->run == NULL)
		return mp_fail(err, MP_EUSAGE, "not available in this version");
	if (ctx->arg_count < ctx->cmd->args_min)
		return mp_fail(
			err, MP_EUSAGE, "usage: mpctl %s %s", ctx->cmd->name, ctx->cmd->args);
	return 0;
}

bool
mp_cmd_has(const struct mp_cmd_ctx *ctx, const char *option)
{
	for (size_t i = 0; i < ctx->given_count; i++) {
		if (strcmp(ctx->given[i].option->name, option) == 0)
			return true;
	}
	return false;
}

const char *
mp_cmd_value(const struct mp_cmd_ctx *ctx, const char *option)
{
	for (size_t i = ctx->given_count; i-- > 0;) {
		if (strcmp(ctx->given[i].option->name, option) == 0)
			return ctx->given[i].value;
	}
	return NULL;
}

bool
mp_cmd_duration(const char *text, mp_time *ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"", 1e3}, {"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 36e5}, {"d", 864e5}};
	char *end;
	double v;

	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return false;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return false;
	v = strtod(text, &end);
	for (size_t i = 0; i < mp_countof(units); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		v *= units[i].ms;
		if (!(v >= 0 && v <= 366.0 * 864e5))
			return false;
		*ms = (mp_time)v;
		return true;
	}
	return false;
}

/* ---- help ---- */

static void
help_option(FILE *out, const struct mp_option *o)
{
	char left[64];

	(void)snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter != 0 ? "-" : " ",
		o->letter != 0 ? o->letter : ' ', o->letter != 0 ? ", " : "  ", o->name,
		o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
	(void)fprintf(out, "  %-*s %s\n", HELP_COLUMN - 3, left, o->help);
}

static void
help_globals(FILE *out)
{
	(void)fputs("\nOptions of every command, anywhere:\n", out);
	for (size_t i = 0; i < mp_countof(globals); i++)
		help_option(out, &globals[i]);
}

void
mp_cmd_help(FILE *out, const struct mp_cmd *cmd)
{
	(void)fprintf(out, "Usage: mpctl %s%s%s%s\n\n%c%s.\n", cmd->name,
		cmd->option_count > 0 ? " [OPTION]..." : "", cmd->args[0] != '\0' ? " " : "",
		cmd->args, toupper((unsigned char)cmd->summary[0]), cmd->summary + 1);
	if (cmd->run == NULL)
		(void)fputs("Not available in this version.\n", out);
	if (cmd->details != NULL)
		(void)fprintf(out, "\n%s", cmd->details);
	if (cmd->option_count > 0)
		(void)fputs("\nOptions:\n", out);
	for (size_t i = 0; i < cmd->option_count; i++)
		help_option(out, &cmd->options[i]);
	help_globals(out);
}

void
mp_cmd_help_all(FILE *out)
{
	(void)fputs(
		"Usage: mpctl [--state DIR | --node HOST:PORT --identity FILE] [--json] [--quiet]\n"
		"             COMMAND [ARGUMENT]...\n\n"
		"Commands:\n",
		out);
	for (size_t i = 0; i < mp_cmd_count; i++) {
		const struct mp_cmd *cmd = mp_cmds[i];
		int n;

		if (cmd->run == NULL)
			continue;
		n = fprintf(out, "  %s %s", cmd->name, cmd->args);
		if (n > HELP_COLUMN - 1)
			n = fprintf(out, "\n") - 1;
		(void)fprintf(out, "%*s%s\n", HELP_COLUMN - n, "", cmd->summary);
	}
	help_globals(out);
	(void)fputs(
		"\nmpctl COMMAND --help tells more about a command.\n"
		"RUN is the id of a run, the start of one, or 'last' for the newest run.\n"
		"Exit status: 0 done, 1 the run failed, 2 usage, 3 invalid pipeline, 4 no node\n"
		"reached, 5 not authorised, 6 cancelled, 7 timeout, 70 internal error.\n",
		out);
}

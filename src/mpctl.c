/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mpctl: asks a node to do things, and shows what nodes do.
 *
 *   main ── ctl/args.c (command line) ── ctl/cmds.c (table) ── ctl/COMMAND.c
 *                    each command: ctl/client.c (control socket) and ctl/writer.c (text, JSON)
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/key.h"
#include "ctl/cmd.h"
#include "shell/heap.h"

static int
run_command(struct mp_cmd_ctx *ctx)
{
	int code;

	if (mp_key_init() != 0) {
		mp_cmd_error(ctx, "libsodium does not work here");
		return MP_EXIT_BUG;
	}
	ctx->writer = mp_writer_new(ctx->json ? MP_WRITER_JSON : MP_WRITER_TEXT, stdout);
	if (ctx->writer == NULL) {
		mp_cmd_error(ctx, "out of memory");
		return MP_EXIT_BUG;
	}
	mp_writer_stdout(ctx->writer);
	code = ctx->cmd->run(ctx);
	mp_writer_free(ctx->writer);
	mp_client_close(&ctx->client);
	return code;
}

static int
flush_help(void)
{
	return fflush(stdout) == 0 ? MP_EXIT_DONE : MP_EXIT_BUG;
}

int
main(int argc, char *argv[])
{
	struct mp_cmd_ctx *ctx = calloc(1, sizeof(*ctx));
	struct mp_error err = {0};
	int code;

	if (ctx == NULL)
		return MP_EXIT_BUG;
	ctx->alloc = &mp_heap;
	if (mp_cmd_parse(ctx, argc, argv, &err) != 0) {
		mp_cmd_error(ctx, "%s", err.text);
		code = MP_EXIT_USAGE;
	} else if (ctx->version) {
		(void)printf("mpctl %s\n", MP_VERSION);
		code = flush_help();
	} else if (ctx->help) {
		if (ctx->cmd != NULL)
			mp_cmd_help(stdout, ctx->cmd);
		else
			mp_cmd_help_all(stdout);
		code = flush_help();
	} else {
		code = run_command(ctx);
	}
	free(ctx);
	return code;
}

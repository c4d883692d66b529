/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/load.h"
#include "util/fd.h"

/* Whole or not at all, beside the file and then in its place. */
static int
write_file(const char *path, struct mp_span bytes, struct mp_error *err)
{
	char temp[MP_PATH_MAX + 16];
	mode_t mask = umask(0);
	struct stat st;
	int fd, n;
	bool failed;

	(void)umask(mask);
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a pipe, /dev/stdout */
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		failed = fd < 0 || !mp_fd_write(fd, bytes) || close(fd) != 0;
		return failed ? mp_fail(err, MP_EIO, "%s: %s", path, strerror(errno)) : 0;
	}
	n = snprintf(temp, sizeof(temp), "%s.XXXXXX", path);
	if (n < 0 || (size_t)n >= sizeof(temp))
		return mp_fail(err, MP_ELIMIT, "%s: the path is too long", path);
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return mp_fail(err, MP_EUSAGE, "%s: %s", path, strerror(errno));
	failed = !mp_fd_write(fd, bytes) || fchmod(fd, 0666 & ~mask) != 0;
	failed |= close(fd) != 0;
	if (!failed && rename(temp, path) == 0)
		return 0;
	(void)mp_fail(err, errno == ENOSPC ? MP_EFULL : MP_EIO, "%s: %s", path, strerror(errno));
	(void)unlink(temp);
	return err->code;
}

static int
compile_run(struct mp_cmd_ctx *ctx)
{
	const char *out = mp_cmd_value(ctx, "output");
	struct mp_loaded l;
	int code = mp_load(ctx, ctx->args[0], false, &l), rc = 0;

	if (code != MP_EXIT_DONE) {
		mp_loaded_free(&l);
		return code;
	}
	if (out != NULL && out[0] == '\0')
		rc = mp_fail(&ctx->err, MP_EUSAGE, "-o needs the name of a file");
	else if (out != NULL && strcmp(out, "-") != 0)
		rc = write_file(out, mp_buf_span(&l.cbor), &ctx->err);
	else if (out == NULL && isatty(STDOUT_FILENO))
		rc = mp_fail(&ctx->err, MP_EUSAGE,
			"CBOR is not for a terminal; name a file by -o, or -o - to mean it");
	else if (fwrite(l.cbor.p, 1, l.cbor.n, stdout) != l.cbor.n)
		rc = mp_fail(&ctx->err, MP_EIO, "output: %s", strerror(errno));
	mp_loaded_free(&l);
	return rc != 0 ? mp_cmd_fail(ctx, &ctx->err) : mp_cmd_done(ctx, MP_EXIT_DONE);
}

static const struct mp_option options[] = {
	{"output", 'o', "FILE", "write there instead of standard output"},
};

const struct mp_cmd mp_cmd_compile = {
	.name = "compile",
	.args = "FILE",
	.summary = "turn a pipeline into deterministic CBOR",
	.details = "Equal pipelines give equal bytes. submit and run take both forms.\n",
	.options = options,
	.option_count = mp_countof(options),
	.args_min = 1,
	.args_max = 1,
	.run = compile_run,
};

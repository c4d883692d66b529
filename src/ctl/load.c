/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE 65536

int
mp_read_file(const char *path, struct mp_buf *buf, struct mp_error *err)
{
	bool in = strcmp(path, "-") == 0;
	int fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	ssize_t n = 1;
	int rc = 0;

	if (fd < 0)
		return mp_fail(err, MP_ENOENT, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		rc = mp_fail(err, MP_ENOENT, "%s is a folder", path);
	while (rc == 0 && n != 0) {
		rc = mp_buf_reserve(buf, READ_SIZE);
		if (rc != 0) {
			(void)mp_fail(err, rc, "%s: %s", path,
				rc == MP_ELIMIT ? "too long" : mp_strerror(rc));
			break;
		}
		n = read(fd, buf->p + buf->n, READ_SIZE);
		if (n > 0)
			buf->n += (size_t)n;
		else if (n < 0 && errno != EINTR)
			rc = mp_fail(err, MP_EIO, "%s: %s", path, strerror(errno));
	}
	if (!in)
		(void)close(fd);
	return rc;
}

int
mp_load_folder(const char *path, char out[MP_PATH_MAX + 1], struct mp_error *err)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);

	if (n > MP_PATH_MAX)
		return mp_fail(err, MP_ELIMIT, "the path of the pipeline is too long");
	memcpy(out, slash == NULL ? "." : path, n);
	out[n] = '\0';
	return 0;
}

void
mp_load_print(const struct mp_diags *diags)
{
	char line[MP_DIAG_LINE_MAX];

	(void)fflush(stdout);
	for (size_t i = 0; i < diags->n + (diags->dropped > 0 ? 1 : 0); i++) {
		mp_diags_format(diags, i, line);
		(void)fprintf(stderr, "%s\n", line);
	}
}

/* -p NAME=VALUE, each once. */
static int
load_params(const struct mp_cmd_ctx *ctx, struct mp_loaded *out, struct mp_error *err)
{
	size_t size = 1, n = 0;
	char *at;

	for (size_t i = 0; i < ctx->given_count; i++) {
		if (strcmp(ctx->given[i].option->name, "param") == 0)
			size += strlen(ctx->given[i].value) + 1;
	}
	out->names = at = malloc(size);
	out->params = calloc(ctx->given_count + 1, sizeof(*out->params));
	if (out->names == NULL || out->params == NULL)
		return mp_fail(err, MP_ENOMEM, "out of memory");
	for (size_t i = 0; i < ctx->given_count; i++) {
		const char *value = ctx->given[i].value, *eq;

		if (strcmp(ctx->given[i].option->name, "param") != 0)
			continue;
		eq = strchr(value, '=');
		if (eq == NULL || eq == value)
			return mp_fail(err, MP_EUSAGE, "-p %.60s: NAME=VALUE is expected", value);
		memcpy(at, value, (size_t)(eq - value));
		at[eq - value] = '\0';
		for (size_t k = 0; k < n; k++) {
			if (strcmp(out->params[k].name, at) == 0)
				return mp_fail(
					err, MP_EUSAGE, "the parameter %.60s is given twice", at);
		}
		out->params[n++] = (struct mp_param){.name = at, .value = eq + 1};
		at += eq - value + 1;
	}
	out->param_count = n;
	return 0;
}

/* Whoever can write it down can also send it. */
static int
compile(struct mp_loaded *out)
{
	int rc = mp_pipeline_encode(out->pipeline, &out->cbor);

	if (rc != MP_ELIMIT)
		return rc;
	mp_diags_add(&out->diags, (struct mp_pos){0, 0},
		"the pipeline has more than %u MiB in the compiled form that nodes are sent; a "
		"matrix says more in less",
		MP_PIPELINE_CBOR_MAX / 1024 / 1024);
	return MP_EPIPELINE;
}

int
mp_load(struct mp_cmd_ctx *ctx, const char *path, bool expand, struct mp_loaded *out)
{
	struct mp_buf bytes;
	int rc;

	*out = (struct mp_loaded){.path = path};
	mp_diags_init(&out->diags, ctx->alloc, strcmp(path, "-") == 0 ? "stdin" : path);
	mp_buf_init(&bytes, ctx->alloc, MP_PIPELINE_BYTES_MAX + READ_SIZE);
	mp_buf_init(&out->cbor, ctx->alloc, MP_PIPELINE_CBOR_MAX);
	rc = load_params(ctx, out, &ctx->err);
	if (rc == 0)
		rc = mp_read_file(path, &bytes, &ctx->err);
	if (rc != 0) {
		mp_buf_fini(&bytes);
		return mp_cmd_fail(ctx, &ctx->err);
	}
	rc = mp_pipeline_parse(
		out->diags.file_name, mp_buf_span(&bytes), ctx->alloc, &out->pipeline, &out->diags);
	if (rc == 0)
		rc = compile(out);
	if (rc == 0 && expand)
		rc = mp_graph_expand(out->pipeline, out->params, out->param_count, ctx->alloc,
			&out->graph, &out->diags);
	mp_buf_fini(&bytes);
	if (rc == 0)
		return MP_EXIT_DONE;
	mp_load_print(&out->diags);
	if (rc == MP_EPIPELINE)
		return MP_EXIT_PIPELINE;
	(void)mp_fail(&ctx->err, rc, "%s: %s", path, mp_strerror(rc));
	return mp_cmd_fail(ctx, &ctx->err);
}

void
mp_loaded_free(struct mp_loaded *l)
{
	mp_buf_fini(&l->cbor);
	mp_graph_free(l->graph);
	mp_pipeline_free(l->pipeline);
	mp_diags_fini(&l->diags);
	free(l->params);
	free(l->names);
}

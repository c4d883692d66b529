/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/yaml.h"

#include <libfyaml.h>

#include "mp/limits.h"
#include "util/buf.h"
#include "util/utf8.h"

/* What libfyaml asks for, piece by piece. */
struct yaml_input {
	struct mp_span left;
	size_t ahead; /* bytes given since the last event */
	bool stopped; /* at MP_YAML_AHEAD_MAX */
};

struct yaml {
	struct yaml_input input;
	struct fy_parser *parser;
	struct fy_diag *diag;
	struct fy_token_iter *iter;
	struct mp_buf text;     /* of one scalar */
	struct fy_event *event; /* the current one; NULL at the end or after an error */
	struct mp_pos pos;      /* of the current event, or the last one that had a place */
	struct mp_arena arena;  /* of the values of one key or module */
	struct mp_pipeline_reader *reader;
	size_t left; /* values still allowed under this key */
	int rc;      /* MP_EPIPELINE or MP_ENOMEM: no use in going on */
};

/* Reports what cannot be read past. */
static void
yaml_stop(struct yaml *y, struct mp_pos pos, const char *text)
{
	if (y->rc != 0)
		return;
	mp_pipeline_reader_fail(y->reader, pos, "%s", text);
	y->rc = MP_EPIPELINE;
}

static uint32_t
position(int n)
{
	return n < 0 ? 1 : (uint32_t)n + 1;
}

/* libfyaml's own words: it stops at the first error. */
static void
yaml_syntax(struct yaml *y)
{
	struct fy_diag_error *error;
	void *iter = NULL;

	if (y->rc != 0)
		return;
	error = fy_diag_errors_iterate(y->diag, &iter);
	if (error == NULL || error->msg == NULL) {
		yaml_stop(y, y->pos, "this is not YAML");
		return;
	}
	mp_pipeline_reader_fail(y->reader,
		(struct mp_pos){position(error->line - 1), position(error->column - 1)},
		"this is not YAML: %s", error->msg);
	y->rc = MP_EPIPELINE;
}

/* A mark of quoted text stands behind its quote. */
static void
yaml_place(struct yaml *y)
{
	struct fy_token *token = fy_event_get_token(y->event);
	const struct fy_mark *mark = token == NULL ? NULL : fy_token_start_mark(token);

	if (mark == NULL)
		return;
	y->pos = (struct mp_pos){position(mark->line), position(mark->column)};
	if (y->event->type == FYET_SCALAR) {
		enum fy_scalar_style style = fy_token_scalar_style(token);

		if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) &&
			y->pos.column > 1)
			y->pos.column--;
	}
}

static void
yaml_next(struct yaml *y)
{
	if (y->event != NULL)
		fy_parser_event_free(y->parser, y->event);
	y->event = NULL;
	if (y->rc != 0)
		return;
	y->event = fy_parser_parse(y->parser);
	y->input.ahead = 0;
	if (y->input.stopped)
		yaml_stop(y, y->pos, "what follows is too long for one value");
	if (y->event == NULL) {
		if (fy_parser_get_stream_error(y->parser))
			yaml_syntax(y);
		return;
	}
	yaml_place(y);
}

static enum fy_event_type
yaml_type(const struct yaml *y)
{
	return y->event == NULL ? FYET_NONE : y->event->type;
}

static struct mp_value *
yaml_take(struct yaml *y)
{
	struct mp_value *v;

	if (y->left == 0) {
		yaml_stop(y, y->pos, "too many values under one key");
		return NULL;
	}
	y->left--;
	v = mp_arena_take(&y->arena, sizeof(*v));
	if (v == NULL)
		y->rc = MP_ENOMEM;
	else
		v->pos = y->pos;
	return v;
}

static void
yaml_bad(struct yaml *y, struct mp_value *v, const char *text)
{
	mp_pipeline_reader_fail(y->reader, v->pos, "%s", text);
	v->kind = MP_VALUE_BAD;
}

/* Anchors and tags of the current event, which begins v. */
static void
yaml_properties(struct yaml *y, struct mp_value *v)
{
	static const char anchor[] = "anchors and aliases are not possible here: write the value";
	bool anchored = y->event->type == FYET_ALIAS;

	switch (y->event->type) {
	case FYET_SCALAR:
		anchored = y->event->scalar.anchor != NULL;
		break;
	case FYET_SEQUENCE_START:
		anchored = y->event->sequence_start.anchor != NULL;
		break;
	case FYET_MAPPING_START:
		anchored = y->event->mapping_start.anchor != NULL;
		break;
	case FYET_NONE:
	case FYET_STREAM_START:
	case FYET_STREAM_END:
	case FYET_DOCUMENT_START:
	case FYET_DOCUMENT_END:
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
	case FYET_ALIAS:
		break;
	}
	if (anchored)
		yaml_bad(y, v, anchor);
	else if (y->event->type != FYET_ALIAS && fy_event_get_tag_token(y->event) != NULL)
		yaml_bad(y, v, "tags are not possible here");
}

/* Into y->text, by an iterator of our own: fy_token_get_text of libfyaml 0.7 loses memory on text
 * with many escapes. */
static void
yaml_text(struct yaml *y, struct fy_token *token)
{
	const struct fy_iter_chunk *chunk = NULL;
	int error = 0;
	int rc = 0;

	mp_buf_clear(&y->text);
	fy_token_iter_start(token, y->iter);
	while (rc == 0 && (chunk = fy_token_iter_chunk_next(y->iter, chunk, &error)) != NULL)
		rc = mp_buf_append(&y->text, chunk->str, chunk->len);
	fy_token_iter_finish(y->iter);
	if (rc == MP_ELIMIT)
		yaml_stop(y, y->pos, "this text is too long");
	else if (rc != 0 || error != 0)
		y->rc = MP_ENOMEM;
}

static void
yaml_scalar(struct yaml *y, struct mp_value *v)
{
	struct fy_token *token = y->event->scalar.value;

	if (v->kind == MP_VALUE_BAD)
		return;
	mp_buf_clear(&y->text);
	if (token != NULL)
		yaml_text(y, token);
	if (y->rc != 0)
		return;
	v->kind = MP_VALUE_TEXT;
	v->plain = token == NULL || fy_token_scalar_style(token) == FYSS_PLAIN;
	v->s = mp_arena_text(&y->arena, (const char *)y->text.p, y->text.n);
	if (v->s == NULL)
		y->rc = MP_ENOMEM;
	else if (memchr(v->s, 0, y->text.n) != NULL)
		yaml_bad(y, v, "text cannot hold a NUL character");
	else if (mp_utf8_prefix(mp_buf_span(&y->text)) != y->text.n)
		yaml_bad(y, v, "an escape stands for no character of Unicode");
}

static struct mp_value *yaml_value(struct yaml *y, unsigned depth);

/* A key, with "" in place of one that is no scalar. */
static struct mp_value *
yaml_key(struct yaml *y, unsigned depth)
{
	struct mp_value *key = yaml_value(y, depth);

	if (key != NULL && (key->kind == MP_VALUE_LIST || key->kind == MP_VALUE_MAP))
		yaml_bad(y, key, "a key is one word");
	return key;
}

static void
yaml_members(struct yaml *y, struct mp_value *v, enum fy_event_type end, unsigned depth)
{
	struct mp_value **at = &v->first;

	yaml_next(y);
	while (y->rc == 0 && yaml_type(y) != end) {
		*at = end == FYET_MAPPING_END ? yaml_key(y, depth) : yaml_value(y, depth);
		if (end == FYET_MAPPING_END && *at != NULL && y->rc == 0) {
			at = &(*at)->next;
			*at = yaml_value(y, depth);
		}
		if (*at != NULL)
			at = &(*at)->next;
		v->count++;
	}
	yaml_next(y);
}

/* The value that begins with the current event; the current event is then the one after it. With
 * y->rc set the value is incomplete, and nobody looks at it. */
static struct mp_value *
yaml_value(struct yaml *y, unsigned depth)
{
	enum fy_event_type type = yaml_type(y);
	struct mp_value *v = y->rc == 0 ? yaml_take(y) : NULL;
	bool bad;

	if (v == NULL)
		return NULL;
	if (depth > MP_DEPTH_MAX) {
		yaml_stop(y, y->pos, "lists and maps are nested too deeply");
		return NULL;
	}
	if (type == FYET_NONE) {
		yaml_stop(y, y->pos, "the file ends too early");
		return NULL;
	}
	yaml_properties(y, v);
	bad = v->kind == MP_VALUE_BAD;
	if (type == FYET_MAPPING_START || type == FYET_SEQUENCE_START) {
		v->kind = type == FYET_MAPPING_START ? MP_VALUE_MAP : MP_VALUE_LIST;
		yaml_members(y, v,
			type == FYET_MAPPING_START ? FYET_MAPPING_END : FYET_SEQUENCE_END,
			depth + 1);
	} else {
		if (type == FYET_SCALAR)
			yaml_scalar(y, v);
		yaml_next(y);
	}
	if (bad)
		v->kind = MP_VALUE_BAD;
	return v;
}

static void
yaml_start(struct yaml *y)
{
	mp_arena_reset(&y->arena);
	y->left = MP_PIPELINE_VALUES_MAX;
}

/* The members of `modules`, one at a time. */
static void
yaml_modules(struct yaml *y)
{
	yaml_next(y);
	while (y->rc == 0 && yaml_type(y) != FYET_MAPPING_END) {
		struct mp_value *name;
		struct mp_value *value;

		yaml_start(y);
		name = yaml_key(y, 3);
		value = yaml_value(y, 3);
		if (y->rc == 0)
			mp_pipeline_reader_module(y->reader, name, value);
	}
	yaml_next(y);
}

static bool
yaml_plain_map(const struct yaml *y)
{
	return yaml_type(y) == FYET_MAPPING_START && y->event->mapping_start.anchor == NULL &&
	       y->event->mapping_start.tag == NULL;
}

static void
yaml_root(struct yaml *y)
{
	yaml_next(y);
	while (y->rc == 0 && yaml_type(y) != FYET_MAPPING_END) {
		struct mp_value *key;
		struct mp_value *value;

		yaml_start(y);
		key = yaml_key(y, 2);
		if (y->rc != 0)
			break;
		if (key->kind == MP_VALUE_TEXT && strcmp(key->s, "modules") == 0 &&
			yaml_plain_map(y)) {
			mp_pipeline_reader_key(y->reader, key, NULL);
			yaml_modules(y);
			continue;
		}
		value = yaml_value(y, 2);
		if (y->rc == 0)
			mp_pipeline_reader_key(y->reader, key, value);
	}
	yaml_next(y);
}

static void
yaml_document(struct yaml *y, struct mp_pos *root)
{
	yaml_next(y);
	while (yaml_type(y) == FYET_STREAM_START || yaml_type(y) == FYET_DOCUMENT_START)
		yaml_next(y);
	if (y->rc != 0)
		return;
	*root = y->pos;
	if (yaml_type(y) == FYET_STREAM_END || yaml_type(y) == FYET_NONE) {
		yaml_stop(y, (struct mp_pos){1, 1}, "the file is empty");
		return;
	}
	if (!yaml_plain_map(y)) {
		yaml_stop(y, y->pos, "expected a map that begins with 'meshpipe: 1'");
		return;
	}
	yaml_root(y);
	while (yaml_type(y) == FYET_DOCUMENT_END)
		yaml_next(y);
	if (y->rc == 0 && yaml_type(y) != FYET_STREAM_END && yaml_type(y) != FYET_NONE)
		yaml_stop(y, y->pos, "a second document begins here: a pipeline is one document");
}

/* Only characters that YAML 1.2.2 section 5.1 prints, in UTF-8; the place of the first other. */
static bool
yaml_is_text(struct mp_span bytes, struct mp_pos *pos)
{
	*pos = (struct mp_pos){1, 1};
	for (size_t i = 0; i < bytes.n;) {
		size_t len = mp_utf8_sequence(bytes.p + i, bytes.n - i);
		uint8_t c = bytes.p[i];

		if (len == 0 || c == 0x7f || (c < 0x20 && c != '\t' && c != '\n' && c != '\r'))
			return false;
		i += len;
		pos->column++;
		if (c == '\n')
			*pos = (struct mp_pos){pos->line + 1, 1};
	}
	return true;
}

/* The end of the file is the one way to stop libfyaml 0.7 from here: it asks for ever after -1. */
static ssize_t
yaml_feed(void *user, void *buf, size_t n)
{
	struct yaml_input *in = user;

	n = mp_min_size(n, in->left.n);
	in->stopped = in->stopped || in->ahead + n > MP_YAML_AHEAD_MAX;
	if (in->stopped || n == 0)
		return 0;
	memcpy(buf, in->left.p, n);
	in->left = mp_span(in->left.p + n, in->left.n - n);
	in->ahead += n;
	return (ssize_t)n;
}

static int
yaml_open(struct yaml *y)
{
	struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2};
	struct fy_diag_cfg diag_cfg;

	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	y->diag = fy_diag_create(&diag_cfg);
	if (y->diag == NULL)
		return MP_ENOMEM;
	fy_diag_set_collect_errors(y->diag, true);
	cfg.diag = y->diag;
	y->iter = fy_token_iter_create(NULL);
	if (y->iter == NULL)
		return MP_ENOMEM;
	y->parser = fy_parser_create(&cfg);
	if (y->parser == NULL || fy_parser_set_input_callback(y->parser, &y->input, yaml_feed) != 0)
		return MP_ENOMEM;
	return 0;
}

static void
yaml_close(struct yaml *y)
{
	if (y->event != NULL)
		fy_parser_event_free(y->parser, y->event);
	if (y->parser != NULL)
		fy_parser_destroy(y->parser);
	if (y->iter != NULL)
		fy_token_iter_destroy(y->iter);
	if (y->diag != NULL)
		fy_diag_destroy(y->diag);
	mp_buf_fini(&y->text);
	mp_arena_fini(&y->arena);
}

int
mp_yaml_read(struct mp_span bytes, const struct mp_alloc *alloc, struct mp_pipeline_reader *reader,
	struct mp_pos *root)
{
	struct yaml y = {.input = {.left = bytes}, .reader = reader, .pos = {1, 1}};
	struct mp_pos pos;

	*root = y.pos;
	if (bytes.n > MP_PIPELINE_BYTES_MAX) {
		mp_pipeline_reader_fail(reader, (struct mp_pos){0, 0},
			"the file has more than %u bytes", MP_PIPELINE_BYTES_MAX);
		return MP_EPIPELINE;
	}
	if (!yaml_is_text(bytes, &pos)) {
		mp_pipeline_reader_fail(reader, pos, "this is not UTF-8 text");
		return MP_EPIPELINE;
	}
	mp_arena_init(&y.arena, alloc, SIZE_MAX);
	mp_buf_init(&y.text, alloc, 2 * MP_YAML_AHEAD_MAX);
	y.rc = yaml_open(&y);
	if (y.rc == 0)
		yaml_document(&y, root);
	yaml_close(&y);
	return y.rc;
}

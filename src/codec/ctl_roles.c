/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/ctl_roles.h"

#include "codec/msg_ctl.h"

static const struct {
	const char *word;
	uint32_t role;
} words[] = {{"node", MP_ROLE_NODE}, {"submit", MP_ROLE_SUBMIT}, {"observe", MP_ROLE_OBSERVE},
	{"admin", MP_ROLE_ADMIN}};

/* What is fetched to be looked at changes nothing but a cache. */
static const struct {
	uint16_t number;
	uint8_t role;
} needs[] = {
	{MP_CTL_SHOW, MP_ROLE_OBSERVE},
	{MP_CTL_RUNS, MP_ROLE_OBSERVE},
	{MP_CTL_NODES, MP_ROLE_OBSERVE},
	{MP_CTL_WAIT, MP_ROLE_OBSERVE},
	{MP_CTL_EVENTS, MP_ROLE_OBSERVE},
	{MP_CTL_LOG, MP_ROLE_OBSERVE},
	{MP_CTL_FETCH, MP_ROLE_OBSERVE},
	{MP_CTL_PENDING, MP_ROLE_OBSERVE},
	{MP_CTL_CHARTER, MP_ROLE_OBSERVE},
	{MP_CTL_RECORD, MP_ROLE_OBSERVE},
	{MP_CTL_ENTRIES, MP_ROLE_OBSERVE},
	{MP_CTL_CREDENTIALS, MP_ROLE_OBSERVE},
	{MP_CTL_COPY, MP_ROLE_OBSERVE},
	{MP_CTL_BLOB_STAT, MP_ROLE_OBSERVE},
	{MP_CTL_BLOB_READ, MP_ROLE_OBSERVE},
	{MP_CTL_INFO, MP_ROLE_OBSERVE},
	{MP_CTL_CACHE_STAT, MP_ROLE_OBSERVE},
	{MP_CTL_SUBMIT, MP_ROLE_SUBMIT},
	{MP_CTL_CANCEL, MP_ROLE_SUBMIT},
	{MP_CTL_RESOLVE, MP_ROLE_SUBMIT},
	{MP_CTL_SECRETS, MP_ROLE_SUBMIT},
	{MP_CTL_BLOB_WRITE, MP_ROLE_SUBMIT},
	{MP_CTL_DRAIN, MP_ROLE_ADMIN},
	{MP_CTL_REVOKE, MP_ROLE_ADMIN},
	{MP_CTL_TRUST, MP_ROLE_ADMIN},
	{MP_CTL_TAKEOVER, MP_ROLE_ADMIN},
	{MP_CTL_TAKE, MP_ROLE_ADMIN},
	{MP_CTL_SIGN_TAKEOVER, MP_ROLE_ADMIN},
	{MP_CTL_NODE_SET, MP_ROLE_ADMIN},
	{MP_CTL_INVITE, MP_ROLE_ADMIN},
	{MP_CTL_ADMIT, MP_ROLE_ADMIN},
	{MP_CTL_GRANT, MP_ROLE_ADMIN},
	{MP_CTL_CACHE_FILE, MP_ROLE_ADMIN},
	{MP_CTL_CACHE_BLOBS, MP_ROLE_ADMIN},
};

uint32_t
mp_ctl_role_of(uint64_t number)
{
	for (size_t i = 0; i < mp_countof(needs); i++) {
		if (needs[i].number == number)
			return needs[i].role;
	}
	return 0;
}

/* Each role may do what those before it may. */
static int
rank(uint32_t roles)
{
	return (roles & MP_ROLE_ADMIN) != 0     ? 3
	       : (roles & MP_ROLE_SUBMIT) != 0  ? 2
	       : (roles & MP_ROLE_OBSERVE) != 0 ? 1
						: 0;
}

int
mp_ctl_check_role(struct mp_span request, uint32_t roles, bool runs, struct mp_error *err)
{
	struct mp_cbor_r r;
	uint64_t number;
	uint32_t need;

	mp_cbor_r_init(&r, request);
	(void)mp_cbor_r_array(&r, 16);
	number = mp_cbor_r_uint(&r, UINT64_MAX);
	if (r.rc != 0)
		return mp_fail(err, MP_EFORMAT, "not a request");
	need = mp_ctl_role_of(number);
	if (need == 0)
		return mp_fail(
			err, MP_EROLE, "this is for the node's own user, on its own machine");
	if (rank(roles) < rank(need)) {
		char text[MP_ROLES_TEXT];

		mp_roles_format(text, need);
		return mp_fail(
			err, MP_EROLE, "this needs the role %s, which this identity has not", text);
	}
	if (need == MP_ROLE_SUBMIT && !runs)
		return mp_fail(err, MP_EROLE,
			"this node takes no submissions from elsewhere, as they would run with "
			"all rights of its user; start it with --run-as USER, or with "
			"--trust-submitters if that is wanted");
	return 0;
}

int
mp_roles_parse(const char *text, uint32_t *roles, struct mp_error *err)
{
	const char *comma;

	do {
		size_t n, i = 0;

		comma = strchr(text, ',');
		n = comma != NULL ? (size_t)(comma - text) : strlen(text);
		while (i < mp_countof(words) &&
			(strlen(words[i].word) != n || memcmp(words[i].word, text, n) != 0))
			i++;
		if (i == mp_countof(words))
			return mp_fail(err, MP_EUSAGE,
				"'%.40s' is no role; roles are node, submit, observe and admin",
				text);
		*roles |= words[i].role;
		text += n + 1;
	} while (comma != NULL);
	return 0;
}

void
mp_roles_format(char out[MP_ROLES_TEXT], uint32_t roles)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < mp_countof(words); i++) {
		size_t k = strlen(words[i].word);

		if ((roles & words[i].role) == 0)
			continue;
		if (n > 0)
			out[n++] = ',';
		memcpy(out + n, words[i].word, k + 1);
		n += k;
	}
}

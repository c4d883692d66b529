/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a role allows one who controls a node from elsewhere (DESIGN 3): `observe` sees and changes
 * nothing, `submit` runs too, `admin` may do what a node's own user may, except what is that one's
 * alone. A request that is not known here is for nobody.
 */
#ifndef MP_CODEC_CTL_ROLES_H
#define MP_CODEC_CTL_ROLES_H

#include "mp/base.h"
#include "mp/error.h"
#include "mp/member.h"

/* The least role that such a request (its number, codec/msg_ctl.h) needs: MP_ROLE_OBSERVE, _SUBMIT
 * or _ADMIN; 0: it is never taken from elsewhere. */
uint32_t mp_ctl_role_of(uint64_t number);

/* May one with these roles ask this? runs: this node lets what others submit run. MP_EAUTH with a
 * text that says what is missing; MP_EFORMAT: it is no request. */
int mp_ctl_check_role(struct mp_span request, uint32_t roles, bool runs, struct mp_error *err);

/* "node,submit" to its bits, which are added to *roles. MP_EUSAGE with a text. */
int mp_roles_parse(const char *text, uint32_t *roles, struct mp_error *err);
/* The other way. */
#define MP_ROLES_TEXT 32
void mp_roles_format(char out[MP_ROLES_TEXT], uint32_t roles);

#endif

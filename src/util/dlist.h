/* SPDX-License-Identifier: Apache-2.0 */
/* A doubly linked list whose links live inside the caller's structs; the head is a link too. */
#ifndef MP_UTIL_DLIST_H
#define MP_UTIL_DLIST_H

#include "mp/base.h"

struct mp_dlist {
	struct mp_dlist *prev, *next;
};

static inline void
mp_dlist_init(struct mp_dlist *l)
{
	l->prev = l->next = l;
}

static inline bool
mp_dlist_empty(const struct mp_dlist *l)
{
	return l->next == l;
}

/* Of a link that was initialised: is it in a list? */
static inline bool
mp_dlist_linked(const struct mp_dlist *l)
{
	return l->next != l;
}

static inline void
mp_dlist_push(struct mp_dlist *head, struct mp_dlist *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

/* Safe on a link that is in no list. */
static inline void
mp_dlist_remove(struct mp_dlist *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	mp_dlist_init(l);
}

/* NULL when the list is empty. */
static inline struct mp_dlist *
mp_dlist_first(const struct mp_dlist *head)
{
	return head->next == head ? NULL : head->next;
}

#endif

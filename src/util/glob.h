/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Globs and paths of a workspace. Both are relative, separated by '/', UTF-8, and cannot leave the
 * workspace by their text (links are the business of whoever opens them).
 *
 *   *      any characters of one component, none included
 *   ?      one character (a code point) of a component
 *   [a-z]  one character of the set; [!a-z] or [^a-z] one outside it; ']' first is a member
 *   **     as a whole component: any number of components, none included; at the end of the
 *          pattern at least one, so that "src/" and two stars is all that lies below src
 *
 * A leading dot is nothing special. There is no escape: write [*] for a star.
 */
#ifndef MP_UTIL_GLOB_H
#define MP_UTIL_GLOB_H

#include "mp/base.h"
#include "mp/error.h"

/*
 * Does the whole path match? Takes time in the order of the product of both lengths at worst, and
 * no memory. A pattern or path that its check refuses gives an answer, but not a useful one.
 */
bool mp_glob_match(const char *pattern, const char *path);

/* Can something below the directory dir match? For walking a tree; "" is the workspace itself. */
bool mp_glob_may_enter(const char *pattern, const char *dir);

/* Has the pattern no wildcard, and so names one path? */
bool mp_glob_is_literal(const char *pattern);

/* 0, or MP_EINVAL with a text that says what is wrong with it and starts without the pattern. */
int mp_glob_check(const char *pattern, struct mp_error *err);

/* The same for a path. */
int mp_path_check(const char *path, struct mp_error *err);

#endif

/*
 * redirect: which addresses a mailed link may lead to.
 * Any thread may call.
 */
#ifndef FFX_AUTH_REDIRECT_H
#define FFX_AUTH_REDIRECT_H

#include "base/prelude.h"

#define REDIRECT_URL_MAX     2048
#define REDIRECT_PATTERN_MAX 512

/* Whether all of `text` is like the pattern: ? and * stop at '.' and '/', ** does not; [a-z],
 * [!a], {a,b}; a backslash takes the next character as it is. */
bool redirect_glob(struct str pattern, const char *text);

/* The first of patterns with commas between them (in braces a comma is the pattern's own), which is
 * taken off; len 0: there is none. */
struct str redirect_next(struct str *patterns);

/* Whether `url` has the scheme, host and port of `site`, or is like one of the patterns, which are
 * separated by commas. */
bool redirect_allowed(const char *site, struct str patterns, const char *url);

#endif

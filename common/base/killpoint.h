/*
 * killpoint: named places at which a test lets the process die.
 *
 * They are around every step of the outside world: a statement, a call to another service, a mail,
 * the answer to the caller.  Only a build with FFX_KILL_POINTS (cmake preset `killpoints`) has
 * them; in every other one KILL_POINT is nothing and killpoint.c is not compiled.
 *
 * A point's name is "FUNCTION KIND WHAT STEP #N", for example
 *     send-outbox sql platform.outbox_sent sent #1
 * with N for the N-th time that this process passes it.  Two files in RUN_DIR, made by the test:
 *     FUNCTION.kill-log   gets a line for every point passed
 *     FUNCTION.kill-at    has the name of a point: whoever passes it removes the file, which makes
 *                         it his, and dies by SIGKILL
 *
 * Any thread may call.
 */
#ifndef FFX_BASE_KILLPOINT_H
#define FFX_BASE_KILLPOINT_H

#include "base/prelude.h"

#ifdef FFX_KILL_POINTS
/* `what`: a statement's SQL (its function is taken), a URL (its path), or plain words. */
void killpoint_pass(const char *kind, const char *what, const char *step);
#define KILL_POINT(kind, what, step) killpoint_pass(kind, what, step)
#else
#define KILL_POINT(kind, what, step) ((void)0)
#endif

#endif

/*
 * stream: an answer that is sent while it is made, however long it is.
 *
 * fn_stream_begin, then fn_stream_add as often as there is something, then return ERR_OK.  At most
 * FN_STREAM_CHUNK of it are in memory; whoever adds waits while the client does not take it.  Each
 * chunk that is taken starts the time budget of the request anew, so that a slow client has as much
 * time as it needs.  A failure before the first chunk is answered like any other; after it the
 * answer is cut: nginx and the client see that it has no end.
 *
 * nginx passes full buffers on; who wants each part to arrive at once flushes, and sets
 * "X-Accel-Buffering: no" before.
 *
 * Thread rule: the coroutine of the request.
 */
#ifndef FFX_FN_STREAM_H
#define FFX_FN_STREAM_H

#include "fn/answer.h"

#define FN_STREAM_CHUNK ((size_t)32 * 1024)

/* Status, type and the headers set so far; later ones are lost. */
void fn_stream_begin(struct fn_req *req, struct fn_res *res, int status, const char *content_type);
/* ERR_HUP: the client has left, or takes nothing any more. */
NODISCARD enum err fn_stream_add(struct fn_req *req, struct fn_res *res, struct str part);
/* Send what is there, without waiting for more. */
NODISCARD enum err fn_stream_flush(struct fn_req *req, struct fn_res *res);

#endif

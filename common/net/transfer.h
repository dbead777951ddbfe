/*
 * transfer: libcurl's multi interface on our loop; what call.c and smtp.c have in common.
 *
 * Handles and connections are kept for the next transfer, and given back when the process rests.
 * Thread rule: inside a coroutine.
 */
#ifndef FFX_NET_TRANSFER_H
#define FFX_NET_TRANSFER_H

#include <curl/curl.h>

#include "base/prelude.h"

/* One transfer; lives on the caller's coroutine stack. */
struct transfer {
    struct co *co;
    CURL *easy;
    CURLcode result;
    bool done;
};

/* Make libcurl ready, before any thread uses it; harmless when it is. */
void transfer_init(void);

/* What every transfer keeps to, over libcurl's multi interface or not: its time, these protocols,
 * no proxy and no signals. */
void transfer_bounds(CURL *easy, long connect_ms, long timeout_ms, const char *protocols);

/* Take a handle; the caller sets its options.  transfer_end gives it back. */
void transfer_begin(struct transfer *t);
/* Suspends until the transfer is through: libcurl keeps the time limit of its options. */
void transfer_run(struct transfer *t);
void transfer_end(struct transfer *t);

#endif

/* What the parts of httpc share: httpc.c (HTTP), httpc_smtp.c (mail). */
#ifndef FFX_HTTPC_INTERNAL_H
#define FFX_HTTPC_INTERNAL_H

/* Make libcurl ready, before any thread uses it; harmless when it is. */
void httpc_start(void);

#endif

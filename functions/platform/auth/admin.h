/*
 * admin: what its files share, and what of it is tested by itself.
 */
#ifndef FFX_AUTH_ADMIN_H
#define FFX_AUTH_ADMIN_H

#include "base/arena.h"

struct fn_req;
struct fn_res;

/* The service key asks, or refused. */
NODISCARD bool auth_is_service(struct fn_req *req, struct fn_res *res);
/* The user that the path names, or refused. */
NODISCARD bool auth_user_id(struct fn_req *req, struct fn_res *res, const char **ret);

/* A duration as Go writes them: "24h", "1h30m", "1.5s"; units ns us µs ms s m h.  NULL, or what is
 * wrong, in Go's words.  Any thread may call. */
const char *duration_read(struct arena *a, const char *text, double *ret_seconds);

#endif

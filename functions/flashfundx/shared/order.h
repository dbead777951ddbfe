/*
 * order: the number of an order of the shop.
 * Any thread may call.
 */
#ifndef FFX_ORDER_H
#define FFX_ORDER_H

#include "base/prelude.h"

/* "FFX" and 9 digits; `ret` gets 12 characters and a NUL.  False, with `ret` untouched, for all
 * else. */
#define ORDER_ID_SIZE 13
NODISCARD bool order_id_read(struct str s, char ret[ORDER_ID_SIZE]);

#endif

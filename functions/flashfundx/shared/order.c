#include "shared/order.h"

bool
order_id_read(struct str s, char ret[ORDER_ID_SIZE])
{
    if (s.len != ORDER_ID_SIZE - 1 || memcmp(s.ptr, "FFX", 3) != 0)
        return false;
    for (size_t i = 3; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    memcpy(ret, s.ptr, s.len);
    ret[s.len] = '\0';
    return true;
}

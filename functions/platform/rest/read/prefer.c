/* Prefer: several headers or one list; of two values for one preference the first counts. */
#include "rest/read/internal.h"

#include "base/number.h"

enum preference { RETURNS, RESOLUTION, COUNT, HANDLING, TX, MISSING, PREFERENCES };

static const struct {
    const char *text;
    enum preference which;
    int value;
} known[] = {
    {"return=representation", RETURNS, REST_RETURN_ROWS},
    {"return=minimal", RETURNS, REST_RETURN_MINIMAL},
    {"return=headers-only", RETURNS, REST_RETURN_HEADERS},
    {"resolution=merge-duplicates", RESOLUTION, REST_MERGE},
    {"resolution=ignore-duplicates", RESOLUTION, REST_IGNORE},
    {"count=exact", COUNT, REST_COUNT_EXACT},
    {"count=planned", COUNT, REST_COUNT_PLANNED},
    {"count=estimated", COUNT, REST_COUNT_ESTIMATED},
    {"handling=strict", HANDLING, REST_STRICT},
    {"handling=lenient", HANDLING, REST_LENIENT},
    {"tx=commit", TX, REST_TX_COMMIT},
    {"tx=rollback", TX, REST_TX_ROLLBACK},
    {"missing=default", MISSING, 1},
    {"missing=null", MISSING, 2},
};

struct prefer {
    int values[PREFERENCES]; /* 0: not said */
    struct str timezone, max_affected;
};

/* What is behind "name=". */
static bool
value_of(struct str preference, struct str name, struct str *ret)
{
    if (preference.len < name.len || memcmp(preference.ptr, name.ptr, name.len) != 0)
        return false;
    if (ret->ptr == NULL)
        *ret = (struct str){preference.ptr + name.len, preference.len - name.len};
    return true;
}

static bool
take(struct prefer *p, struct str preference)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (!str_is(preference, known[i].text))
            continue;
        if (p->values[known[i].which] == 0)
            p->values[known[i].which] = known[i].value;
        return true;
    }
    return value_of(preference, STR("timezone="), &p->timezone) ||
           value_of(preference, STR("max-affected="), &p->max_affected);
}

void
rest_prefer_read(struct arena *a, const struct net_request *http, bool tx_allowed,
                 struct rest_prefer *ret)
{
    struct prefer p = {0};
    struct rest_names **tail = &ret->unknown;

    *ret = (struct rest_prefer){0};
    for (size_t i = 0; i < http->header_count; i++) {
        struct str rest = http->headers[i].value;

        if (!str_is(http->headers[i].name, "prefer"))
            continue;
        while (rest.len > 0) {
            const struct str preference = rest_part(&rest, ',');

            if (preference.len > 0 && !take(&p, preference))
                rest_names_add(a, &tail, preference);
        }
    }
    ret->returns = (enum rest_return)p.values[RETURNS];
    ret->resolution = (enum rest_resolution)p.values[RESOLUTION];
    ret->count = (enum rest_count)p.values[COUNT];
    ret->handling = (enum rest_handling)p.values[HANDLING];
    if (tx_allowed) /* else it is known and means nothing */
        ret->tx = (enum rest_tx)p.values[TX];
    ret->missing_default = p.values[MISSING] == 1;
    ret->missing_null = p.values[MISSING] == 2;
    ret->timezone = p.timezone;
    ret->has_max_affected = number_i64(p.max_affected, &ret->max_affected);
}

/* Conditions (rest-contract.md 2.3). */
#include "rest/sql/internal.h"

static const struct {
    const char *text; /* between column and value; NULL: see put_filter */
} operators[] = {
    [REST_EQ] = {"="},
    [REST_NEQ] = {"<>"},
    [REST_GT] = {">"},
    [REST_GTE] = {">="},
    [REST_LT] = {"<"},
    [REST_LTE] = {"<="},
    [REST_LIKE] = {"LIKE"},
    [REST_ILIKE] = {"ILIKE"},
    [REST_MATCH] = {"~"},
    [REST_IMATCH] = {"~*"},
    [REST_IN] = {NULL},
    [REST_IS] = {NULL},
    [REST_ISDISTINCT] = {"IS DISTINCT FROM"},
    [REST_FTS] = {NULL},
    [REST_PLFTS] = {NULL},
    [REST_PHFTS] = {NULL},
    [REST_WFTS] = {NULL},
    [REST_CS] = {"@>"},
    [REST_CD] = {"<@"},
    [REST_OV] = {"&&"},
    [REST_SL] = {"<<"},
    [REST_SR] = {">>"},
    [REST_NXR] = {"&<"},
    [REST_NXL] = {"&>"},
    [REST_ADJ] = {"-|-"},
};

static const char *
query_function(enum rest_op op)
{
    return op == REST_FTS     ? "to_tsquery"
           : op == REST_PLFTS ? "plainto_tsquery"
           : op == REST_PHFTS ? "phraseto_tsquery"
           : op == REST_WFTS  ? "websearch_to_tsquery"
                              : NULL;
}

static void
put_language(struct sql *s, struct str language)
{
    if (language.len == 0)
        return;
    put_value(s, language);
    put(s, "::regconfig, ");
}

/* What is no tsvector becomes one (1.13). */
static void
put_search(struct sql *s, const struct plan_level *level, const struct rest_filter *f)
{
    const struct cache_column *c =
        level->table == NULL ? NULL : cache_column(level->table, f->field.name);
    const bool ready = c != NULL && c->is_tsvector && f->field.path == NULL;

    if (!ready) {
        put(s, "to_tsvector(");
        put_language(s, f->language);
    }
    put_field(s, level, f->field.name, f->field.path);
    put(s, ready ? " @@ " : ") @@ ");
    put(s, query_function(f->op));
    put(s, "(");
    put_language(s, f->language);
    put_value(s, f->value);
    put(s, ")");
}

static void
put_is(struct sql *s, enum rest_is is)
{
    static const char *const texts[] = {
        [REST_IS_NULL] = " IS NULL",       [REST_IS_NOT_NULL] = " IS NOT NULL",
        [REST_IS_TRUE] = " IS TRUE",       [REST_IS_FALSE] = " IS FALSE",
        [REST_IS_UNKNOWN] = " IS UNKNOWN",
    };

    put(s, texts[is]);
}

/* Is there no row of an embed? */
static void
put_no_row(struct sql *s, const struct plan_level *embed)
{
    if (embed->to_one)
        put_f(s, "pgrst_e%d.* IS NOT DISTINCT FROM NULL", embed->number);
    else
        put_f(s, "pgrst_e%d.pgrst_e%d %s", embed->number, embed->number,
              embed->spread ? "= 0" : "IS NULL"); /* (see put_arrays) */
}

static void
put_filter(struct sql *s, const struct plan_level *level, const struct rest_filter *f)
{
    const struct plan_level *embed = plan_asked_embed(s->plan, level, f);

    if (f->negated)
        put(s, "NOT ");
    if (embed != NULL) {
        put_no_row(s, embed);
        return;
    }
    if (query_function(f->op) != NULL) {
        put_search(s, level, f);
        return;
    }
    put_field(s, level, f->field.name, f->field.path);
    if (f->op == REST_IS) {
        put_is(s, f->is);
        return;
    }
    if (f->op == REST_IN)
        put(s, " = ANY (");
    else
        put_f(s, " %s %s", operators[f->op].text,
              f->quantifier == REST_ANY   ? "ANY ("
              : f->quantifier == REST_ALL ? "ALL ("
                                          : "");
    put_value(s, f->value);
    if (f->op == REST_IN || f->quantifier != REST_PLAIN)
        put(s, ")");
}

static void put_list(struct sql *s, const struct plan_level *level, const struct rest_condition *c,
                     const char *between);

static void
put_condition(struct sql *s, const struct plan_level *level, const struct rest_condition *c)
{
    if (c->kind == REST_FILTER) {
        put_filter(s, level, &c->filter);
        return;
    }
    put(s, c->negated ? "NOT (" : "(");
    put_list(s, level, c->inside, c->kind == REST_OR ? " OR " : " AND ");
    put(s, ")");
}

static void
put_list(struct sql *s, const struct plan_level *level, const struct rest_condition *c,
         const char *between)
{
    for (const struct rest_condition *first = c; c != NULL; c = c->next) {
        if (c != first)
            put(s, between);
        put_condition(s, level, c);
    }
}

void
put_conditions(struct sql *s, const struct plan_level *level,
               const struct rest_condition *conditions, const char *before)
{
    if (conditions == NULL)
        return;
    put(s, before);
    put_list(s, level, conditions, " AND ");
}

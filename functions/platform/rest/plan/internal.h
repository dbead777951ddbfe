/*
 * What the files of plan share.
 *
 *   plan.c     the order of things: target, tree, places, form
 *   embed.c    which relation is meant
 *   columns.c  what a level shows
 *   call.c     which function is meant
 *   form.c     what is answered, and how
 */
#ifndef FFX_REST_PLAN_INTERNAL_H
#define FFX_REST_PLAN_INTERNAL_H

#include "rest/plan/plan.h"

struct planning {
    struct arena *a;
    struct plan *plan;
    const struct plan_limits *limits;
    struct rest_error *e;
};

/* Names with ", " between. */
const char *plan_joined(struct arena *a, const char *const *names);

/* The relation that `item` names, from `above`'s table; 200 or 201 otherwise. */
bool plan_relation(struct planning *p, const struct plan_level *above, const struct rest_item *item,
                   const struct cache_relation **ret);

/* Fill level->items from its select list, without those of its embeds. */
bool plan_items(struct planning *p, struct plan_level *level, const struct rest_item *asked);

/* Is this a name that may stand for a column of the level's rows: in filters and orders?  42703, or
 * 42501 of a sealed one, otherwise. */
bool plan_check_field(struct planning *p, const struct plan_level *level,
                      const struct rest_field *field);

bool plan_refuse_unknown(struct planning *p, const struct plan_level *level, struct str name);

/* The media type that is answered (107), whether row by row, and preferences: 122, 128. */
bool plan_choose_form(struct planning *p);
void plan_choose_way(struct plan *plan);
bool plan_check_preferences(struct planning *p);
bool plan_check_max_affected(struct planning *p);

/* The function of a call: 202, 203. */
bool plan_routine(struct planning *p);

#endif

/*
 * settings: those that several functions name in their specs, and that belong to no module.
 */
#ifndef FFX_FN_SETTINGS_H
#define FFX_FN_SETTINGS_H

#include "base/setting.h"

extern struct setting cfg_supabase_url; /* public base URL of this system */
extern struct setting cfg_frontend_url; /* of the pages people see */

#endif

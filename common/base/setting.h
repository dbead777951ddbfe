/*
 * setting: what an operator may set.  A module owns its settings, as variables of its own; a
 * function's spec lists those it needs, and the runtime loads them all before anything starts.
 *
 * A setting comes from the environment, or from a file in $CREDENTIALS_DIRECTORY of the same
 * name (systemd's LoadCredential).  settings_load stops at nothing half: it names every missing or
 * malformed variable in one message, and then nothing is stored.
 * After settings_load the values never change; any thread may read.
 */
#ifndef FFX_BASE_SETTING_H
#define FFX_BASE_SETTING_H

#include "base/buf.h"

enum setting_kind {
    SETTING_TEXT,     /* one line; without blanks around it, unless it is secret */
    SETTING_URL,      /* http:// or https://, no slash at its end, no query: paths are added */
    SETTING_SERVICE,  /* as SETTING_URL; http:// only to this machine, for a key is sent there */
    SETTING_LINK,     /* http:// or https://, whatever follows */
    SETTING_FOLDER,   /* an absolute path */
    SETTING_WORD,     /* visible ASCII without blanks: a key as it stands in a header */
    SETTING_INT,      /* a whole number, 0 to 2147483647 or min to max */
    SETTING_BOOL,     /* true or false, 1 or 0 */
    SETTING_SECRET32, /* 32 characters or more */
};

struct setting {
    const char *env;
    enum setting_kind kind;
    const char *fallback; /* NULL: required; "": none, which has no form */
    const char *meaning;  /* for --help and the documents */
    bool secret;          /* never printed */
    int64_t min, max;     /* SETTING_INT; both 0: 0 to 2147483647 */
    /* A further rule: NULL, or what the value must be ("must be …"). */
    const char *(*check)(const char *text);
    /* Another one without which this one says nothing, where a function has both; NULL: none. */
    const struct setting *with;

    /* setting.c's own; leave them out of initialisers. */
    char *text; /* NULL: not loaded */
    int64_t number;
};

/* A module's settings stand in a list ended by NULL: struct setting *const db_settings[]. */

/* Read and check the `count` settings.  On any fault nothing is stored, `problems` (a heap or arena
 * buf) gets one line per fault, and false comes back. */
NODISCARD bool settings_load(struct setting *const *settings, size_t count, struct buf *problems);

/* Values; asking for a setting that was not loaded ends the process (a missing entry in the
 * function's spec is a bug). */
const char *setting_text(const struct setting *s);
struct str setting_str(const struct setting *s);
int64_t setting_int(const struct setting *s);
bool setting_bool(const struct setting *s);
bool setting_is_loaded(const struct setting *s);

#endif

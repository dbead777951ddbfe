/*
 * canonical: the texts that NOWPayments signs.
 *
 * It signs JSON.stringify of an object whose keys were sorted at every level, so two things have to
 * be done as a JavaScript engine does them: the order of keys, and the printing of numbers and
 * strings.
 * Thread rule: loop's thread.
 */
#ifndef FFX_NOWPAYMENTS_CANONICAL_H
#define FFX_NOWPAYMENTS_CANONICAL_H

#include "base/buf.h"

struct json;

/* A document with more values is no callback's (those have about 25) and is not read here. */
#define NP_VALUES_MAX 256

enum np_form {
    NP_SORTED_TOKENS,              /* keys sorted at every level, every token as received */
    NP_SORTED_JS,                  /* and numbers and strings as JavaScript prints them */
    NP_SORTED_JS_ARRAYS_AS_OBJECTS /* and arrays turned into objects with the keys "0", "1", … */
};

/* A document as a tree that can be sorted; read once, printed in every form. */
struct np_document;

/* In the arena.  `body` is what json_parse read as `doc`; STR_NONE when it is not known: then no
 * token is kept, and strings are printed the JavaScript way in every form.  NULL when the document
 * has more values than any callback. */
struct np_document *np_document_read(struct arena *a, struct str body, const struct json *doc);
/* What printing it as JavaScript does costs, in np_js_number_effort's measure. */
int np_document_effort(const struct np_document *document);
/* Whether NP_SORTED_JS_ARRAYS_AS_OBJECTS is another text than NP_SORTED_JS. */
bool np_document_has_array(const struct np_document *document);
void np_document_print(struct buf *out, struct np_document *document, enum np_form form);

/* Both at once, without the body: for tests and for the sandbox's own signing (NP_SORTED_JS).  A
 * document with too many values sets out->overflow. */
void np_canonical(struct buf *out, const struct json *doc, enum np_form form);

#endif

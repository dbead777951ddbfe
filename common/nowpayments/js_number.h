/*
 * js_number: a number as a JavaScript engine prints it.
 * Any thread may call; nothing here allocates.
 */
#ifndef FFX_NOWPAYMENTS_JS_NUMBER_H
#define FFX_NOWPAYMENTS_JS_NUMBER_H

#include "base/prelude.h"

/* A JSON number token as Number.prototype.toString prints it (ECMA-262, 6.1.6.1.20): "13.0" ->
 * "13", "0.0000001" -> "1e-7".  The one place where a double is right: the sender's numbers are
 * doubles. */
#define NP_JS_NUMBER_SIZE 32
void np_js_number(struct str token, char ret[NP_JS_NUMBER_SIZE]);

/* What printing it costs: 0 for one whose digits need no search, as nearly all of a callback's; 1
 * for 16 digits and more (microseconds), 8 where doubles are as good as used up (some 20 of them).
 */
int np_js_number_effort(struct str token);

#endif

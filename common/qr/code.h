/*
 * code: a QR code as an image that a browser or mail program shows.  Encoding by libqrencode, with
 * the quiet zone of 4 modules that ISO/IEC 18004 asks for.  Any thread may call.
 */
#ifndef FFX_QR_CODE_H
#define FFX_QR_CODE_H

#include "base/arena.h"
#include "base/prelude.h"

/* "data:image/png;base64,…": 1 bit per pixel, stored (not compressed; checksums by zlib), 4 pixels
 * per module.  NULL when `text` is empty or too long for a QR code (over 1,000 bytes here). */
const char *qr_data_url(struct arena *a, struct str text);

/* An SVG document, 3 pixels per module, of the highest error correction; NULL likewise.  It has no
 * '#' and no '%', so that it is a data URL once "data:image/svg+xml;utf-8," stands before it. */
const char *qr_svg(struct arena *a, struct str text);

#endif

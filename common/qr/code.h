/*
 * code: a QR code as an image a browser or mail program shows: "data:image/png;base64,…".
 * Encoding by libqrencode, checksums by zlib; the PNG is 1 bit per pixel, stored (not compressed),
 * 4 pixels per module with the quiet zone of 4 modules that ISO/IEC 18004 asks for. Any thread may
 * call.
 */
#ifndef FFX_QR_CODE_H
#define FFX_QR_CODE_H

#include "base/arena.h"
#include "base/prelude.h"

/* NULL when `text` is empty or too long for a QR code (over 1,000 bytes here). */
const char *qr_data_url(struct arena *a, struct str text);

#endif

/*
 * url: whom a URL leads to (RFC 3986, 3.2).
 * Any thread may call; nothing here allocates.
 */
#ifndef FFX_BASE_URL_H
#define FFX_BASE_URL_H

#include "base/prelude.h"

/* The host of an absolute URL, in brackets when it is an IPv6 address; a port may follow it.  ptr
 * NULL when there is none, and when the URL names a user. */
struct str url_host(struct str url);

/* The port behind url_host(url), or what the scheme says: 443, and 80 for http://. */
int url_port(struct str url);

/* A name of letters, digits and hyphens, and dots between its labels (RFC 1123, 2.1; at most 253),
 * whose last label is no number: that would be an address. */
bool host_name_ok(struct str name);

/* A host name, an IPv4 address, or an IPv6 address in brackets. */
bool host_ok(struct str host);

/* This machine itself: localhost, 127.0.0.0/8 or [::1], and no name that only begins like one. */
bool host_is_loopback(struct str host);

/* http:// or https://, a good host and port, and nothing but visible ASCII. */
bool url_ok(const char *text);

/* https://, or http:// to this machine: what goes there nobody else reads or changes on its way. */
bool url_is_private(const char *url);

#endif

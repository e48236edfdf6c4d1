/* SPDX-License-Identifier: Apache-2.0 */
/* Standard Webhooks: HMAC-SHA256 over "id.timestamp.body". A secret "whsec_<base64>" stands for the bytes that it
 * encodes; any other secret is used as it is. */
#ifndef HORAE_HTTP_WEBHOOK_SIGNATURE_H
#define HORAE_HTTP_WEBHOOK_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

enum { WEBHOOK_SIGNATURE_MAX = 64 };

/* Writes "v1,<base64>". */
void webhook_sign(const char *secret, const char *id, int64_t timestamp_s, const char *body, size_t length,
                  char out[WEBHOOK_SIGNATURE_MAX]);

#endif

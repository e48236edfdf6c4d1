/* SPDX-License-Identifier: Apache-2.0 */
/* The channel `webhook`: a POST to one address, signed as Standard Webhooks has it (CRON-52, CRON-60). The id is the same in
 * all attempts, so that a receiver knows a repeat; the time, and with it the signature, is of the attempt. */
#include "alert/alert_channel.h"

#include "base/mem.h"
#include "http/http_client.h"
#include "http/webhook_signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TIMEOUT_MS = 10000, RESPONSE_MAX = 256 };

struct webhook {
    struct http_client *client;
    const struct clock *clock;
    char *url, *secret; /* owned; secret NULL: not signed */
};

static void on_done(void *arg, int64_t key, const struct http_client_result *result)
{
    struct alert_delivery *delivery = arg;
    char error[ALERT_ERROR_MAX + 1];
    (void)key;
    if (!result->failed && result->status >= 200 && result->status <= 299) {
        alert_delivered(delivery, NULL);
        return;
    }
    if (result->failed)
        (void)snprintf(error, sizeof error, "request failed: %.300s", result->message);
    else
        (void)snprintf(error, sizeof error, "HTTP status %ld", result->status);
    alert_delivered(delivery, error);
}

static void send_webhook(void *channel, struct alert_delivery *delivery)
{
    struct webhook *webhook = channel;
    char uid[UUID_TEXT_LEN + 1], id[64], timestamp[64], mac[WEBHOOK_SIGNATURE_MAX], signature[WEBHOOK_SIGNATURE_MAX + 32];
    int64_t now_s = clock_wall(webhook->clock).us / US_PER_S;
    size_t length = strlen(delivery->payload);
    const char *headers[] = {"Content-Type: application/json", id, timestamp, webhook->secret ? signature : NULL, NULL};
    uuid_format(&delivery->uid, uid);
    (void)snprintf(id, sizeof id, "webhook-id: %s", uid);
    (void)snprintf(timestamp, sizeof timestamp, "webhook-timestamp: %" PRId64, now_s);
    if (webhook->secret) {
        webhook_sign(webhook->secret, uid, now_s, delivery->payload, length, mac);
        (void)snprintf(signature, sizeof signature, "webhook-signature: %s", mac);
    }
    struct http_client_request request = {.method = "POST",
                                          .url = webhook->url,
                                          .headers = headers,
                                          .body = delivery->payload,
                                          .body_length = length,
                                          .timeout_ms = TIMEOUT_MS,
                                          .response_max = RESPONSE_MAX,
                                          .key = delivery->id,
                                          .done = on_done,
                                          .arg = delivery};
    struct err err;
    if (http_client_send(webhook->client, &request, &err) != OK)
        alert_delivered(delivery, err.message);
}

static void *open_webhook(const struct alert_options *options)
{
    if (!options->webhook_url)
        return NULL;
    struct webhook *webhook = xcalloc(1, sizeof *webhook);
    *webhook = (struct webhook){.client = http_client_new(),
                                .clock = options->clock,
                                .url = xstrdup(options->webhook_url),
                                .secret = xstrdup_or_null(options->webhook_secret)};
    return webhook;
}

static void close_webhook(void *channel)
{
    struct webhook *webhook = channel;
    http_client_free(webhook->client);
    free(webhook->url);
    free(webhook->secret);
    free(webhook);
}

const struct alert_channel alert_webhook = {open_webhook, send_webhook, close_webhook};

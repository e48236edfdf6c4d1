/* SPDX-License-Identifier: Apache-2.0 */
/* What the settings say of locks: provider, server and password, from their three places. */
#ifndef HORAE_APP_LOCK_SETTINGS_H
#define HORAE_APP_LOCK_SETTINGS_H

#include "app/config.h"
#include "cluster/lease_url.h"

/* `auto` is resolved: local with the embedded store, the store otherwise. Reads the password's file. ERR_INVALID says which setting is
 * wrong, and shows no secret. The caller wipes *ret. */
enum err_code lock_settings_read(const struct config *config, struct lease_url *ret, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HORAE_APP_CONFIG_CHECK_H
#define HORAE_APP_CONFIG_CHECK_H

#include "app/config.h"

/* What the table cannot say: the forms of addresses and labels, what this version supports, what goes together.
 * Appends one line per error. Opens the files of TLS for reading, nothing else. */
void config_check(const struct config *config, struct buf *errors);

#endif

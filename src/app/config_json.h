/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HORAE_APP_CONFIG_JSON_H
#define HORAE_APP_CONFIG_JSON_H

#include "app/config.h"
#include "base/json_write.h"

/* All settings in force, by their keys. Of secrets only whether they are set, as "***"; passwords in URLs likewise. */
void config_write_json(const struct config *config, struct json_writer *w);

#endif

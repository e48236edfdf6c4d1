/* SPDX-License-Identifier: Apache-2.0 */
/* Files carried inside the program (tools/embed-file.py). */
#ifndef HORAE_APP_ASSETS_H
#define HORAE_APP_ASSETS_H

#include <stddef.h>

extern const unsigned char asset_openapi_json[], asset_index_html[];
extern const size_t asset_openapi_json_size, asset_index_html_size;

#endif

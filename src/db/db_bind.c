/* SPDX-License-Identifier: Apache-2.0 */
/* Conveniences over the engine's binding functions; the same for every engine. */
#include "db/db.h"

#include <string.h>

void db_bind_string(struct db_stmt *st, int index, const char *text)
{
    if (text)
        db_bind_text(st, index, text, strlen(text));
    else
        db_bind_null(st, index);
}

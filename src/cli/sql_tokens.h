/* SPDX-License-Identifier: Apache-2.0 */
/* Words, texts and signs of SQL, as dumps use them. */
#ifndef HORAE_CLI_SQL_TOKENS_H
#define HORAE_CLI_SQL_TOKENS_H

#include "base/buf.h"
#include "base/str.h"

#include <stdio.h>

enum sql_token { SQL_END, SQL_WORD, SQL_NAME, SQL_TEXT, SQL_NUMBER, SQL_SIGN, SQL_BROKEN };

struct sql_reader {
    FILE *in; /* borrowed */
    int64_t line;
    bool backslashes; /* as MySQL: seen by its own comments and quotes */
    enum sql_token token;
    struct buf text; /* of the token, decoded; a sign is one character. At most OLD_VALUE_MAX */
    const char *broken;
};

void sql_reader_init(struct sql_reader *reader, FILE *in);
void sql_reader_release(struct sql_reader *reader);
/* The next token; SQL_BROKEN stays, `broken` says why. */
enum sql_token sql_next(struct sql_reader *reader);
/* Lines up to "\\.", which end the data of a COPY. */
void sql_skip_copied(struct sql_reader *reader);
struct str sql_text(const struct sql_reader *reader);
bool sql_is_word(const struct sql_reader *reader, const char *word); /* ignoring case; not quoted */
bool sql_is_sign(const struct sql_reader *reader, char sign);

#endif

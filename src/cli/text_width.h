/* SPDX-License-Identifier: Apache-2.0 */
/* How wide UTF-8 text stands on a terminal. Pure. */
#ifndef HORAE_CLI_TEXT_WIDTH_H
#define HORAE_CLI_TEXT_WIDTH_H

#include <stddef.h>

/* Columns that a text takes: East Asian wide characters and pictures two, marks that combine none. */
size_t text_width(const char *text, size_t length);
/* Bytes of the longest start that takes at most `columns`; never cuts a character. */
size_t text_fitting(const char *text, size_t length, size_t columns);
/* Replaces control characters (also DEL and U+0080…U+009F) by blanks: text from outside steers no terminal. `keep`:
 * characters that stay, such as "\n". */
void text_tame(char *text, const char *keep);

#endif

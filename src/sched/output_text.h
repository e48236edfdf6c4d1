/* SPDX-License-Identifier: Apache-2.0 */
/* What a process wrote or a server answered, as text for a row: valid UTF-8 without U+0000, at most `max` bytes. Every
 * byte that belongs to no character becomes U+FFFD. NULL when there is nothing; else the caller frees it. */
#ifndef HORAE_SCHED_OUTPUT_TEXT_H
#define HORAE_SCHED_OUTPUT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Keeps the end. `is_tail`: bytes before these are missing, so that they may begin within a character. `*ret_cut`
 * becomes true when something was left out here. */
char *output_text_end(const char *bytes, size_t length, size_t max, bool is_tail, bool *ret_cut);
/* Keeps the beginning. `is_head`: bytes after these are missing, so that they may end within a character. */
char *output_text_begin(const char *bytes, size_t length, size_t max, bool is_head, bool *ret_cut);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How the keeper becomes a process of its own: descriptors, double fork, and the word to whoever launched it. */
#ifndef HORAE_KEEPER_LAUNCH_H
#define HORAE_KEEPER_LAUNCH_H

#include <stdbool.h>

enum launch_status { LAUNCH_READY = 0, LAUNCH_FAILED = 1, LAUNCH_USAGE = 2, LAUNCH_ALREADY_RUNS = 3 };

/* Closes all but 0, 1 and 2, fills those that are missing, and reserves 3 (descriptor of a command's progress). */
bool launch_clean_descriptors(void);
/* Double fork. Returns in the keeper only; the launcher waits at most 4 s for launch_tell and exits with its status.
 * `*ret_word_fd` is for launch_tell. */
bool launch_detach(int *ret_word_fd);
/* Ends the launcher, with `text` on its standard error unless it is NULL; closes word_fd. −1: says it on our own. */
void launch_tell(int word_fd, enum launch_status status, const char *text);
/* 0 and 1 become /dev/null; 2 becomes the file, cut when it has grown beyond 1 MiB. */
void launch_redirect(const char *log_name);

#endif

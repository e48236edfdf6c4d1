/* SPDX-License-Identifier: Apache-2.0 */
#include "base/panic.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

void panic_at(const char *file, int line, const char *what)
{
    fprintf(stderr, "horae %s: panic in thread %ld at %s:%d: %s\n", HORAE_VERSION, syscall(SYS_gettid), file, line, what);
    abort();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions that stay on in release. They guard against our own mistakes, never against input or I/O. */
#ifndef HORAE_BASE_PANIC_H
#define HORAE_BASE_PANIC_H

#include "base/compiler.h"

/* Prints where and why on standard error and aborts. State is in the store, so a restart recovers. */
NO_RETURN void panic_at(const char *file, int line, const char *what);

#define must(condition) ((condition) ? (void)0 : panic_at(__FILE__, __LINE__, #condition))
#define unreachable(why) panic_at(__FILE__, __LINE__, why)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Faults put in where a statement would run: for unit tests, for the simulation, and for tests of the whole program. */
#ifndef HORAE_DB_STORE_FAULT_H
#define HORAE_DB_STORE_FAULT_H

#include "base/err.h"

#include <stdint.h>

/* Called before every statement, BEGIN, COMMIT and ROLLBACK with its text: anything but OK is returned in its place.
 * On the thread of the connection; several at a time for one object. */
struct store_fault {
    enum err_code (*before)(void *arg, const char *what, struct err *err);
    void *arg;
};

/* Refuses one call: the `at`-th, from 1; 0 = none. `calls` counts on. For loops that fail every call in turn. */
struct store_fault_nth {
    struct store_fault fault; /* what to hand out */
    int64_t at, calls;        /* one thread at a time */
};
void store_fault_nth_init(struct store_fault_nth *nth);

/* The environment variable HORAE_TEST_STORE_FAULT_FILE names a file that says what fails at the moment, read again at
 * most every 20 ms: "busy COMMIT", "full", "io INSERT", "corrupt": a kind, and the word that a statement must begin with
 * (none: every one). An empty or missing file: nothing fails. NULL without the variable. */
const struct store_fault *store_fault_from_environment(void);

#endif

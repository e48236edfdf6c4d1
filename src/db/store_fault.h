/* SPDX-License-Identifier: Apache-2.0 */
/* Faults put in where a statement would run: for unit tests and for the simulation. */
#ifndef HORAE_DB_STORE_FAULT_H
#define HORAE_DB_STORE_FAULT_H

#include "base/err.h"

/* Called before every statement, BEGIN, COMMIT and ROLLBACK with its text: anything but OK is returned in its place.
 * On the thread of the connection; several at a time for one object. */
struct store_fault {
    enum err_code (*before)(void *arg, const char *what, struct err *err);
    void *arg;
};

#endif

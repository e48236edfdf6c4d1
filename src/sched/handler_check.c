/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/handler.h"

#include "base/str.h"
#include "sched/task_types.h"

#include <string.h>

static enum err_code check_one(const struct handler *handler, struct err *err)
{
    if (!handler->type || !handler->type[0])
        return err_param(err, "handlers", "a handler must name its task type");
    if (task_type_from_name(str_of(handler->type)) < 0)
        return err_param(err, "handlers", "there is no task type %s", handler->type);
    if (!handler->start || !handler->stop)
        return err_param(err, "handlers", "the handler of task type %s must be able to start and to stop", handler->type);
    return OK;
}

enum err_code handlers_check(const struct handler *handlers, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (check_one(&handlers[i], err) != OK)
            return ERR_INVALID;
        for (size_t j = 0; j < i; j++)
            if (strcmp(handlers[i].type, handlers[j].type) == 0)
                return err_param(err, "handlers", "task type %s has two handlers", handlers[i].type);
    }
    return OK;
}

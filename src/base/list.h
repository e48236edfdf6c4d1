/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked list with a count. The list never owns its elements; one thread or one lock owns it. */
#ifndef HORAE_BASE_LIST_H
#define HORAE_BASE_LIST_H

#include "base/panic.h"

#include <stdbool.h>

struct list_node {
    struct list_node *prev, *next; /* both NULL: in no list */
};

struct list {
    struct list_node head; /* head.next first, head.prev last */
    size_t count;
};

static inline void list_init(struct list *list)
{
    list->head.prev = list->head.next = &list->head;
    list->count = 0;
}

static inline bool list_contains_node(const struct list_node *node)
{
    return node->next != NULL;
}

static inline void list_insert_before(struct list *list, struct list_node *at, struct list_node *node)
{
    must(!node->next && !node->prev);
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
    list->count++;
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_before(list, &list->head, node);
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_before(list, list->head.next, node);
}

static inline void list_remove(struct list *list, struct list_node *node)
{
    must(node->next && list->count > 0);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
    list->count--;
}

static inline struct list_node *list_first(const struct list *list)
{
    return list->count ? list->head.next : NULL;
}

static inline struct list_node *list_next(const struct list *list, const struct list_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_first(list);
    if (node)
        list_remove(list, node);
    return node;
}

/* Moves everything from `from` to the end of `to`. */
static inline void list_splice(struct list *to, struct list *from)
{
    if (!from->count)
        return;
    from->head.next->prev = to->head.prev;
    from->head.prev->next = &to->head;
    to->head.prev->next = from->head.next;
    to->head.prev = from->head.prev;
    to->count += from->count;
    list_init(from);
}

#endif

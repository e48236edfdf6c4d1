/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs and types of old tables: which word of audit/audit_values.def they stand for. */
#include "cli/migrate_words.h"

#include "audit/audit_values.h"

#include <string.h>

struct word {
    const char *from, *to;
};

static const struct word verbs[] = {
#define OLD_VERB(word, action) {word, action},
#include "cli/migrate_tables.def"
};
static const struct word types[] = {
#define OLD_TYPE(word, type) {word, type},
#include "cli/migrate_tables.def"
};

static const char *find_given(const struct migrate_words *given, struct str word)
{
    for (size_t i = 0; i < given->count; i++) {
        size_t n = (size_t)(given->items[i].to - given->items[i].from) - 1;
        if (n == word.n && memcmp(given->items[i].from, word.p, n) == 0)
            return given->items[i].to;
    }
    return NULL;
}

static const char *find_word(const struct word *words, size_t count, struct str word)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal_ignoring_case(word, words[i].from))
            return words[i].to;
    return NULL;
}

static const char *find_name(const char *const *names, size_t count, struct str word)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal_ignoring_case(word, names[i]))
            return names[i];
    return NULL;
}

static const char *find_verb(struct str word)
{
    const char *found = find_word(verbs, ARRAY_LEN(verbs), word);
    return found ? found : find_name(audit_action_names, AUDIT_ACTION_COUNT, word);
}

/* The next run of letters and digits of the rest. */
static bool next_part(struct str *rest, struct str *ret)
{
    static const char separators[] = "_-.:/ ";
    while (rest->n && strchr(separators, rest->p[0]))
        *rest = (struct str){rest->p + 1, rest->n - 1};
    size_t n = 0;
    while (n < rest->n && !(rest->p[n] && strchr(separators, rest->p[n])))
        n++;
    *ret = (struct str){rest->p, n};
    *rest = (struct str){rest->p + n, rest->n - n};
    return n > 0;
}

const char *migrate_action(const struct migrate_words *given, struct str word)
{
    const char *found = find_given(given, word);
    struct str rest = word, part;
    if (!found)
        found = find_verb(word);
    while (!found && next_part(&rest, &part))
        found = find_verb(part);
    return found;
}

static const char *find_type(struct str word)
{
    const char *found = find_word(types, ARRAY_LEN(types), word);
    return found ? found : find_name(audit_resource_names, AUDIT_RESOURCE_COUNT, word);
}

/* "Docker_Images" → "DockerImages"; false: longer than any type. */
static bool plain_type(struct str word, char out[MIGRATE_WORD_MAX + 1], size_t *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < word.n; i++) {
        if (word.p[i] == '_' || word.p[i] == '-')
            continue;
        if (n == MIGRATE_WORD_MAX || !word.p[i])
            return false;
        out[n++] = word.p[i];
    }
    out[n] = '\0';
    *ret = n;
    return n > 0;
}

const char *migrate_type(const struct migrate_words *given, struct str word)
{
    char plain[MIGRATE_WORD_MAX + 1];
    size_t n;
    const char *found = find_given(given, word);
    if (found || !plain_type(word, plain, &n))
        return found;
    found = find_type((struct str){plain, n}); /* as it is ("redis"), then without a plural's s */
    if (!found && n > 1 && (plain[n - 1] == 's' || plain[n - 1] == 'S'))
        found = find_type((struct str){plain, n - 1});
    return found;
}

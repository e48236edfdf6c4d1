/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_redact.h"

#include "audit/json_encoded.h"

#include <string.h>

static const struct str default_names[] = {
#define NAME(text) {text, sizeof text - 1},
#include "audit/audit_names.def"
#undef NAME
};

const struct audit_names audit_default_names = {default_names, ARRAY_LEN(default_names)};

size_t audit_name_plain(const char *name, char *out)
{
    size_t n = 0;
    for (; *name; name++)
        if (*name != '_' && *name != '-')
            out[n++] = *name >= 'A' && *name <= 'Z' ? (char)(*name | 0x20) : *name;
    out[n] = '\0';
    return n;
}

bool audit_name_is_redacted(const struct audit_names *names, struct str name)
{
    char plain[AUDIT_REDACT_NAME_MAX] = "";
    size_t n = 0;
    for (size_t i = 0; i < name.n; i++) {
        const char c = name.p[i];
        if (c == '_' || c == '-')
            continue;
        if (n == sizeof plain)
            return false;
        plain[n++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    for (size_t i = 0; i < names->count; i++)
        if (names->names[i].n == n && memcmp(names->names[i].p, plain, n) == 0)
            return true;
    return false;
}

static bool hide(const void *arg, struct str key)
{
    return audit_name_is_redacted(arg, key);
}

/* Whether the string may hold the text of an object or array: what comes first after blanks says so. */
static bool may_hold_text(struct str encoded)
{
    size_t i = 0;
    for (; i < encoded.n; i++) {
        if (encoded.p[i] == '\\' && i + 1 < encoded.n && memchr("nrt", encoded.p[i + 1], 3))
            i++;
        else if (encoded.p[i] != ' ')
            break;
    }
    return i < encoded.n && (encoded.p[i] == '{' || encoded.p[i] == '[');
}

static bool rewrite(const void *arg, struct str encoded, struct buf *out)
{
    const struct json_rules rules = {.depth_max = UINT32_MAX, .hide = hide, .arg = arg};
    struct json_tokens inner = {0};
    struct buf text;
    bool changed = false;
    if (!may_hold_text(encoded))
        return false;
    buf_init(&text, encoded.n);
    if (json_decode(encoded, &text) && json_tokens_read(&inner, text.data, text.len, &rules) && inner.hidden > 0) {
        json_encode(inner.text, inner.length, out);
        changed = true;
    }
    json_tokens_release(&inner);
    buf_release(&text);
    return changed;
}

void audit_redact(struct json_rules *rules, const struct audit_names *names)
{
    rules->hide = hide;
    rules->rewrite = rewrite;
    rules->arg = names;
}

bool audit_redact_text(struct str json, const struct audit_names *names, struct buf *out)
{
    struct json_rules rules = {.depth_max = UINT32_MAX};
    struct json_tokens tokens = {0};
    audit_redact(&rules, names);
    const bool changed = json_tokens_read(&tokens, json.p, json.n, &rules) && tokens.hidden;
    if (changed)
        buf_add(out, tokens.text, tokens.length);
    json_tokens_release(&tokens);
    return changed;
}

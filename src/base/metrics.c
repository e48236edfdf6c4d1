/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/panic.h"
#include "base/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LABEL_SETS = 4096, BUCKETS = 22, MAX_FAMILIES = 256 };

/* Upper bounds, doubling from 50 µs to about 52 s and 1 to 1 M for plain numbers. */
static int64_t bound_us(int bucket)
{
    return (int64_t)50 << bucket;
}

struct metric {
    struct family *family;
    struct metric *next;
    char *labels;
    _Atomic int64_t value; /* histograms: count */
    _Atomic int64_t sum;
    _Atomic int64_t buckets[BUCKETS];
};

struct family {
    enum metric_kind kind;
    _Atomic bool plain; /* histogram of numbers, not of time */
    const char *name, *help;
    struct metric *metrics, **tail;
    size_t count;
};

static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct family families[MAX_FAMILIES];
static size_t family_count;

static struct family *family_get(enum metric_kind kind, const char *name, const char *help)
{
    for (size_t i = 0; i < family_count; i++)
        if (strcmp(families[i].name, name) == 0) {
            must(families[i].kind == kind);
            return &families[i];
        }
    must(family_count < MAX_FAMILIES);
    struct family *family = &families[family_count++];
    *family = (struct family){.kind = kind, .name = name, .help = help};
    family->tail = &family->metrics;
    return family;
}

static struct metric *find_or_add(struct family *family, const char *labels)
{
    for (struct metric *m = family->metrics; m; m = m->next)
        if (strcmp(m->labels, labels) == 0)
            return m;
    if (family->count == MAX_LABEL_SETS && strcmp(labels, "overflow=\"true\"") != 0)
        return find_or_add(family, "overflow=\"true\"");
    struct metric *metric = xcalloc(1, sizeof *metric);
    metric->family = family;
    metric->labels = xstrdup(labels);
    *family->tail = metric;
    family->tail = &metric->next;
    family->count++;
    return metric;
}

struct metric *metric_get(enum metric_kind kind, const char *name, const char *help, const char *labels)
{
    (void)pthread_mutex_lock(&registry_mutex);
    struct metric *metric = find_or_add(family_get(kind, name, help), labels);
    (void)pthread_mutex_unlock(&registry_mutex);
    return metric;
}

void metric_add(struct metric *metric, int64_t delta)
{
    atomic_fetch_add_explicit(&metric->value, delta, memory_order_relaxed);
}

void metric_set(struct metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

int64_t metric_value(const struct metric *metric)
{
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

static void observe(struct metric *metric, int64_t value, int64_t scaled)
{
    must(metric->family->kind == METRIC_HISTOGRAM);
    int bucket = 0;
    while (bucket < BUCKETS && scaled > bound_us(bucket))
        bucket++;
    if (bucket < BUCKETS)
        atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->sum, value, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->value, 1, memory_order_relaxed);
}

void metric_observe(struct metric *metric, int64_t us)
{
    observe(metric, us > 0 ? us : 0, us);
}

void metric_observe_count(struct metric *metric, int64_t n)
{
    atomic_store_explicit(&metric->family->plain, true, memory_order_relaxed);
    observe(metric, n, n * 50);
}

static void write_name(struct buf *out, const struct metric *m, const char *suffix, const char *more)
{
    buf_printf(out, "%s%s", m->family->name, suffix);
    if (m->labels[0] || more[0])
        buf_printf(out, "{%s%s%s}", m->labels, m->labels[0] && more[0] ? "," : "", more);
    buf_add_char(out, ' ');
}

static void write_histogram(struct buf *out, const struct metric *m)
{
    int64_t running = 0, count = metric_value(m);
    for (int i = 0; i < BUCKETS; i++) {
        running += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        char le[48];
        if (m->family->plain)
            (void)snprintf(le, sizeof le, "le=\"%lld\"", (long long)(bound_us(i) / 50));
        else
            (void)snprintf(le, sizeof le, "le=\"%.5f\"", (double)bound_us(i) / 1e6);
        write_name(out, m, "_bucket", le);
        buf_printf(out, "%lld\n", (long long)running);
    }
    /* Updates may land between the loads above: the last bucket must still be the largest. */
    if (count < running)
        count = running;
    write_name(out, m, "_bucket", "le=\"+Inf\"");
    buf_printf(out, "%lld\n", (long long)count);
    int64_t sum = atomic_load_explicit(&m->sum, memory_order_relaxed);
    write_name(out, m, "_sum", "");
    if (m->family->plain)
        buf_printf(out, "%lld\n", (long long)sum);
    else
        buf_printf(out, "%.6f\n", (double)sum / 1e6);
    write_name(out, m, "_count", "");
    buf_printf(out, "%lld\n", (long long)count);
}

static void write_family(struct buf *out, const struct family *family)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name, kinds[family->kind]);
    for (const struct metric *m = family->metrics; m; m = m->next) {
        if (family->kind == METRIC_HISTOGRAM) {
            write_histogram(out, m);
        } else {
            write_name(out, m, "", "");
            buf_printf(out, "%lld\n", (long long)metric_value(m));
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const struct family *const *fa = a, *const *fb = b;
    return strcmp((*fa)->name, (*fb)->name);
}

void metrics_write(struct buf *out)
{
    (void)pthread_mutex_lock(&registry_mutex);
    struct family *sorted[MAX_FAMILIES] = {NULL};
    for (size_t i = 0; i < family_count; i++)
        sorted[i] = &families[i];
    qsort(sorted, family_count, sizeof *sorted, by_name);
    for (size_t i = 0; i < family_count; i++)
        write_family(out, sorted[i]);
    (void)pthread_mutex_unlock(&registry_mutex);
}

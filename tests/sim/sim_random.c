/* SPDX-License-Identifier: Apache-2.0 */
/* Chance, all of it from one seed, and what a seed draws before it begins. */
#include "sim.h"

#include <math.h>

uint64_t sim_random(struct sim *sim)
{
    uint64_t z = (sim->random += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

int64_t sim_range(struct sim *sim, int64_t low, int64_t high)
{
    return low + (int64_t)(sim_random(sim) % (uint64_t)(high - low + 1));
}

static double unit(struct sim *sim)
{
    return (double)(sim_random(sim) >> 11) / 9007199254740992.0;
}

bool sim_chance(struct sim *sim, double p)
{
    return unit(sim) < p;
}

int64_t sim_wait(struct sim *sim, double per_day)
{
    double days = -log(1.0 - unit(sim)) / per_day;
    double us = days * (double)DAY;
    return us < 1 ? 1 : (int64_t)us;
}

/* Moments just before a zone changes its clocks, and a plain one. */
static const int64_t starts_s[] = {
    1772845200, /* 2026-03-07: New York moves on the 8th, Berlin on the 29th */
    1774656000, /* 2026-03-28: Berlin moves on the 29th, Lord Howe on 5 April */
    1792800000, /* 2026-10-24: Berlin moves back on the 25th, New York on 1 November */
    1790942400, /* 2026-10-02: Lord Howe moves on the 4th */
    1767139200, /* 2025-12-31: a new year */
    1782086400, /* 2026-06-22 */
};

void sim_draw_plan(struct sim_plan *plan, uint64_t seed)
{
    struct sim sim = {.random = seed * 0x2545F4914F6CDD1Du + 1};
    *plan = (struct sim_plan){.seed = seed};
    plan->start_us = starts_s[sim_range(&sim, 0, (int64_t)ARRAY_LEN(starts_s) - 1)] * SECOND + sim_range(&sim, 0, DAY);
    plan->dense = sim_chance(&sim, 0.8);
    plan->length_us = plan->dense ? sim_range(&sim, HOUR, 12 * HOUR) : sim_range(&sim, DAY, 4 * DAY);
    plan->tasks = (int)sim_range(&sim, 1, 40);
    plan->capacity = (int)(sim_chance(&sim, 0.5) ? 256 : sim_range(&sim, 1, 12));
    double scale = (double)DAY / (double)plan->length_us; /* rates are per day, wishes per run */
    plan->operations = (double)sim_range(&sim, 10, 400) * scale;
    /* Each kind of trouble is there in half of the seeds: some bugs only show where others do not hide them. */
    plan->kills = sim_chance(&sim, 0.5) ? (double)sim_range(&sim, 1, 12) * scale : 0;
    plan->stops = sim_chance(&sim, 0.5) ? (double)sim_range(&sim, 1, 6) * scale : 0;
    plan->outages = sim_chance(&sim, 0.5) ? (double)sim_range(&sim, 1, 8) * scale : 0;
    plan->hiccups = sim_chance(&sim, 0.4) ? 0.0001 * (double)sim_range(&sim, 1, 40) : 0;
    plan->jumps = sim_chance(&sim, 0.35) ? (double)sim_range(&sim, 1, 5) * scale : 0;
    plan->keeper_deaths = sim_chance(&sim, 0.4) ? (double)sim_range(&sim, 1, 4) * scale : 0;
    plan->drains = sim_chance(&sim, 0.3) ? (double)sim_range(&sim, 1, 3) * scale : 0;
    plan->torn = sim_chance(&sim, 0.6);
    plan->slow = sim_chance(&sim, 0.3);
    plan->unruly = sim_chance(&sim, 0.7);
    plan->resident_max = sim_chance(&sim, 0.5) ? (int)sim_range(&sim, 1, 12) : 0; /* tasks come and go */
}

void sim_month_plan(struct sim_plan *plan, uint64_t seed)
{
    struct sim sim = {.random = seed * 0x2545F4914F6CDD1Du + 1};
    *plan = (struct sim_plan){.seed = seed,
                              .start_us = starts_s[sim_range(&sim, 0, 3)] * SECOND,
                              .length_us = 31 * DAY,
                              .tasks = 1000,
                              .capacity = 256,
                              .resident_max = 50,
                              .operations = 200,
                              .kills = 1,
                              .stops = 0.3,
                              .outages = 0.5,
                              .hiccups = 0.0001,
                              .jumps = 0.2,
                              .keeper_deaths = 0.2,
                              .drains = 0.1,
                              .torn = true,
                              .unruly = true};
}

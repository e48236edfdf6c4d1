#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Random schedules, asked of `horae cron batch` and of tests/cron_model.py. The seed is printed; the same seed and number of
cases give the same questions.

usage: HORAE_BINARY=build/release/horae tests/cron_random.py [--cases N] [--seed S]
"""
import argparse
import datetime
import json
import os
import random
import subprocess
import sys

import cron_model as model

DAY = model.DAY
ASKED_MAX = 60     # times of one next or prev
FIRES_MAX = 20000  # local times that one window may hold
ZONES = ["America/New_York", "Europe/Paris", "Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Chatham", "Pacific/Apia",
         "Pacific/Kiritimati", "America/Sao_Paulo", "America/Havana", "Africa/Cairo", "America/Santiago", "America/Scoresbysund",
         "Africa/Casablanca", "Europe/Dublin", "Europe/Volgograd", "Asia/Pyongyang", "Pacific/Kwajalein", "Asia/Tehran", "Asia/Gaza",
         "America/Caracas", "Africa/Sao_Tome", "Africa/Juba", "Europe/Simferopol", "America/Asuncion", "Asia/Beirut", "Pacific/Norfolk",
         "Asia/Kathmandu", "America/Nuuk", "Africa/Monrovia", "Africa/Freetown", "Europe/Amsterdam", "Asia/Manila", "Pacific/Rarotonga",
         "America/St_Johns", "Antarctica/Vostok", "Asia/Kolkata", "Africa/Windhoek", "America/Anchorage", "Pacific/Fakaofo"]
SEEDS = ["nightly-backup", "billing/export", "job-42", "a", "α-report"]


def transitions(name):
    """Instants of the zone's changes: those of the file, and some that only its footer tells."""
    zone = model.zone(name)
    if not hasattr(zone, "changes"):
        zone.changes = [t for t in zone.table if -3000000000 < t]
        for year in (2040, 2095, 2103, 2201, 2399, 2401, 2805):
            begin = (datetime.date(year, 1, 1).toordinal() - model.EPOCH) * DAY
            zone.changes += [start for start, _, _ in zone.segments(begin, begin + 366 * DAY)[1:]]
    return zone.changes


class Text:
    """One random expression in one dialect."""

    def __init__(self, rng, hours=(), minutes=()):
        self.rng, self.hours, self.minutes = rng, hours, minutes
        self.dialect = rng.choice(["horae"] * 14 + ["vixie", "quartz", "aws", "spring", "jenkins", "k8s", "croniter", "pg_cron"])

    def number(self, field):
        low, high = model.FIELDS[field][:2]
        rng = self.rng
        if field == 2 and self.hours and rng.random() < 0.6:
            return rng.choice(self.hours)
        if field == 1 and rng.random() < 0.4:
            return rng.choice([0, 0, 15, 30, 45, 59, *self.minutes])
        if field == 3 and rng.random() < 0.3:
            return rng.choice([1, 28, 29, 30, 31])
        if field == 5 and self.dialect in ("quartz", "aws"):
            low = 1
        return rng.randint(low, high)

    def value(self, field):
        number, rng = self.number(field), self.rng
        if field == 4 and rng.random() < 0.3:
            return rng.choice([str.upper, str.lower, str.title])(model.MONTHS[number - 1])
        if field == 5 and rng.random() < 0.3:
            return rng.choice([str.upper, str.lower, str.title])(model.WEEKDAYS[number % 7])
        return f"{number:02}" if rng.random() < 0.1 else str(number)

    def step(self, field):
        rng, high = self.rng, model.FIELDS[field][1]
        if self.dialect == "vixie" and rng.random() < 0.1:
            return rng.randint(high, 3 * high)
        return rng.randint(1, min(high, 12)) if rng.random() < 0.7 else rng.randint(1, min(high, 200))

    def hashed(self, field):
        rng, (low, high, hash_low, hash_high) = self.rng, model.FIELDS[field]
        kind = rng.randrange(4)
        if kind == 0:
            return "H"
        if kind == 1:
            return f"H/{rng.randint(1, hash_high - hash_low + 1)}"
        if field == 5 and self.dialect in ("quartz", "aws"):
            low = 1
        a, b = sorted((rng.randint(low, high), rng.randint(low, high)))
        if kind == 2:
            return f"H({a}-{b})" + rng.choice(["", f"/{rng.randint(1, min(b - a + 1, high))}"])
        return f"{a}~{b}"

    def item(self, field):
        rng = self.rng
        kind = rng.random()
        if field != 6 and kind < 0.07:
            return self.hashed(field)
        if field == 3 and kind < 0.3:
            return rng.choice(["L", "LW", f"L-{rng.randint(0, 30)}", f"L-{rng.randint(0, 30)}W", f"{rng.randint(1, 31)}W", "l", f"{rng.randint(1, 31)}w"]
                              + (["$"] if self.dialect == "pg_cron" else []))
        if field == 5 and kind < 0.3:
            days = self.value(5) if rng.random() < 0.7 else f"{self.value(5)}-{self.value(5)}"
            return days + rng.choice(["L", "#L", *(f"#{k}" for k in range(1, 6))])
        if kind < 0.4:
            return rng.choice("*?") + (f"/{self.step(field)}" if rng.random() < 0.7 else "")
        if kind < 0.6:
            a, b = self.value(field), self.value(field)
            if field == 6 and int(a) > int(b):
                a, b = b, a
            return f"{a}-{b}" + (f"/{self.step(field)}" if rng.random() < 0.4 else "")
        if kind < 0.7:
            return f"{self.value(field)}/{self.step(field)}"
        return self.value(field)

    def field(self, field, star=0.0):
        rng = self.rng
        if rng.random() < star:
            return rng.choice("***?")
        text = ",".join(self.item(field) for _ in range(rng.choice([1, 1, 1, 1, 2, 3])))
        return "+" + text if field == 5 and rng.random() < 0.15 else text

    def years(self, around):
        rng = self.rng
        if rng.random() < 0.2:
            return rng.choice(["*", f"*/{rng.randint(1, 5)}", f"{max(1970, around - 3)}/{rng.randint(1, 3)}"])
        items = []
        for _ in range(rng.randint(1, 3)):
            low = max(1970, around + rng.randint(-3, 3))
            items.append(rng.choice([str(low), str(low), f"{low}-{low + rng.randint(0, 30)}", f"{low}-{low + rng.randint(0, 90)}/{rng.randint(1, 9)}"]))
        return ",".join(items)

    def event(self, around):
        """A calendar event; the same parts in another spelling."""
        rng = self.rng

        def component(field, width=2):
            def one():
                low, high = model.FIELDS[field][:2]
                a, b = sorted((self.number(field), self.number(field)))
                return rng.choice([f"{a:0{width}}", f"{a:0{width}}", f"{a}..{b}", f"{a}..{b}/{rng.randint(1, 5)}", f"{max(a, low)}/{rng.randint(1, high)}"])

            return "*" if rng.random() < 0.4 else ",".join(one() for _ in range(rng.choice([1, 1, 2])))

        parts = []
        if rng.random() < 0.4:
            names = ["Mon", "Tuesday", "wed", "THU", "Friday", "Sat", "Sun"]
            a, b = sorted((rng.randrange(7), rng.randrange(7)))
            parts.append(rng.choice([names[a], f"{names[a]},{names[b]}", f"{names[a]}..{names[b]}"]))
        if rng.random() < 0.7:
            year = rng.choice(["", "*-", f"{max(1970, around)}..{max(1970, around) + 5}-", f"{max(1970, around - 2)}/3-"])
            days = "~" + ",".join(rng.choice([str(rng.randint(1, 31)), f"0{rng.randint(1, 9)}/{rng.randint(1, 3)}", "1..7"])
                                  for _ in range(rng.choice([1, 1, 2]))) if rng.random() < 0.4 else "-" + component(3)
            parts.append(year + component(4) + days)
        if rng.random() < 0.8 or not parts:
            parts.append(component(2) + ":" + component(1) + (":" + component(0) if rng.random() < 0.3 else ""))
        return " ".join(parts)

    def cron(self, around):
        rng, dialect = self.rng, self.dialect
        kind = rng.random()
        if kind < 0.03 and dialect == "horae":
            return rng.choice(list(model.NICKNAMES))
        if kind < 0.05 and dialect != "k8s":
            return "@every " + rng.choice([f"{rng.randint(1, 9)}h{rng.randint(1, 59)}m", f"{rng.randint(30, 90000)}s", "1d", "2w", "1w1d1h1m1s"])
        if kind < 0.1 and dialect == "aws":
            return f"rate({rng.randint(1, 60)} {rng.choice(['minutes', 'hours', 'days', 'minute'])})"
        if kind < 0.1 and dialect == "pg_cron":
            return f"{rng.randint(1, 59)} seconds"
        order = model.ORDERS[dialect]
        count = rng.choice(list(order) + [5] * (5 in order) * 3)
        stars = {0: 0.1, 1: 0.2, 2: 0.4, 3: 0.6, 4: 0.7, 5: 0.6, 6: 0.0}
        if dialect == "jenkins" and rng.random() < 0.5:
            stars = dict.fromkeys(stars, 0.2)
        return rng.choice([" ", " ", " ", "  ", "\t"]).join(
            self.years(around) if number == 6 else self.field(number, stars[number]) for number in map(int, order[count]))


def near(name, at):
    """Hours and minutes around the wall clock at a change, so that many schedules fall into it."""
    zone = model.zone(name)
    marks = [(at + zone.offset(moment) + shift) % DAY for moment in (at - 1, at) for shift in (-1800, 0, 900)]
    return [mark // 3600 for mark in marks], [mark // 60 % 60 for mark in marks]


def days_of(schedule, begin, length):
    """How many local times the window holds, at most."""
    per_day = 1
    for number in (0, 1, 2):
        per_day *= len(schedule.values[number])
    return per_day * (length / DAY + 4)


def make_case(rng):
    """(query, schedule, zone, begin, end), or None where the window would hold too much."""
    name = rng.choice(ZONES) if rng.random() < 0.9 else "UTC"
    changes = transitions(name)
    change = rng.choice(changes) if changes and rng.random() < 0.8 else rng.randint(-2500000000, 6000000000)
    text = Text(rng, *near(name, change))
    year = 1970 + change // 31556952
    seed = rng.choice(SEEDS)
    query = {"tz": name, "seed": seed, "dialect": text.dialect}
    if rng.random() < 0.08:
        query.update(expr=text.event(year), syntax="oncalendar", dialect="horae")
        schedule, zone_name = model.parse_event(query["expr"])
    else:
        query["expr"] = text.cron(year)
        schedule, zone_name = model.parse(query["expr"], text.dialect, seed)
    if rng.random() < 0.1 and text.dialect not in ("k8s",) and "syntax" not in query:
        query.update(expr=f"{rng.choice(['TZ=', 'CRON_TZ='])}{name} {query['expr']}", tz="Asia/Tokyo")
    if rng.random() < 0.5:
        query["gap"] = rng.choice(["auto", "skip", "run_at_edge", "shift_forward"])
        query["fold"] = rng.choice(["auto", "first", "last", "both"])
    if schedule.every:
        query["anchor"] = change - rng.randint(-3, 1000) * schedule.every // 7
        length = schedule.every * rng.randint(1, 50)
    else:
        length = rng.choice([3 * 3600, DAY, 5 * DAY, 40 * DAY, 400 * DAY, 12 * 366 * DAY])
        while length > 3600 and days_of(schedule, change, length) > FIRES_MAX:
            length //= 3
    begin = change - rng.randint(0, length) if length < 400 * DAY else change - length // 2
    return query, schedule, name, begin, begin + length


def moment(at):
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=at)).isoformat() + "Z"


def questions(case):
    """The engine's questions about one window, and what the model says."""
    query, schedule, name, begin, end = case
    anchor = query.get("anchor", 0)
    fires = model.fires(schedule, name, begin, end, query.get("gap", "auto"), query.get("fold", "auto"), anchor)
    base = {key: value for key, value in query.items() if value != "auto"}
    if "anchor" in base:
        base["anchor"] = moment(base["anchor"])
    asked = min(len(fires) + 1, ASKED_MAX)
    yield {**base, "op": "count", "from": moment(begin), "to": moment(end)}, ("count", len(fires), None)
    yield {**base, "op": "next", "from": moment(begin - 1), "n": asked}, ("next", [model.show(at, name) for at in fires[:asked]], end)
    yield {**base, "op": "prev", "from": moment(end), "n": asked}, ("prev", [model.show(at, name) for at in fires[::-1][:asked]], begin)


def instant(text):
    """Seconds of an answer; its offset may have seconds."""
    return int((datetime.datetime.fromisoformat(text) - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)).total_seconds())


def differs(answer, expected):
    """None, or what is wrong. Beyond the window's own fires one more may follow, outside the window."""
    op, wanted, bound = expected
    if op == "count":
        return None if answer.get("count") == wanted else f"count {wanted}"
    found = answer.get(op)
    if found is None or found[:len(wanted)] != wanted:
        return f"{op} {wanted}"
    for text in found[len(wanted):]:
        at = instant(text)
        if (at < bound) if op == "next" else (at >= bound):
            return f"{op} {wanted} and nothing more in the window"
    return None


def run(cases, seed, binary, env=None):
    """Lines about every difference, and the number of questions."""
    rng = random.Random(seed)
    asked = []
    while cases > 0:
        case = make_case(rng)
        asked += questions(case)
        cases -= 1
    lines = "".join(json.dumps(query) + "\n" for query, _ in asked)
    done = subprocess.run([binary, "cron", "batch"], input=lines, capture_output=True, text=True, check=True,
                          env={**os.environ, **(env or {})})
    answers = done.stdout.splitlines()
    wrong = [] if len(answers) == len(asked) else [f"{len(answers)} answers to {len(asked)} questions"]
    for (query, expected), line in zip(asked, answers):
        difference = differs(json.loads(line), expected)
        if difference:
            wrong.append(f"{json.dumps(query, ensure_ascii=False)}\n  horae: {line[:300]}\n  model: {difference[:300]}")
    return wrong, len(asked)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    given = parser.parse_args()
    binary = os.environ.get("HORAE_BINARY", "build/release/horae")
    bad = questions_asked = 0
    for part in range(0, given.cases, 1000):
        wrong, asked = run(min(1000, given.cases - part), given.seed + part, binary)
        bad += len(wrong)
        questions_asked += asked
        print("\n".join(wrong[:20]), end="\n" if wrong else "", flush=True)
    print(f"seed {given.seed}: {given.cases} schedules, {questions_asked} questions, {bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""A second, slow reading of what a cron expression means: every local date-time of a window is listed from the fields, and
each is placed on the time line by the rules for gaps and overlaps. It shares nothing with the engine: offsets come from
Python's zoneinfo, dates from datetime. Only texts that are right are understood; what is wrong is tested elsewhere."""
import datetime
import functools
import re
import struct
import zoneinfo

DAY = 86400
EPOCH = datetime.date(1970, 1, 1).toordinal()
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
#        number: (lowest, highest, of a plain H)
FIELDS = {0: (0, 59, 0, 59), 1: (0, 59, 0, 59), 2: (0, 23, 0, 23), 3: (1, 31, 1, 28), 4: (1, 12, 1, 12), 5: (0, 7, 0, 6), 6: (1970, 9999, 0, 0)}
ORDERS = {"horae": {5: "12345", 6: "012345", 7: "0123456"}, "vixie": {5: "12345"}, "quartz": {6: "012345", 7: "0123456"},
          "aws": {6: "123456"}, "spring": {6: "012345"}, "jenkins": {5: "12345"}, "k8s": {5: "12345"},
          "croniter": {5: "12345", 6: "123450", 7: "1234506"}, "pg_cron": {5: "12345"}}
NICKNAMES = {"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *",
             "@midnight": "0 0 * * *", "@hourly": "0 * * * *", "@every_minute": "* * * * *", "@every_second": "* * * * * *"}
UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}


# ---- zones ----

def table_transitions(name):
    """Instants of the file's 64-bit table."""
    for folder in zoneinfo.TZPATH:
        try:
            with open(f"{folder}/{name}", "rb") as file:
                data = file.read()
        except OSError:
            continue
        counts = struct.unpack(">6l", data[20:44])
        isut, isstd, leap, times, types, chars = counts
        data = data[44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut:]
        times = struct.unpack(">6l", data[20:44])[3]
        return [t for t in struct.unpack(f">{times}q", data[44:44 + 8 * times]) if t > -(1 << 40)]
    return []


class Zone:
    def __init__(self, name):
        self.name = name
        self.info = zoneinfo.ZoneInfo(name)
        self.table = table_transitions(name)

    def offset(self, at):
        local = (datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=at)).astimezone(self.info)
        return int(local.utcoffset().total_seconds())

    @functools.lru_cache(maxsize=64)
    def segments(self, begin, end):
        """[(start, end, offset)] that cover [begin, end); a change within is found by halving each day that shows one."""
        points = sorted({begin, end, *range(begin, end, DAY), *(t for t in self.table if begin < t < end)})
        offsets = [self.offset(t) for t in points[:-1]]
        starts = [(begin, offsets[0])]
        for low, high, here, there in zip(points, points[1:], offsets, offsets[1:]):
            if self.offset(high - 1) != here:  # a change between two points that no table lists
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if self.offset(middle) == here else (low, middle)
            if there != starts[-1][1]:
                starts.append((high, there))
        ends = [start for start, _ in starts[1:]] + [end]
        return [(start, finish, offset) for (start, offset), finish in zip(starts, ends)]


@functools.lru_cache(maxsize=None)
def zone(name):
    return Zone(name)


def show(at, zone_name):
    offset = zone(zone_name).offset(at)
    local = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=at + offset)
    size = abs(offset)
    text = f"{local.isoformat()}{'-' if offset < 0 else '+'}{size // 3600:02}:{size // 60 % 60:02}"
    return text + (f":{size % 60:02}" if size % 60 else "")


# ---- hashed values ----

def pick(seed, field, low, high):
    mask = (1 << 64) - 1
    h = 0xcbf29ce484222325
    for byte in seed.encode():
        h = (h ^ byte) * 0x100000001b3 & mask
    v = (h + field + 0x9E3779B97F4A7C15) & mask
    v = (v ^ v >> 30) * 0xBF58476D1CE4E5B9 & mask
    v = (v ^ v >> 27) * 0x94D049BB133111EB & mask
    v ^= v >> 31
    return low + ((v >> 32) * (high - low + 1) >> 32)


# ---- fields ----

class Schedule:
    """values: field -> set; day_items and weekday_items: tests of a date."""

    def __init__(self):
        self.values = {0: {0}, 6: None}
        self.day_items, self.weekday_items = [], []
        self.star = {3: False, 5: False}
        self.interval = self.plus = self.both = False
        self.every = None
        self.reboot = False

    def date_matches(self, date):
        if date.month not in self.values[4] or (self.values[6] is not None and date.year not in self.values[6]):
            return False
        day = any(item(date) for item in self.day_items)
        weekday = any(item(date) for item in self.weekday_items)
        if self.star[3] or self.star[5] or self.plus or self.both:
            return day and weekday
        return day or weekday


def month_length(date):
    following = datetime.date(date.year + date.month // 12, date.month % 12 + 1, 1) if (date.year, date.month) != (9999, 12) else None
    return (following - datetime.timedelta(days=1)).day if following else 31


def sunday_zero(date):
    return date.isoweekday() % 7


def working_day(date, wanted):
    """Is `date` the Monday-to-Friday day of its month that is nearest to day `wanted`?"""
    if not 1 <= wanted <= month_length(date):
        return False
    days = [d for d in range(1, month_length(date) + 1) if date.replace(day=d).isoweekday() <= 5]
    return date.day == min(days, key=lambda d: abs(d - wanted))


def value_of(text, field, dialect):
    if text.upper() in MONTHS and field == 4:
        return MONTHS.index(text.upper()) + 1
    if text.upper() in WEEKDAYS and field == 5:
        return WEEKDAYS.index(text.upper())
    return int(text) - (1 if field == 5 and dialect in ("quartz", "aws") else 0)


def span(low, high, step, field):
    """low-high/step, around the end of the field where high < low."""
    if high >= low:
        return list(range(low, high + 1, step))
    size = 7 if field == 5 else FIELDS[field][1] - FIELDS[field][0] + 1
    return [v if v <= FIELDS[field][1] else v - size for v in range(low, high + size + 1, step)]


def item_values(text, field, dialect, seed):
    """Plain values of one item, and whether it is written like an interval."""
    low, high, hash_low, hash_high = FIELDS[field]
    sunday_one = field == 5 and dialect in ("quartz", "aws")
    body, _, step_text = text.partition("/")
    step = int(step_text) if step_text else 1
    hashed = re.fullmatch(r"[Hh](?:\((\d+)-(\d+)\))?", body)
    if hashed:
        a, b = (value_of(hashed[1], field, dialect), value_of(hashed[2], field, dialect)) if hashed[1] else (hash_low, hash_high)
        if not step_text:
            return [pick(seed, field, a, b)], False
        return list(range(a + pick(seed, field, 0, step - 1), b + 1, step)), True
    if body in ("*", "?"):
        if field == 6:
            return [y for y in range(low, high + 1) if y % step == 0], True
        return list(range(low, (6 if field == 5 else high) + 1, step)), True
    if "~" in body:
        a, b = (value_of(part, field, dialect) for part in body.split("~"))
        return [pick(seed, field, a, b)], False
    if "-" in body:
        a, b = (value_of(part, field, dialect) for part in body.split("-"))
        return span(a, b, step, field), True
    a = value_of(body, field, dialect)
    if not step_text:
        return [a], False
    top = (6 if sunday_one or dialect == "k8s" else 7) if field == 5 else high
    return list(range(a, max(a, top) + 1, step)), True


def is_star(text):
    return text in ("*", "?", "*/1", "?/1")


def day_item(text, dialect, seed):
    last = re.fullmatch(r"(?:L|\$)(?:-(\d+))?(W?)", text.upper())
    if last and (text != "$" or dialect == "pg_cron"):
        before = int(last[1] or 0)
        if last[2]:
            return lambda d: working_day(d, month_length(d) - before)
        return lambda d: d.day == month_length(d) - before
    near = re.fullmatch(r"(\d+)W", text.upper())
    if near:
        return lambda d: working_day(d, int(near[1]))
    values = set(item_values(text, 3, dialect, seed)[0])
    return lambda d: d.day in values


def weekday_item(text, dialect, seed):
    special = re.fullmatch(r"(\w+)(?:-(\w+?))?(L|#(\d|L))", text.upper())
    if text.upper() == "L" and dialect in ("quartz", "aws"):
        return lambda d: sunday_zero(d) == 6
    if special and text.upper() not in WEEKDAYS:
        a = value_of(special[1], 5, dialect)
        days = {v % 7 for v in span(a, value_of(special[2], 5, dialect), 1, 5)} if special[2] else {a % 7}
        if special[3] in ("L", "#L"):
            return lambda d: sunday_zero(d) in days and d.day + 7 > month_length(d)
        return lambda d: sunday_zero(d) in days and (d.day - 1) // 7 + 1 == int(special[4])
    values = {v % 7 for v in item_values(text, 5, dialect, seed)[0]}
    return lambda d: sunday_zero(d) in values


def duration(text):
    return sum(int(n) * UNITS[unit.lower()] for n, unit in re.findall(r"(\d+)([a-zA-Z])", text))


def fields_of(text, dialect, seed):
    s = Schedule()
    parts = text.split()
    for number, part in zip(map(int, ORDERS[dialect][len(parts)]), parts):
        if number == 5 and part.startswith("+"):
            s.plus = True
            part = part[1:]
        items = part.split(",")
        if number in (3, 5):
            s.star[number] = part.startswith("*") if dialect == "vixie" else any(is_star(item) for item in items)
        if number == 3:
            s.day_items = [day_item(item, dialect, seed) for item in items]
        elif number == 5:
            s.weekday_items = [weekday_item(item, dialect, seed) for item in items]
        else:
            found = [item_values(item, number, dialect, seed) for item in items]
            s.values[number] = {v for values, _ in found for v in values}
            if number == 6 and any(is_star(item) for item in items):
                s.values[6] = None
            if number <= 2 and any(like for _, like in found):
                s.interval = True
    s.both = dialect in ("spring", "jenkins")
    return s


def parse(text, dialect="horae", seed=None):
    """(schedule, zone of the prefix or None)"""
    prefix = re.match(r"\s*(?:CRON_TZ|TZ)=(\S+)\s+", text, re.I)
    if prefix:
        text = text[prefix.end():]
    text = text.strip()
    s = Schedule()
    every = re.fullmatch(r"@every\s+(\S+)", text, re.I)
    rate = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", text, re.I) if dialect == "aws" else None
    seconds = re.fullmatch(r"(\d+) seconds?", text, re.I) if dialect == "pg_cron" else None
    if every:
        s.every = duration(every[1])
    elif rate:
        s.every = int(rate[1]) * UNITS[rate[2][0].lower()]
    elif seconds:
        s.every = int(seconds[1])
    elif text.lower() == "@reboot":
        s.reboot = True
    elif text.lower() in NICKNAMES:
        s = fields_of(NICKNAMES[text.lower()], "horae", seed)
    else:
        s = fields_of(text, dialect, seed)
    return s, prefix[1] if prefix else None


# ---- calendar events of systemd ----

def event_numbers(text, low, high):
    values = set()
    interval = False
    for part in text.split(","):
        body, _, step_text = part.partition("/")
        step = int(step_text) if step_text else 1
        interval |= bool(step_text) or ".." in body or body == "*"
        if body == "*":
            values |= set(range(low, high + 1))
        elif ".." in body:
            a, b = map(int, body.split(".."))
            values |= set(range(a, b + 1, step))
        else:
            values |= set(range(int(body), (high if step_text else int(body)) + 1, step))
    return values, interval


def parse_event(text):
    """[weekdays] [[year-]month-day] [hour:minute[:second]] [zone]"""
    s = Schedule()
    s.plus = True
    zone_name = None
    s.values.update({0: {0}, 1: {0}, 2: {0}, 4: set(range(1, 13)), 6: None})
    s.day_items, s.weekday_items = [lambda d: True], [lambda d: True]
    for position, part in enumerate(text.split()):
        if part[0].isalpha() and position == 0 and part.split("..")[0].split(",")[0][:3].upper() in WEEKDAYS:
            days = set()
            for item in part.split(","):
                names = [WEEKDAYS.index(name[:3].upper()) for name in item.split("..")]
                days |= {v % 7 for v in range((names[0] + 6) % 7 + 1, (names[-1] + 6) % 7 + 2)}
            s.weekday_items = [lambda d, days=days: sunday_zero(d) in days]
        elif part[0].isalpha():
            zone_name = part
        elif ":" in part:
            for number, item in zip((2, 1, 0), part.split(":")):
                s.values[number], interval = event_numbers(item, 0, FIELDS[number][1])
                s.interval |= interval
        else:
            from_end = "~" in part
            pieces = re.split("[-~]", part)
            if len(pieces) == 3 and pieces[0] != "*":
                s.values[6] = event_numbers(pieces[0], 1970, 9999)[0]
            s.values[4] = event_numbers(pieces[-2], 1, 12)[0]
            if from_end:
                counted = set()
                for item in pieces[-1].split(","):
                    body, _, step = item.partition("/")
                    counted |= set(range(int(body), 0, -int(step))) if step and ".." not in body else event_numbers(item, 1, 31)[0]
                s.day_items = [lambda d, days=counted: month_length(d) - d.day + 1 in days]
            else:
                s.day_items = [lambda d, days=event_numbers(pieces[-1], 1, 31)[0]: d.day in days]
    return s, zone_name


# ---- the set of fires ----

def local_times(s, begin, end):
    """Every local time of the schedule in [begin, end), in order."""
    hours, minutes, seconds = sorted(s.values[2]), sorted(s.values[1]), sorted(s.values[0])
    for number in range(begin // DAY, end // DAY + 1):
        date = datetime.date.fromordinal(number + EPOCH)
        if not s.date_matches(date):
            continue
        for hour in hours:
            at_hour = number * DAY + hour * 3600
            if at_hour >= end or at_hour + 3600 <= begin:
                continue
            for minute in minutes:
                for second in seconds:
                    local = at_hour + minute * 60 + second
                    if begin <= local < end:
                        yield local


def placed(s, local, segments, gap, fold):
    """The instants at which one local time fires."""
    shown = [local - offset for start, end, offset in segments if start <= local - offset < end]
    if shown:
        rule = fold if fold != "auto" else "both" if s.interval else "first"
        return {"first": shown[:1], "last": shown[-1:], "both": shown}[rule]
    rule = gap
    if rule == "auto":
        rule = "skip" if s.interval and len(s.values[2]) == 24 else "run_at_edge"
    for (_, end, before), (_, _, after) in zip(segments, segments[1:]):
        if end + before <= local < end + after and after - before < DAY and rule != "skip":
            return [end] if rule == "run_at_edge" else [local - before]
    return []


def fires(s, zone_name, begin, end, gap="auto", fold="auto", anchor=0):
    """All fires in [begin, end), ascending."""
    if s.reboot:
        return []
    if s.every:
        k = max(1, -(-(begin - anchor) // s.every))
        return list(range(anchor + k * s.every, end, s.every))
    segments = zone(zone_name).segments(begin - 3 * DAY, end + 3 * DAY)
    offsets = [offset for _, _, offset in segments]
    found = set()
    for local in local_times(s, begin + min(offsets) - DAY, end + max(offsets) + 1):
        found.update(at for at in placed(s, local, segments, gap, fold) if begin <= at < end)
    return sorted(found)

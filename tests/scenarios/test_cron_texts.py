# SPDX-License-Identifier: Apache-2.0
"""What the engine says: errors (section 6 of the cron semantics), descriptions (7), canonical texts (9), warnings (10), and other
inputs: calendar events (8) and dialects (12)."""
import json
import os
import random
import unittest

import cron_random
from harness import ROOT, cron_answers, run_cli


class Errors(unittest.TestCase):
    TEXTS = """\
horae: schedule error: minute 61 is outside 0-59
  61 * * * *
  ^~
horae: schedule error: step 90 is larger than the minute field (59); "*/90" would only fire at minute 0
  */90 * * * *
    ^~
  hint: for every 90 minutes write  @every 90m
horae: schedule error: unknown weekday "MONDAY"
  0 0 * * MONDAY
          ^~~~~~
  hint: use the three-letter name MON
horae: schedule error: expected 5, 6 or 7 fields, found 4
  0 9 * *
         ^
  hint: minute hour day month weekday; is the weekday missing?
horae: schedule error: "L" alone is ambiguous in the weekday field
  0 0 * * L
          ^
  hint: last Friday of the month is 5L; last day of the month goes into the third field
horae: schedule error: unexpected 'W' in the day-of-month field
  0 0 W * *
      ^
  hint: W follows a day number, for example 15W
horae: schedule error: empty item in the minute list
  1,,2 * * * *
    ^
horae: schedule error: 'H' needs a job name or an explicit seed
  H * * * *
  ^
horae: schedule error: unknown time zone "Mars/Olympus"
  TZ=Mars/Olympus 0 0 * * *
     ^~~~~~~~~~~~
  hint: IANA names look like Europe/Paris
horae: this schedule never fires: no year has 30 February
  0 0 30 2 *
      ^~ ^
horae: this schedule never fires: no year has 31 April or 31 June
  0 0 31 4,6 *
      ^~ ^~~
horae: this schedule never fires: no date passes the day-of-month and weekday fields together
  0 0 1 * +2#3
      ^   ^~~~
horae: this schedule never fires: none of the years has 29 February
  0 0 0 29 2 * 2025-2027
        ^~ ^   ^~~~~~~~~
horae: schedule error: unexpected 'ü' in the hour field
  0 ü * * *
    ^
horae: schedule error: weekday 2026 is outside 0-7
  0 12 * * ? 2026
             ^~~~
  hint: six fields put seconds first; AWS puts a year last: dialect aws
horae: schedule error: the years 2030-2020 run backwards
  0 0 0 1 1 * 2030-2020
              ^~~~~~~~~
"""

    def test_texts_stand_as_documented(self):
        for text in ("horae: " + part for part in self.TEXTS.split("horae: ")[1:]):
            expression = text.splitlines()[1][2:]
            with self.subTest(expression):
                done = run_cli("cron", "check", expression)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", text))

    def test_code_and_position(self):
        table = [("", "empty", 0), (" \t ", "empty", 0), ("x" * 1025, "length", 1024), ("* * * *", "fields", 7), ("* * * * * * * *", "fields", 14),
                 ("@fortnightly", "macro", 0), ("@every", "every", 6), ("@every 0s", "every", 7), ("@every 1m1h", "every", 7), ("@every 1.5h", "every", 7),
                 ("TZ=Nowhere 0 0 * * *", "tz", 3), ("0 0 * * !", "char", 8), ("1- * * * *", "value", 2), ("0 0 0 * *", "range", 4), ("0 24 * * *", "range", 2),
                 ("0 0 * 13 *", "range", 6), ("0 0 * FOO *", "name", 6), ("*/ * * * *", "step", 2), ("*/0 * * * *", "step", 2), ("*/60 * * * *", "step", 2),
                 ("0 */24 * * *", "step", 4), (", * * * *", "empty-item", 0), ("1, * * * *", "empty-item", 2), ("H(5-2) * * * *", "hash", 2), ("5~2 * * * *", "hash", 0),
                 ("H/5 * * * *", "seed", 0), ("1~5 * * * *", "seed", 0), ("0 0 0 1 1 * 2030-2029", "backwards", 12), ("0 0 0 1 1 * 1969", "range", 12),
                 ("0 0 0 1 1 * H", "char", 12), ("61 25 * * *", "range", 0), ("0 0 * * 8", "range", 8), ("0 0 1W-5 * *", "char", 6), ("0 0 * * 5#6", "range", 10),
                 ("0 0 L-31 * *", "range", 6)]
        for (expression, code, pos), answer in zip(table, cron_answers([{"expr": expression, "op": "parse"} for expression, _, _ in table])):
            with self.subTest(expression[:40]):
                self.assertEqual((answer["error"]["code"], answer["error"]["pos"]), (code, pos), answer)
                self.assertTrue(answer["error"]["message"])

    def test_impossible_schedules_parse_and_have_no_times(self):
        """4.1: decided exactly, and refused only where a job is added."""
        for expression in ("0 0 30 2 *", "0 0 31 4,6 *", "0 0 1 * +2#3", "0 0 LW * +SAT", "0 0 0 29 2 * 2025", "0 0 L-30 2,4 *"):
            with self.subTest(expression):
                base = {"expr": expression, "from": "2026-01-01T00:00:00Z"}
                answers = cron_answers([{**base, "op": "parse"}, {**base, "n": 3}, {**base, "op": "prev", "n": 3}, {**base, "op": "count", "to": "9999-12-31T00:00:00Z"}])
                self.assertTrue(answers[0]["ok"])
                self.assertEqual(answers[1:], [{"next": []}, {"prev": []}, {"count": 0}])
                self.assertEqual(run_cli("cron", "check", expression).returncode, 1)

    def test_rare_schedules_are_not_called_impossible(self):
        for expression, start, answer in (("0 0 29 2 *", "2096-03-01", "2104-02-29"), ("0 0 29 2 +MON", "2072-03-01", "2112-02-29"),
                                          ("0 0 0 1 1 * 9999", "2026-01-01", "9999-01-01"), ("0 0 31 12 +FRI#5", "2026-01-01", "2027-12-31")):
            found, = cron_answers([{"expr": expression, "from": start + "T00:00:00Z"}])
            self.assertEqual(found, {"next": [answer + "T00:00:00+00:00"]}, expression)


class OddTexts(unittest.TestCase):
    """Hand-made texts at the edges of sections 2, 5, 6, 8 and 12, each with the plain text that means the same, or its error."""

    def test_each_means_what_is_written_beside_it(self):
        cases, kind = [], ""
        with open(os.path.join(ROOT, "tests", "data", "cron-odd.txt"), encoding="utf-8") as file:
            for line in file.read().splitlines():
                text, tab, expected = line.partition("\t")
                if tab:
                    cases.append((kind, json.loads(text), expected))
                elif line.startswith("["):
                    kind = line.strip("[]")
        self.assertGreater(len(cases), 300)
        query = {"op": "parse", "seed": "nightly-backup"}
        given = cron_answers([{**query, "expr": text, **({"syntax": kind} if kind == "oncalendar" else {"dialect": kind})} for kind, text, _ in cases])
        plain = cron_answers([{**query, "expr": expected} for _, _, expected in cases])
        for (kind, text, expected), answer, same in zip(cases, given, plain, strict=True):
            with self.subTest(kind=kind, text=text):
                if expected.startswith("!"):
                    code, _, position = expected[1:].partition("@")
                    error = answer["error"]
                    self.assertEqual((error["code"], str(error["pos"])), (code, position or str(error["pos"])), error)
                else:
                    self.assertTrue(same.get("ok"), same)
                    self.assertEqual(answer, same)


class Descriptions(unittest.TestCase):
    TABLE = (
        ("* * * * *", "Every minute", "每分钟"),
        ("*/5 * * * *", "Every 5 minutes", "每5分钟"),
        ("7/20 * * * *", "At 7, 27 and 47 minutes past every hour", "每小时的第7、27、47分"),
        ("*/25 * * * *", "At 0, 25 and 50 minutes past every hour (uneven: 10 minutes across the hour)", "每小时的第0、25、50分（间隔不均：跨小时为10分钟）"),
        ("0 * * * *", "Every hour, on the hour", "每小时整点"),
        ("15 * * * *", "Every hour at 15 minutes past", "每小时的第15分"),
        ("0 */6 * * *", "Every 6 hours, at 00:00, 06:00, 12:00 and 18:00", "每6小时，在00:00、06:00、12:00和18:00"),
        ("0 */5 * * *", "At 00:00, 05:00, 10:00, 15:00 and 20:00 every day (uneven: 4 hours across midnight)",
         "每天00:00、05:00、10:00、15:00和20:00（间隔不均：跨午夜为4小时）"),
        ("30 2 * * *", "Every day at 02:30", "每天02:30"),
        ("0 9 * * MON-FRI", "Monday to Friday at 09:00", "每周一至周五，09:00"),
        ("*/10 9-17 * * 1-5", "Every 10 minutes from 09:00 to 17:50, Monday to Friday", "每周一至周五，09:00至17:50之间每10分钟"),
        ("0 22-2 * * *", "Every hour from 22:00 to 02:00", "22:00至02:00之间每小时"),
        ("0 0 1 * *", "On the 1st of every month at 00:00", "每月1日00:00"),
        ("0 0 1,15 * *", "On the 1st and 15th of every month at 00:00", "每月1、15日00:00"),
        ("0 9 15 6 1", "On the 15th of June or on any Monday in June, at 09:00", "每年6月15日，或者每逢6月的周一，09:00"),
        ("0 0 13 * 5", "On the 13th of every month or on any Friday, at 00:00", "每月13日，或者每逢周五，00:00"),
        ("0 0 13 * +5", "On the 13th of the month when it is a Friday, at 00:00", "每月13日，且当天是周五，00:00"),
        ("0 0 31 * *", "On the 31st at 00:00, in months that have one", "每月31日00:00（仅限有该日的月份）"),
        ("0 0 29 2 *", "On 29 February at 00:00 (leap years only)", "每年2月29日00:00（仅闰年）"),
        ("0 0 L * *", "On the last day of every month at 00:00", "每月最后一天00:00"),
        ("0 0 L-3 * *", "3 days before the last day of every month at 00:00", "每月最后一天的前3天00:00"),
        ("0 0 LW * *", "On the last working day (Monday to Friday) of every month at 00:00", "每月最后一个工作日（周一至周五）00:00"),
        ("0 0 15W * *", "On the working day nearest the 15th of every month at 00:00", "每月离15日最近的工作日00:00"),
        ("0 10 * * 5#2", "On the second Friday of every month at 10:00", "每月第二个周五，10:00"),
        ("0 10 * * 5L", "On the last Friday of every month at 10:00", "每月最后一个周五，10:00"),
        ("0 0 1 */3 *", "On the 1st of January, April, July and October at 00:00", "每年1、4、7、10月1日00:00"),
        ("0 0 0 1 1 * 2030", "On 1 January 2030 at 00:00", "2030年1月1日00:00"),
        ("*/10 * * * * *", "Every 10 seconds", "每10秒"),
        ("H H * * *", "Every day at 15:31 (hashed from the job name)", "每天15:31（由任务名散列得出）"),
        ("@every 90m", "Every 90 minutes from 2025-01-01 00:00 UTC", "自 2025-01-01 00:00 UTC 起每90分钟"),
        ("@reboot", "Once, when the scheduler starts", "调度器启动时运行一次"),
        ("0 0 30 2 *", "Never (no year has 30 February)", "永不运行（任何年份都没有2月30日）"),
        # beyond the document's table
        ("0-10 9-17 * * *", "At 0 to 10 minutes past every hour from 09:00 to 17:00", "9点至17点每小时的第0至10分"),
        ("0 0 9 1 * * 2025,2027-2030", "On the 1st of every month at 09:00, in 2025 and 2027 to 2030", "2025年和2027年至2030年每月1日09:00"),
        ("5,35 8 0,19 * * *", "Every day at 00:08:05, 00:08:35, 19:08:05 and 19:08:35", "每天00:08:05、00:08:35、19:08:05和19:08:35"),
        ("*/15 8 0,19 * * *", "Every 15 seconds, for one minute at 00:08 and 19:08 every day", "每天00:08和19:08，在该分钟内每15秒"),
        ("0 0 1-31 * 5", "Every day at 00:00", "每天00:00"),
        ("0 9 10-20 * *", "On the 10th to 20th of every month at 09:00", "每月10日至20日09:00"),
        ("0 9 1,15-20 * *", "On the 1st and 15th to 20th of every month at 09:00", "每月1、15至20日09:00"),
        ("0 9 1-31/2 * *", "On every 2nd day from the 1st to the 31st of every month at 09:00", "每月1日至31日每2天09:00"),
        ("0 9 * 1-3 *", "Every day in January to March at 09:00", "每年1月至3月每天09:00"),
        ("0 9 L-2W * *", "On the working day nearest 2 days before the last day of every month at 09:00", "每月离最后一天的前2天最近的工作日09:00"),
        ("0 9 * 3,6 1#2", "On the second Monday of March and June at 09:00", "每年3、6月的第二个周一，09:00"),
        ("0 9 * * 1#2,5", "On the second Monday of every month and every Friday at 09:00", "每月第二个周一和周五，09:00"),
        ("0 9 * 6 MON,WED", "Monday and Wednesday in June at 09:00", "每年6月的周一和周三，09:00"),
        ("0 9 13 * 1#1,5", "On the 13th of every month or on the first Monday or on any Friday, at 09:00", "每月13日，或者每逢第一个周一或周五，09:00"),
        ("0 9 13 * +1#1,5", "On the 13th of the month when it is the first Monday or a Friday, at 09:00", "每月13日，且当天是第一个周一或周五，09:00"),
        ("0 0 9 * * * 2030", "Every day at 09:00, in 2030", "2030年每天09:00"),
        ("0 0 9 * * * 2030-2040", "Every day at 09:00, in 2030 to 2040", "2030年至2040年间每天09:00"),
        ("0 0 9 * * * 2030-2060/3", "Every day at 09:00, in every 3rd year from 2030 to 2060", "2030年至2060年间每3年的每天09:00"),
        ("0 0 9 * * * 2030,2032,2035,2037,2040,2043,2048,2050,2053,2057,2060", "Every day at 09:00, in some years from 2030 to 2060",
         "2030年至2060年间的某些年份每天09:00"),
        ("*/10 9,12,17 * * *", "Every 10 minutes in the hours from 09:00, 12:00 and 17:00", "9、12、17点的时段内每10分钟"),
        ("*/10 1-23/2 * * *", "Every 10 minutes in every 2nd hour from 01:00 to 23:00", "1点至23点每2小时的时段内每10分钟"),
        ("15,45 0-22/2 * * *", "At 15 and 45 minutes past every 2nd hour from 00:00 to 22:00", "0点至22点每2小时的第15、45分"),
        ("30 1-23/2 * * *", "Every 2 hours from 01:30 to 23:30", "每2小时，01:30至23:30之间"),
        ("1 * * * * *", "At 1 second past the minute, every minute", "每分钟的第1秒"),
        ("5,10 */5 * * * *", "At 5 and 10 seconds past the minute, every 5 minutes", "每5分钟的第5、10秒"),
        ("@every 1d", "Every day from 2025-01-01 00:00 UTC (elapsed time, 86400 seconds: the wall-clock time moves when the clocks change)",
         "自 2025-01-01 00:00 UTC 起每1天（按经过的时间计，共86400秒：时钟调整时钟面时间会移动）"),
    )

    def explain(self, expression, *more):
        done = run_cli("cron", "explain", expression, "--from", "2025-01-01T00:00:00Z", "--seed", "nightly-backup", *more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.rstrip("\n")

    def test_both_languages(self):
        for expression, english, chinese in self.TABLE:
            with self.subTest(expression):
                self.assertEqual(self.explain(expression), english)
                self.assertEqual(self.explain(expression, "--lang", "zh"), chinese)

    def test_the_zone_stands_at_the_end(self):
        self.assertEqual(self.explain("0 9 * * *", "--zone", "Asia/Kolkata"), "Every day at 09:00, Asia/Kolkata")
        self.assertEqual(self.explain("0 9 * * *", "--zone", "Asia/Kolkata", "--lang", "zh"), "每天09:00，时区 Asia/Kolkata")

    def test_clock_changes_come_from_the_engine(self):
        for expression, more, remark in (
                ("30 2 * * *", (), "Clock change: on 9 March 2025 this runs at 03:00 instead of 02:30"),
                ("30 2 * * *", ("--gap", "shift_forward"), "Clock change: on 9 March 2025 this runs at 03:30 instead of 02:30"),
                ("30 2 * * *", ("--gap", "skip"), "Clock change: no run on 9 March 2025 at 02:30, which does not exist"),
                ("*/10 2 * * *", (), "Clock change: on 9 March 2025 this runs once at 03:00 instead of 6 times from 02:00"),
                ("30 2 * * *", ("--lang", "zh"), "时钟调整：2025年3月9日将在 03:00 而不是 02:30 运行"),
                ("*/20 1 * * *", (), "Clock change: runs twice between 01:00 and 02:00 on 2 November 2025"),
                ("15 * * * *", (), "Clock change: runs twice between 01:00 and 02:00 on 2 November 2025"),
                ("30 1 * * *", ("--fold", "both"), "Clock change: runs twice between 01:00 and 02:00 on 2 November 2025"),
                ("30 1 * * *", (), None), ("30 4 * * *", (), None)):
            with self.subTest(expression=expression, more=more):
                lines = self.explain(expression, "--zone", "America/New_York", *more).splitlines()
                self.assertEqual(lines[1] if len(lines) > 1 else None, remark)


class PlainWords(unittest.TestCase):
    """Section 7: a small closed grammar; what is not in it is an error with examples."""

    def test_words_become_an_expression(self):
        for words, cron in (("every 15 minutes", "*/15 * * * *"), ("every minute", "* * * * *"), ("every 7 minutes", "@every 7m"), ("every 2 hours", "0 */2 * * *"),
                            ("every 5 hours", "@every 5h"), ("every day", "0 0 * * *"), ("every 3 days", "@every 3d"), ("every 60 minutes", "0 * * * *"), ("every 120 minutes", "0 */2 * * *"), ("every 90 minutes", "@every 90m"),
                            ("every 24 hours", "0 0 * * *"), ("every 48 hours", "@every 2d"), ("every 1440 minutes", "0 0 * * *"), ("every hour at :15", "15 * * * *"),
                            ("every day at 9:00, 17:00", "0 9,17 * * *"), ("every day at 09:00, 17:30, 09:30 and 17:00", "0,30 9,17 * * *"),
                            ("Every weekday at 09:00 Europe/Paris", "TZ=Europe/Paris 0 9 * * 1-5"), ("every Monday, wed and Fridays at 08:30 in UTC", "TZ=UTC 30 8 * * 1,3,5"),
                            ("on the 15th of every month at 09:00", "0 9 15 * *"), ("on the last day of every month at 23:30", "30 23 L * *"),
                            ("on the last Friday of every month at 10:00", "0 10 * * 5L"), ("on the second Tuesday of every month at 10:00", "0 10 * * 2#2")):
            with self.subTest(words):
                done = run_cli("cron", "phrase", words)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, cron + "\n", ""))
                self.assertEqual(run_cli("cron", "check", cron).returncode, 0)

    def test_other_words_are_refused_with_examples(self):
        for words, marked in (("", ""), ("tomorrow at nine", "tomorrow"), ("every year", "year"), ("every 0 minutes", "0"), ("every day at 25:00", "25:00"),
                              ("every day at 09:00, 17:30", "09:00, 17:30"), ("every day at 09:00 Mars/Olympus", "Mars/Olympus"), ("every hour at 15", "15"),
                              ("on the 7th Monday of every month at 10:00", "7th"), ("on the 32nd of every month at 10:00", "32nd"), ("on the 5th at 10:00", "at"),
                              ("every 5 weeks", "weeks"), ("every dayat 09:00", "dayat"), ("every day at 9:5", "9:5"), ("every day at 009:00", "009:00"), ("every day at 09:000", "09:000"),
                              ("every day at 09:00Europe/Paris", "09:00Europe/Paris"), ("every day at 09:00:30", ":30"), ("every hour at :5", ":5"), ("every day at 09:00 in", ""),
                              ("every mondayss at 09:00", "mondayss"), ("every day at 09:00, and 10:00", "and"), ("every day at 09:00 please", "please")):
            with self.subTest(words):
                done = run_cli("cron", "phrase", words)
                self.assertEqual(done.returncode, 1)
                _, shown, marks, hint = done.stderr.splitlines()
                self.assertEqual("".join(c for c, mark in zip(shown, marks) if mark in "^~"), marked)
                self.assertIn("for example", hint)


class Linter(unittest.TestCase):
    def warnings(self, expression, *more):
        done = run_cli("cron", "check", expression, "--from", "2026-01-01T00:00:00Z", *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line.removeprefix("warning ") for line in done.stderr.splitlines()]

    def test_every_warning_of_section_10(self):
        ny = ("--zone", "America/New_York")
        for expression, more, code, text in (
                ("0 0 */2 * 1", (), "day-rule", "Vixie cron would AND these two; horae ORs them; write + for AND"),
                ("0 0 1 * */2", (), "day-rule", "Vixie cron would AND these two; horae ORs them; write + for AND"),
                ("0 0 1-31 * 1", (), "day-rule", "names every day"), ("0 0 1 * 0-7", (), "day-rule", "names every day"),
                ("*/7 * * * *", (), "uneven-minutes", "4 minutes"), ("0 */5 * * *", (), "uneven-hours", "4 hours"),
                ("0 0 31 * *", (), "short-months", "31"), ("0 0 1,30 * *", (), "short-months", "30"), ("0 0 29-31 * *", (), "short-months", "skipped"),
                ("30 2 * * *", ny, "clock-change", "on 8 March 2026 this runs at 03:00 instead of 02:30"),
                ("30 1 * * *", ny, "clock-change", "01:30 comes twice on 1 November 2026; this runs once, at the first"),
                ("30 1 * * *", (*ny, "--fold", "last"), "clock-change", "at the second"),
                ("* 2 * * *", (), "every-minute", "0 2 * * *"), ("* * * * * *", (), "every-second", "every second"),
                ("*/10 * * * * *", (), "seconds", "longer than the 10-second period"),
                ("0 12 * * ? *", (), "like-aws", "dialect aws"), ("*/5 * * * * 0", (), "like-croniter", "dialect croniter"),
                ("@every 24h", (), "every-day", "@daily"), ("*/90 * * * *", ("--dialect", "vixie"), "big-step", "larger than its field")):
            with self.subTest(expression=expression, more=more):
                found = [line for line in self.warnings(expression, *more) if line.startswith(code + ": ")]
                self.assertEqual(len(found), 1, self.warnings(expression, *more))
                self.assertIn(text, found[0])

    def test_nothing_is_said_about_plain_schedules(self):
        ny = ("--zone", "America/New_York")
        for expression, more in (("0 9 * * MON-FRI", ny), ("*/15 * * * *", ny), ("0 */6 * * *", ()), ("0 0 1 * *", ()), ("0 0 */2 * +1", ()), ("0 0 1-31 * +1", ()),
                                 ("0 0 30 4,6 *", ()), ("0 0 25-31 * *", ()), ("0 0 L * *", ()), ("0 30 2 * * *", ()), ("@daily", ()), ("@every 90m", ()),
                                 ("0 0 12 * * ?", ()), ("0 0 0 1 1 * 2030", ())):
            with self.subTest(expression):
                self.assertEqual(self.warnings(expression, *more), [])


class OtherInputs(unittest.TestCase):
    def canonical(self, expression, **query):
        answer, = cron_answers([{"expr": expression, "op": "parse", "seed": "nightly-backup", **query}])
        return answer.get("cron") or answer["error"]["code"]

    def test_calendar_events(self):
        for event, cron in (("Mon..Fri 09:00", "0 9 * * 1-5"), ("Mon *-*-1..7 06:00", "0 6 1-7 * +1"), ("*-*~1 00:00", "0 0 L * *"), ("*-*~3 00:00", "0 0 L-2 * *"),
                            ("Mon *-05~07/1 08:00", "0 8 * 5 1L"), ("*:0/15", "*/15 * * * *"), ("*-*-* 8..18/2:30", "30 8-18/2 * * *"),
                            ("2026..2028-01-01", "0 0 0 1 1 * 2026-2028"), ("weekly", "0 0 * * 1"), ("minutely", "* * * * *"), ("hourly", "0 * * * *"),
                            ("daily", "0 0 * * *"), ("monthly", "0 0 1 * *"), ("quarterly", "0 0 1 */3 *"), ("semiannually", "0 0 1 1,7 *"), ("yearly", "0 0 1 1 *"),
                            ("Saturday,sun 2026-*-01 10:00:30", "30 0 10 1 * +0,6 2026"), ("*-*-* 02:30 Europe/Paris", "TZ=Europe/Paris 30 2 * * *"),
                            ("Mon", "0 0 * * 1"), ("10:00", "0 10 * * *"), ("05-01", "0 0 1 5 *"), ("*-*~1..3 00:00", "0 0 L,L-1,L-2 * *")):
            with self.subTest(event):
                self.assertEqual(self.canonical(event, syntax="oncalendar"), cron)

    def test_refused_calendar_events(self):
        for event, code in (("", "empty"), ("Fri..Mon 09:00", "backwards"), ("*-*-* 00:00:00.5", "char"), ("*-13-01", "range"), ("*-*-* 24:00", "range"),
                            ("Foo 09:00", "name"), ("Mon..", "value"), ("Mon Tue 10:00", "char"), ("*-*-* 09", "value"), ("18..8:00", "backwards"), ("*:0/0", "step"),
                            ("0 9 * * 1", "range"), ("*-*-* 00:00 Mars/Olympus", "tz"), ("*-*-*-* 00:00", "char"), ("weekly 00:00", "tz"), ("*-*~* 00:00", "char")):
            with self.subTest(event):
                self.assertEqual(self.canonical(event, syntax="oncalendar"), code)

    def test_dialects(self):
        for dialect, expression, cron in (
                ("vixie", "0 0 */2 * 1", "0 0 */2 * +1"), ("vixie", "0 0 *,13 * 5", "0 0 * * 5"), ("vixie", "*/90 * * * *", "0 * * * *"), ("vixie", "*/90 2 * * *", "0-0 2 * * *"), ("vixie", "0 0 0 * * *", "fields"),
                ("vixie", "0 0 1,*/2 * 1", "0 0 */2 * 1"), ("quartz", "0 0 12 ? * 2-6", "0 12 * * 1-5"), ("quartz", "0 0 12 ? * L", "0 12 * * 6"),
                ("quartz", "0 0 12 ? * 6L 2030", "0 0 12 * * 5L 2030"), ("quartz", "0 0 12 * * 0", "range"), ("quartz", "0 12 * * ?", "fields"),
                ("quartz", "0 0 12 * * *", "0 12 * * *"), ("quartz", "0 0 12 ? * 2/2", "0 12 * * 1-5/2"), ("aws", "0 12 * * ? 2030", "0 0 12 * * * 2030"),
                ("aws", "cron(15 10 ? * 6L 2026-2028)", "0 15 10 * * 5L 2026-2028"), ("aws", "rate(5 minutes)", "@every 5m"), ("aws", "rate(1 hour)", "@every 1h"),
                ("aws", "rate(0 minutes)", "every"), ("aws", "0 12 * * ?", "fields"), ("spring", "0 0 9 1 * MON", "0 9 1 * +1"), ("spring", "0 9 1 * MON", "fields"),
                ("jenkins", "H H * * *", "31 15 * * *"), ("jenkins", "0 0 13 * 5", "0 0 13 * +5"), ("jenkins", "TZ=Asia/Tokyo\n0 0 * * *", "TZ=Asia/Tokyo 0 0 * * *"),
                ("k8s", "0 0 * * 1/2", "0 0 * * 1-5/2"), ("horae", "0 0 * * 1/2", "0 0 * * 0,1,3,5"), ("k8s", "TZ=UTC 0 0 * * *", "tz"), ("k8s", "0 0 0 * * *", "fields"),
                ("croniter", "0 12 * * 1 30", "30 0 12 * * 1"), ("croniter", "*/5 * * * * 0", "*/5 * * * *"), ("pg_cron", "0 0 $ * *", "0 0 L * *"),
                ("pg_cron", "30 seconds", "@every 30s"), ("pg_cron", "0 0 0 * * *", "fields"), ("horae", "0 0 $ * *", "char"), ("horae", "rate(5 minutes)", "fields")):
            with self.subTest(dialect=dialect, expression=expression):
                self.assertEqual(self.canonical(expression, dialect=dialect), cron)

    def test_hashed_values(self):
        """2.5: the check values, field by field."""
        for seed, picks in (("nightly-backup", "17 31 15 17 6 3"), ("billing/export", "12 39 0 19 7 3"), ("job-42", "36 11 16 20 7 1"), ("a", "22 45 7 2 2 6")):
            self.assertEqual(self.canonical("H H H H H +H", seed=seed), " ".join([*picks.split()[:5], "+" + picks.split()[5]]))
        self.assertEqual(self.canonical("H/60 H/24 * * *", seed="a"), "45-45 7 * * *")

    def test_canonical_texts_mean_the_same(self):
        """9: printed back and read again, the text is the same and so are the fires."""
        seed = int(os.environ.get("HORAE_CRON_SEED") or random.randrange(1 << 31))
        rng = random.Random(seed)
        cases = []
        while len(cases) < 1500:
            text = cron_random.Text(rng, (1, 2, 3), (0, 30))
            event = rng.random() < 0.1
            cases.append({"expr": text.event(2026) if event else text.cron(2026), "dialect": "horae" if event else text.dialect, "seed": "a",
                          **({"syntax": "oncalendar"} if event else {}), "tz": "America/Santiago", "from": "2026-04-01T00:00:00Z", "anchor": "2026-01-01T00:00:00Z"})
        printed = cron_answers([{**case, "op": "parse"} for case in cases])
        again = [{"expr": answer["cron"], "tz": case["tz"], "from": case["from"], "anchor": case["anchor"]} for case, answer in zip(cases, printed)]
        self.assertEqual([answer["cron"] for answer in printed], [answer.get("cron") for answer in cron_answers([{**query, "op": "parse"} for query in again])])
        wrong = [(case, query) for case, query, left, right in zip(cases, again, cron_answers([{**case, "n": 5} for case in cases]), cron_answers([{**query, "n": 5} for query in again]))
                 if left != right]
        self.assertEqual(wrong[:3], [], f"HORAE_CRON_SEED={seed}")

    def test_any_number_of_year_lists(self):
        queries = [{"expr": f"0 0 0 1 1 * {2000 + i % 90},{2100 + i // 90},{2300 + i % 7}", "from": "2026-01-01T00:00:00Z", "op": "parse"} for i in range(6000)]
        self.assertEqual([answer for answer in cron_answers(queries) if "ok" not in answer], [])

// SPDX-License-Identifier: Apache-2.0
// The peer of cron_next: nanoseconds of one nextRun of croner. usage: croner_peer.mjs CRONER_FOLDER, cases as JSON on standard
// input: [{expr, zone, from: [milliseconds]}]; prints [{ns, next: [text]} or {error}].
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { Cron } = await import(pathToFileURL(process.argv[2] + "/dist/croner.js"));
const cases = JSON.parse(readFileSync(0, "utf8"));
const answers = cases.map(({ expr, zone, from }) => {
  try {
    const job = new Cron(expr, { timezone: zone, paused: true });
    const dates = from.map((ms) => new Date(ms));
    const next = dates.map((date) => job.nextRun(date)?.getTime() ?? null); // warms as well
    const begun = process.hrtime.bigint();
    for (const date of dates) job.nextRun(date);
    return { ns: Number(process.hrtime.bigint() - begun) / dates.length, next };
  } catch (error) {
    return { error: String(error.message ?? error) };
  }
});
console.log(JSON.stringify(answers));

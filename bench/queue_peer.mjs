// SPDX-License-Identifier: Apache-2.0
// Queue libraries as peers of server_store.py: COUNT no-op jobs are added in bulks and run by the same process, by the library's fastest
// documented way. usage: queue_peer.mjs NAME PACKAGE_FOLDER URL COUNT BULK; prints {version, rate}. Before the timed jobs one bulk runs untimed.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [name, folder, url, count, bulk] = process.argv.slice(2);
const require = createRequire(folder + "/package.json");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const items = (n, make) => Array.from({ length: n }, make);

async function until(condition) {
  while (!(await condition())) await sleep(2);
}

// Jobs are deleted when they have run. Fetched 500 at a time into a local queue, completed in batches.
async function graphileWorker() {
  const { run, makeWorkerUtils } = require("graphile-worker");
  const { Pool } = require("pg");
  const utils = await makeWorkerUtils({ connectionString: url });
  await utils.migrate();
  const quiet = { logFactory: () => () => {} };
  const logger = new (require("graphile-worker").Logger)(quiet.logFactory);
  const runner = await run({
    preset: { worker: { connectionString: url, concurrentJobs: 24, maxPoolSize: 10, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0, logger } },
    taskList: { noop: async () => {} },
    noHandleSignals: true,
  });
  const pool = new Pool({ connectionString: url });
  return {
    add: (n) => utils.addJobs(items(n, () => ({ identifier: "noop", payload: {} }))),
    left: async () => Number((await pool.query("SELECT count(*) FROM graphile_worker._private_jobs")).rows[0].count),
    stop: async () => {
      await runner.stop();
      await utils.release();
      await pool.end();
    },
  };
}

// Jobs stay as rows. Four loops that fetch and complete a thousand at a time.
async function pgBoss() {
  const PgBoss = require("pg-boss");
  const boss = new PgBoss({ connectionString: url, max: 10, supervise: false, schedule: false });
  await boss.start();
  await boss.createQueue("noop");
  let added = 0, done = 0, ends = false;
  const loops = items(4, async () => {
    while (!ends) {
      const jobs = await boss.fetch("noop", { batchSize: 1000 });
      if (jobs.length) await boss.complete("noop", jobs.map((job) => job.id));
      else await sleep(2);
      done += jobs.length;
    }
  });
  return {
    add: async (n) => {
      added += n;
      await boss.insert(items(n, () => ({ name: "noop", data: {} })));
    },
    left: async () => added - done,
    stop: async () => {
      ends = true;
      await Promise.all(loops);
      await boss.stop({ graceful: false });
    },
  };
}

// Finished jobs are kept. 200 at once in one worker.
async function bullmq() {
  const { Queue, Worker } = require("bullmq");
  const connection = { host: "127.0.0.1", port: Number(new URL(url).port), maxRetriesPerRequest: null };
  const queue = new Queue("noop", { connection });
  let added = 0, done = 0;
  const worker = new Worker("noop", async () => {}, { connection, concurrency: 200 });
  worker.on("completed", () => done++);
  return {
    add: async (n) => {
      added += n;
      await queue.addBulk(items(n, () => ({ name: "noop", data: {} })));
    },
    left: async () => added - done,
    stop: async () => {
      await worker.close();
      await queue.close();
    },
  };
}

async function round(queue, total) {
  const begun = process.hrtime.bigint();
  for (let n = 0; n < total; n += Number(bulk)) await queue.add(Number(bulk));
  await until(async () => (await queue.left()) === 0);
  return (total * 1e9) / Number(process.hrtime.bigint() - begun);
}

const queue = await { "graphile-worker": graphileWorker, "pg-boss": pgBoss, bullmq }[name]();
await round(queue, Number(bulk));
const rate = await round(queue, Number(count));
const { version } = JSON.parse(readFileSync(`${folder}/node_modules/${name}/package.json`, "utf8"));
console.log(JSON.stringify({ version, rate }));
await queue.stop();
process.exit(0);

import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ControllerState } from '../src/controller/machine/state.ts';
import { openLogPages } from '../src/controller/node/log-pages.ts';
import type { BuildLogs } from '../src/controller/node/page-parts.ts';
import { projectView } from '../src/controller/node/project-view.ts';
import { pageApp } from '../src/controller/page/page-app.ts';
import { Live } from '../src/http/kit/live.ts';
import { listenHttp, wholeApp } from '../src/http/listen.ts';
import { stateOf } from '../test/support/many-runs.ts';
import { type Bench, median, type Suite, seconds } from './run.ts';

const runs = 100_000;
const fewer = runs / 100;
const followers = 200;
const linesPerSecond = 100;
const followedMs = 10_000;
const lines = 10_000;
const lease = 'a'.repeat(64);

const none: BuildLogs = {
  of: () => ({ builds: [], sealed: false }),
  isLive: () => true,
  pages: openLogPages('/nowhere'),
  async *read() {},
};

function appOf(state: ControllerState, logs: BuildLogs) {
  const view = projectView({
    project: 'root key',
    name: 'bench',
    state,
    addresses: () => [],
    equivocations: () => [],
  });
  return wholeApp(pageApp({ view, logs, live: new Live() }));
}

/** Milliseconds of a page, as text. */
async function pageMs(app: ReturnType<typeof appOf>, path: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 20; n++)
    times.push(1000 * (await seconds(async () => void (await (await app.request(path)).text()))));
  return median(times);
}

async function lists(bench: Bench): Promise<void> {
  const [few, many] = [appOf(await stateOf(fewer), none), appOf(await stateOf(runs), none)];
  for (const [name, path] of [
    ['list of runs', '/runs'],
    ['the same of one branch', '/runs?ref=refs%2Fheads%2Fmain'],
    ['the same with three filters', '/runs?ref=refs%2Fheads%2Fmain&job=rare&state=trusted'],
    ['page of the project', '/'],
  ] as const) {
    const before = await pageMs(few, path);
    const ms = await pageMs(many, path);
    bench.figure(`${name}, ${runs} runs`, ms, 'ms', { beside: [`with ${fewer} runs`, before], under: 2 });
  }
}

/** Share of a core that a live log with many followers takes: all of the server's process, its clients are another one. */
async function liveLog(bench: Bench): Promise<void> {
  const dir = await bench.folder();
  const file = join(dir, `${lease}.log`);
  await mkdir(dir, { recursive: true });
  await writeFile(file, Array.from({ length: lines }, (_, n) => lineOf(n)).join(''));
  const build = { lease, operator: 'ada', worker: 'w', slot: '0', delivered: false };
  const logs: BuildLogs = {
    ...none,
    of: () => ({ builds: [build], sealed: false }),
    pages: openLogPages(dir),
  };
  const state = await stateOf(1);
  const [run] = state.index.latest();
  const path = `/runs/${run?.id}/logs/${lease}`;
  const app = appOf(state, logs);
  bench.figure(`page of ${lines} lines, made`, await pageMs(app, path), 'ms', { under: 150 });
  const server = await listenHttp({ host: '0.0.0.0', port: 0, app });
  bench.after(() => server.close());
  const end = bench.end(new URL('page-end.ts', import.meta.url));
  await end.ask('follow', server.port, `${path}/events?from=${lines + 1}`, followers);
  let written = 0;
  const writing = setInterval(() => {
    void appendFile(
      file,
      Array.from({ length: linesPerSecond / 10 }, () => lineOf(lines + written++)).join(''),
    );
  }, 100);
  const began = performance.now();
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, followedMs));
  const { user, system } = process.cpuUsage(before);
  const ms = performance.now() - began;
  clearInterval(writing);
  const got = await end.ask<{ followers: number; lines: number }>('got');
  bench.figure(
    `${followers} followers of a log, ${linesPerSecond} lines/s`,
    (user + system) / 10 / ms,
    '% of a core',
    { under: 10, note: `${got.followers} followers had ${got.lines} lines each, at least, of ${written}` },
  );
}

const lineOf = (n: number): string =>
  `\u001b[3${n % 8}m[${n}]\u001b[0m cc -O2 -Wall -c src/module-${n}.c -o build/module-${n}.o\n`;

export const suite: Suite = {
  what: `pages: lists of ${runs} runs, and a live log with ${followers} followers`,
  secondsMax: 300,
  async run(bench) {
    await lists(bench);
    await liveLog(bench);
  },
};

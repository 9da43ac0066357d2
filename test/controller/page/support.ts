import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openLogFiles } from '../../../src/controller/node/log-files.ts';
import { openLogPages } from '../../../src/controller/node/log-pages.ts';
import { type BuildLogs, buildLogs, type Trees } from '../../../src/controller/node/page-parts.ts';
import { projectView } from '../../../src/controller/node/project-view.ts';
import { pageApp } from '../../../src/controller/page/page-app.ts';
import type { PageSession } from '../../../src/controller/page/ports.ts';
import { errorPage } from '../../../src/http/kit/layout.ts';
import { Live } from '../../../src/http/kit/live.ts';
import { wholeApp } from '../../../src/http/listen.ts';
import type { LineTimes } from '../../../src/protocol/base/log-times.ts';
import type { Bench } from '../machine/bench.ts';

export interface Site {
  get(path: string, accept?: string): Promise<{ status: number; text: string; headers: Headers }>;
  /** Path of the log of a lease. */
  write(lease: string, text: string): Promise<void>;
  writeTimes(lease: string, times: string): Promise<void>;
  live: Set<string>;
  /** When lines of logs came that are live. */
  liveTimes: Map<string, LineTimes>;
}

export const sessionOf = (role: string, operator?: string): PageSession => ({
  role,
  ended: new AbortController().signal,
  ...(operator !== undefined && { operator }),
});

/** The pages of a bench's controller, with log files in a folder. */
export async function siteOf(
  bench: Bench,
  over: { session?: PageSession; trees?: Trees; equivocations?: string[]; name?: string } = {},
): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-page-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'logs'));
  const { state } = bench.controller;
  const view = projectView({
    project: bench.paper.root.id,
    name: over.name ?? 'demo',
    state,
    addresses: () => ['/ip4/192.0.2.7/tcp/4710/p2p/12D3KooWcontroller'],
    equivocations: () => over.equivocations ?? [],
  });
  const lives = new Set<string>();
  const liveTimes = new Map<string, LineTimes>();
  const files = openLogFiles(join(folder, 'logs'));
  const server = { isLive: (lease: string) => lives.has(lease), read: (lease: string) => files.read(lease) };
  const logs: BuildLogs = buildLogs(
    state,
    server,
    openLogPages(join(folder, 'logs'), (lease) => liveTimes.get(lease)),
  );
  const live = new Live();
  onTestFinished(() => live.close());
  const app = wholeApp(
    pageApp({ view, live, logs, trees: over.trees, sessionOf: () => over.session }),
    errorPage,
  );
  return {
    live: lives,
    liveTimes,
    async get(path, accept = '*/*') {
      const answer = await app.request(path, { headers: { accept } });
      return { status: answer.status, text: await answer.text(), headers: answer.headers };
    },
    writeTimes: (lease, times) => files.keepTimes(lease, times),
    write: (lease, text) => writeFile(join(folder, 'logs', `${lease}.log`), text),
  };
}

/** Names of elements and attributes in a page, and where its links lead. */
export function markupOf(text: string): { elements: Set<string>; attributes: Set<string>; urls: string[] } {
  const elements = new Set<string>();
  const attributes = new Set<string>();
  const urls: string[] = [];
  for (const [, element = '', rest = ''] of text.matchAll(/<([a-zA-Z][^\s/>]*)((?:"[^"]*"|[^">])*)>/g)) {
    elements.add(element);
    for (const [, name = '', value = ''] of rest.matchAll(/([^\s=/"]+)(?:="([^"]*)")?/g)) {
      attributes.add(name);
      if (['href', 'src', 'action'].includes(name)) urls.push(value);
    }
  }
  return { elements, attributes, urls };
}

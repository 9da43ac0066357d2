import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLogFiles } from '../../../../src/controller/node/log-files.ts';
import { controllerPages } from '../../../../src/controller/node/page-parts.ts';
import { publicView } from '../../../../src/controller/node/public-view.ts';
import { controllerApp } from '../../../../src/controller/page/controller-app.ts';
import { errorPage } from '../../../../src/http/kit/layout.ts';
import { listenHttp } from '../../../../src/http/listen.ts';
import { openStore, type Store } from '../../../../src/store/index.ts';
import { bundleOf, revocationsOf } from '../../machine/evidence.ts';
import { cases } from './cases.ts';
import { endedRuns } from './ended-runs.ts';
import { openRuns } from './open-runs.ts';
import type { Played, Scene } from './scene.ts';

/** Every scene, each under a name of its own. */
export const scenes: readonly Scene[] = [...cases, ...endedRuns, ...openRuns];

export interface Stage {
  dir: string;
  store: Store;
  close(): Promise<void>;
}

/** A folder for logs, and a store for artifacts, of all scenes. */
export async function openStage(): Promise<Stage> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-scenes-'));
  const store = await openStore({ dir: join(dir, 'store') });
  return {
    dir,
    store,
    async close() {
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export interface Site {
  /** Of the page that the scene is about. */
  url: string;
  /** Time of the project, in ms. */
  now: number;
  close(): Promise<void>;
}

/** Serves a project that was played as its controller would: the same app on the same server. */
export async function openSite({ dir, store }: Stage, name: string, played: Played, port = 0): Promise<Site> {
  const { story, run, path = `/runs/${run}` } = played;
  const { bench } = story;
  const { state } = bench.controller;
  const own = join(dir, name);
  await mkdir(join(own, 'logs'), { recursive: true });
  for (const [lease, text] of story.logs) {
    await writeFile(join(own, 'logs', `${lease}.log`), text);
    if (text !== '') await writeFile(join(own, 'logs', `${lease}.times`), '1+0 2+4000 1+1000 2+70000');
  }
  const folder = { project: bench.paper.project, name: state.charter?.payload.name ?? name, dir: own };
  const mesh = {
    addresses: () => [`/ip4/192.0.2.7/tcp/4710/p2p/${bench.paper.controller.id}`],
    connections: () => ({ open: 0, max: 512, refused: 0, isFull: false }),
  };
  const logEvidence = {
    get revoked() {
      return revocationsOf(bench);
    },
    equivocations: (played.equivocations ?? []).map((says) => ({ proves: { says } })),
    evidence: () => [],
  };
  const bundles = {
    async get(which: string) {
      const [found] = [...state.index.latest()].filter(({ id, jobId }) => id === which || jobId === which);
      const of = found ?? state.index.withArtifact(which)[0];
      return of === undefined ? undefined : bundleOf(bench, of.id);
    },
    size: async (which: string) => (await bundles.get(which))?.length,
  };
  const logs = {
    isLive: () => false,
    liveTimes: () => undefined,
    read: (lease: string) => openLogFiles(join(own, 'logs')).read(lease),
  };
  // The parts of a node that no page of a scene asks for are not there.
  const context = { folder, machine: bench.controller, mesh, store, logEvidence } as never;
  const site = controllerApp({
    view: publicView(context, { backlog: new Map(), checkpoints: { current: undefined } } as never, bundles),
    pages: controllerPages(context, { logs, logEvidence, bundles } as never),
    acknowledge: async (of, by) => void bench.send({ kind: 'acknowledge', run: of, by }),
    cancel: { may: () => false, run: async () => {} },
    people: undefined,
    version: '0',
  });
  // Many pages are looked at in a row.
  const limits = { ...site.limits, requestsPerSecond: 1_000, requestsBurst: 100_000 };
  const server = await listenHttp({ host: '127.0.0.1', port, app: site.app, limits, errorPage });
  return {
    url: `http://127.0.0.1:${server.port}${path}`,
    now: bench.now,
    async close() {
      site.close();
      await server.close();
    },
  };
}

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { combineSandboxes, type Sandbox } from '../../../sandbox/index.ts';
import type { ControllerNode } from '../../../src/controller/node/node.ts';
import { openMesh } from '../../../src/mesh/index.ts';
import { type Home, openHome } from '../../../src/node/membership/home.ts';
import { joinProject } from '../../../src/node/membership/join.ts';
import type { NodeEvent } from '../../../src/node/node-events.ts';
import { initProject, issueTicket, type ProjectFolder } from '../../../src/owner/project-folder.ts';
import type { Membership } from '../../../src/protocol/sessions/credentials.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import { openStore } from '../../../src/store/index.ts';
import { transferLimits } from '../../../src/transfer/limits.ts';
import { Worker } from '../../../src/worker/machine/machine.ts';
import { areaOf } from '../../../src/worker/node/context.ts';
import { askWorker, isWorkerRunning } from '../../../src/worker/node/control.ts';
import { WorkerImages } from '../../../src/worker/node/images.ts';
import { checkIdle, defaultLending, startWorker, type WorkerOptions } from '../../../src/worker/node/node.ts';
import { quorate } from '../../cli/support.ts';
import { damage, tar } from '../../store/support.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { loopbackController } from '../../support/controller.ts';
import { withLimits } from '../../support/with-limits.ts';

let project: ProjectFolder;
let controller: ControllerNode;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-worker-node-'));
  project = await initProject(dir, { name: 'tools', vcs: ['git.example.org'], bootstrap: [] });
  controller = await loopbackController(project);
  closing.push(
    () => controller.close(),
    () => rm(dir, { recursive: true, force: true }),
  );
});
afterAll(async () => {
  for (const close of closing) await close();
});

const sandbox: Sandbox = {
  tier: 'namespace',
  hostImage: true,
  unpinned: [],
  profile: 1,
  run: async () => ({ kind: 'exit', code: 0 }),
} as unknown as Sandbox;

let made = 0;
async function joined(): Promise<{ home: Home; membership: Membership }> {
  const home = openHome(join(await folder(), 'home'));
  const { ticket } = await issueTicket(project, {
    operator: `ada${++made}`,
    role: 'worker',
    hosts: 1,
    seconds: 60,
  } as never);
  const membership = await joinProject({ home, ticket, signal: AbortSignal.timeout(120_000) });
  return { home, membership };
}

/** A worker of that home, and what it told. */
async function start(of: { home: Home; membership: Membership }, over: Partial<WorkerOptions> = {}) {
  const events: NodeEvent[] = [];
  let stops = 0;
  const node = await startWorker({
    ...of,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    lending: defaultLending([]),
    sandboxes: combineSandboxes([sandbox]),
    onEvent: (event) => void events.push(event),
    onFailure: () => {},
    onStop: () => void stops++,
    ...over,
  });
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= node.close());
  onTestFinished(close);
  return { node, close, events, stops: () => stops };
}

describe('a worker', () => {
  it('works, answers its operator, and leaves its home free when it ends', async () => {
    const of = await joined();
    const { home, membership } = of;
    const { dir } = home;
    await mkdir(join(dir, 'tmp-left', 'x'), { recursive: true });
    const store = await openStore({ dir: join(dir, 'store') });
    await store.importBytes(Buffer.from('x'), { into: store.sealed(areaOf('ab'.repeat(32))) });
    await store.close();
    const metrics = new Registry();
    const { node, close, stops } = await start(of, { metrics });
    expect(node.id).toBe((await home.key()).id);
    expect(node.addresses().length).toBeGreaterThan(0);
    expect(await codeOf(() => checkIdle(home, membership.project))).toBe('JOURNAL_IN_USE');
    expect((await readdir(dir)).filter((name) => name.startsWith('tmp-'))).toEqual([]);
    const ask = (request: Parameters<typeof askWorker>[2]) => askWorker(dir, membership.project, request);
    await expect.poll(async () => (await ask({ do: 'status' })).status.state).toBe('working');
    expect([...node.health.live, ...node.health.ready].map(({ name, trouble }) => [name, trouble()])).toEqual(
      [
        ['journal', undefined],
        ['jobs', undefined],
      ],
    );
    await expect.poll(() => controller.pages.view.workers().count).toBe(1);
    const [shown] = controller.pages.view.workers().shown;
    expect(shown).toMatchObject({ tiers: ['namespace'], trusted: false });
    const { status } = await ask({ do: 'pause' });
    expect(status).toMatchObject({ state: 'paused', lending: { tiers: ['namespace'] } });
    expect(node.health.ready[0]?.trouble()).toBe('paused by its operator');
    await ask({ do: 'resume' });
    expect(await metrics.metrics()).toMatch(/^quorate_worker_state\{state="working"\} 1$/m);
    const limited = await ask({ do: 'limits', memoryBytes: 2 ** 28 });
    expect(limited.status.lending.memoryBytes).toBe(2 ** 28);
    await ask({ do: 'stop' });
    expect(stops()).toBe(1);
    await close();
    expect(await isWorkerRunning(dir, membership.project)).toBe(false);
    checkIdle(home, membership.project);
    await expect.poll(() => controller.pages.view.workers().count).toBe(0);
    const after = await openStore({ dir: join(dir, 'store') });
    expect(await after.sealedNames()).toEqual([]);
    await after.close();
    expect(existsSync(join(dir, 'peers.json'))).toBe(true);
  });

  it('goes on where its journal ends, and drained it ends', async () => {
    const of = await joined();
    await (await start(of)).close();
    const { close, stops } = await start(of);
    const { out } = await quorate(['worker', 'drain'], { env: { QUORATE_HOME: of.home.dir } });
    expect(out).toContain('It holds no lease, and ends by itself now.');
    await expect.poll(stops).toBe(1);
    await close();
  });

  it('takes word by gossip from its controllers alone, and has what it keeps and lost made whole', async () => {
    withLimits(transferLimits, { breakAgainMs: 1 });
    const of = await joined();
    const { dir } = of.home;
    const store = await openStore({ dir: join(dir, 'store') });
    const { root: lost } = await store.importTar(await tar([{ name: 'f', body: 'x' }]), {
      into: store.public,
    });
    await store.pin([lost], 'results');
    await store.close();
    await damage(join(dir, 'store'), lost);
    const made = vi.spyOn(WorkerImages.prototype, 'makeAnew').mockResolvedValue();
    onTestFinished(() => made.mockRestore());
    const taken = new Map<string, (author: string, data: Uint8Array) => unknown>();
    await start(of, {
      openMesh: async (options) => {
        const mesh = await openMesh(options);
        vi.spyOn(mesh, 'setValidator').mockImplementation((topic, take) => void taken.set(topic, take));
        vi.spyOn(mesh, 'findProviders').mockImplementation(async function* () {});
        return mesh;
      },
    });
    const id = of.membership.project;
    const by = (author: string, topic: string) => taken.get(topic)?.(author, Buffer.from('x'));
    for (const topic of [
      topics.offers(id),
      topics.verdicts(id),
      topics.revocations(id),
      topics.checkpoints(id),
    ])
      expect([await by(project.controller.id, topic), await by('stranger', topic)]).toEqual([
        'accept',
        'reject',
      ]);
    // Of evidence, from anybody, only so much is looked at.
    const evidence = Array.from({ length: 100 }, () => by('stranger', topics.equivocations(id)));
    expect(new Set(await Promise.all(evidence))).toEqual(new Set(['reject', 'ignore']));
    await expect.poll(() => made.mock.calls).toEqual([[[lost]]]);
    const damaged = async () => (await askWorker(dir, id, { do: 'status' })).status.damaged;
    await expect.poll(damaged).toEqual([lost]);
  });

  it('that cannot go on closes itself, and says why', async () => {
    const of = await joined();
    const failed = Promise.withResolvers<unknown>();
    const { node } = await start(of, { onFailure: failed.resolve });
    const error = new Error('no room');
    const handled = vi.spyOn(Worker.prototype, 'handle').mockImplementation(() => {
      throw error;
    });
    onTestFinished(() => handled.mockRestore());
    await askWorker(of.home.dir, of.membership.project, { do: 'pause' }).catch(() => {});
    expect(await failed.promise).toBe(error);
    expect(node.health.live.map(({ trouble }) => trouble())).toEqual(['no room']);
    checkIdle(of.home, of.membership.project);
  });

  it('of a home that another process has, or that serves other projects, leaves nothing open', async () => {
    const of = await joined();
    const serve = ['another project'];
    expect(await codeOf(() => start(of, { rules: { hours: [], serve } }))).toBe('PROJECT_NOT_SERVED');
    const store = await openStore({ dir: join(of.home.dir, 'store') });
    expect(await codeOf(() => start(of))).toBe('HOME_IN_USE');
    checkIdle(of.home, of.membership.project);
    await store.close();
    const { close } = await start(of);
    expect(await codeOf(() => start(of))).toBe('JOURNAL_IN_USE');
    await close();
  });
});

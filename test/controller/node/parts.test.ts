import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ControllerContext } from '../../../src/controller/node/context.ts';
import { membersOfStopped, statusOfStopped } from '../../../src/controller/node/controller-journal.ts';
import { keepCharter, refreshCharter, watchCharter } from '../../../src/controller/node/folder-charter.ts';
import { boundOf, holdersOf, pin } from '../../../src/controller/node/keep.ts';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import { NamedWitnesses } from '../../../src/controller/node/named-witnesses.ts';
import { controllerPages } from '../../../src/controller/node/page-parts.ts';
import { projectView } from '../../../src/controller/node/project-view.ts';
import { memberStanding, publicView } from '../../../src/controller/node/public-view.ts';
import { controllerHealth, tellAtStart, tellLost } from '../../../src/controller/node/status.ts';
import { probe, storePorts } from '../../../src/controller/node/store-ports.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { openMesh } from '../../../src/mesh/index.ts';
import { openHome } from '../../../src/node/membership/home.ts';
import { joinProject } from '../../../src/node/membership/join.ts';
import {
  changeCharter,
  initProject,
  issueTicket,
  type ProjectFolder,
  readCharter,
} from '../../../src/owner/project-folder.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import {
  type Charter,
  formatNoteKey,
  type Grant,
  noteKinds,
  type Outcome,
} from '../../../src/protocol/documents/index.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { ownVersion } from '../../../src/protocol/wire/peer-version.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { messageBytesMax, serveTrees } from '../../../src/transfer/index.ts';
import { deadlineMs } from '../../e2e/support/wait.ts';
import { store } from '../../store/support.ts';
import { folder } from '../../support/code-and-folder.ts';
import { loopbackController } from '../../support/controller.ts';
import { cidOf, testKey } from '../../support/documents.ts';
import { withLimits } from '../../support/with-limits.ts';
import { importInto, node, serving, small } from '../../transfer/support.ts';
import { built, deliverAll, leasedRound, projectOf } from '../machine/bench.ts';

const { signal } = new AbortController();
const project = async (): Promise<ProjectFolder> =>
  initProject(await folder(), { name: 'tools', vcs: ['git.example.org'], bootstrap: [] });
const teller = () => {
  const told: string[] = [];
  const tell = (level: string, kind: string, says: string) => void told.push(`${level} ${kind}: ${says}`);
  return { told, tell };
};

it('witnesses of a charter are asked where the owner said that they are; of others it is told once', () => {
  const { told, tell } = teller();
  const key = (name: string) => formatNoteKey(name, noteKinds.cosignature, testKey(name).id);
  const urls = new Map([['w.example', 'http://127.0.0.1:1']]);
  const named = new NamedWitnesses({ urls, verifier: joseVerifier, closing: signal, tell });
  const of = (...names: string[]) =>
    named.of((names.length === 0 ? {} : { witnesses: { need: 1, keys: names.map(key) } }) as Charter);
  expect(of()).toEqual([]);
  const first = of('w.example', 'v.example');
  expect(first.map(({ name }) => name)).toEqual(['w.example']);
  expect(told).toEqual([
    'warn witness: the charter names the witness v.example; where it is, --witness-url tells',
  ]);
  // The size that it signed last is remembered.
  expect(of('w.example', 'v.example')[0]).toBe(first[0]);
  expect(told).toHaveLength(1);
  of('w.example');
  of('v.example');
  expect(told).toHaveLength(2);
});

describe('an artifact that was agreed', () => {
  const artifactOf = (root: string): Outcome => ({ kind: 'exit', code: 0, artifact: root });

  it('is as large as a build of its job could make it, and a log as a log', () => {
    const job = { limits: { diskBytes: 7 } } as never;
    const receipts = [{ outcome: artifactOf('built') }] as never;
    const more = boundOf({ job, receipts }, 'built') - 7;
    expect(boundOf({ job, receipts }, 'a log') - more).toBe(limits.logBytesMax);
    expect(more).toBeLessThan(limits.treeBytesMax);
  });

  it('is held by the workers whose receipts name it', () => {
    const receipts = [
      { worker: 'a', outcome: artifactOf('x') },
      { worker: 'b', outcome: artifactOf('y') },
      { worker: 'c', outcome: artifactOf('x') },
    ];
    const index = { withArtifact: (root: string) => (root === 'x' ? [{ receipts }] : []) };
    expect(holdersOf({ index } as never, 'x')).toEqual(['a', 'c']);
    expect(holdersOf({ index } as never, 'y')).toEqual([]);
  });

  it('is fetched where it is not here, and pinned; what became of it is an event', async () => {
    const [worker, mesh, own] = [await serving(), await node(), await store()];
    await mesh.connect(worker.mesh.addresses());
    const artifact = await importInto(worker.store, small(5));
    const events: Record<string, unknown>[] = [];
    const run = { job: { limits: { diskBytes: 2 ** 20 } }, receipts: [{ outcome: artifactOf(artifact) }] };
    const context = {
      mesh,
      store: own,
      machine: { state: { runs: new Map([['run', run]]) } },
      dispatch: async (event: Record<string, unknown>) => void events.push(event),
    } as unknown as ControllerContext;
    const opened = vi.spyOn(mesh, 'open');
    const ask = (of: string) =>
      pin({ ...context, closing: signal }, { kind: 'pin', run: of, artifact, from: [worker.mesh.id] });
    // No more is fetched for a run that is over than would fit its receipts.
    await ask('another');
    expect(events).toMatchObject([
      { kind: 'pinned', run: 'another', artifact, ok: false, detail: expect.stringContaining(artifact) },
    ]);
    expect(await own.pins()).toEqual([]);
    await ask('run');
    expect(events[1]).toEqual({ kind: 'pinned', run: 'run', artifact, ok: true, detail: '' });
    expect(await own.pins()).toEqual([{ root: artifact, names: ['runs'] }]);
    opened.mockClear();
    await ask('another');
    expect(events[2]).toMatchObject({ ok: true });
    expect(opened).not.toHaveBeenCalled();
    // A fetch that the end of the controller cuts off is no event: the run would count it against its builders.
    const other = await importInto(worker.store, small(6));
    const ending = { ...context, closing: AbortSignal.abort() };
    await pin(ending, { kind: 'pin', run: 'run', artifact: other, from: [worker.mesh.id] });
    expect(events).toHaveLength(3);
  });
});

describe('artifact stores of a controller', () => {
  it('are known by their addresses; a worker is looked up, and has none where that fails', async () => {
    const asked: string[] = [];
    const findPeer = async (id: string) => {
      asked.push(id);
      if (id === 'lost') throw new Error('not found');
      return ['/ip4/192.0.2.1/tcp/1'];
    };
    const runs = new Map([['run', { job: { limits: { diskBytes: 9 } }, receipts: [] }]]);
    const context = { mesh: { findPeer }, machine: { state: { runs } } } as unknown as ControllerContext;
    const known = { id: 'store', addrs: ['/ip4/192.0.2.9/tcp/1'] };
    const ports = storePorts({ ...context, closing: signal }, [known]);
    expect([ports.addressOf('store'), ports.addressOf('other')]).toEqual([known, { id: 'other', addrs: [] }]);
    expect(await Promise.all(['store', 'worker', 'lost'].map((id) => ports.findPeer(id)))).toEqual([
      known,
      { id: 'worker', addrs: ['/ip4/192.0.2.1/tcp/1'] },
      { id: 'lost', addrs: [] },
    ]);
    expect(asked).toEqual(['worker', 'lost']);
    expect(ports.boundOf('none', 'x')).toBe(0);
    expect(ports.boundOf('run', 'x')).toBeGreaterThan(limits.logBytesMax);
  });

  it('show blocks of a tree from its root down to a bound, of which none is kept', async () => {
    const [mesh, own, theirs, asking] = [await node(), await store(), await store(), await node()];
    const arrived = vi.spyOn(own.blocks, 'links');
    mesh.handle(protocols.car, (channel) => serveTrees(channel, theirs.blocks), {
      maxInboundStreams: 32,
      maxMessageBytes: messageBytesMax,
    });
    const look = async (name: string) => {
      const tree = await importInto(theirs, [{ name, body: 'x' }]);
      arrived.mockClear();
      const peer = { id: mesh.id, addrs: mesh.addresses() };
      await probe({ mesh: asking, store: own }, peer, tree, signal);
      expect(await own.has(tree)).toBe(false);
      return new Set(arrived.mock.calls.map(([cid]) => cid.toString())).size;
    };
    expect(await look('f')).toBe(2);
    const deep = Array.from({ length: 20 }, (_, n) => `d${n}`).join('/');
    expect(await look(`${deep}/f`)).toBe(controllerNodeLimits.probeBlocks);
  });

  it('that lack what lies below a root do not serve the tree', async () => {
    const [mesh, own, theirs, whole, asking] = [
      ...[await node(), await store(), await store(), await store(), await node()],
    ] as const;
    const tree = await importInto(whole, [{ name: 'f', body: 'x' }]);
    const cid = whole.blocks.parse(tree);
    await theirs.blocks.put(cid, await whole.blocks.read(cid));
    mesh.handle(protocols.car, (channel) => serveTrees(channel, theirs.blocks), {
      maxInboundStreams: 8,
      maxMessageBytes: messageBytesMax,
    });
    const peer = { id: mesh.id, addrs: mesh.addresses() };
    const looked = probe({ mesh: asking, store: own }, peer, tree, signal);
    await expect(looked).rejects.toMatchObject({ code: 'TRANSFER_FAILED' });
  });
});

it('a start tells of bundles that are missing, and of evidence against the log', () => {
  const { told, tell } = teller();
  tellLost({ runs: [], unspooled: 0 } as never, tell);
  expect(told).toEqual([]);
  tellLost({ runs: ['a', 'b'], unspooled: 0 } as never, tell);
  tellLost({ runs: ['a'], unspooled: 2 } as never, tell);
  expect(told).toEqual([
    'warn bundle: 2 bundles are missing and made again one by one',
    'warn bundle: 3 bundles are missing and made again one by one, 2 of them at a later start: their documents need room on the disk',
  ]);
});

it('alarms that last are told again at each start, and none where there is none', async () => {
  const { told, tell } = teller();
  const { state } = (await projectOf('ada')).controller;
  tellAtStart(state, [], tell);
  expect(told).toEqual([]);
  tellAtStart(state, [{ proves: { says: 'two stories' } }] as never, tell);
  expect(told).toEqual([expect.stringMatching(/^\w+ equivocated: .*two stories/)]);
});

it('a controller whose start waits, or whose journal failed, is not ready, or not alive', () => {
  const state = { draining: false, charter: {} } as never;
  const mesh = { addresses: () => ['/ip4/127.0.0.1'] };
  const asking = () => ({ trusted: [], operators: 1, leaves: 1, shown: 0 }) as never;
  const waits = controllerHealth(state, mesh, { broken: () => 'a bad disk', asking });
  const troubles = [...waits.live, ...waits.ready].flatMap(({ name, trouble }) =>
    trouble() === undefined ? [] : [name],
  );
  expect(troubles).toEqual(['journal', 'start']);
});

describe('a controller that does not run', () => {
  it('has the status and the members that its journal says, and its journal is free again', async () => {
    const made = await project();
    expect(statusOfStopped(made)).toMatchObject({
      state: 'stopped',
      leaves: 0,
      workers: null,
      charter: null,
    });
    expect(membersOfStopped(made)).toEqual([]);
    const running = await loopbackController(made);
    await running.close();
    for (const _ of [1, 2])
      expect(statusOfStopped(made)).toMatchObject({ project: made.project, charter: 1, connections: null });
  });
});

describe('the charter in the folder of a project', () => {
  const started = async () => {
    const made = await project();
    const charter = await readCharter(made.dir);
    const { told, tell } = teller();
    const events: unknown[] = [];
    const machine = { state: { charter: charter ?? null } };
    const context = {
      folder: made,
      machine,
      tell,
      dispatch: async (event: unknown) => void events.push(event),
    } as unknown as ControllerContext;
    return { made, charter, machine, told, events, context };
  };

  it('is taken where it is newer than the one in force', async () => {
    const { made, machine, told, events, context } = await started();
    expect(await refreshCharter(context)).toBe(false);
    expect([events, told]).toEqual([[], []]);
    await changeCharter(made, { vcs: ['git.example.net'] });
    expect(await refreshCharter(context)).toBe(true);
    const charter = await readCharter(made.dir);
    expect(events).toEqual([{ kind: 'charter', charter }]);
    expect(told).toEqual(['info charter: the charter is now of epoch 2']);
    machine.state.charter = null;
    await refreshCharter(context);
    expect(events).toHaveLength(2);
  });

  it('is told to a worker that is there and asks nothing', async () => {
    const made = await project();
    const running = await loopbackController(made);
    onTestFinished(() => running.close());
    const home = openHome(join(made.dir, 'ada'));
    const { ticket } = await issueTicket(made, { operator: 'ada', role: 'worker', hosts: 1, seconds: 60 });
    const signal = AbortSignal.timeout(2 * deadlineMs);
    const { grant } = await joinProject({ home, ticket, signal });
    const { seed } = await home.key();
    const mesh = await openMesh({ key: seed, listen: [], bootstrap: [], topics: [], role: 'node' });
    onTestFinished(() => mesh.close());
    const address = { id: running.id, addrs: running.addresses() };
    const feed = await mesh.open(address, protocols.feed, { signal, maxMessageBytes: 2 ** 20 });
    /** The next one: messages of other things may come before it. */
    const heard = async (): Promise<string> => {
      for (;;) {
        const message = await feed.receive({ timeoutMs: deadlineMs });
        const { charter } = JSON.parse(fromUtf8(message ?? new Uint8Array()));
        if (charter !== undefined) return charter;
      }
    };
    const capabilities = { arch: 'x86_64', cpus: 1, memoryBytes: 1, diskBytes: 1, tiers: ['namespace'] };
    await feed.send(encodeMessage({ kind: 'hello', grant, capabilities, version: ownVersion('1.0.0') }));
    expect(await heard()).toBe((await readCharter(made.dir))?.raw);
    await changeCharter(made, { vcs: ['git.example.net'] });
    expect(await heard()).toBe((await readCharter(made.dir))?.raw);
  });

  it('is put back where it is a copy of before', async () => {
    const { made, charter, machine, told, context } = await started();
    await keepCharter(context);
    expect(told).toEqual([]);
    await changeCharter(made, { vcs: ['git.example.net'] });
    machine.state.charter = (await readCharter(made.dir)) ?? null;
    await writeFile(join(made.dir, 'charter.jws'), charter?.raw ?? '');
    await keepCharter(context);
    expect(told).toEqual([expect.stringMatching(/^warn charter: .* of epoch 2, is there again/)]);
    expect((await readCharter(made.dir))?.payload.epoch).toBe(2);
  });

  it('is looked at again and again until the controller ends, and a failure is told', async () => {
    withLimits(controllerNodeLimits, { charterLookMs: 5 });
    const { told, tell } = teller();
    let looks = 0;
    const end = watchCharter(async () => {
      if (++looks === 2) throw new Error('cannot be read');
    }, tell);
    onTestFinished(end);
    await expect.poll(() => looks).toBeGreaterThan(3);
    expect(told).toEqual(['warn charter: cannot be read']);
    end();
    const before = looks;
    const after = watchCharter(async () => void looks--, tell);
    onTestFinished(after);
    await expect.poll(() => looks).toBeLessThan(before - 3);
  });
});

it('a member stands until its key or its operator is revoked, or its enrolment does not count', async () => {
  const bench = await projectOf('ada', 'bob');
  const { controller } = bench;
  const standing = memberStanding(controller, { charter: { name: 'of the folder' } } as never);
  expect(standing.charter()).toBe(controller.state.charter?.payload);
  const grantOf = (name: string): Grant => ({ sub: bench.id(name), operator: name, role: 'worker' }) as Grant;
  const out = () => ['ada', 'bob', 'stranger'].filter((name) => standing.isRevoked(grantOf(name)));
  expect(out()).toEqual([]);
  await bench.revoke({ kind: 'operator', id: 'bob' }, { reason: 'lost laptop' });
  expect(out()).toEqual(['bob']);
  const fresh = memberStanding(
    { state: { ...controller.state, charter: null } } as never,
    {
      charter: { name: 'of the folder' },
    } as never,
  );
  expect(fresh.charter()).toMatchObject({ name: 'of the folder' });
});

describe('the pages of a controller', () => {
  it('show files of a tree that is here, as many as are asked for', async () => {
    const own = await store();
    const { bench } = await leasedRound();
    const tree = await importInto(
      own,
      ['a', 'b', 'c'].map((name) => ({ name, body: name })),
    );
    const context = {
      folder: { project: 'p', name: 'n', dir: await folder() },
      store: own,
      machine: bench.controller,
      mesh: { addresses: () => [], connections: () => ({ isFull: false }) },
    } as unknown as ControllerContext;
    const logEvidence = { revoked: [], equivocations: [{ proves: { says: 'two stories' } }] };
    const { trees, logs, view } = controllerPages(context, { logs: {}, logEvidence, bundles: {} } as never);
    const listed = async (max: number) => {
      const { files = [], more } = (await trees.list(tree, max)) ?? {};
      return [files.map(({ path }) => path), more];
    };
    expect(await listed(2)).toEqual([['a', 'b'], true]);
    expect(await listed(3)).toEqual([['a', 'b', 'c'], false]);
    expect([trees.isHere(tree), trees.isHere('no cid'), trees.isShown(tree)]).toEqual([true, false, false]);
    const elsewhere = await importInto(await store(), small(1));
    expect([await trees.list(elsewhere, 2), await trees.entry(elsewhere, 'a', { signal })]).toEqual([
      ...[undefined, undefined],
    ]);
    expect(await trees.entry(tree, 'b', { signal })).toMatchObject({ path: 'b', size: 1 });
    expect(logs.of('no such run', true)).toEqual({ builds: [], sealed: false });
    expect(view.trouble().equivocations).toEqual(['two stories']);
    expect(view.workers()).toMatchObject({ shown: { length: 4 }, count: 4 });
    withLimits(controllerNodeLimits, { pageWorkersMax: 3 });
    const { shown, count } = view.workers();
    expect([shown.length, count, shown.map(({ builds }) => builds)]).toEqual([3, 4, [1, 1, 1]]);
  });

  it('show the jobs of the last commit of a branch, and troubles, the newest first', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const runs = [];
    for (const name of ['app', 'lib', 'app'])
      runs.push(await bench.submit({ name, rebuild: runs.length > 1 }));
    for (const reason of ['first', 'second'])
      await bench.revoke({ kind: 'artifact', id: cidOf(reason) }, { reason });
    const isFull = { now: false };
    const view = projectView({
      project: 'p',
      name: 'n',
      state: bench.controller.state,
      equivocations: () => [],
      addresses: () => Array.from({ length: 9 }, (_, n) => `/ip4/192.0.2.${n}`),
      connections: () => ({ max: 7, refused: 1, isFull: isFull.now }),
    });
    const [{ ref } = { ref: '' }] = view.branches();
    expect(view.branch(ref)).toMatchObject({ jobs: [{ run: runs[2], name: 'app' }] });
    expect([view.branch('none'), view.branches().length]).toEqual([undefined, 1]);
    expect(view.bootstrap()).toHaveLength(limits.feedUrlsMax);
    const { shown } = view.workers();
    const order = shown.map(({ trusted, operator, id }) => `${trusted ? 0 : 1} ${operator} ${id}`);
    expect(order).toEqual([...order].sort());
    expect(shown.filter(({ behind }) => behind !== null)).toEqual([]);
    expect(view.trouble().revocations.map(({ reason }) => reason)).toEqual(['second', 'first']);
    expect(view.trouble().full).toBeNull();
    isFull.now = true;
    expect(view.trouble().full).toContain('7');
    expect([view.version('none'), view.version(runs[0] ?? '')]).toEqual([undefined, expect.any(String)]);
    expect(view.queue().map(({ building }) => building)).toEqual([[], [], []]);
    expect(view.trouble().declined).toEqual([]);
    const passed = (key: string, run: string, reason: string) => {
      const { offerId: offer = '' } = bench.run(run).rounds[0] ?? {};
      bench.send({ kind: 'passed', worker: bench.id(key), offer, reason });
    };
    const [first = '', second = ''] = runs;
    passed('ada', first, 'no');
    passed('bob', first, 'worker-older');
    passed('ada', second, 'small');
    passed('trusted', first, 'paused by its operator');
    expect(view.trouble().declined).toEqual([
      { operator: 'ada', reason: 'small' },
      { operator: 'bob', reason: expect.stringMatching(/too old/) },
      { operator: 'the trusted worker', reason: 'paused by its operator' },
    ]);
    // Of those that are gone nothing is said any more.
    for (const key of ['ada', 'trusted']) bench.send({ kind: 'absent', worker: bench.id(key) });
    expect(view.trouble().declined.map(({ operator }) => operator)).toEqual(['bob']);
    expect(() => view.run('none')).toThrow(expect.objectContaining({ code: 'JOB_UNKNOWN' }));
  });

  it('show all jobs of the last commit of a branch, as many as a pipeline may have', async () => {
    const bench = await projectOf('ada');
    for (let n = 0; n < 20; n++) await bench.submit({ name: `job-${n}` });
    for (const { request } of bench.controller.state.index.open.values())
      Object.assign(request.payload, { commit: 'c'.repeat(40) });
    const view = projectView({
      project: 'p',
      name: 'n',
      state: bench.controller.state,
      equivocations: () => [],
      addresses: () => [],
    });
    const [{ ref } = { ref: '' }] = view.branches();
    expect(view.branch(ref)?.jobs).toHaveLength(20);
    withLimits(limits, { pipelineJobsMax: 16 });
    expect(view.branch(ref)?.jobs).toHaveLength(16);
  });

  it('show the first files of a tree that is here, and whether there are more', async () => {
    const [own, bench] = [await store(), await projectOf('ada')];
    const { trees } = controllerPages(
      { folder: { dir: await folder() }, machine: bench.controller, store: own } as never,
      { logs: {}, logEvidence: {}, bundles: {} } as never,
    );
    const tree = await importInto(own, [
      { name: 'a', body: 'a' },
      { name: 'b', body: 'b' },
    ]);
    const listed = async (max: number) => {
      const { files = [], more } = (await trees.list(tree, max)) ?? {};
      return [files.map(({ path }) => path).join(), more];
    };
    expect([await listed(1), await listed(2), await listed(3)]).toEqual([
      ...[
        ['a', true],
        ['a,b', false],
        ['a,b', false],
      ],
    ]);
    expect(await trees.list('no tree', 1)).toBeUndefined();
    expect(await trees.entry('no tree', 'a', { signal })).toBeUndefined();
    expect(await trees.entry(tree, 'a', { signal })).toMatchObject({ kind: 'file', size: 1 });
  });

  it('show the latest verdicts up to a bound, and logs of a round once it is revealed', async () => {
    withLimits(limits, { feedOffersMax: 1 });
    const { bench, run, leases, trusted } = await leasedRound();
    const logs = controllerPages(
      { folder: { dir: await folder() }, machine: bench.controller, store: {} } as never,
      { logs: {}, logEvidence: {}, bundles: {} } as never,
    ).logs;
    expect(logs.of(run, false)).toEqual({ builds: [], sealed: true });
    expect(logs.of(run, true)).toMatchObject({ builds: { length: 4 }, sealed: false });
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    await bench.deliver('trusted', trusted);
    bench.cosign(run);
    bench.store(run);
    expect(logs.of(run, false)).toMatchObject({ builds: { length: 4 }, sealed: false });
    const { index } = bench.controller.state;
    const [latest] = index.latest();
    vi.spyOn(index, 'latest').mockReturnValue([latest, latest] as never);
    const view = publicView(
      { folder: { project: 'p' }, machine: bench.controller, store: {}, logEvidence: {} } as never,
      { backlog: {}, checkpoints: {} } as never,
      {} as never,
    );
    expect(view.verdicts()).toMatchObject([{ request: run, level: 'trusted' }]);
    expect(view.checkpoint()).toBeUndefined();
  });
});

import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { ControllerEvent } from '../../../src/controller/machine/events.ts';
import type { ControllerContext } from '../../../src/controller/node/context.ts';
import { Keeper, pin } from '../../../src/controller/node/keep.ts';
import { controllerNodeLimits } from '../../../src/controller/node/limits.ts';
import { openLogFiles } from '../../../src/controller/node/log-files.ts';
import { LineEscaper } from '../../../src/protocol/base/escape.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { leftOutNote, limitNote, notReceivedNote } from '../../../src/protocol/base/log-notes.ts';
import { openStore } from '../../../src/store/index.ts';
import { sleep, until } from '../../e2e/support/wait.ts';
import { withLimits } from '../../support/with-limits.ts';
import { importInto } from '../../transfer/support.ts';

const lease = 'ab'.repeat(32);
const worker = '12D3KooWworker';
const noLogs = { bytes: async () => undefined, isCut: async () => false, replace: async () => {} };

/** Keeps a log of which the worker's receipt says that it is `raw`, and of which `streamed` arrived. Says what was fetched. */
async function keeping(raw: string, streamed = raw) {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-keep-'));
  const store = await openStore({ dir: join(dir, 'store') });
  const stop = new AbortController();
  onTestFinished(async () => {
    stop.abort();
    await store.close();
    await rm(dir, { recursive: true });
  });
  const files = openLogFiles(join(dir, 'logs'));
  const log = await files.create(lease);
  const lines = new LineEscaper(undefined, { colours: true });
  for (const line of [...lines.push(streamed), ...lines.end()]) log.write(`${line}\n`);
  await log.end();
  let fetched = 0;
  const receipts = [{ lease, worker, outcome: { kind: 'exit', code: 0, artifact: null } }];
  const context = {
    machine: { state: { index: { get: () => ({ job: { limits: { diskBytes: 0 } }, receipts }) } } },
    store,
    mesh: {
      links: () => [],
      open: async () => {
        fetched++;
        throw new Error('nobody is there');
      },
    },
    tell: () => {},
  } as unknown as ControllerContext;
  const root = await store.cidOf(Buffer.from(raw));
  withLimits(controllerNodeLimits, { keepGatherMs: 1 });
  const keeper = new Keeper({ ...context, closing: stop.signal }, files);
  keeper.keep('run', { root, from: worker });
  keeper.keep('run', { root, from: worker });
  const pins = async () => (await store.pins()).filter((pin) => pin.root === root);
  await until('kept or fetched', async () => fetched > 0 || (await pins()).length > 0);
  return { dir, store, root, pins: await pins(), fetched };
}

/** A revealed build whose stored log is one text, and of which the store has another. */
async function revealing(streamed: string, said: string) {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-keep-'));
  const store = await openStore({ dir: join(dir, 'store') });
  const stop = new AbortController();
  onTestFinished(async () => {
    stop.abort();
    await store.close();
    await rm(dir, { recursive: true });
  });
  const files = openLogFiles(join(dir, 'logs'));
  const log = await files.create(lease);
  log.write(streamed);
  await log.end();
  const root = await store.importBytes(Buffer.from(said), { into: store.public });
  const result = { worker, operator: 'ada', slot: 0, result: 'no outputs', log: root };
  const run = {
    job: { limits: { diskBytes: 0 } },
    receipts: [{ lease, worker, slot: 0, round: 1, outcome: { kind: 'exit', code: 0, artifact: null } }],
    history: [{ at: 0, progress: { kind: 'revealed', round: 1, results: [result] } }],
  };
  const machine = { state: { index: { get: () => run } } };
  withLimits(controllerNodeLimits, { keepGatherMs: 1 });
  const context = { machine, store, tell: () => {}, closing: stop.signal } as unknown as ControllerContext;
  const stored = async () => {
    let text = '';
    for await (const piece of files.read(lease)) text += piece;
    return text;
  };
  return {
    store,
    files,
    root,
    stored,
    run,
    context,
    keep: () => new Keeper(context, files).keep('run', { root, from: worker }),
  };
}

it.each([
  ['a log', 'one\n\u001b[1mtwo\u001b[0m\nthree\n'],
  ['a log without an end of its last line', 'one\ntwo'],
  ['a log of more than a block', 'all is well\n'.repeat(100_000)],
])('%s is kept from what was streamed', async (_, raw) => {
  const { store, root, pins, fetched } = await keeping(raw);
  expect(fetched).toBe(0);
  expect(pins).toEqual([{ root, names: ['runs'] }]);
  expect(Buffer.from(await store.readBytes(root, { maxBytes: 2_000_000 })).toString()).toBe(raw);
});

it('a log as long as a log may be is kept, with the end that its last line was given', async () => {
  withLimits(limits, { logBytesMax: 'one\nfour'.length });
  expect((await keeping('one\nfour')).fetched).toBe(0);
});

it.each([
  ['what was escaped', 'one\rtwo \u0007\n', undefined],
  ['what was left out', 'one\ntwo\n', 'one\n'],
  ['what a worker says that it is not', 'one\n', 'other\n'],
])('%s is fetched', async (_, raw, streamed) => {
  const { pins, fetched } = await keeping(raw, streamed);
  expect(fetched).toBeGreaterThan(0);
  expect(pins).toEqual([]);
});

it.each([
  ['a log of which parts are missing', `one\n${leftOutNote(4)}\nthree\n`, 'one\ntwo\n\u001b[1mthree\n'],
  ['a log whose end is missing', `one\n${notReceivedNote}\n`, 'one\n\u001b[1mthree\n'],
])('%s is replaced by what its worker kept, once that is here', async (_, streamed, said) => {
  const { store, files, keep, stored } = await revealing(streamed, said);
  expect(await files.isCut(lease)).toBe(true);
  keep();
  await until('replaced', async () => (await stored()) === said);
  expect(await files.isCut(lease)).toBe(false);
  expect(await store.pins()).toHaveLength(1);
});

it('a log that was kept from what was streamed is not read again', async () => {
  const other = { lease: 'cd'.repeat(32), worker: '12D3KooWother' };
  const { store, files, root, run, context } = await revealing('one\n', 'two\n');
  const log = await files.create(other.lease);
  log.write('three\n');
  await log.end();
  const streamed = await store.cidOf(Buffer.from('three\n'));
  const [receipt] = run.receipts;
  const [told] = run.history;
  if (receipt === undefined || told === undefined) throw new Error('a build');
  run.receipts.unshift({ ...receipt, ...other });
  told.progress.results.unshift({
    operator: 'eve',
    slot: 0,
    result: '',
    worker: other.worker,
    log: streamed,
  });
  const looked: string[] = [];
  const isCut = async (of: string) => looked.push(of) > 2;
  const keeper = new Keeper(context, { ...files, isCut });
  keeper.keep('run', { root: streamed, from: other.worker });
  keeper.keep('run', { root, from: worker });
  await until('the other one is looked at', async () => looked.includes(lease));
  expect([looked, await store.has(streamed)]).toEqual([[lease], true]);
});

it('a log that is no file keeps no other one from being replaced', async () => {
  const other = { lease: 'cd'.repeat(32), worker: '12D3KooWother' };
  const cut = `one\n${notReceivedNote}\n`;
  const { store, files, stored, run, context } = await revealing(cut, 'one\n');
  const log = await files.create(other.lease);
  log.write(cut);
  await log.end();
  const tree = await importInto(store, [{ name: 'a', body: 'x' }]);
  const [mine] = run.receipts;
  run.receipts.unshift(Object.assign({}, mine, other) as never);
  const [{ progress } = { progress: { results: [] as object[] } }] = run.history;
  const [{ log: root } = { log: '' }] = progress.results as { log: string }[];
  progress.results.unshift({
    operator: 'eve',
    slot: 0,
    result: '',
    worker: other.worker,
    log: tree,
  } as never);
  const keeper = new Keeper(context, files);
  keeper.keep('run', { root: tree, from: other.worker });
  keeper.keep('run', { root, from: worker });
  await until('replaced', async () => (await stored()) === 'one\n');
});

it.each<[string, { kind?: string; slot?: number; round?: number; worker?: string; log?: string | null }]>([
  ['in another slot', { slot: 1 }],
  ['in another round', { round: 2 }],
  ['by another worker', { worker: '12D3KooWother' }],
  ['in a round that is not revealed', { kind: 'agreed' }],
  ['whose log is not here', { log: 'bafyother' }],
  ['without a log', { log: null }],
])(
  'a log that is cut stays where what is here is of a build %s',
  async (_, { kind = 'revealed', round = 1, ...said }) => {
    const cut = `one\n${notReceivedNote}\n`;
    const { files, root, stored, run, context } = await revealing(cut, 'two\n');
    const later = 'cd'.repeat(32);
    const log = await files.create(later);
    log.write(cut);
    await log.end();
    const [receipt] = run.receipts;
    const [told] = run.history;
    if (receipt === undefined || told === undefined) throw new Error('a build');
    const [result] = told.progress.results;
    // The build after it, which is replaced, ends the look.
    run.receipts.push({ ...receipt, lease: later, slot: 7 });
    const progress = { ...told.progress, results: [{ ...result, slot: 7 }] };
    Object.assign(told.progress, { kind, round, results: [{ ...result, ...said }] });
    run.history.push({ ...told, progress: progress as never });
    const warned: string[] = [];
    const tell = (_: string, kind: string) => void warned.push(kind);
    new Keeper({ ...context, tell }, files).keep('run', { root, from: worker });
    await until('the build after it', async () => !(await files.isCut(later)));
    expect([await stored(), warned]).toEqual([cut, []]);
  },
);

it('a log that is not cut stays as it came', async () => {
  const { store, keep, stored } = await revealing('one\n', 'two\n');
  keep();
  await until('kept', async () => (await store.pins()).length > 0);
  await sleep(50);
  expect(await stored()).toBe('one\n');
});

it('a file that a worker names as its log is read as far as a log may go', async () => {
  withLimits(limits, { logBytesMax: 10 });
  const { files, keep, stored } = await revealing(`x\n${notReceivedNote}\n`, 'a line\n'.repeat(1_000));
  keep();
  await until('replaced', async () => !(await files.isCut(lease)));
  const text = await stored();
  expect(text.length).toBeLessThan(300);
  expect(text.endsWith(`\n${limitNote}\n`)).toBe(true);
});

it('a tree that many runs name has one name, and is written once', async () => {
  const { dir, store, root } = await keeping('one\n');
  const file = join(dir, 'store', 'pins.log');
  const before = await stat(file);
  for (let run = 0; run < 20; run++) await store.pin([root], 'runs');
  const after = await stat(file);
  expect([after.ino, after.size]).toEqual([before.ino, before.size]);
  // A name that was dropped is written again.
  await store.unpin(root, 'runs');
  expect(await store.pins()).toEqual([]);
  await store.pin([root], 'runs');
  expect(await store.pins()).toEqual([{ root, names: ['runs'] }]);
});

it('a tree that nobody gives is asked for a few times, and then said to be lost', async () => {
  withLimits(controllerNodeLimits, { keepGatherMs: 1, keepTriesMax: 2 });
  const told: string[] = [];
  let asked = 0;
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const context = {
    machine: { state: { index: { get: () => undefined } } },
    store: {
      has: async () => {
        asked++;
        throw new Error('a bad disk');
      },
      pin: async (roots: string[]) => void told.push(`pins ${roots}`),
    },
    tell: (level: string, kind: string, says: string) => void told.push(`${level} ${kind}: ${says}`),
  } as unknown as ControllerContext;
  const keeper = new Keeper({ ...context, closing: stop.signal }, noLogs);
  keeper.keep('run', { root: 'bafyroot', from: worker });
  const began = performance.now();
  await expect
    .poll(() => told, { timeout: 60_000 })
    .toEqual(['warn keep: bafyroot could not be kept: a bad disk', 'pins ']);
  expect(asked).toBe(2);
  // It waited before the second attempt.
  expect(performance.now() - began).toBeGreaterThan(400);
  context.store.pin = async () => {
    throw new Error('no room');
  };
  context.store.has = async () => true;
  keeper.keep('run', { root: 'bafyroot', from: worker });
  await expect.poll(() => told.at(-1)).toBe('warn keep: keep: no room');
  context.store.pin = async (roots) => void told.push(`pins ${roots}`);
  for (const root of ['a', 'b', 'a']) keeper.keep('run', { root, from: worker });
  await expect.poll(() => told.at(-1)).toBe('pins a,b');
  told.pop();
  stop.abort();
  keeper.keep('run', { root: 'bafyroot', from: worker });
  await sleep(5);
  expect(told).toHaveLength(3);
  const ending = new AbortController();
  withLimits(controllerNodeLimits, { keepTriesMax: 1 });
  const asking = Promise.withResolvers<void>();
  context.store.has = async () => {
    ending.abort(new Error('ends'));
    setImmediate(asking.resolve);
    throw new Error('a bad disk');
  };
  new Keeper({ ...context, closing: ending.signal }, noLogs).keep('run', {
    root: 'x',
    from: worker,
  });
  await asking.promise;
  expect(told).toHaveLength(3);
});

it('how much of an artifact is here that a run waits for is told until it is, with a size that it may have', async () => {
  withLimits(controllerNodeLimits, { fetchToldMs: 1 });
  const told: ControllerEvent[] = [];
  const job = { limits: { diskBytes: 1_000 } };
  const receipts = [{ outcome: { kind: 'exit', code: 0, artifact: 'root' } }];
  const context = {
    machine: { state: { runs: new Map([['run', { job, receipts }]]) } },
    store: { has: async () => false, pin: async () => {} },
    dispatch: async (event: ControllerEvent) => void told.push(event),
    closing: new AbortController().signal,
  } as unknown as ControllerContext;
  const far = () =>
    told.map((event) => (event.kind === 'fetching' ? [event.bytes, event.total, event.from] : event.kind));
  await pin(
    context,
    { kind: 'pin', run: 'run', artifact: 'root', from: ['w'] },
    async (_ends, _root, { onProgress }) => {
      for (const [bytes, total] of [
        [1, 2 ** 60],
        [2, 900],
      ] as const) {
        onProgress?.(bytes, total);
        await until('told', async () => JSON.stringify(far().at(-1))?.startsWith(`[${bytes},`) === true);
      }
      return { bytes: 2 };
    },
  );
  const seen = new Set(far().map((one) => JSON.stringify(one)));
  expect([...seen]).toEqual(['[1,null,["w"]]', '[2,900,["w"]]', '"pinned"']);
  const count = told.length;
  await sleep(10);
  expect(told).toHaveLength(count);
});

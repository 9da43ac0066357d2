import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SandboxIo } from '../../../sandbox/index.ts';
import { choose, compareChosen } from '../../../src/client/comparison/compare.ts';
import { boundedPairs, type FilePair, runDiffoscope } from '../../../src/client/comparison/diffoscope.ts';
import { comparisonLimits } from '../../../src/client/comparison/limits.ts';
import { importFile, type SideAsked, withSides } from '../../../src/client/comparison/sides.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { openStore } from '../../../src/store/index.ts';
import { folder, peer, verdictOn } from '../../store-node/node/support.ts';
import { project } from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';

const signal = AbortSignal.timeout(300_000);

/** A folder of this host with these files; `!` in front of a name: it can be run. */
async function files(of: Record<string, string>): Promise<string> {
  const dir = await folder();
  for (const [name, text] of Object.entries(of)) {
    const path = join(dir, name.replace('!', ''));
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, text);
    if (name.startsWith('!')) await chmod(path, 0o755);
  }
  return dir;
}

type Options = Partial<Parameters<typeof withSides>[0]>;
const sides = (a: SideAsked, b: SideAsked, more: Options = {}) =>
  withSides(
    { stores: [], project: async () => undefined, onStep() {}, signal, ...more, asked: [a, b] },
    async (one, other) => [one, other].map(({ cid, from, level }) => ({ cid, from, level })),
  );

/** Differences of two sides. */
async function compared(a: SideAsked, b: SideAsked, { path = '', name = '' } = {}) {
  const options = { stores: [], project: async () => undefined, onStep() {}, signal };
  return withSides({ ...options, asked: [a, b] }, async (one, other) => {
    const found = [];
    const chosen = await choose({ side: one, path, name: '' }, { side: other, path: '', name });
    for await (const { path, change, first } of compareChosen(...chosen, { signal, isWanted: () => true }))
      found.push([path, change, first === undefined ? 'the same bytes' : 'other bytes']);
    return found;
  });
}

const folderOf = (path: string): SideAsked => ({ kind: 'folder', path });
const fileOf = (path: string): SideAsked => ({ kind: 'file', path });

describe('a side of a comparison', () => {
  it('is a folder or a file of this host, and needs no network', async () => {
    const dir = await files({ a: 'text' });
    const told: string[] = [];
    const onStep = (says: string) => void told.push(says);
    expect(await sides(folderOf(dir), fileOf(join(dir, 'a')), { onStep })).toMatchObject([
      { from: 'folder', level: 'none' },
      { from: 'file', level: 'none' },
    ]);
    expect(told).toEqual([`reading ${dir}`, `reading ${join(dir, 'a')}`]);
    // One that is not there, and one that has more than its size says.
    for (const path of [join(dir, 'none'), '/proc/self/status'])
      await expect(sides(folderOf(dir), fileOf(path))).rejects.toMatchObject({
        code: 'COMPARE_FILE_UNREADABLE',
      });
    const ended = AbortSignal.abort(new Error('enough'));
    await expect(sides(fileOf(join(dir, 'a')), folderOf(dir), { signal: ended })).rejects.toThrow('enough');
    const full = new QuorateError('STORE_DISK_FULL', 'full');
    const store = { public: {}, importTar: async () => Promise.reject(full) };
    await expect(importFile(store as never, join(dir, 'a'), signal)).rejects.toBe(full);
  });

  it('is an artifact of a store of this host, else of peers, with the level of its evidence', async () => {
    const [one, dir] = [await peer(), await files({ a: 'text' })];
    const [here, there] = [await one.add('here'), await one.add('there')];
    one.bundles.set(there, (await verdictOn(there)).text);
    const home = await folder();
    const store = await openStore({ dir: home });
    await store.importTar(one.store.exportTar(here, { signal }), { into: store.public, signal });
    await store.close();
    const told: string[] = [];
    const onStep = (says: string) => void told.push(says);
    const artifact = (cid: string): SideAsked => ({ kind: 'artifact', cid });
    const known = async () => ({
      project,
      charter: { vcs: [], bootstrap: [] },
      bootstrap: [],
      feed: [],
      controllers: [{ id: one.mesh.id, addrs: one.mesh.addresses() }],
    });
    const local = { stores: [join(home, 'none'), home], onStep };
    expect(await sides(artifact(here), artifact(there), { ...local, project: known })).toEqual([
      { cid: here, from: 'store', level: 'none' },
      { cid: there, from: 'mesh', level: 'trusted' },
    ]);
    expect(told).toEqual([`fetching ${there}`]);
    // Its store is open for others again, and a project is asked for only where it is needed.
    expect(await sides(artifact(here), artifact(here), local)).toMatchObject([{ cid: here }, { cid: here }]);
    expect(await sides(artifact(here), folderOf(dir), local)).toMatchObject([{ cid: here }, {}]);
    await expect(sides(folderOf(dir), artifact(there), local)).rejects.toMatchObject({
      code: 'ARTIFACT_NOT_FOUND',
    });
    await (await openStore({ dir: home })).close();
  });
});

describe('two sides', () => {
  it('differ in content, in whether a file can be run, and in what one of them has', async () => {
    const before = await files({ same: 'same', text: 'one', tool: 'tool', 'd/old': 'old' });
    const after = await files({ same: 'same', text: 'two', '!tool': 'tool', 'd/new': 'new' });
    const found = await compared(folderOf(before), folderOf(after));
    expect(found.map(([path, , bytes]) => `${path}: ${bytes}`).sort()).toEqual([
      'd/new: the same bytes',
      'd/old: the same bytes',
      'text: other bytes',
      'tool: the same bytes',
    ]);
    expect(await compared(folderOf(before), folderOf(before))).toEqual([]);
  });

  it('are compared at a path, with the file of that name, or the only one', async () => {
    const dir = await files({ 'd/a': 'one', 'd/b': 'two', 'e/c': 'one' });
    const [one, two] = [fileOf(join(dir, 'd/a')), fileOf(join(dir, 'd/b'))];
    expect(await compared(folderOf(dir), one, { path: 'd/a' })).toEqual([]);
    expect(await compared(folderOf(dir), two, { path: 'd/a' })).toHaveLength(1);
    expect(await compared(folderOf(dir), one, { path: 'd', name: 'a' })).toEqual([]);
    expect(await compared(folderOf(dir), one, { path: 'e', name: 'x' })).toEqual([]);
  });

  it.each<[string, { path: string; name?: string }, string]>([
    ['a folder without that file', { path: 'd', name: 'x' }, 'COMPARE_KINDS'],
    ['a path that leads to a folder', { path: '', name: 'd' }, 'COMPARE_KINDS'],
    ['a path that is not there', { path: 'none' }, 'COMPARE_PATH_UNKNOWN'],
  ])('cannot be compared: %s', async (_which, how, code) => {
    const dir = await files({ 'd/a': 'one', 'd/b': 'two', 'e/c': 'one' });
    await expect(compared(folderOf(dir), fileOf(join(dir, 'd/a')), how)).rejects.toMatchObject({ code });
    await expect(compared(fileOf(join(dir, 'd/a')), folderOf(dir))).rejects.toMatchObject({
      code: 'COMPARE_KINDS',
    });
  });
});

describe('diffoscope', () => {
  /** Runs it in a sandbox in which it writes this, and ends so. */
  async function run(chunks: string[], outcome: object, by = signal) {
    let wasStopped = false;
    const opened = async () => ({
      for: () => ({
        run: async (_job: object, io: SandboxIo) => {
          for (const chunk of chunks) io.onLog(Buffer.from(chunk));
          wasStopped = io.signal.aborted;
          return outcome;
        },
      }),
    });
    const output: string[] = [];
    const packed = { count: 1, a: Buffer.of(), b: Buffer.of() };
    const onOutput = (chunk: Uint8Array) => void output.push(Buffer.from(chunk).toString());
    const options = { packed, stateDir: '', tier: 'namespace' as const, onProbe() {}, onOutput, signal: by };
    return { says: await runDiffoscope(options, opened as never), output, wasStopped };
  }
  const done = { kind: 'exit', code: 0 };

  it('is given as many bytes as it may have, exactly', () => {
    withLimits(comparisonLimits, { diffoscopeInputBytesMax: 4 });
    const pair = (size: number) => ({ a: { size }, b: { size } }) as FilePair;
    expect(boundedPairs([pair(1), pair(2), pair(1), pair(0)])).toEqual([pair(1), pair(1), pair(0)]);
  });

  it('gives a report up to a length', async () => {
    withLimits(comparisonLimits, { diffoscopeOutputBytesMax: 4 });
    expect(await run(['ab', 'c'], done)).toEqual({ says: undefined, output: ['ab', 'c'], wasStopped: false });
    expect(await run(['ab', 'cde', 'f'], done)).toEqual({
      says: 'its report is too long',
      output: ['ab', 'cd'],
      wasStopped: true,
    });
  });

  it('says why it gave none, or only a part', async () => {
    expect((await run([], { kind: 'exit', code: 2 })).says).toBe('it failed with exit 2');
    const aborted = { kind: 'aborted', reason: 'memory', detail: 'too much' };
    expect((await run([], aborted)).says).toBe('memory: too much');
    const ended = AbortSignal.abort(new Error('enough'));
    await expect(run([], aborted, ended)).rejects.toThrow('enough');
  });
});

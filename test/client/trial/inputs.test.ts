import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  fromMesh,
  openInputMesh,
  provideInput,
  type TrialProject,
} from '../../../src/client/trial/inputs.ts';
import { conditions, vary } from '../../../src/client/trial/vary.ts';
import { openStore } from '../../../src/store/index.ts';
import { folder, type Peer, peer, verdictOn } from '../../store-node/node/support.ts';
import { exit, project, testKey } from '../../support/project.ts';

const signal = AbortSignal.timeout(300_000);

async function emptyStore(dir?: string) {
  const store = await openStore({ dir: dir ?? (await folder()) });
  onTestFinished(() => store.close());
  return store;
}

describe('an input of a trial', () => {
  it('is a folder of this host, by what is in it', async () => {
    const dir = await folder();
    await writeFile(join(dir, 'a'), 'a');
    const store = await emptyStore();
    const from = { store, mesh: undefined, project: undefined, stores: [], signal };
    const got = await provideInput({ name: 'lib', folder: dir }, from);
    expect(got).toMatchObject({ name: 'lib', from: 'folder', level: 'none' });
    expect(await store.has(got.cid)).toBe(true);
  });

  it('comes of a store of this host that has it and is not in use, which is closed again', async () => {
    const [empty, used, full] = [await folder(), await folder(), await folder()];
    const dir = await folder();
    await writeFile(join(dir, 'a'), 'a');
    const stores = [join(dir, 'none'), used, empty, full];
    await (await openStore({ dir: empty })).close();
    await emptyStore(used);
    const other = await openStore({ dir: full });
    const { root: cid } = await other.importDirectory(dir, { into: other.public });
    await other.close();
    const store = await emptyStore();
    const from = { store, mesh: undefined, project: undefined, signal };
    const input = { name: 'lib', cid };
    await expect(provideInput(input, { ...from, stores: stores.slice(0, 3) })).rejects.toMatchObject({
      code: 'ARTIFACT_NOT_FOUND',
      message: expect.stringMatching(/is in no readable store/),
    });
    expect(await provideInput(input, { ...from, stores })).toEqual({
      ...input,
      from: 'store',
      level: 'none',
    });
    expect(await store.has(cid)).toBe(true);
    for (const one of [empty, full]) await (await openStore({ dir: one })).close();
  });

  describe('of the mesh', () => {
    const at = ({ mesh }: Peer) => ({ id: mesh.id, addrs: mesh.addresses() });

    async function fetched(cid: string, peers: readonly { id: string; addrs: string[] }[]) {
      const trial: TrialProject = {
        project,
        charter: { vcs: [], bootstrap: [] },
        bootstrap: [],
        feed: [],
        controllers: [...peers],
      };
      const mesh = await openInputMesh({ ...trial, controllers: [] });
      onTestFinished(() => mesh.close());
      const store = await emptyStore();
      const got = await provideInput(
        { name: 'lib', cid },
        { store, mesh, project: trial, stores: [], signal },
      );
      expect(await store.has(cid)).toBe(true);
      return got;
    }

    it('has the highest level that one of those who are asked proves', async () => {
      const peers = [await peer(), await peer(), await peer()];
      let tree = '';
      for (const one of peers) tree = await one.add('lib');
      const [first, second, third] = peers;
      first?.bundles.set(tree, (await verdictOn(tree)).text);
      second?.bundles.set(tree, (await verdictOn(tree, { own: null, level: 'agreed' })).text);
      const level = async (...some: (Peer | undefined)[]) =>
        (
          await fetched(
            tree,
            some.flatMap((one) => (one === undefined ? [] : [at(one)])),
          )
        ).level;
      expect(await level(third)).toBe('none');
      expect(await level(second, third)).toBe('agreed');
      expect(await level(first, second)).toBe('trusted');
      expect(await level(second, first)).toBe('trusted');
    });

    it('has none by a bundle that does not hold, or is of another tree', async () => {
      const liar = await peer();
      const [tree, other] = [await liar.add('lib'), await liar.add('other')];
      const foreign = await verdictOn(tree, { keys: { idp: testKey('x') } });
      liar.bundles.set(tree, foreign.text);
      liar.bundles.set(other, (await verdictOn(tree)).text);
      expect(await fetched(tree, [at(liar)])).toMatchObject({ from: 'mesh', level: 'none' });
      expect((await fetched(other, [at(liar)])).level).toBe('none');
    });

    it('is asked of those that announce it, and of nobody once the trial has ended', async () => {
      const stop = new AbortController();
      const connect = vi.fn(async (_addrs: string[]) => Promise.reject(new Error('no network')));
      const found = { id: 'x', addrs: ['/dns4/x/tcp/1'] };
      const mesh = {
        connected: () => [],
        connect,
        async *findProviders() {
          yield found;
        },
      };
      const trial = { project, controllers: [] } as unknown as TrialProject;
      const ask = () => fromMesh(mesh as never, {} as never, 'bafy', trial, stop.signal);
      await expect(ask()).rejects.toMatchObject({ code: 'ARTIFACT_NOT_FOUND' });
      expect(connect.mock.calls).toEqual([[['/dns4/x/tcp/1/p2p/x']]]);
      mesh.findProviders = async function* () {
        yield found;
        throw stop.abort(new Error('enough'));
      };
      await expect(ask()).rejects.toThrow('enough');
      expect(connect).toHaveBeenCalledTimes(1);
    });

    it('is at an address without the id of its peer too, and not found where nobody is reached', async () => {
      const one = await peer();
      const tree = await one.add('lib');
      const { id, addrs } = at(one);
      const bare = { id, addrs: addrs.map((addr) => addr.replace(`/p2p/${id}`, '')) };
      expect((await fetched(tree, [bare])).from).toBe('mesh');
      await expect(fetched(tree, [{ id, addrs: [`/ip4/127.0.0.1/tcp/1/p2p/${id}`] }])).rejects.toMatchObject({
        code: 'ARTIFACT_NOT_FOUND',
        message: expect.stringMatching(/no peer of the project/),
      });
      const absent = 'bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku';
      await expect(fetched(absent, [at(one)])).rejects.toMatchObject({
        code: 'ARTIFACT_NOT_FOUND',
        message: `no peer of the project that was asked (1) has ${absent}`,
      });
    });
  });
});

describe('a build that is varied', () => {
  const ended = (outcome: object) => ({ outcome, ms: 10_000 }) as never;
  const good = ended(exit('good'));
  const changed = (...paths: string[]) => paths.map((path) => ({ path, change: 'content' }));

  /** Results, where each build under a condition gives the next of its answers. */
  async function varied(cpus: number, answers: Record<string, [object, ...object[]]>) {
    const left = new Map(Object.entries(answers).map(([name, all]) => [name, [...all]]));
    const all = conditions(cpus);
    const trial = {
      job: { limits: { cpus } },
      compare: async (_first: object, variation: object) => {
        const name =
          all.find(
            (one) => one.varied === variation || JSON.stringify(one.varied) === JSON.stringify(variation),
          )?.name ?? 'again';
        return left.get(name)?.shift() ?? { tried: good, differences: [] };
      },
    };
    const results = [];
    for await (const { condition, differences, failed } of vary(trial as never, good, signal))
      results.push([condition.name, differences.map(({ path }) => path).join(), failed]);
    return results;
  }

  it('is built again first, and once under each condition where nothing differs', async () => {
    const names = ['again', ...conditions(1).map(({ name }) => name)];
    expect(await varied(1, {})).toEqual(names.map((name) => [name, '', undefined]));
  });

  it('is built again after a difference: what differs then too is not of the condition', async () => {
    const results = await varied(1, {
      again: [
        { tried: good, differences: changed('a') },
        { tried: good, differences: changed('a', 'b') },
        { tried: good, differences: changed() },
      ],
      'file-order': [{ tried: good, differences: changed('a', 'b', 'c') }],
      path: [{ tried: good, differences: changed('a', 'd') }],
      umask: [{ tried: good, differences: changed('a') }],
    });
    expect(results.filter(([name, paths]) => paths !== '' || name === 'umask')).toEqual([
      ['again', 'a', undefined],
      ['again', 'b', undefined],
      ['file-order', 'c', undefined],
      ['path', 'd', undefined],
      ['umask', '', undefined],
    ]);
  });

  it('fails by a condition only where it does not fail without it', async () => {
    const tried = (outcome: object) => ({ tried: ended(outcome), differences: [] });
    const results = await varied(1, {
      again: [tried(exit('good')), tried(exit('good')), tried(exit('good')), tried(exit('good', 2))],
      'file-order': [tried({ kind: 'aborted', reason: 'memory', detail: 'too much' })],
      path: [tried(exit(null))],
      umask: [tried(exit('good', 1))],
    });
    expect(results.filter(([name, , failed]) => failed !== undefined || name === 'umask')).toEqual([
      ['file-order', '', 'memory: too much'],
      ['path', '', 'exit 0'],
      ['again', '', 'exit 2'],
      ['umask', '', undefined],
    ]);
  });

  it('has another number of processors than it asks for, as far as there are some', () => {
    const processors = (cpus: number) =>
      conditions(cpus).find(({ name }) => name === 'processors')?.varied.variation?.processors;
    expect([processors(1.5), processors(4)]).toEqual([1, 1]);
    const two = availableParallelism() >= 2 ? 2 : undefined;
    expect([processors(1), processors(0.5)]).toEqual([two, two]);
    expect(conditions(4).find(({ name }) => name === 'processors')?.says).toBe('1 processor, not 4');
  });
});

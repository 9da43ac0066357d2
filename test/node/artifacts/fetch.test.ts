import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { projectRendezvous } from '../../../src/mesh/index.ts';
import { type FetchOptions, fetchArtifact } from '../../../src/node/artifacts/fetch.ts';
import { fetchReports } from '../../../src/node/artifacts/fetch-reports.ts';
import { artifactLimits } from '../../../src/node/artifacts/limits.ts';
import { fetchMade } from '../../../src/node/artifacts/made.ts';
import { askForRevocations, serveRevocations } from '../../../src/node/artifacts/revocations.ts';
import { codeOf } from '../../../src/protocol/base/errors.ts';
import { signMessage } from '../../../src/protocol/documents/index.ts';
import { RevocationBook } from '../../../src/protocol/sessions/revocation-book.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { folder, type Peer, peer, verdictOn } from '../../store-node/node/support.ts';
import { at, controller, exit, makeCharter, project, root, testKey } from '../../support/project.ts';
import { waitsOf } from '../../support/waits-of.ts';
import { withLimits } from '../../support/with-limits.ts';

beforeEach(() => withLimits(artifactLimits, { againMs: 1 }));

/** Phases in their order, each once. */
const phases = (options: FetchOptions & { told: string[] }) =>
  options.told.filter((one, n, all) => all[n - 1] !== one);

async function options(artifact: string, ...peers: Peer[]) {
  const told: string[] = [];
  const controllers = peers.map(({ mesh }) => ({ id: mesh.id, addrs: mesh.addresses() }));
  return {
    artifact,
    project,
    controllers,
    told,
    dest: join(await folder(), 'out'),
    bootstrap: controllers.flatMap(({ addrs }) => addrs),
    signal: AbortSignal.timeout(300_000),
    onProgress: ({ phase }: { phase: string }) => void told.push(phase),
  };
}

/** Error of a call as text; its folder is written where there is none. */
async function ended<T>(at: Promise<FetchOptions>, act: (options: FetchOptions) => Promise<T>) {
  const with_ = await at;
  const error = await act(with_).then(
    () => undefined,
    (error: Error) => error,
  );
  expect(existsSync(with_.dest)).toBe(error === undefined);
  return error === undefined ? undefined : `${codeOf(error)}: ${error.message}`;
}

describe('an artifact', () => {
  /** One peer with a bundle that makes the tree trusted, and one that shows it agreed. */
  async function sides() {
    const [honest, second] = [await peer(), await peer()];
    const [tree] = [await honest.add('good'), await second.add('good')];
    const { run, text } = await verdictOn(tree);
    for (const which of [tree, run]) honest.bundles.set(which, text);
    second.bundles.set(tree, (await verdictOn(tree, { own: null, level: 'agreed' })).text);
    return { honest, second, tree, run };
  }

  it('is written where its evidence makes it trusted, with who gave it', async () => {
    const { honest, tree } = await sides();
    const asked = await options(tree, honest);
    const got = await fetchArtifact(asked);
    expect(got).toMatchObject({
      verification: { ok: true, level: 'trusted' },
      bundleText: honest.bundles.get(tree),
      providers: [honest.mesh.id],
      controllerUsed: false,
      index: undefined,
    });
    expect(got.bytes).toBeGreaterThan(0);
    expect(got.written).toBe('good'.length);
    expect(await readFile(join(asked.dest, 'app'), 'utf8')).toBe('good');
    expect(phases(asked)).toEqual(['looking', 'proving', 'fetching', 'writing']);
  });

  it('is told to be proven before any of its files is fetched', async () => {
    const { honest, tree } = await sides();
    const asked = await options(tree, honest);
    await fetchArtifact({ ...asked, accept: ({ level }) => void asked.told.push(level) });
    expect(phases(asked)).toEqual(['looking', 'proving', 'trusted', 'fetching', 'writing']);
  });

  it('comes from a controller where nobody else has its evidence, or its bytes', async () => {
    const [own, worker] = [await peer(controller.seed), await peer()];
    const tree = await own.add('good');
    const { text } = await verdictOn(tree);
    own.bundles.set(tree, text);
    const from = { providers: [own.mesh.id], controllerUsed: true };
    expect(await fetchArtifact(await options(tree, own))).toMatchObject(from);
    worker.bundles.set(tree, text);
    expect(await fetchArtifact(await options(tree, worker, own))).toMatchObject(from);
    // Those who have the evidence alone are of no use.
    const alone = await options(tree, worker);
    const says: string[] = [];
    const onProgress = (one: { says: string }) => void says.push(one.says);
    expect(await ended(Promise.resolve({ ...alone, onProgress }), fetchArtifact)).toMatch(/./);
    expect(says.join()).not.toMatch(/asking the controller too/);
    await worker.add('good');
    expect(await fetchArtifact(await options(tree, worker, own))).toMatchObject({
      providers: [worker.mesh.id],
      controllerUsed: false,
    });
  });

  it('has the best evidence of all who are asked', async () => {
    const { honest, second, tree } = await sides();
    for (const peers of [
      [honest, second],
      [second, honest],
    ])
      expect((await fetchArtifact(await options(tree, ...peers))).verification.level).toBe('trusted');
    // Of two that are as good it is the first.
    second.bundles.set(tree, (await verdictOn(tree, { job: { name: 'other' } })).text);
    const { bundleText } = await fetchArtifact(await options(tree, honest, second));
    expect(bundleText).toBe(honest.bundles.get(tree));
  });

  it.each<[string, Partial<FetchOptions>, RegExp]>([
    [
      'of another ref',
      { ref: 'refs/heads/other' },
      /^NOT_TRUSTED: .* is not what was asked for: REF_MISMATCH/,
    ],
    ['of another source', { source: 'https://git.example/no.git' }, /^NOT_TRUSTED: .* SOURCE_MISMATCH/],
    ['that is too old', { maxAge: 1 }, /^NOT_TRUSTED: .* is not trusted: /],
    [
      'of another run',
      { run: 'f'.repeat(64) },
      /^ARTIFACT_NOT_FOUND: no peer of the mesh has a bundle for f/,
    ],
    ['of another project', { project: 'x' }, /./],
  ])('%s is refused, and nothing is written', async (_which, more, says) => {
    const { honest, tree } = await sides();
    const at = options(tree, honest).then((one) => ({ ...one, ...more }));
    expect(await ended(at, fetchArtifact)).toMatch(says);
  });

  it('is refused by its caller before a file is fetched, and below the level', async () => {
    const { honest, second, tree, run } = await sides();
    const asked = await options(tree, honest);
    const accept = () => {
      throw new Error('unwanted');
    };
    expect(await ended(Promise.resolve({ ...asked, accept }), fetchArtifact)).toMatch(/unwanted/);
    expect(asked.told).not.toContain('fetching');
    expect(await ended(options(tree, second), fetchArtifact)).toMatch(
      /^NOT_TRUSTED: .* its level is "agreed"/,
    );
    const { verification } = await fetchArtifact({ ...(await options(tree, honest)), run, maxAge: 1e9 });
    expect(verification.level).toBe('trusted');
  });

  it('is trusted no more by what those who are asked tell of revocations', async () => {
    const { honest, second, tree } = await sides();
    const what = { kind: 'artifact', id: tree } as const;
    const payload = { iss: root.id, project, what, since: 0, reason: 'broken', iat: at };
    const { raw } = await signMessage('revocation', payload, root.signer);
    serveRevocations(second.mesh, {
      page: () => ({ charters: [], revocations: [raw] }),
      evidence: () => [],
      checkpoint: () => undefined,
    });
    // One that has no bundle tells of it too.
    second.bundles.clear();
    expect(await ended(options(tree, honest, second), fetchArtifact)).toMatch(
      /^NOT_TRUSTED: .* is trusted no more/,
    );
    const asking = { project, artifact: tree, bootstrap: [], signal: AbortSignal.timeout(300_000) };
    const book = await RevocationBook.open(project, joseVerifier);
    const { controllers } = await options(tree, honest, second);
    // The other one serves none.
    expect(await askForRevocations({ ...asking, controllers, book })).toBe(1);
    expect(book.size).toBe(1);
    const nobody = {
      ...asking,
      book,
      controllers: [{ id: honest.mesh.id, addrs: ['/ip4/127.0.0.1/tcp/1'] }],
    };
    await expect(askForRevocations(nobody)).rejects.toMatchObject({
      code: 'REVOCATION_NO_ANSWER',
      hint: 'Tried: /ip4/127.0.0.1/tcp/1.',
    });
    await expect(askForRevocations({ ...nobody, controllers: [] })).rejects.toMatchObject({
      code: 'REVOCATION_NO_ANSWER',
      hint: expect.stringMatching(/no address is known/),
    });
    const stopped = { ...nobody, signal: AbortSignal.abort(new Error('enough')) };
    await expect(askForRevocations(stopped)).rejects.toThrow('enough');
  });

  it('is looked for three times at its providers, then at members, until it is trusted', async () => {
    const { honest, second, tree } = await sides();
    const keys: string[] = [];
    const looks = (...peers: Peer[]) => {
      keys.length = 0;
      vi.spyOn(Object.getPrototypeOf(honest.mesh), 'findProviders').mockImplementation(async function* (key) {
        keys.push(String(key));
        const { mesh } = peers[Math.min(keys.length, peers.length) - 1] ?? honest;
        yield { id: mesh.id, addrs: mesh.addresses() };
        // Those that were found until then count.
        throw new Error('the search ended');
      });
    };
    onTestFinished(() => void vi.restoreAllMocks());
    const asked = async () => ({ ...(await options(tree, honest)), controllers: [] });
    looks(honest);
    await fetchArtifact(await asked());
    expect(keys).toEqual([tree]);
    looks(second, honest);
    await fetchArtifact(await asked());
    expect(keys).toEqual([tree, tree]);
    looks(second);
    expect(await ended(asked(), fetchArtifact)).toMatch(/^NOT_TRUSTED/);
    const members = projectRendezvous(project);
    expect(keys).toEqual([tree, tree, tree, members, members, members]);
    looks(second);
    const stop = new AbortController();
    const stopped = asked().then((one) => ({ ...one, signal: stop.signal }));
    second.bundles.get = () => {
      stop.abort(new Error('enough'));
      return undefined;
    };
    expect(await ended(stopped, fetchArtifact)).toMatch(/enough$/);
    expect(keys).toEqual([tree]);
    // Peers are remembered, and asked where nobody else is known.
    const peersFile = join(await folder(), 'peers.json');
    looks(honest);
    await fetchArtifact({ ...(await asked()), peersFile });
    expect(existsSync(peersFile)).toBe(true);
    // Revocations are asked for at those that are found as well.
    serveRevocations(honest.mesh, {
      page: () => ({ charters: [], revocations: [] }),
      evidence: () => [],
      checkpoint: () => undefined,
    });
    looks(honest);
    const book = await RevocationBook.open(project, joseVerifier);
    const signal = AbortSignal.timeout(300_000);
    const { bootstrap } = await asked();
    const asking = { project, artifact: tree, bootstrap, controllers: [], book, signal };
    expect(await askForRevocations(asking)).toBe(1);
    expect(keys).toEqual([members, tree]);
    looks(honest);
    expect(await askForRevocations({ ...asking, bootstrap: [], peersFile })).toBe(1);
    expect(keys).toEqual([members, tree]);
  });

  it('is not found where the time of the search is up during a lookup, and nobody tells of revocations', async () => {
    const one = await peer();
    let over = new AbortController();
    const timeout = AbortSignal.timeout;
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) =>
      ms === artifactLimits.findMsMax ? over.signal : timeout.call(AbortSignal, ms),
    );
    vi.spyOn(Object.getPrototypeOf(one.mesh), 'findProviders').mockImplementation(async function* () {
      over.abort(new DOMException('it is over', 'TimeoutError'));
      yield* [];
    });
    onTestFinished(() => void vi.restoreAllMocks());
    const tree = await one.add('good');
    const asked = await options(tree, one);
    const book = await RevocationBook.open(project, joseVerifier);
    for (const controllers of [[], [{ id: testKey('gone').id, addrs: ['/ip4/127.0.0.1/tcp/1'] }]]) {
      over = new AbortController();
      expect(await ended(Promise.resolve({ ...asked, controllers }), fetchArtifact)).toMatch(
        /^ARTIFACT_NOT_FOUND: no peer of the mesh has a bundle/,
      );
      over = new AbortController();
      await expect(askForRevocations({ ...asked, controllers, book })).rejects.toMatchObject({
        code: 'REVOCATION_NO_ANSWER',
      });
    }
  });

  it('is asked about at the address of a controller that has another key by now', async () => {
    withLimits(artifactLimits, { connectedMs: 1 });
    const [moved, stranger] = [await peer(controller.seed), await peer()];
    let asks = 0;
    const says = (one: Peer, charter: string) =>
      one.mesh.handle(
        protocols.api,
        async (channel) => {
          await channel.receive();
          await channel.send(Buffer.from(JSON.stringify({ kind: 'charter', charter })));
        },
        { maxInboundStreams: 8, maxMessageBytes: 10_000 },
      );
    says(stranger, 'x.y.z');
    says(moved, (await signMessage('charter', makeCharter(), root.signer)).raw);
    const before = [stranger, moved].map(({ mesh }, n) => {
      const id = testKey(`before ${n}`).id;
      return { id, addrs: mesh.addresses().map((addr) => addr.replace(mesh.id, id)) };
    });
    serveRevocations(moved.mesh, {
      page: () => {
        asks++;
        return { charters: [], revocations: [] };
      },
      evidence: () => [],
      checkpoint: () => undefined,
    });
    const book = await RevocationBook.open(project, joseVerifier);
    const asking = { project, artifact: null, bootstrap: [], controllers: before, book };
    expect(await askForRevocations({ ...asking, signal: AbortSignal.timeout(300_000) })).toBe(1);
    expect(asks).toBe(1);
    const tree = await moved.add('good');
    moved.bundles.set(tree, (await verdictOn(tree)).text);
    const asked = { ...(await options(tree)), controllers: before };
    expect(await fetchArtifact(asked)).toMatchObject({ controllerUsed: true, providers: [moved.mesh.id] });
  });

  it('is asked about again after a wait, until somebody answers or the caller ends', async () => {
    withLimits(artifactLimits, { againMs: 1_234 });
    const waits = waitsOf(1_234);
    const one = await peer();
    const stop = new AbortController();
    let asks = 0;
    one.mesh.handle(
      protocols.revocations,
      async (channel) => {
        if (++asks === 3) stop.abort(new Error('enough'));
        channel.abort(new Error('no answer'));
      },
      { maxInboundStreams: 8, maxMessageBytes: 10_000 },
    );
    const book = await RevocationBook.open(project, joseVerifier);
    const controllers = [{ id: one.mesh.id, addrs: one.mesh.addresses() }];
    const found = vi.spyOn(Object.getPrototypeOf(one.mesh), 'findProviders');
    onTestFinished(() => found.mockRestore());
    await expect(
      askForRevocations({ project, artifact: null, bootstrap: [], controllers, book, signal: stop.signal }),
    ).rejects.toThrow('enough');
    expect(waits.count).toBe(2);
    // Without an address of a mesh nobody else is looked for.
    expect(found).not.toHaveBeenCalled();
  });

  it('was made from what its evidence says, from level provisional on', async () => {
    const { second, tree } = await sides();
    expect(await fetchMade(tree, await options(tree, second), undefined)).toMatchObject({
      level: 'agreed',
      facts: { artifact: tree },
      index: undefined,
    });
    const liar = await peer();
    liar.bundles.set(tree, (await verdictOn(tree, { own: null, level: 'trusted' })).text);
    expect(await ended(options(tree, liar), (asked) => fetchMade(tree, asked, undefined))).toMatch(
      /^NOT_TRUSTED/,
    );
  });
});

describe('reports of a test', () => {
  const test = { job: { kind: 'test' } } as const;

  it.each<[string, Parameters<typeof verdictOn>[1], RegExp | undefined]>([
    ['that is trusted', test, undefined],
    ['that is agreed', { ...test, own: null, level: 'agreed' }, undefined],
    ['of a build', {}, /^REPORTS_OF_BUILD: /],
    ['with evidence that does not hold', { ...test, own: null, level: 'trusted' }, /^NOT_TRUSTED: /],
  ])('%s', async (_which, recipe, says) => {
    const one = await peer();
    const tree = await one.add('reports');
    const { run, text } = await verdictOn(tree, recipe);
    one.bundles.set(run, text);
    const at = options(tree, one);
    expect((await ended(at, (asked) => fetchReports({ ...asked, which: run }))) ?? 'fetched').toMatch(
      says ?? /^fetched$/,
    );
    if (says !== undefined) return;
    const { dest } = await at;
    expect(await readFile(join(dest, 'app'), 'utf8')).toBe('reports');
    // As an artifact they are refused.
    one.bundles.set(tree, text);
    expect(await ended(options(tree, one), fetchArtifact)).toMatch(/^ARTIFACT_OF_TEST/);
    expect(await ended(options(tree, one), (asked) => fetchMade(tree, asked, undefined))).toMatch(
      /^ARTIFACT_OF_TEST/,
    );
    // Evidence of another run than was asked for.
    const other = 'f'.repeat(64);
    one.bundles.set(other, text);
    expect(await ended(options(tree, one), (asked) => fetchReports({ ...asked, which: other }))).toMatch(
      /^REPORTS_NOT_FOUND: the peers that were asked have no evidence of f/,
    );
  });

  it('are asked for again while nobody has them, and that ends with the signal', async () => {
    withLimits(artifactLimits, { reportTriesMax: 3, reportRetryMs: 1_234 });
    const waits = waitsOf(1_234);
    const one = await peer();
    const tree = await one.add('reports');
    const { run, text } = await verdictOn(tree, test);
    const bare = await peer();
    bare.bundles.set(run, text);
    const asked = vi.spyOn(bare.store.blocks, 'asked');
    const fails = async () =>
      expect(await ended(options(tree, bare), (with_) => fetchReports({ ...with_, which: run }))).toMatch(
        /TRANSFER_BLOCK_MISSING/,
      );
    await fails();
    expect(waits.count).toBe(2);
    const ofThree = asked.mock.calls.length;
    withLimits(artifactLimits, { reportTriesMax: 1 });
    await fails();
    expect(asked.mock.calls.length - ofThree).toBe(ofThree / 3);
    const stop = new AbortController();
    asked.mockImplementation(() => stop.abort(new Error('enough')));
    const stopped = options(tree, bare).then((with_) => ({ ...with_, signal: stop.signal }));
    expect(await ended(stopped, (with_) => fetchReports({ ...with_, which: run }))).toMatch(/enough$/);
    withLimits(artifactLimits, { reportTriesMax: 3 });
    asked.mockReset();
    // They are there a moment later.
    asked.mockImplementationOnce(() => void bare.add('reports'));
    expect(
      await ended(options(tree, bare), (with_) => fetchReports({ ...with_, which: run })),
    ).toBeUndefined();
  });

  it('are none where it left no files, or operators did not agree', async () => {
    const one = await peer();
    const tree = await one.add('reports');
    const outcome = exit(null, 1);
    const runs = ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome }));
    const none = await verdictOn(tree, {
      ...test,
      runs,
      own: { operator: 'owner', slot: 'trusted', outcome },
    });
    const few = await verdictOn(tree, {
      ...test,
      runs: [{ operator: 'ada', outcome: { kind: 'exit', code: 0, artifact: tree } }],
      own: null,
    });
    for (const [{ run, text }, says] of [
      [none, /^REPORTS_NOT_FOUND: the test .* left no files/],
      [few, /^REPORTS_NOT_FOUND: operators did not agree/],
    ] as const) {
      one.bundles.clear();
      one.bundles.set(run, text);
      expect(await ended(options(tree, one), (asked) => fetchReports({ ...asked, which: run }))).toMatch(
        says,
      );
    }
  });
});

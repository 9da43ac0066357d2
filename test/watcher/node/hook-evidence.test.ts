import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { artifactLimits } from '../../../src/node/artifacts/limits.ts';
import { serveRevocations } from '../../../src/node/artifacts/revocations.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { encodeBundle, leaves as leafOf, signMessage } from '../../../src/protocol/documents/index.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import { logInMemory, type TakeOptions, takeTrusted } from '../../../src/watcher/node/hook-evidence.ts';
import { peer } from '../../store-node/node/support.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { at, makeProject, noteOf, project, root, trusted, witnessedBy } from '../../support/project.ts';
import { withLimits } from '../../support/with-limits.ts';
import { type Answers, answersOf, EvidenceDesk } from '../sessions/evidence-desk.ts';

/** A run with all its evidence at a peer, and the log as its controller answers. The clock stands where the verdict is decided. */
async function setting() {
  withLimits(artifactLimits, { againMs: 1 });
  const honest = await peer();
  const nothing = { page: () => ({ charters: [], revocations: [] }), evidence: () => [] };
  serveRevocations(honest.mesh, { ...nothing, checkpoint: () => undefined });
  const tree = await honest.add('good');
  const outcome = { kind: 'exit' as const, code: 0, artifact: tree };
  const made = await makeProject({
    runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, outcome })),
    own: { operator: 'owner', slot: 'trusted', outcome },
    facts: (valid) => ({ ...valid, log: tree }),
  });
  for (const which of [tree, made.request.id]) honest.bundles.set(which, encodeBundle(made.bundle));
  vi.useFakeTimers({ toFake: ['Date'], now: (at + 1_060) * 1000 });
  onTestFinished(() => void vi.useRealTimers());
  const controllers = [{ id: honest.mesh.id, addrs: honest.mesh.addresses() }];
  const membership = { bootstrap: honest.mesh.addresses(), controllers };
  const dir = await folder();
  const accepted: unknown[] = [];
  const take = (more: Partial<TakeOptions> = {}, answers: Answers = answersOf(made)) =>
    takeTrusted({
      home: { dir, membership: async () => membership } as never,
      project,
      dir,
      signal: AbortSignal.timeout(300_000),
      run: { run: made.request.id, ref: 'refs/heads/main', artifact: tree },
      accept: (facts) => void accepted.push(facts.request),
      log: { source: new EvidenceDesk(answers).source, copy: logInMemory() },
      ...more,
    });
  return { made, dir, tree, accepted, take };
}

describe('an artifact that a hook takes', () => {
  it('is on disk with its evidence, without permission to write', async () => {
    const { made, dir, accepted, take } = await setting();
    const taken = await take();
    expect(accepted).toEqual([made.request.id]);
    expect(taken).toMatchObject({ artifact: join(dir, 'artifact'), bundle: join(dir, 'bundle.json') });
    expect(taken.facts.request).toBe(made.request.id);
    expect(await readFile(join(taken.artifact, 'app'), 'utf8')).toBe('good');
    expect(await readFile(taken.bundle, 'utf8')).toBe(encodeBundle(made.bundle));
    for (const path of [taken.artifact, join(taken.artifact, 'app'), taken.bundle])
      expect((await stat(path)).mode & 0o222).toBe(0);
  });

  it('is not taken where the log revokes it once its files are here', async () => {
    const { made, dir, tree, take } = await setting();
    const what = { kind: 'artifact', id: tree } as const;
    const payload = { iss: root.id, project, what, since: 0, reason: 'broken', iat: at };
    const { raw, id } = await signMessage('revocation', payload, root.signer);
    const leaves = [...made.leaves, leafOf.revocation(id)];
    const note = await witnessedBy(await noteOf(new MerkleTree(leaves)), trusted, at + 1_060);
    const told = { charters: [made.charter.raw], revocations: [raw] };
    expect(await codeOf(() => take({}, { ...answersOf(made), leaves, note, told }))).toBe('ARTIFACT_REVOKED');
    expect(existsSync(join(dir, 'bundle.json'))).toBe(false);
  });

  it.each([
    [new DOMException('no', 'TimeoutError'), 'HOOK_TAKE_TIMEOUT'],
    [new QuorateError('HOME_UNREADABLE', 'no'), 'HOME_UNREADABLE'],
    [new TypeError('a mistake'), 'TypeError: a mistake'],
  ])('fails with the code of what went wrong: %s', async (error, code) => {
    const { take } = await setting();
    const home = { dir: await folder(), membership: () => Promise.reject(error) };
    expect(await codeOf(() => take({ home: home as never }))).toBe(code);
  });

  it('fails with the step of the evidence that does not hold', async () => {
    const { made, tree, take } = await setting();
    const run = { run: made.request.id, ref: 'refs/heads/other', artifact: tree };
    expect(await codeOf(() => take({ run }))).toBe('REF_MISMATCH');
  });
});

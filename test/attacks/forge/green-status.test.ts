import { describe, expect, it } from 'vitest';
import type { NodeKey } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import {
  type Bundle,
  filesOf,
  leaves as leafOf,
  makeVerdict,
  openStatement,
  type Revocation,
  signMessage,
  signStatement,
} from '../../../src/protocol/documents/index.ts';
import {
  addWitness,
  MerkleTree,
  withoutWitnesses,
  witnessCheckpoint,
} from '../../../src/protocol/transparency/index.ts';
import {
  at,
  controller,
  idp,
  makeGrant,
  makeProject,
  noteOf,
  type Project,
  type Recipe,
  revocationBy,
  root,
  testKey,
  trusted,
  workerKey,
} from '../../support/project.ts';
import {
  type Answers,
  answersOf,
  EvidenceDesk,
  saidTrustedRun,
} from '../../watcher/sessions/evidence-desk.ts';

/**
 * The controller lies to a watcher: a run which the watcher published is trusted, it says, and shows evidence for that.
 * In the control runs one guard is off, or the controller is honest, and the forge shows green.
 */
async function attack(
  { published, shown }: { published: Project; shown: Answers },
  off: string[] = [],
  /** The watcher's clock, in seconds since the epoch. */
  now = at + 1_060,
): Promise<string> {
  const desk = new EvidenceDesk(shown, { off }).published(published.request.id);
  desk.now = now;
  await desk.says(saidTrustedRun(published.request.id));
  const { state = 'none', says = '' } = desk.forge() ?? {};
  return state === 'success' ? 'green' : `${state}: ${says}`;
}

const saidOnly = (why: string) => `pending: the controller says: trusted; not verified: ${why}`;

describe('a controller that says that a run is trusted, and shows', () => {
  it('no evidence at all', async () => {
    const published = await makeProject();
    const bundle = () => {
      throw new QuorateError('BUNDLE_NOT_FOUND', 'no');
    };
    const shown = { ...answersOf(published), bundle };
    expect(await attack({ published, shown })).toBe(saidOnly('the controller shows no evidence'));
    // Control: the evidence of that run.
    expect(await attack({ published, shown: answersOf(published) })).toBe('green');
  });

  it.each<[string, (published: Project) => Promise<Project>]>([
    [
      'an older request of the same commit',
      () => makeProject({ request: (valid) => ({ ...valid, jti: 'A'.repeat(24), iat: valid.iat - 60 }) }),
    ],
    [
      'a run at another ref',
      () => makeProject({ request: (valid) => ({ ...valid, ref: 'refs/pull/1/head' }) }),
    ],
    [
      'a run of another commit',
      () => {
        const commit = 'd'.repeat(40);
        const url = 'https://git.example/app.git';
        return makeProject({
          job: {
            source: { url, commit, tree: 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi' },
          },
          request: (valid) => ({ ...valid, commit }),
        });
      },
    ],
    ['a run of another job', () => makeProject({ job: { name: 'other' } })],
  ])('the evidence of %s', async (_what, make) => {
    const published = await makeProject();
    const shown = answersOf(await make(published));
    expect(await attack({ published, shown })).toBe(saidOnly('the evidence that is shown is of another run'));
    expect(await attack({ published, shown }, ['RUN_MISMATCH'])).toBe('green');
  });

  it('evidence that comes to agreed only', async () => {
    const published = await makeProject({ own: null, level: 'agreed' });
    const note = await witnessedBy(published.bundle.checkpoint, trusted);
    const shown = { ...answersOf(published), note };
    expect(await attack({ published, shown })).toBe(saidOnly('its evidence comes to less'));
    expect(await attack({ published, shown }, ['RUN_NOT_TRUSTED'])).toBe('green');
  });
});

/** A line of this key under a checkpoint, this many seconds after the verdict. */
async function witnessedBy(note: string, key: NodeKey, seconds = 50): Promise<string> {
  return addWitness(note, await witnessCheckpoint(note, key.signer, at + 1_000 + seconds));
}

describe('a controller that shows no log of now', () => {
  const stale = saidOnly('the log has no recent line of a trusted worker, or of enough operators');

  it('but one that the trusted worker signed over ten minutes ago, or for the future', async () => {
    const published = await makeProject({ witnessedAt: at + 1_010 });
    const shown = answersOf(published);
    for (const seconds of [-61, 601])
      expect(await attack({ published, shown }, [], at + 1_010 + seconds)).toBe(stale);
    for (const seconds of [-60, 600])
      expect(await attack({ published, shown }, [], at + 1_010 + seconds)).toBe('green');
    expect(await attack({ published, shown }, ['CHECKPOINT_STALE'], at + 1_010 + 601)).toBe('green');
  });

  it('but one that workers signed, or a trusted worker of others, or nobody', async () => {
    const published = await makeProject();
    const shown = answersOf(published);
    const now = at + 5_000;
    const bare = withoutWitnesses(shown.note);
    expect(await attack({ published, shown: { ...shown, note: bare } }, [], now)).toBe(stale);
    for (const key of [workerKey('ada'), testKey('another trusted worker')]) {
      const note = await witnessedBy(bare, key, 4_000);
      expect(await attack({ published, shown: { ...shown, note } }, [], now)).toBe(stale);
    }
    // Control.
    const note = await witnessedBy(bare, trusted, 4_000);
    expect(await attack({ published, shown: { ...shown, note } }, [], now)).toBe('green');
  });

  it('but leaves that are not those under it', async () => {
    const published = await makeProject();
    const leaves = published.leaves.map((leaf, n) => (n === 1 ? leafOf.charter('9'.repeat(64)) : leaf));
    const desk = new EvidenceDesk({ ...answersOf(published), leaves }).published(published.request.id);
    await desk.says(saidTrustedRun(published.request.id));
    expect(desk.forge()).toMatchObject({ says: expect.stringContaining('LOG_LEAVES_MISMATCH') });
    // The false leaves are dropped: the next look starts from those that hold.
    expect(desk.kept).toEqual([]);
    desk.answers.leaves = published.leaves;
    await desk.look(60);
    expect(desk.forge()).toMatchObject({ state: 'success' });
    expect(desk.kept).toEqual(published.leaves);
  });

  it('but one of before the charter that left the trusted worker out which signs it', async () => {
    const published = await makeProject();
    const next = testKey('the next trusted worker');
    const later = await makeProject({
      charter: (valid) => ({ ...valid, epoch: valid.epoch + 1, trusted: [next.id] }),
    });
    const leaves = [...published.leaves, leafOf.charter(later.charter.id)];
    const tree = new MerkleTree(leaves);
    const note = await witnessedBy(await noteOf(tree), next);
    const look = async (...shown: Answers[]) => {
      const desk = new EvidenceDesk(answersOf(published)).published(published.request.id);
      for (const answers of shown) {
        desk.answers = answers;
        await desk.verifier.learn(desk.source);
      }
      desk.answers = answersOf(published);
      await desk.says(saidTrustedRun(published.request.id));
      return desk.forge();
    };
    const newer = { ...answersOf(published), note, leaves, charter: later.charter.raw };
    expect(await look(newer)).toMatchObject({
      state: 'pending',
      says: expect.stringContaining('CHARTER_NOT_IN_FORCE'),
    });
    // Control: to a watcher that has not seen the newer one.
    expect(await look()).toMatchObject({ state: 'success' });
  });

  it('in a project without a trusted worker: one that too few operators signed', async () => {
    const recipe: Recipe = {
      own: null,
      policy: { agree: 2, of: 3, cosign: 'none', rounds: 2 },
      charter: (valid) => ({ ...valid, trusted: [] }),
      witnessedAt: at + 1_010,
    };
    const published = await makeProject(recipe);
    const shown = answersOf(published);
    expect(await attack({ published, shown })).toBe('green');
    const bare = withoutWitnesses(shown.note);
    const later = async (...keys: [NodeKey, string, NodeKey?][]) => {
      let note = bare;
      const grants: string[] = [];
      for (const [key, operator, by = idp] of keys) {
        note = await witnessedBy(note, key, 800);
        const grant = { ...makeGrant(key, operator, 'worker'), iss: by.id };
        grants.push((await signMessage('grant', grant, by.signer)).raw);
      }
      const desk = new EvidenceDesk({ ...shown, note, grants }).published(published.request.id);
      desk.now = at + 1_810;
      await desk.says(saidTrustedRun(published.request.id));
      return desk.forge()?.state;
    };
    const [ada, bob] = [workerKey('ada'), workerKey('bob')];
    expect(await later()).toBe('pending');
    expect(await later([ada, 'ada'])).toBe('pending');
    // Two machines of one operator, and one whom the controller invented.
    expect(await later([ada, 'ada'], [testKey('dora 1'), 'ada'])).toBe('pending');
    expect(await later([ada, 'ada'], [testKey('dora 1'), 'dora', testKey('mallory')])).toBe('pending');
    expect(await later([ada, 'ada'], [bob, 'bob'])).toBe('success');
    // A grant that does not hold keeps those that do from nothing.
    expect(await later([testKey('dora 1'), 'dora', testKey('mallory')], [ada, 'ada'], [bob, 'bob'])).toBe(
      'success',
    );
  });
});

/** Evidence with a verdict on the request of one project whose outcome is that of another one, in a log of its own. */
async function madeUpFrom({ bundle, leaves, jobId }: Project, other: Project): Promise<Bundle> {
  const { payload, id } = await openStatement('verdict', bundle.verdict, joseVerifier);
  const { payload: about } = await openStatement('verdict', other.bundle.verdict, joseVerifier);
  const { outcome } = about.predicate.quorate_verdict;
  const made = makeVerdict({
    controller: controller.id,
    time: payload.predicate.timeVerified,
    files: filesOf(about),
    facts: { ...payload.predicate.quorate_verdict, outcome },
  });
  const verdict = await signStatement('verdict', made, controller.signer);
  const before = leafOf.verdict(id, jobId);
  const after = leafOf.verdict(verdict.id, jobId);
  const tree = new MerkleTree(leaves.map((leaf) => (leaf === before ? after : leaf)));
  return {
    ...bundle,
    verdict: verdict.raw,
    checkpoint: await noteOf(tree),
    entries: bundle.entries.map(({ leaf, index }) => ({
      leaf: leaf === before ? after : leaf,
      index,
      path: tree.inclusion(index),
    })),
  };
}

describe('a verdict that was revoked', () => {
  const revoke = (by: NodeKey, what: Revocation['what'], since = 0) =>
    revocationBy(by, what, { since, reason: 'it steals' });

  /** The evidence of a run, and a log that goes on with the revocation of its artifact. */
  async function revoked() {
    const published = await makeProject();
    const revocation = await revoke(root, { kind: 'artifact', id: published.artifact ?? '' });
    const leaves = [...published.leaves, leafOf.revocation(revocation.id)];
    const tree = new MerkleTree(leaves);
    const note = await witnessedBy(await noteOf(tree), trusted);
    return { published, revocation, shown: { ...answersOf(published), note, leaves } };
  }

  it('is not shown as green where the revocation is kept back', async () => {
    const { published, revocation, shown } = await revoked();
    expect(await attack({ published, shown })).toBe(saidOnly('the log holds a revocation that is not shown'));
    expect(await attack({ published, shown }, ['REVOCATION_WITHHELD'])).toBe('green');
    // Shown, it is red, and no word of the controller.
    const told = { charters: [], revocations: [revocation.raw] };
    expect(await attack({ published, shown: { ...shown, told } })).toMatch(/^failure: revoked: .*it steals/);
  });

  it('is not shown as green with an older log that ends before it, once that is not of now any more', async () => {
    const { published, shown } = await revoked();
    const old = { ...shown, note: published.bundle.checkpoint, leaves: published.leaves };
    const desk = new EvidenceDesk(old).published(published.request.id);
    desk.now = at + 1_010 + 601;
    await desk.says(saidTrustedRun(published.request.id));
    expect(desk.forge()).toMatchObject({ state: 'pending' });
  });

  it('turns red or pending once it is learned, also where the controller goes silent', async () => {
    const { published, revocation, shown } = await revoked();
    const desk = new EvidenceDesk(answersOf(published)).published(published.request.id);
    await desk.says(saidTrustedRun(published.request.id));
    expect(desk.forge()).toMatchObject({ state: 'success' });
    desk.answers = { ...shown, told: { charters: [], revocations: [revocation.raw] } };
    await desk.look(30);
    // Revocations are asked for once a minute.
    expect(desk.forge()).toBeUndefined();
    await desk.look(60);
    expect(desk.forge()).toMatchObject({ state: 'failure', says: expect.stringMatching(/^revoked: /) });

    // Members tell of it; the controller shows no log of now.
    const old = new EvidenceDesk(answersOf(published)).published(published.request.id);
    await old.says(saidTrustedRun(published.request.id));
    expect(old.forge()).toMatchObject({ state: 'success' });
    await (await old.book()).learn({ charters: [], revocations: [revocation.raw] });
    await old.look(3_600);
    expect(old.forge()).toMatchObject({ state: 'failure', says: expect.stringMatching(/^revoked: /) });

    // Members tell of it; the controller shows neither the log nor the evidence any more.
    const silent = new EvidenceDesk(answersOf(published)).published(published.request.id);
    await silent.says(saidTrustedRun(published.request.id));
    expect(silent.forge()).toMatchObject({ state: 'success' });
    await (await silent.book()).learn({ charters: [], revocations: [revocation.raw] });
    silent.answers.bundle = () => {
      throw new QuorateError('BUNDLE_NOT_FOUND', 'no');
    };
    await silent.look(3_600);
    expect(silent.forge()).toMatchObject({ state: 'pending' });
  });

  it('is not taken for that of a run which the controller shows it for, or makes it up for', async () => {
    const published = await makeProject();
    const bad = await makeProject({
      runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds: 'bad' })),
      own: { operator: 'owner', slot: 'trusted', builds: 'bad' },
      request: (valid) => ({ ...valid, jti: 'A'.repeat(24), iat: valid.iat - 60 }),
    });
    const revocation = await revoke(root, { kind: 'artifact', id: bad.artifact ?? '' });
    const madeUp = await madeUpFrom(published, bad);
    const shown = async (bundle: Bundle, off: string[] = []) => {
      const desk = new EvidenceDesk({ ...answersOf(published), bundle: () => bundle }, { off });
      desk.published(published.request.id);
      await (await desk.book()).learn({ charters: [], revocations: [revocation.raw] });
      await desk.says(saidTrustedRun(published.request.id));
      return desk;
    };
    const other = await shown(bad.bundle);
    expect(other.forge()?.says).toBe(
      'the controller says: trusted; not verified: the evidence that is shown is of another run',
    );
    // Control.
    expect((await shown(bad.bundle, ['RUN_MISMATCH'])).forge()?.says).toMatch(/^revoked: /);
    // The controller's key can sign a verdict that is void. Red until valid evidence is shown.
    const made = await shown(madeUp);
    expect(made.forge()).toMatchObject({ state: 'failure', says: expect.stringMatching(/^revoked: /) });
    made.answers.bundle = () => {
      throw new QuorateError('BUNDLE_NOT_FOUND', 'no');
    };
    await made.look(60);
    expect(made.forge()).toBeUndefined();
    made.answers = answersOf(published);
    await made.look(300);
    expect(made.forge()).toMatchObject({ state: 'success' });
  });

  // A thief of the key signs the log as it was before, today: what was revoked since would stay hidden for ever.
  it.each([
    ['from the first leaf on', () => 0],
    ['from a leaf on that is after the log which is shown', ({ leaves }: Project) => leaves.length],
  ])('of the trusted worker whose line is shown, %s: it does not count', async (_, since) => {
    const published = await makeProject({
      policy: { agree: 2, of: 3, cosign: 'none', rounds: 2 },
      own: null,
    });
    const shown = {
      ...answersOf(published),
      note: await witnessedBy(published.bundle.checkpoint, trusted),
    };
    const desk = new EvidenceDesk(shown).published(published.request.id);
    const { raw } = await revoke(root, { kind: 'key', id: trusted.id }, since(published));
    await (await desk.book()).learn({ charters: [], revocations: [raw] });
    await desk.says(saidTrustedRun(published.request.id));
    expect(desk.forge()).toMatchObject({ state: 'pending' });
    // Control.
    expect(await attack({ published, shown })).toBe('green');
  });

  it('by keys of operators whose lines are shown, in a project without a trusted worker: they do not count', async () => {
    const published = await makeProject({
      own: null,
      policy: { agree: 2, of: 3, cosign: 'none', rounds: 2 },
      witnessedAt: at + 1_010,
      charter: (valid) => ({ ...valid, trusted: [] }),
    });
    const desk = new EvidenceDesk(answersOf(published)).published(published.request.id);
    for (const id of ['ada', 'bob']) {
      const { raw } = await revoke(root, { kind: 'operator', id }, published.leaves.length);
      await (await desk.book()).learn({ charters: [], revocations: [raw] });
    }
    await desk.says(saidTrustedRun(published.request.id));
    expect(desk.forge()).toMatchObject({ state: 'pending' });
    // Control.
    expect(await attack({ published, shown: answersOf(published) })).toBe('green');
  });
});

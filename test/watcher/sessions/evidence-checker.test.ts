import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { leaves as leafOf, signMessage } from '../../../src/protocol/documents/index.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import {
  EvidenceRefused,
  type PublishedAs,
  type RunSource,
  type RunVerifier,
} from '../../../src/protocol/sessions/run-verifier.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import { watchLimits } from '../../../src/watcher/machine/limits.ts';
import type { Proof } from '../../../src/watcher/machine/status.ts';
import {
  EvidenceChecker,
  saidTrusted,
  type WantedProof,
} from '../../../src/watcher/sessions/evidence-checker.ts';
import { watchSessionLimits } from '../../../src/watcher/sessions/limits.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import {
  at,
  commit,
  makeCharter,
  makeProject,
  noteOf,
  repo,
  revocationBy,
  root,
  testKey,
  trusted,
  witnessedBy,
} from '../../support/project.ts';
import { Bench, commit as commitOf } from '../watch-support.ts';
import { answersOf, EvidenceDesk, saidTrustedRun } from './evidence-desk.ts';

describe('the evidence of a run', () => {
  it.each<keyof PublishedAs>(['request', 'repo', 'ref', 'commit', 'job'])(
    'is that of the %s that was published',
    async (field) => {
      const made = await makeProject();
      const desk = new EvidenceDesk(answersOf(made));
      const published = { request: made.request.id, repo, ref: 'refs/heads/main', commit, job: 'app' };
      const verify = (as: PublishedAs) => codeOf(() => desk.verifier.verify(desk.source, as));
      expect(await verify(published)).toBeUndefined();
      expect(await verify({ ...published, [field]: 'another' })).toBe('RUN_MISMATCH');
    },
  );

  it('is not looked for in a log that would not fit into memory', async () => {
    const made = await makeProject();
    const size = sessionLimits.logLeavesMax + 1;
    const bare = await noteOf({ size, root: () => 'ab'.repeat(32) });
    const note = await witnessedBy(bare, trusted, at + 1_050);
    const desk = new EvidenceDesk({ ...answersOf(made), note }).published(made.request.id);
    await desk.says(saidTrustedRun(made.request.id));
    expect(desk.forge()?.says).toContain('LOG_TOO_LARGE');
    expect(desk.asked).not.toContain('leaves');
  });

  it('is looked for in one of as many leaves as are read, and not under what is no checkpoint', async () => {
    const made = await makeProject();
    const bare = await noteOf({ size: sessionLimits.logLeavesMax, root: () => 'ab'.repeat(32) });
    const published = { request: made.request.id, repo, ref: 'refs/heads/main', commit, job: 'app' };
    const desk = new EvidenceDesk({
      ...answersOf(made),
      note: await witnessedBy(bare, trusted, at + 1_050),
    });
    expect(await codeOf(() => desk.verifier.verify(desk.source, published))).not.toBe('LOG_TOO_LARGE');
    expect(desk.asked).toContain('leaves');
    const none = new EvidenceDesk({ ...answersOf(made), note: 'nothing' });
    expect(await codeOf(() => none.verifier.verify(none.source, published))).toBe('CHECKPOINT_MALFORMED');
  });

  it('counts no line of a trusted worker whom a newer charter in the log does not name', async () => {
    const made = await makeProject();
    const before = testKey('the trusted worker of before');
    const sign = (trustedKey: string, epoch: number) =>
      signMessage('charter', { ...makeCharter({ trusted: [trustedKey] }), epoch }, root.signer);
    const [older, newer] = [await sign(before.id, 2), await sign(trusted.id, 3)];
    const leaves = [...made.leaves, leafOf.charter(older.id), leafOf.charter(newer.id)];
    const bare = await noteOf(new MerkleTree(leaves));
    const signedBy = (key: typeof before) => witnessedBy(bare, key, at + 5_000);
    const says = async (charter: string, note: string, off: string[] = []) => {
      const desk = new EvidenceDesk({ ...answersOf(made), leaves, charter, note }, { off });
      desk.published(made.request.id).now = at + 5_000;
      await desk.says(saidTrustedRun(made.request.id));
      return desk.forge();
    };
    const old = await signedBy(before);
    expect(await says(newer.raw, old)).toMatchObject({ state: 'pending' });
    expect((await says(older.raw, old))?.says).toContain('CHARTER_NOT_IN_FORCE');
    expect(await says(older.raw, old, ['CHARTER_NOT_IN_FORCE'])).toMatchObject({ state: 'success' });
    expect(await says(newer.raw, await signedBy(trusted))).toMatchObject({ state: 'success' });
  });
});

describe('the list of revocations that is known when evidence is verified', () => {
  const publishedAs = (request: string): PublishedAs => ({
    request,
    repo,
    ref: 'refs/heads/main',
    commit,
    job: 'app',
  });
  const revoked = async (what: Parameters<typeof revocationBy>[1]) => ({
    charters: [],
    revocations: [(await revocationBy(root, what)).raw],
  });

  it('voids what it says, also where the controller keeps everything else back', async () => {
    const made = await makeProject();
    const desk = new EvidenceDesk(answersOf(made));
    const gone = new QuorateError('HOME_UNREADABLE' as never, 'it is gone');
    const source = { ...desk.source, charter: () => Promise.reject(gone) };
    const verify = () => desk.verifier.verify(source, publishedAs(made.request.id));
    await expect(verify()).rejects.toBe(gone);
    await (await desk.book()).learn(await revoked({ kind: 'operator', id: 'nobody' }));
    await expect(verify()).rejects.toBe(gone);
    // Nor does evidence that does not hold: it is looked at again later.
    desk.answers.bundle = () => ({ ...made.bundle, charter: 'none' });
    await expect(verify()).rejects.toBe(gone);
    desk.answers.bundle = () => made.bundle;
    await (await desk.book()).learn(await revoked({ kind: 'artifact', id: made.artifact ?? '' }));
    await expect(verify()).rejects.toMatchObject({ code: 'ARTIFACT_REVOKED' });
    await expect(verify()).rejects.toBeInstanceOf(EvidenceRefused);
  });

  it('is asked for where the log holds more, up to what others signed not long ago, and kept', async () => {
    const made = await makeProject();
    const desk = new EvidenceDesk(answersOf(made));
    const { known } = await desk.verifier.verify(desk.source, publishedAs(made.request.id));
    expect(desk.asked).toEqual(['bundle', 'charter', 'checkpoint', 'leaves']);
    expect([desk.kept, await desk.verifier.known()]).toEqual([made.leaves, known]);
    // A checkpoint whose newest signature is over 10 s old is refused before its leaves are asked for.
    const later = new EvidenceDesk(answersOf(made));
    later.now += 10_000;
    expect(await codeOf(() => later.verifier.learn(later.source))).toBe('CHECKPOINT_STALE');
    expect(later.asked).toEqual(['charter', 'checkpoint']);
    // The bundle's is as good as another, but only that of now is kept.
    const leaves = [...made.leaves, leafOf.lost(made.leaves.length)];
    const note = await noteOf(new MerkleTree(leaves));
    const both = new EvidenceDesk({ ...answersOf(made), leaves, note });
    await both.verifier.learn(both.source, made.bundle);
    expect(both.kept).toEqual(made.leaves);
    expect(await codeOf(() => both.verifier.learn(both.source))).toBe('CHECKPOINT_STALE');
  });

  it('has a name that does not depend on the order in which it was learned', async () => {
    const made = await makeProject();
    const lists = [
      await revoked({ kind: 'operator', id: 'one' }),
      await revoked({ kind: 'operator', id: 'two' }),
    ];
    const names: string[] = [];
    for (const order of [[], lists.slice(0, 1), lists, lists.toReversed()]) {
      const desk = new EvidenceDesk(answersOf(made));
      for (const list of order) await (await desk.book()).learn(list);
      names.push(await desk.verifier.known());
    }
    expect(names[3]).toBe(names[2]);
    expect(new Set(names).size).toBe(3);
  });

  it('counts no line of a trusted worker whose key is revoked, though nothing else shows that', async () => {
    const made = await makeProject();
    const desk = new EvidenceDesk(answersOf(made));
    const learn = () => codeOf(() => desk.verifier.learn(desk.source));
    expect(await learn()).toBeUndefined();
    await (await desk.book()).learn(await revoked({ kind: 'key', id: trusted.id }));
    expect(await learn()).toBe('CHECKPOINT_STALE');
  });
});

describe('the looks for evidence', () => {
  /** A checker whose verifier answers as it is told, and a steady clock in the tester's hand. */
  class Looks {
    answer: (run: string) => Proof | Error = () => ({ kind: 'trusted', cosigned: true, known: this.known });
    known = 'k1';
    ms = 0;
    readonly tried: string[] = [];
    learned = 0;
    cosigners: string[] = [trusted.id];
    learning: () => Promise<void> = async () => {};
    readonly proofs = new Map<string, Proof>();
    readonly checker = new EvidenceChecker({
      steady: () => this.ms,
      found: (run, proof) => void this.proofs.set(run, proof),
      verifier: {
        verify: async (_: RunSource, { request }: PublishedAs) => {
          this.tried.push(request);
          const answer = this.answer(request);
          if (answer instanceof Error) throw answer;
          return { facts: { cosigners: this.cosigners }, known: this.known };
        },
        learn: () => {
          this.learned++;
          return this.learning();
        },
        known: async () => this.known,
      } as unknown as RunVerifier,
    });

    wanted(count: number): WantedProof[] {
      return Array.from({ length: count }, (_, n) => ({
        published: { request: `run ${n}`, repo, ref: 'refs/heads/main', commit, job: 'app' },
        before: this.proofs.get(`run ${n}`),
      }));
    }

    async look(count: number): Promise<string[]> {
      const before = this.tried.length;
      await this.checker.look({} as RunSource, this.wanted(count));
      return this.tried.slice(before);
    }
  }
  const lacking = new QuorateError('BUNDLE_NOT_FOUND', 'no');

  it('get a bounded number each, those that were tried least first', async () => {
    const looks = new Looks();
    const max = watchSessionLimits.proofsAtOnceMax;
    looks.answer = () => lacking;
    const first = await looks.look(max + 3);
    expect(first).toHaveLength(max);
    expect(await looks.look(max + 3)).toEqual([`run ${max}`, `run ${max + 1}`, `run ${max + 2}`]);
    looks.ms += watchLimits.retryMsMax;
    expect(await looks.look(max + 4)).toContain(`run ${max + 3}`);
  });

  it('try what is kept back ever more slowly, and for as long as it is said to be trusted', async () => {
    const looks = new Looks();
    looks.answer = () => lacking;
    const waits: number[] = [];
    for (let tries = 0, last = 0; tries < 12; looks.ms += 1_000)
      if ((await looks.look(1)).length > 0) {
        waits.push(looks.ms - last);
        last = looks.ms;
        tries++;
      }
    expect(waits.slice(1, 4)).toEqual([5_000, 10_000, 20_000]);
    expect(Math.max(...waits)).toBe(watchLimits.retryMsMax);
    looks.ms += watchLimits.retryMsMax;
    looks.answer = () => ({ kind: 'trusted', cosigned: true, known: '' });
    await looks.look(1);
    expect(looks.proofs.get('run 0')).toEqual({ kind: 'trusted', cosigned: true, known: 'k1' });
    expect(await looks.look(1)).toEqual([]);
  });

  it('learn of revocations once a minute while something is green, and verify it again once others are known', async () => {
    const looks = new Looks();
    expect(await looks.look(2)).toHaveLength(2);
    looks.ms += watchSessionLimits.learnMs - 1;
    await looks.look(2);
    expect(looks.learned).toBe(0);
    looks.ms += 1;
    expect(await looks.look(2)).toEqual([]);
    expect([await looks.look(2), looks.learned]).toEqual([[], 1]);
    looks.ms += watchSessionLimits.learnMs;
    looks.known = 'k2';
    expect(await looks.look(2)).toHaveLength(2);
    expect(looks.proofs.get('run 1')).toMatchObject({ known: 'k2' });
  });

  it('end where the connection fails, and take nothing away but what was verified under other revocations', async () => {
    const looks = new Looks();
    looks.answer = () => new QuorateError('MESH_RESET', 'no');
    expect(await codeOf(() => looks.look(2))).toBe('MESH_RESET');
    expect(looks.tried).toHaveLength(1);
    expect(looks.proofs.size).toBe(0);
    looks.proofs.set('run 0', { kind: 'trusted', cosigned: true, known: 'k0' });
    looks.ms += watchLimits.retryMsMax;
    expect(await codeOf(() => looks.look(1))).toBe('MESH_RESET');
    expect(looks.proofs.get('run 0')).toEqual({ kind: 'missing', code: 'MESH_RESET' });
  });

  it('end the watcher where its own disk fails', async () => {
    const looks = new Looks();
    looks.answer = () => new QuorateError('HOME_UNWRITABLE', 'no');
    expect(await codeOf(() => looks.look(1))).toBe('HOME_UNWRITABLE');
    expect(looks.proofs.size).toBe(0);
  });

  it('say whether somebody co-signed', async () => {
    const looks = new Looks();
    await looks.look(1);
    looks.cosigners = [];
    await looks.look(2);
    expect([...looks.proofs.values()]).toMatchObject([{ cosigned: true }, { cosigned: false }]);
  });

  it('keep earlier results where no revocations are told, and end where they cannot be kept', async () => {
    const looks = new Looks();
    await looks.look(1);
    looks.ms += watchSessionLimits.learnMs;
    looks.learning = () => Promise.reject(new QuorateError('CONTROLLER_UNREACHABLE', 'no'));
    expect([await looks.look(1), looks.learned]).toEqual([[], 1]);
    for (const code of ['HOME_UNWRITABLE', 'JOURNAL_BUSY'] as const) {
      looks.ms += watchSessionLimits.learnMs;
      looks.learning = () => Promise.reject(new QuorateError(code, 'no'));
      expect(await codeOf(() => looks.look(1))).toBe(code);
    }
    expect(looks.proofs.get('run 0')).toMatchObject({ kind: 'trusted' });
  });

  it('forget the tries of a run that is not said to be trusted any more, and those before it was verified', async () => {
    const looks = new Looks();
    looks.answer = () => lacking;
    await looks.look(1);
    expect(await looks.look(1)).toEqual([]);
    await looks.look(0);
    expect(await looks.look(1)).toEqual(['run 0']);
    looks.ms += 5_000;
    await looks.look(1);
    looks.ms += 10_000;
    looks.answer = () => ({ kind: 'trusted', cosigned: true, known: '' });
    expect(await looks.look(1)).toEqual(['run 0']);
    [looks.known, looks.answer] = ['k2', () => lacking];
    looks.ms += watchSessionLimits.learnMs;
    await looks.look(1);
    looks.ms += 5_000;
    expect(await looks.look(1), 'after the first wait again').toEqual(['run 0']);
  });

  it('verify what is green again as soon as another run was verified under other revocations', async () => {
    const looks = new Looks();
    await looks.look(1);
    looks.known = 'k2';
    expect(await looks.look(2)).toEqual(['run 1']);
    expect(await looks.look(2)).toEqual(['run 0']);
  });

  it('leave what is revoked as it is while its evidence is kept back under the same revocations', async () => {
    const looks = new Looks();
    const revoked: Proof = { kind: 'revoked', says: 'broken', known: 'k1' };
    looks.proofs.set('run 0', revoked);
    looks.answer = () => lacking;
    await looks.look(1);
    expect(looks.proofs.get('run 0')).toEqual(revoked);
    looks.known = 'k2';
    looks.ms += watchLimits.retryMsMax;
    await looks.look(1);
    expect(looks.proofs.get('run 0')).toEqual({ kind: 'missing', code: 'BUNDLE_NOT_FOUND' });
  });

  it('are of the runs that are said to be trusted', () => {
    const bench = new Bench().refs({ 'refs/heads/main': 1 }, true).push('refs/heads/main', 2);
    bench.published(bench.orders()[0] as never, 'a', 'b', 'c');
    const stands = [saidTrustedRun('a'), { run: 'b', state: 'building', level: null }];
    bench.say({ kind: 'stands', stands });
    const published = (run: string) => ({
      request: run,
      repo: 'git://127.0.0.1/tool',
      ref: 'refs/heads/main',
      commit: commitOf(2),
      job: run,
    });
    expect(saidTrusted(bench.machine.state)).toEqual([{ published: published('a'), before: undefined }]);
  });
});

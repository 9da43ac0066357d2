import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { isoTime } from '../../../src/protocol/base/time.ts';
import {
  type Bundle,
  claimedStatementId,
  leaves as leafOf,
  makeVerdict,
  openStatement,
  signStatement,
} from '../../../src/protocol/documents/index.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import { LogView, type VerifiedFacts } from '../../../src/protocol/trust/index.ts';
import { Ledger } from '../../../src/watcher/machine/hook-ledger.ts';
import { parseRefPattern } from '../../../src/watcher/machine/hook-refs.ts';
import { TrustedHook } from '../../../src/watcher/machine/trusted-hook.ts';
import { makeAnswer } from '../../support/answers.ts';
import * as them from '../../support/project.ts';
import { verifyWithout } from '../trust/attack.ts';

/**
 * With the keys of controller and log an attacker gives an old request a new verdict, on evidence that is there, and with it a later place in the
 * log. A hook that ordered by that place would publish the old release, and refuse the next honest one.
 */

/** After all of these. */
const now = (them.at + 86_400) * 1000;
const main = { ref: 'refs/heads/main' };

function release(n: number, after?: them.Project): Promise<them.Project> {
  const commit = String.fromCharCode(96 + n).repeat(40);
  const builds = `release ${n}`;
  return them.makeProject({
    runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds })),
    own: { operator: 'owner', slot: 'trusted', builds },
    job: { source: { ...them.makeJob().source, commit } },
    request: (valid) => ({ ...valid, ...main, commit, iat: valid.iat + n, jti: them.nonceOf(builds) }),
    ...(after !== undefined && { after }),
  });
}

/** The old request, with a second verdict that rests on its first one. */
async function selfAnswer(old: them.Project, before: readonly string[]) {
  const { payload } = await openStatement('verdict', old.bundle.verdict, joseVerifier);
  const { quorate_verdict: facts } = payload.predicate;
  const earlier = { request: old.request.id, verdict: claimedStatementId(old.bundle.verdict) ?? '' };
  const made = makeVerdict({
    controller: them.controller.id,
    time: isoTime((them.at + 1500) * 1000),
    files: [],
    facts: { ...facts, receipts: [], earlier },
  });
  const verdict = await signStatement('verdict', made, them.controller.signer);
  const leaf = leafOf.verdict(verdict.id, old.jobId);
  const lines = [...before, ...Array.from({ length: 1000 }, (_, n) => `junk ${n}`), leaf];
  const tree = new MerkleTree(lines);
  const index = lines.length - 1;
  const { inputs = [], ...own } = old.bundle;
  const bundle: Bundle = {
    ...own,
    offers: [],
    receipts: [],
    verdict: verdict.raw,
    inputs: [own, ...inputs],
    checkpoint: await them.noteOf(tree),
    entries: [{ leaf, index, path: tree.inclusion(index) }],
  };
  return { bundle, lines };
}

async function factsIn(bundle: Bundle, off: readonly string[] = []): Promise<VerifiedFacts> {
  const { ok, level, facts, code } = await verifyWithout(off, bundle, { ref: 'main' });
  if (!ok || level !== 'trusted' || facts === null) throw new Error(`not trusted: ${code}`);
  return facts;
}

/** A hook that ran for the newer of two releases. */
async function deployed() {
  const old = await release(1);
  const newer = await release(2, old);
  const ledger = new Ledger();
  const hook = new TrustedHook({ refs: [parseRefPattern('main')], jobs: [], uncosigned: false }, ledger);
  const show = (facts: VerifiedFacts) => {
    const { request: run, repo, ref, name } = facts;
    const event = hook.verified({ run, repo, ref, name }, facts, now);
    ledger.apply(event, now);
    return event.kind === 'refused' ? event.code : event.kind;
  };
  expect(show(await factsIn(newer.bundle))).toBe('started');
  return { old, newer, show };
}

describe('a controller that gives an old request a new place in the log', () => {
  it('by a verdict that rests on its own first one: it is no evidence for itself', async () => {
    const { old, newer, show } = await deployed();
    const { bundle, lines } = await selfAnswer(old, newer.leaves);
    expect((await verifyWithout([], bundle)).code).toBe('EARLIER_OWN_REQUEST');
    const off = ['EARLIER_OWN_REQUEST'];
    const forged = await factsIn(bundle, off);
    expect(forged).toMatchObject({ request: old.request.id, index: lines.length - 1 });
    // A reader of the leaves, such as a trusted worker that is asked to sign, sees its rounds too.
    expect((await verifyWithout(off, bundle, { log: LogView.of(lines) })).code).toBe('OFFER_DROPPED');
    // A hook cannot order runs by it either.
    expect(show(forged)).toBe('HOOK_PLACE_UNSIGNED');
  });

  it('by an answer from another request of the same job: only the controller says where that stands', async () => {
    const { old, newer, show } = await deployed();
    const { bundle } = await makeAnswer({
      from: { ...old, leaves: newer.leaves },
      job: { source: { ...them.makeJob().source, commit: 'a'.repeat(40) } },
      request: (valid) => ({ ...valid, ...main, commit: 'a'.repeat(40), iat: them.at }),
    });
    const forged = await factsIn(bundle);
    expect(forged).toMatchObject({ place: 'controller', index: newer.leaves.length });
    expect(show(forged)).toBe('HOOK_PLACE_UNSIGNED');
    // Were its place believed, the time at which its publisher asked would say that it is older.
    expect(show({ ...forged, place: 'cosigned' })).toBe('HOOK_OLDER');
    expect(show({ ...forged, place: 'cosigned', requested: isoTime(now) })).toBe('started');
    const next = await release(3, newer);
    // That is the harm: the command ran for the old one, and will not for the next.
    expect(show(await factsIn(next.bundle))).toBe('HOOK_OLDER');
  });

  it('and the next honest release is published', async () => {
    const { newer, show } = await deployed();
    expect(show(await factsIn((await release(3, newer)).bundle))).toBe('started');
  });

  it('by holding it back for days: its publisher asked before', async () => {
    const first = await release(1);
    const second = await release(2, first);
    const { show } = await deployed();
    // Built honestly, with a later place in the log than the newer one.
    const held = await release(1, second);
    const facts = await factsIn(held.bundle);
    const { show: other } = await deployed();
    expect(show(facts)).toBe('HOOK_OLDER');
    expect(other({ ...facts, requested: isoTime(now) })).toBe('started');
  });
});

import { describe, expect, it } from 'vitest';
import { signingOf } from '../../../src/node/ports.ts';
import {
  addSignature,
  type Bundle,
  decodeBundle,
  encodeBundle,
  leaves as leafOf,
  type Request,
} from '../../../src/protocol/documents/index.ts';
import { addWitness, MerkleTree } from '../../../src/protocol/transparency/index.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import type { CosignUp } from '../../../src/protocol/wire/messages.ts';
import type { WorkerEvent } from '../../../src/worker/machine/events.ts';
import { Worker } from '../../../src/worker/machine/machine.ts';
import { AnswerSigner } from '../../../src/worker/sessions/answer-signer.ts';
import { DraftChecks } from '../../../src/worker/sessions/draft-checks.ts';
import type { GrantRenewal } from '../../../src/worker/sessions/grant-renewal.ts';
import { LogWitness } from '../../../src/worker/sessions/log-witness.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import { RevocationFeed } from '../../../src/worker/sessions/revocation-feed.ts';
import { FakeChannel } from '../../protocol/sessions/fake-channel.ts';
import { makeAnswer } from '../../support/answers.ts';
import {
  at,
  controller,
  makeCharter,
  makeGrant,
  makeProject,
  nonceOf,
  noteOf,
  project,
  trusted,
} from '../../support/project.ts';

const signing = signingOf(trusted.signer);
type Answered = Extract<CosignUp, { kind: 'answered' }>;

/** A trusted worker that has read none of the log, which has these leaves; what it says on its stream. */
async function connected(
  leaves: readonly string[],
  { now = (at + 3100) * 1000, epoch = 1, names = trusted.id } = {},
) {
  const line = new FakeChannel<CosignUp>(controller.id);
  const worker = new Worker(trusted.id);
  const kept: string[] = [];
  let read = 0;
  const state = { stopped: false };
  const grant = { payload: makeGrant(trusted, 'owner', 'trusted-worker'), raw: 'grant' };
  const ask = async () => {
    const channel = new FakeChannel(controller.id);
    const { send } = channel.channel;
    channel.channel.send = async (bytes: Uint8Array) => {
      await send(bytes);
      const { from } = channel.said.at(-1) as { kind: string; from: number };
      read++;
      channel.say({ kind: 'leaves', from, size: leaves.length, leaves: leaves.slice(from) });
    };
    return channel.channel;
  };
  let dials = 0;
  const ports = {
    signing,
    clock: {
      now: () => now,
      monotonic: () => 0,
      get closing() {
        return line.closed;
      },
      after: () => () => {},
      onClosing: () => () => {},
    },
    credentials: {
      membership: { project, controllers: [{ id: controller.id, addrs: [] }] },
      controller: { id: controller.id, addrs: [] },
      charter: { ...makeCharter(), epoch, trusted: [names] },
      grant,
      learnCharter: async () => {},
    },
    dial: async (_: unknown, protocol: string) => {
      if (!protocol.includes('cosign')) return ask();
      dials++;
      return line.channel;
    },
    witnessFile: { load: async () => undefined, save: async () => {} },
    leafFile: { load: async () => [], append: async (more: string[]) => void kept.push(...more) },
    revocations: { revoked: [], has: () => true, equivocationOf: () => undefined },
    dispatch: async (event: WorkerEvent) => {
      if (state.stopped) return;
      for (const effect of worker.handle(event, now).effects)
        if (effect.kind === 'sign-answer') signer.decided(effect.verdict, null);
        else if (effect.kind === 'refuse-answer')
          signer.decided(effect.verdict, { code: effect.code, message: effect.message });
    },
    tell: () => {},
  } as unknown as WorkerPorts;
  const feed = new RevocationFeed(ports);
  const witness = new LogWitness(ports, feed);
  const grants = { refresh: async () => false } as unknown as GrantRenewal;
  const signer = new AnswerSigner(ports, grants, new DraftChecks(ports, feed, witness), witness);
  void signer.run();
  let asked = 0;
  return {
    line,
    kept,
    state,
    get reads() {
      return read;
    },
    get dials() {
      return dials;
    },
    async show(...drafts: Bundle[]): Promise<Answered> {
      line.say({ kind: 'answers', bundles: drafts.map(encodeBundle) });
      return (await line.heard('answered', ++asked)) as Answered;
    },
  };
}

const codes = ({ answers }: Answered) => answers.map((one) => ('code' in one ? one.code : 'signed'));

/** Drafts of answers to several requests, or to the same one, under one checkpoint. */
async function drafts(n: number, to: 'several' | 'the same' = 'several') {
  const from = await makeProject();
  let { leaves } = from;
  const made = [];
  for (let i = 0; i < n; i++) {
    const answer = await makeAnswer({
      from: { ...from, leaves },
      later: i,
      request: (valid) => ({ ...valid, jti: nonceOf(`again ${to === 'several' ? i : 0}`) }),
    });
    leaves = answer.leaves;
    made.push(answer);
  }
  const tree = new MerkleTree(leaves);
  const checkpoint = await noteOf(tree);
  const bundles = made.map(
    ({ bundle }): Bundle => ({
      ...bundle,
      checkpoint,
      entries: bundle.entries.map(({ leaf, index }) => ({ leaf, index, path: tree.inclusion(index) })),
    }),
  );
  return { from, leaves, bundles };
}

describe('a trusted worker that is shown answers', () => {
  it('signs all that hold after one reading of the log, and the log once', async () => {
    const { leaves, bundles } = await drafts(3);
    const worker = await connected(leaves);
    const answered = await worker.show(...bundles);
    expect(codes(answered)).toEqual(['signed', 'signed', 'signed']);
    expect(worker.reads).toBe(1);
    expect(worker.kept).toEqual(leaves);
    const [first] = bundles;
    const [one] = answered.answers;
    if (first === undefined || one === undefined || !('signature' in one)) throw new Error('it is signed');
    const bundle = {
      ...first,
      verdict: addSignature(first.verdict, trusted.id, one.signature),
      checkpoint: addWitness(first.checkpoint, answered.witness ?? ''),
    };
    const { ok, level, facts } = await verifyBundle(bundle, { project }, signing.documents.verifier);
    expect([ok, level, facts?.place]).toEqual([true, 'trusted', 'cosigned']);
  });

  it('signs one for each request, and the same one again', async () => {
    const { leaves, bundles } = await drafts(2, 'the same');
    const worker = await connected(leaves);
    expect(codes(await worker.show(...bundles))).toEqual(['signed', 'COSIGN_ANSWERED']);
    expect(codes(await worker.show(...bundles))).toEqual(['signed', 'COSIGN_ANSWERED']);
    expect(worker.reads).toBe(1);
  });

  it('signs no verdict of a build: who built it does, under its lease', async () => {
    const from = await makeProject();
    const worker = await connected(from.leaves);
    expect(codes(await worker.show(from.draft))).toEqual(['COSIGN_NOT_BUILT']);
  });

  it('signs none that rests on its own request, nor to a request that was built', async () => {
    const from = await makeProject();
    const self = await makeAnswer({ from, request: () => from.request.payload });
    const own = { ...self.bundle, request: from.bundle.request, publisher: from.bundle.publisher };
    const worker = await connected(self.leaves);
    expect(codes(await worker.show(own))).toEqual(['OFFER_DROPPED']);
    const { bundle, leaves, request } = await makeAnswer({ from });
    const offer = leafOf.offer('a'.repeat(64), from.jobId, request);
    const [verdict = ''] = leaves.slice(-1);
    const lines = [...leaves.slice(0, -1), offer, verdict];
    const tree = new MerkleTree(lines);
    const checkpoint = await noteOf(tree);
    const index = lines.length - 1;
    const entries = [{ leaf: verdict, index, path: tree.inclusion(index) }];
    const other = await connected(lines);
    expect(codes(await other.show({ ...bundle, checkpoint, entries }))).toEqual(['OFFER_DROPPED']);
  });

  it('signs none on evidence that no trusted worker of the charter signed', async () => {
    const open = { agree: 2, of: 3, cosign: 'none', rounds: 1 } as const;
    const from = await makeProject({ own: null, policy: open });
    const { bundle, leaves } = await makeAnswer({ from, request: (valid) => ({ ...valid, policy: open }) });
    const worker = await connected(leaves);
    expect(codes(await worker.show(bundle))).toEqual(['COSIGN_MISSING']);
  });

  it('signs none under a charter that is not in force, or after its request by its own clock', async () => {
    const { leaves, bundles } = await drafts(1);
    const outdated = await connected(leaves, { epoch: 2 });
    expect(codes(await outdated.show(...bundles))).toEqual(['CHARTER_NOT_IN_FORCE']);
    const late = await connected(leaves, { now: (at + 9100) * 1000 });
    expect(codes(await late.show(...bundles))).toEqual(['REQUEST_OVER']);
  });

  it('keeps no leaves that are not those of the checkpoint', async () => {
    const { leaves, bundles } = await drafts(1);
    const worker = await connected([...leaves.slice(0, -1), 'something else']);
    expect(codes(await worker.show(...bundles))).toEqual(['LOG_LEAVES_MISMATCH']);
    expect(worker.kept).toEqual([]);
  });

  it('reads drafts of one checkpoint only', async () => {
    const { leaves, bundles } = await drafts(2);
    const [first, second] = bundles;
    if (first === undefined || second === undefined) throw new Error('there are two');
    const { bundle } = await makeAnswer({ from: await makeProject() });
    const worker = await connected(leaves);
    const answered = await worker.show(first, { ...second, checkpoint: bundle.checkpoint });
    expect(codes(answered)).toEqual(['signed', 'COSIGN_EVIDENCE']);
  });

  it('answers each text that is no bundle, and signs those beside it', async () => {
    const { leaves, bundles } = await drafts(1);
    const worker = await connected(leaves);
    worker.line.say({ kind: 'answers', bundles: ['{}', ...bundles.map(encodeBundle)] });
    const answered = (await worker.line.heard('answered')) as Answered;
    expect(codes(answered)[1]).toBe('signed');
    expect(codes(answered)[0]).toMatch(/^(DOC|BUNDLE)_/);
    expect(decodeBundle(encodeBundle(bundles[0] as Bundle))).toEqual(bundles[0]);
  });

  it('signs nothing while it stops, also of what it signed before', async () => {
    const { leaves, bundles } = await drafts(1);
    const worker = await connected(leaves);
    expect(codes(await worker.show(...bundles))).toEqual(['signed']);
    worker.state.stopped = true;
    expect(codes(await worker.show(...bundles))).toEqual(['CONTROLLER_STOPPED']);
  });

  it('signs no answer that is less than trusted: the policy of its request asks for no signature', async () => {
    const policy = { agree: 2, of: 3, cosign: 'none', rounds: 2 } as const;
    const from = await makeProject();
    const request = (valid: Request) => ({ ...valid, policy });
    const { bundle, leaves } = await makeAnswer({ from, level: 'agreed', request });
    const worker = await connected(leaves);
    const message = 'an answer that is agreed needs no signature';
    const { answers } = await worker.show(bundle);
    expect(answers).toEqual([{ code: 'COSIGN_LEVEL_MISMATCH', message }]);
  });

  it('is connected only where the charter names it', async () => {
    const { leaves } = await drafts(0);
    expect((await connected(leaves, { names: controller.id })).dials).toBe(0);
    expect((await connected(leaves)).dials).toBe(1);
  });
});

import { describe, expect, it } from 'vitest';
import { signingOf } from '../../../src/node/ports.ts';
import {
  decodeBundle,
  encodeBundle,
  leaves as leafOf,
  resultOf,
} from '../../../src/protocol/documents/index.ts';
import type { KnownEquivocation } from '../../../src/protocol/sessions/revocation-book.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import type { LeaseUp } from '../../../src/protocol/wire/messages.ts';
import type { WorkerEvent } from '../../../src/worker/machine/events.ts';
import { Cosigner, refusalText } from '../../../src/worker/sessions/cosigner.ts';
import { DraftChecks } from '../../../src/worker/sessions/draft-checks.ts';
import type { LeaseClient } from '../../../src/worker/sessions/lease-client.ts';
import { LogWitness } from '../../../src/worker/sessions/log-witness.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import { RevocationFeed } from '../../../src/worker/sessions/revocation-feed.ts';
import { makeAnswer } from '../../support/answers.ts';
import { at, makeProject, type Project, payloadOf, type Recipe, trusted } from '../../support/project.ts';

type Checked = Extract<WorkerEvent, { kind: 'cosign-checked' }>;

interface Around {
  now?: number;
  epoch?: number;
  /** The evidence that it knows against the log. */
  proven?: () => KnownEquivocation | undefined;
}

const signing = signingOf(trusted.signer);

/** The fault of a draft that a trusted worker with this clock, which knows a charter of this epoch, finds; undefined where none. */
async function look(recipe: Recipe, around: Around = {}): Promise<Checked | undefined> {
  return (await shown(recipe, around)).found[0] as Checked | undefined;
}

/** A draft is shown to a trusted worker. */
async function shown(recipe: Recipe, around: Around = {}) {
  return show(await makeProject(recipe), around);
}

async function show(
  { draft, leaves, charter }: Pick<Project, 'draft' | 'leaves' | 'charter'>,
  { now = (at + 1000) * 1000, epoch = 1, proven = () => undefined }: Around = {},
) {
  const found: WorkerEvent[] = [];
  const ports = {
    signing,
    clock: { now: () => now, monotonic: () => now, closing: false },
    credentials: {
      membership: { project: charter.payload.project, controllers: [] },
      charter: { ...charter.payload, epoch },
      learnCharter: async () => {},
    },
    // It has read all of the log before.
    witnessFile: { load: async () => undefined, save: async () => {} },
    leafFile: { load: async () => [...leaves], append: async () => {} },
    revocations: { revoked: [], equivocationOf: () => proven() },
    dispatch: async (event: WorkerEvent) => void found.push(event),
    tell: () => {},
  } as unknown as WorkerPorts;
  const feed = new RevocationFeed(ports);
  const witness = new LogWitness(ports, feed);
  const kept = new Map<string, string>();
  const cosigner = new Cosigner(ports, new DraftChecks(ports, feed, witness), witness, {
    cosigned: (lease, { bundle }) => void kept.set(lease, bundle),
  });
  await cosigner.check('lease', encodeBundle(draft));
  const sent: LeaseUp[] = [];
  const leases = { send: (_: string, message: LeaseUp) => void sent.push(message) } as unknown as LeaseClient;
  return { found, sent, kept, charter, sign: () => cosigner.sign('lease', leases) };
}

describe('a trusted worker', () => {
  it('finds that a draft holds, and what it is about', async () => {
    const { draft } = await makeProject();
    expect(await look({})).toMatchObject({ ok: true, result: resultOf(payloadOf(draft.verdict) as never) });
  });

  it.each<[string, Recipe, { now?: number }, string]>([
    ['compares the verdict with its own clock', {}, { now: (at + 900) * 1000 }, 'VERDICT_FROM_FUTURE'],
    ['and the end of the request', {}, { now: (at + 7300) * 1000 }, 'REQUEST_OVER'],
    [
      'reads the log again for the charter',
      { log: (lines) => [...lines.slice(0, -1), leafOf.charter('9'.repeat(64)), ...lines.slice(-1)] },
      {},
      'CHARTER_NOT_IN_FORCE',
    ],
  ])('%s', async (_what, recipe, over, code) =>
    expect(await look(recipe, over)).toMatchObject({ ok: false, result: null, code }),
  );

  it('signs no answer from an earlier build under a lease: only the other session remembers that there is one', async () => {
    const from = await makeProject();
    const { bundle, leaves } = await makeAnswer({ from });
    const { found } = await show({ ...from, draft: bundle, leaves }, { now: (at + 3100) * 1000 });
    expect(found).toMatchObject([{ ok: false, code: 'COSIGN_NOT_BUILT' }]);
  });

  it('answers where the log turns out to tell two stories after its check, so that nobody waits', async () => {
    let proven: KnownEquivocation | undefined;
    const { found, sent, sign } = await shown({}, { proven: () => proven });
    expect(found).toMatchObject([{ ok: true }]);
    proven = {
      raw: '',
      proves: { log: '', kind: 'roots', sizes: [8], index: null, signers: [], lines: 0, says: 'two stories' },
    };
    await sign();
    expect(sent).toMatchObject([{ kind: 'cosign-refused', code: 'LOG_EQUIVOCATED' }]);
    // Control.
    const honest = await shown({});
    await honest.sign();
    expect(honest.sent).toMatchObject([{ kind: 'cosigned' }]);
  });

  it('has the bundle that holds once it has signed, and none that it did not sign', async () => {
    const { kept, sign, charter } = await shown({});
    expect(kept.size).toBe(0);
    await sign();
    const bundle = decodeBundle(kept.get('lease') ?? '');
    const { project } = charter.payload;
    const verification = await verifyBundle(bundle, { project }, signing.documents.verifier);
    expect(verification).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('waits for another draft where it knows a newer charter: that one is no dispute', async () => {
    expect(await look({}, { epoch: 2 })).toBeUndefined();
  });
});

it('a message goes on the wire with 1,000 characters of ASCII at most', () => {
  expect(refusalText('a\u001b[1m\nb\u202ec')).toBe('a [1m b c');
  expect(refusalText('x'.repeat(1_001))).toBe('x'.repeat(1_000));
});

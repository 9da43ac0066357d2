import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { storiesOf } from '../../../src/client/commands/jobs.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { openRevocationBook } from '../../../src/node/membership/revocation-file.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { fromUtf8 } from '../../../src/protocol/base/text.ts';
import {
  type Ack,
  type EquivocationEvidence,
  encodeEquivocation,
  leaves,
  signMessage,
} from '../../../src/protocol/documents/index.ts';
import type { Accepts } from '../../../src/protocol/sessions/ports.ts';
import { RevocationBook, type StoredRevocations } from '../../../src/protocol/sessions/revocation-book.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import { checkEquivocation } from '../../../src/protocol/trust/index.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import { Output } from '../../../src/terminal/output.ts';
import { evidenceOfLeaves } from '../../../src/worker/sessions/log-comparison.ts';
import type { WorkerPorts } from '../../../src/worker/sessions/ports.ts';
import { RevocationFeed } from '../../../src/worker/sessions/revocation-feed.ts';
import { sink } from '../../cli/screen.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import {
  at,
  controller,
  log,
  makeProject,
  noteOf,
  type Project,
  project,
  testKey,
} from '../../support/project.ts';

const receipt = 'a'.repeat(64);
const leafAt = (n: number) => `leaf ${n}`;
const numbers = (to: number) => Array.from({ length: to }, (_, n) => leafAt(n));
const one = new MerkleTree(numbers(8));
const two = new MerkleTree([...numbers(5), 'other 5', 'other 6', 'other 7', 'other 8']);

type Signer = typeof log;
const note = (tree: MerkleTree, size: number, by: Signer = log) => noteOf(tree, by, size);
const ackOf = async (index: number, by: Signer = log): Promise<string> => {
  const payload: Ack = { iss: by.id, aud: testKey('w').id, lease: receipt, receipt, index, iat: at };
  return (await signMessage('ack', payload, by.signer)).raw;
};
const entry = async (tree: MerkleTree, index: number, size: number) => ({
  checkpoint: await note(tree, size),
  leaf: tree.leaves(index, index + 1)[0] ?? '',
  path: tree.inclusion(index, size),
});

let made: Project;
let charter: string;
beforeAll(async () => {
  made = await makeProject();
  charter = made.charter.raw;
});

const roots = async (first: string, second: string): Promise<EquivocationEvidence> => ({
  v: 1,
  kind: 'roots',
  charter,
  checkpoints: [first, second],
});
const check = (evidence: EquivocationEvidence, of = project) =>
  checkEquivocation(encodeEquivocation(evidence), of, joseVerifier);
const verdictOn = (evidence: EquivocationEvidence, of?: string) => codeOf(() => check(evidence, of));

describe('evidence that a log tells two stories', () => {
  it('lies in a file of its own in a home, to be handed on, and is known to the next process', async () => {
    const dir = await folder();
    const raw = encodeEquivocation(await roots(await note(one, 8), await note(two, 8)));
    const book = await openRevocationBook(dir, project);
    await book.learn({ charters: [], revocations: [], equivocations: [raw] });
    const file = join(dir, 'revocations', `${project}-equivocation-1.json`);
    expect(await readFile(file, 'utf8')).toBe(raw);
    expect((await openRevocationBook(dir, project)).evidence()).toEqual([raw]);
  });

  it('is looked for where a controller says that there is some: without it that is its word', async () => {
    const evidence = await roots(await note(one, 8), await note(two, 8));
    const raw = encodeEquivocation(evidence);
    const context = { home: await folder(), out: new Output(sink(), sink(), { json: false, colour: false }) };
    const told = [(await check(evidence)).says, 'another\u001b[2J'];
    const shown = (raws: string[]) => {
      const source = {
        revocations: (book: RevocationBook) =>
          book.learn({ charters: [], revocations: [], equivocations: raws }),
      };
      return storiesOf(context, { project, source } as never, told);
    };
    expect(await shown([])).toEqual(
      [told[0], 'another\\x1b[2J'].map(
        (says) => `The controller says that the log tells two stories, and shows no evidence: ${says}.`,
      ),
    );
    expect(await shown([raw])).toEqual([
      expect.stringMatching(/^The log tells two stories: .*\[LOG_EQUIVOCATED\]: /),
      expect.stringContaining('shows no evidence: another'),
    ]);
  });

  it('are two checkpoints of one size with different roots', async () => {
    expect(await check(await roots(await note(one, 8), await note(two, 8)))).toMatchObject({
      log: log.id,
      sizes: [8],
      index: null,
    });
    // The controls: one log, at one size or at two.
    expect(await verdictOn(await roots(await note(one, 5), await note(two, 5)))).toBe(
      'EQUIVOCATION_UNPROVEN',
    );
    expect(await verdictOn(await roots(await note(one, 7), await note(one, 8)))).toBe(
      'EQUIVOCATION_UNPROVEN',
    );
    // Two sizes alone prove nothing, whatever logs they are of.
    expect(await verdictOn(await roots(await note(one, 8), await note(two, 9)))).toBe(
      'EQUIVOCATION_UNPROVEN',
    );
  });

  it('is an ack, and another leaf where it promised the receipt', async () => {
    const ack = await ackOf(6);
    const evidence = { v: 1, kind: 'ack', charter, ack, entry: await entry(one, 6, 8) } as const;
    expect(await check(evidence)).toMatchObject({ log: log.id, sizes: [8], index: 6 });
    // The controls: the receipt is there; the proof is of another leaf; the ack is of another key.
    const kept = new MerkleTree([...numbers(6), leaves.receipt(receipt, 'b'.repeat(64)), leafAt(7)]);
    expect(await verdictOn({ ...evidence, entry: await entry(kept, 6, 8) })).toBe('EQUIVOCATION_UNPROVEN');
    expect(await verdictOn({ ...evidence, entry: await entry(one, 5, 8) })).toBe('EQUIVOCATION_UNPROVEN');
    expect(await verdictOn({ ...evidence, ack: await ackOf(6, testKey('somebody')) })).toBe(
      'EQUIVOCATION_UNPROVEN',
    );
  });

  it('are two leaves at one index', async () => {
    const entries: Extract<EquivocationEvidence, { kind: 'leaves' }>['entries'] = [
      await entry(one, 5, 7),
      await entry(two, 5, 9),
    ];
    const evidence = { v: 1, kind: 'leaves', charter, index: 5, entries } as const;
    expect(await check(evidence)).toMatchObject({ sizes: [7, 9], index: 5 });
    const same = [await entry(one, 4, 7), await entry(two, 4, 9)] as typeof entries;
    expect(await verdictOn({ ...evidence, index: 4, entries: same })).toBe('EQUIVOCATION_UNPROVEN');
    expect(await verdictOn({ ...evidence, index: 4 })).toBe('EQUIVOCATION_UNPROVEN');
  });

  it('is made of the leaves of both', async () => {
    const of = async (tree: MerkleTree, size: number) => ({
      note: await note(tree, size),
      size,
      root: tree.root(size),
      leaves: tree.leaves(0, size),
    });
    const evidence = evidenceOfLeaves(charter, await of(one, 7), await of(two, 9));
    expect(evidence).toMatchObject({ kind: 'leaves', index: 5 });
    if (evidence !== undefined) expect(await check(evidence)).toMatchObject({ index: 5 });
    expect(evidenceOfLeaves(charter, await of(one, 5), await of(two, 9))).toBeUndefined();
  });

  it('is good against the key that the root named, of this project, and nobody else', async () => {
    const mallory = testKey('mallory');
    const forged = await roots(await note(one, 8), await note(two, 8, mallory));
    expect(await verdictOn(forged)).toBe('CHECKPOINT_UNSIGNED');
    const both = await roots(await note(one, 8, mallory), await note(two, 8, mallory));
    expect(await verdictOn(both)).toBe('CHECKPOINT_UNSIGNED');
    const own = (
      await signMessage(
        'charter',
        { ...made.charter.payload, iss: mallory.id, log: mallory.id },
        mallory.signer,
      )
    ).raw;
    expect(await verdictOn({ ...both, charter: own })).toMatch(
      /^(CHARTER_ISSUER_MISMATCH|DOC_WRONG_ISSUER)$/,
    );
    const proven = await roots(await note(one, 8), await note(two, 8));
    expect(await verdictOn(proven, testKey('another project').id)).toBe('CHARTER_PROJECT_MISMATCH');
  });

  it('is text of one spelling and a bounded length', async () => {
    const text = encodeEquivocation(await roots(await note(one, 8), await note(two, 8)));
    const open = (raw: string) => codeOf(() => checkEquivocation(raw, project, joseVerifier));
    expect(await open(text)).toBeUndefined();
    expect(await open(`${text} `)).toBe('DOC_NOT_CANONICAL');
    expect(await open(text.replace('"v":1', '"v":2'))).toBe('DOC_NEWER');
    expect(await open(text.padEnd(limits.equivocationCharsMax + 1))).toBe('DOC_TOO_LARGE');
    expect(await open('')).toBe('DOC_NOT_JSON');
  });
});

describe('a stranger that floods members with evidence', () => {
  /** A worker's validator of gossiped evidence, and how many signatures it checked. */
  async function worker() {
    const counted = { signatures: 0, stored: undefined as StoredRevocations | undefined };
    const verifier = {
      jws: (...given: Parameters<typeof joseVerifier.jws>) => {
        counted.signatures++;
        return joseVerifier.jws(...given);
      },
      raw: (...given: Parameters<typeof joseVerifier.raw>) => {
        counted.signatures++;
        return joseVerifier.raw(...given);
      },
    };
    const book = await RevocationBook.open(project, verifier, {
      load: async () => undefined,
      save: async (stored) => {
        counted.stored = stored;
      },
    });
    let now = 0;
    let judge: Accepts = () => false;
    const published: string[] = [];
    const ports = {
      clock: { monotonic: () => now, closing: false },
      credentials: {
        membership: { project, charter, controllers: [{ id: controller.id, addrs: [] }] },
        controller: { id: controller.id, addrs: [] },
        charter: made.charter.payload,
      },
      revocations: book,
      subscribe: (topic: string, accepts: Accepts) => {
        if (topic === topics.equivocations(project)) judge = accepts;
      },
      publish: async (_topic: string, message: Uint8Array) => void published.push(fromUtf8(message)),
      dial: () => Promise.reject(new Error('nobody is there')),
      tell: () => {},
    } as unknown as WorkerPorts;
    new RevocationFeed(ports).start(() => false);
    const send = (author: string, equivocation: string, ballast = {}) =>
      judge(author, encodeMessage({ equivocation, ...ballast }));
    const pass = (ms: number) => {
      now += ms;
    };
    return { counted, book, send, pass, published };
  }
  const falsehood = async () => encodeEquivocation(await roots(await note(one, 8), await note(one, 8)));
  const truth = async () => encodeEquivocation(await roots(await note(one, 8), await note(two, 8)));

  it('is believed nothing, blamed for it, and costs a bounded number of signatures a minute', async () => {
    const { counted, book, send, pass } = await worker();
    const text = await falsehood();
    const answers = [];
    for (let n = 0; n < 1000; n++) answers.push(await send(`author ${n % 100}`, text));
    expect(new Set(answers)).toEqual(new Set([false, 'ignore']));
    expect(answers.filter((answer) => answer === false)).toHaveLength(30);
    expect(counted.signatures).toBeLessThanOrEqual(30 * 6);
    expect([book.equivocations, counted.stored]).toEqual([[], undefined]);
    // One author alone has fewer turns, and the next minute has others.
    pass(60_000);
    for (let n = 0; n < 10; n++) answers.push(await send('mallory', text));
    expect(answers.slice(-10).filter((answer) => answer === false)).toHaveLength(3);
    expect(await send('ada', await truth())).toBe(true);
    expect(book.equivocations).toHaveLength(1);
  });

  it('has nothing passed on that it put beside the evidence', async () => {
    const { book, send, published } = await worker();
    expect(await send('mallory', await truth(), { ballast: 'x'.repeat(50_000) })).toBe('ignore');
    // The evidence itself is believed, and goes on.
    expect(book.equivocations).toHaveLength(1);
    expect(published).toEqual([JSON.stringify({ equivocation: await truth() })]);
  });

  it('control: what holds is taken from anybody, passed on once, and kept', async () => {
    const { counted, book, send } = await worker();
    expect(await send('mallory', await truth())).toBe(true);
    expect(book.equivocations).toHaveLength(1);
    expect(counted.stored?.equivocations).toEqual([await truth()]);
    const { signatures } = counted;
    expect(await send('ada', await truth())).toBe('ignore');
    expect(counted.signatures).toBe(signatures);
  });
});

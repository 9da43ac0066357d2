import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import {
  type Ack,
  decodeEquivocation,
  encodeEquivocation,
  signMessage,
} from '../../../src/protocol/documents/index.ts';
import { signatureLines } from '../../../src/protocol/transparency/index.ts';
import { checkEquivocation, notesOf } from '../../../src/protocol/trust/equivocation.ts';
import { encodeMessage } from '../../../src/protocol/wire/messages.ts';
import { topics } from '../../../src/protocol/wire/protocols.ts';
import { forked, honest, type TestLog, WitnessBench } from '../../protocol/sessions/log-bench.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { at, log, project, root, testKey, witnessedBy } from '../../support/project.ts';

const trusted = ['tess', 'theo'];
const bench = (of: TestLog, name = 'witness') => WitnessBench.open(of, name, trusted);
const id = (name: string) => testKey(name).id;

/** A note of a log with the lines of these. */
async function lined(note: string, ...names: string[]): Promise<string> {
  let all = note;
  for (const name of names) all = await witnessedBy(all, testKey(name), at);
  return all;
}
const broken = (note: string, name: string) => `${note}\u2014 ${id(name)} ${'A'.repeat(104)}\n`;

/** By story: who signed it, other than the log. */
function signersIn({ revocations }: WitnessBench): string[][] {
  const [known] = revocations.equivocations;
  if (known === undefined) return [];
  return notesOf(decodeEquivocation(known.raw)).map((note) =>
    signatureLines(note)
      .map(({ name }) => name)
      .filter((name) => !name.startsWith('quorate/')),
  );
}
const linesIn = ({ revocations }: WitnessBench) => revocations.equivocations[0]?.proves.lines;

const evidence = async (first: string, other: string, { charter }: WitnessBench): Promise<string> =>
  encodeEquivocation({ v: 1, kind: 'roots', charter, checkpoints: [first, other] });

async function hears(bench_: WitnessBench, raw: string): Promise<unknown> {
  return bench_.accepts.get(topics.equivocations(project))?.(
    'somebody',
    encodeMessage({ equivocation: raw }),
  );
}

describe('evidence that a worker makes', () => {
  it('has the lines of trusted workers that it saw under a checkpoint, and no others', async () => {
    const witness = await bench(honest());
    const note = await lined(await honest().note(8), 'tess', 'somebody');
    await witness.witness.see(note);
    await codeOf(async () => witness.witness.see(broken(await forked().note(8), 'theo')));
    expect(signersIn(witness)).toEqual([[id('tess')], []]);
    expect(linesIn(witness)).toBe(1);
  });

  it('has those that it saw later than the checkpoint, and in another life', async () => {
    const witness = await bench(honest());
    await witness.witness.see(await honest().note(7));
    await witness.witness.see(await lined(await honest().note(7), 'tess'));
    await witness.witness.see(await honest().note(8));
    await witness.restart();
    await codeOf(async () => witness.witness.see(await lined(await forked().note(7), 'theo')));
    expect(signersIn(witness)).toEqual([[id('tess')], [id('theo')]]);
    expect(linesIn(witness)).toBe(2);
  });

  it('has its own where it is a trusted worker, under what it kept', async () => {
    const tess = await bench(honest(), 'tess');
    await tess.witness.see(await honest().note(8));
    await codeOf(async () => tess.witness.see(await forked().note(8)));
    expect(signersIn(tess)).toEqual([[id('tess')], []]);
  });

  it('has the lines of both stories where it is of the leaves of two sizes', async () => {
    const witness = await bench(honest());
    await witness.witness.see(await lined(await honest().note(7), 'tess'));
    const [shown, kept] = [forked().tree.leaves(), honest().tree.leaves()];
    await witness.witness.compare(await lined(await forked().note(9), 'theo'), kept, shown);
    expect(witness.revocations.equivocations[0]?.proves).toMatchObject({ kind: 'leaves', lines: 2 });
  });
});

describe('evidence that is weaker than what a worker knows', () => {
  it('is completed by a trusted worker with its own line, and told to everybody', async () => {
    const theo = await bench(forked(), 'theo');
    await theo.witness.see(await forked().note(8));
    theo.feed.start(() => true);
    const raw = await evidence(await lined(await honest().note(8), 'tess'), await forked().note(8), theo);
    expect(await hears(theo, raw)).toBe(true);
    expect(signersIn(theo)).toEqual([[id('tess')], [id('theo')]]);
    const known = theo.revocations.equivocations[0]?.raw ?? '';
    expect((await checkEquivocation(known, project, joseVerifier)).lines).toBe(2);
    expect(theo.asked.at(-1)).toEqual({ kind: 'equivocation', equivocation: known });
    // Control: by nobody who did not see that story.
    const other = await bench(honest(), 'theo');
    other.feed.start(() => true);
    await hears(other, raw);
    expect(linesIn(other)).toBe(1);
  });

  it('is passed on as it is by a trusted worker whose key the root ended', async () => {
    const theo = await bench(forked(), 'theo');
    await theo.witness.see(await forked().note(8));
    theo.feed.start(() => true);
    const payload = { iss: root.id, project, what: { kind: 'key', id: id('theo') }, since: 99 } as const;
    const end = await signMessage('revocation', { ...payload, reason: 'stolen', iat: at }, root.signer);
    await theo.revocations.learn({ charters: [], revocations: [end.raw] });
    const raw = await evidence(await lined(await honest().note(8), 'tess'), await forked().note(8), theo);
    await theo.feed.learn({ charters: [], revocations: [], equivocations: [raw] });
    expect(linesIn(theo)).toBe(1);
    expect(theo.gossiped).toEqual([topics.equivocations(project)]);
  });

  it('is completed also where somebody put broken lines of trusted workers into it', async () => {
    const theo = await bench(forked(), 'theo');
    await theo.witness.see(await forked().note(8));
    theo.feed.start(() => true);
    const first = await lined(broken(await honest().note(8), 'tess'), 'tess');
    const raw = await evidence(first, broken(await forked().note(8), 'theo'), theo);
    expect(await hears(theo, raw)).toBe(true);
    expect(signersIn(theo)).toEqual([[id('tess')], [id('theo')]]);
    expect(linesIn(theo)).toBe(2);
  });

  it('is completed by what neighbours show after it is known, though nothing is kept or signed any more', async () => {
    const witness = await bench(honest());
    witness.feed.start(() => true);
    await witness.witness.see(await honest().note(8));
    await hears(
      witness,
      await evidence(await honest().note(8), await lined(await forked().note(8), 'theo'), witness),
    );
    expect(linesIn(witness)).toBe(1);
    expect(await codeOf(async () => witness.witness.see(await lined(await honest().note(8), 'tess')))).toBe(
      'LOG_EQUIVOCATED',
    );
    expect(linesIn(witness)).toBe(2);
    expect(witness.asked.every(({ kind }) => kind === 'equivocation')).toBe(true);
  });

  it('does not stop a worker from making stronger evidence, and that ends it', async () => {
    const witness = await bench(honest());
    witness.feed.start(() => true);
    await witness.witness.see(await lined(await honest().note(7), 'tess'));
    await hears(witness, await evidence(await honest().note(8), await forked().note(8), witness));
    expect(linesIn(witness)).toBe(0);
    expect(
      await hears(
        witness,
        await evidence(await honest().note(8), await lined(await forked().note(8), 'theo'), witness),
      ),
    ).toBe(true);
    expect(linesIn(witness)).toBe(1);
    const other = await lined(await forked().note(7), 'theo');
    expect(await codeOf(() => witness.witness.see(other))).toBe('LOG_EQUIVOCATED');
    expect(linesIn(witness)).toBe(2);
    expect(
      await hears(witness, await evidence(await honest().note(8), await forked().note(8), witness)),
    ).toBe('ignore');
  });

  it('is made whole by two trusted workers that were told one story each', async () => {
    const [tess, theo] = [await bench(honest(), 'tess'), await bench(forked(), 'theo')];
    await tess.witness.see(await honest().note(8));
    await theo.witness.see(await forked().note(8));
    [tess.neighbours, theo.neighbours] = [[theo], [tess]];
    await tess.talk();
    await theo.talk();
    await tess.talk();
    expect([linesIn(tess), linesIn(theo)]).toEqual([2, 2]);
  });
});

it('an ack is a story that nobody can have signed', async () => {
  const witness = await bench(honest());
  const receipt = 'a'.repeat(64);
  const payload: Ack = { iss: log.id, aud: witness.key.id, lease: receipt, receipt, index: 6, iat: at };
  const ack = (await signMessage('ack', payload, log.signer)).raw;
  const checkpoint = await lined(await honest().note(8), ...trusted);
  const entry = { checkpoint, leaf: 'leaf 6', path: honest().tree.inclusion(6) };
  const raw = encodeEquivocation({ v: 1, kind: 'ack', charter: witness.charter, ack, entry });
  expect(await checkEquivocation(raw, project, joseVerifier)).toMatchObject({ lines: 1 });
});

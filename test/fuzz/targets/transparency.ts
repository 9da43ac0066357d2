import fc from 'fast-check';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { formatNoteKey, noteKinds, parseNoteKey } from '../../../src/protocol/documents/index.ts';
import { splitLine, splitNote } from '../../../src/protocol/transparency/checkpoint.ts';
import {
  addWitness,
  formatCheckpoint,
  MerkleTree,
  openCheckpoint,
  signatureLines,
  signCheckpoint,
  verifyConsistency,
  verifyInclusion,
  withoutWitnesses,
  witnessCheckpoint,
} from '../../../src/protocol/transparency/index.ts';
import { decodeAnswer } from '../../../src/witness/http-witness.ts';
import { at, log, project, testKey } from '../../support/project.ts';
import { mutatedText } from '../arbitraries.ts';
import { type AnyTarget, define, type Input, must } from '../target.ts';

const lines = Array.from({ length: 37 }, (_, index) => `leaf ${index}`);
const tree = new MerkleTree(lines);
const body = formatCheckpoint({ project, size: tree.size, root: tree.root() });
const witness = testKey('witness');

async function notes(): Promise<string[]> {
  const note = await signCheckpoint(body, log.signer);
  const one = addWitness(note, await witnessCheckpoint(note, witness.signer, at));
  const two = addWitness(one, await witnessCheckpoint(note, testKey('other').signer, at + 1));
  return [note, one, two, addWitness(one, '\u2014 example.org/witness AAAAAAAAAA==\n')];
}

/** Witness lines may come and go; the three lines that the log signed may not, nor a witness that signed nothing. */
const checkpoint = define<string>({
  name: 'checkpoint',
  seeds: notes,
  arbitrary: (seeds) =>
    mutatedText(seeds, ['\n', '\n\n', '\u2014 ', `\u2014 ${witness.id} AAAAAAAA\n`, '1', '0'.repeat(17)]),
  async run(text) {
    const opened = await openCheckpoint(text, { project, log: log.id }, joseVerifier);
    must(
      opened.body === body && opened.size === tree.size,
      'a checkpoint that the log did not sign was taken',
    );
    must(splitNote(text).body === body, 'the note splits otherwise than it was signed');
    const lines = signatureLines(text).map(({ line }) => line);
    must(`${body}\n${lines.join('')}` === text, 'a note is not its text and its lines');
    for (const line of lines) splitLine(line);
    const own = await openCheckpoint(withoutWitnesses(text), { project, log: log.id }, joseVerifier);
    must(own.body === body && own.witnesses.length === 0, 'a note without its witnesses is another one');
    const known = [witness.id, testKey('other').id];
    must(
      opened.witnesses.every((found) => known.includes(found.witness)),
      'a witness that did not sign',
    );
    must(
      new Set(opened.witnesses.map((found) => found.witness)).size === opened.witnesses.length,
      'one witness counts twice',
    );
  },
});

/** A key has one spelling: what is taken is written again as it was. */
const noteKey = define<string>({
  name: 'note-key',
  seeds: async () =>
    Object.values(noteKinds).map((kind) => formatNoteKey('witness.example/w1', kind, witness.id)),
  arbitrary: (seeds) => mutatedText(seeds, ['+', '++', ' ', '/', '=', '00000000', 'A'.repeat(44), 'é']),
  run(text) {
    const { name, kind, id } = parseNoteKey(text);
    must(formatNoteKey(name, kind, id) === text, 'a key has two spellings');
  },
});

interface Answered {
  status: number;
  text: string;
  [key: string]: Input;
}

/** Lines that a witness gives go under a note, and are its last ones there. */
const witnessAnswer = define<Answered>({
  name: 'witness-answer',
  seeds: async () => [
    ...(await notes()).slice(1).map((text) => ({ status: 200, text: text.slice(text.indexOf('\n\n') + 2) })),
    { status: 409, text: '37\n' },
  ],
  arbitrary: (seeds) =>
    fc.record({
      status: fc.constantFrom(200, 409, 403, 404, 422, 500, 301),
      text: mutatedText(
        seeds.map(({ text }) => text),
        ['\n', '\n\n', '\u2014 ', '0', '9'.repeat(20), '-1\n'],
      ),
    }),
  async run({ status, text }) {
    const answer = decodeAnswer(status, text);
    if (answer.kind === 'conflict') {
      must(Number.isSafeInteger(answer.size) && answer.size >= 0, 'a size that no log has');
      return;
    }
    const [note = ''] = await notes();
    must(splitNote(note + answer.lines.join('')).body === body, 'lines that change the note');
  },
});

const isSize = (size: number): boolean => Number.isInteger(size) && size > 0 && size <= tree.size;

interface Inclusion {
  leaf: string;
  index: number;
  size: number;
  root: string;
  path: string[];
  [key: string]: Input;
}

const anyNumber = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.constantFrom(-1, 0.5, Number.MAX_SAFE_INTEGER, 2 ** 31, 2 ** 32, 2 ** 53, 1e300),
);
const anyHash = fc.oneof(
  fc.integer({ min: 1, max: 37 }).map((size) => tree.root(size)),
  fc.constantFrom('', '0'.repeat(64), 'A'.repeat(64), 'a'.repeat(63), 'g'.repeat(64)),
);
const anyPath = fc.oneof(
  fc.array(anyHash, { maxLength: 70 }),
  fc.nat({ max: 36 }).map((index) => tree.inclusion(index)),
  fc.integer({ min: 1, max: 37 }).map((from) => tree.consistency(from)),
);

const inclusion = define<Inclusion>({
  name: 'inclusion-proof',
  seeds: async () =>
    [0, 1, 15, 16, 36].map((index) => ({
      leaf: `leaf ${index}`,
      index,
      size: 37,
      root: tree.root(),
      path: tree.inclusion(index),
    })),
  arbitrary: (seeds) =>
    fc
      .tuple(
        fc.constantFrom(...seeds),
        fc.record(
          {
            leaf: fc.constantFrom('leaf 1', 'leaf 36', ''),
            index: anyNumber,
            size: anyNumber,
            root: anyHash,
            path: anyPath,
          },
          { requiredKeys: [] },
        ),
      )
      .map(([seed, other]) => ({ ...seed, ...other }) as Inclusion),
  run(proof) {
    // Size and root come together from a signed checkpoint: a proof says nothing of a size that has another root.
    const known = isSize(proof.size) && tree.root(proof.size) === proof.root;
    if (!verifyInclusion(proof)) throw new QuorateError('LOG_PROOF_INVALID', 'the proof does not hold');
    if (!known) return;
    must(lines[proof.index] === proof.leaf, 'a leaf is proven that is not there');
  },
});

interface Consistency {
  from: number;
  fromRoot: string;
  to: number;
  toRoot: string;
  path: string[];
  [key: string]: Input;
}

const consistency = define<Consistency>({
  name: 'consistency-proof',
  seeds: async () =>
    [1, 2, 8, 32, 36, 37].map((from) => ({
      from,
      fromRoot: tree.root(from),
      to: 37,
      toRoot: tree.root(),
      path: tree.consistency(from),
    })),
  arbitrary: (seeds) =>
    fc
      .tuple(
        fc.constantFrom(...seeds),
        fc.record(
          { from: anyNumber, fromRoot: anyHash, to: anyNumber, toRoot: anyHash, path: anyPath },
          { requiredKeys: [] },
        ),
      )
      .map(([seed, other]) => ({ ...seed, ...other }) as Consistency),
  run(proof) {
    // As above: the new size and root come from a checkpoint, and so did the old ones.
    const known = isSize(proof.to) && tree.root(proof.to) === proof.toRoot && isSize(proof.from);
    if (!verifyConsistency(proof)) throw new QuorateError('LOG_PROOF_INVALID', 'the proof does not hold');
    if (!known) return;
    must(tree.root(proof.from) === proof.fromRoot, 'a tree is proven to begin with another');
  },
});

export const targets: readonly AnyTarget[] = [checkpoint, noteKey, witnessAnswer, inclusion, consistency];

import fc from 'fast-check';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import {
  decodeEquivocation,
  type EquivocationEvidence,
  encodeEquivocation,
  signMessage,
} from '../../../src/protocol/documents/index.ts';
import { MerkleTree, parseCheckpoint, witnessCheckpoint } from '../../../src/protocol/transparency/index.ts';
import { checkEquivocation, notesOf } from '../../../src/protocol/trust/equivocation.ts';
import { at, log, makeCharter, noteOf, project, testKey, trusted } from '../../support/project.ts';
import { mutatedJson, mutatedText } from '../arbitraries.ts';
import { define, must } from '../target.ts';

const one = new MerkleTree(['a', 'b', 'c', 'd']);
const two = new MerkleTree(['a', 'b', 'x', 'y', 'z']);
/** With the line of the trusted worker. */
const lined = async (note: string) => note + (await witnessCheckpoint(note, trusted.signer, at));
const entryOf = async (tree: MerkleTree, index: number) => ({
  checkpoint: await noteOf(tree),
  leaf: tree.leaves(index, index + 1)[0] ?? '',
  path: tree.inclusion(index),
});

/** Evidence of each kind: whatever is changed, it says nothing that the log did not sign. */
export const equivocation = define<string>({
  name: 'equivocation',
  async seeds() {
    const charter = (await signMessage('charter', makeCharter(), testKey('root').signer)).raw;
    const receipt = 'ab'.repeat(32);
    const payload = { iss: log.id, aud: testKey('w').id, lease: receipt, receipt, index: 2, iat: at };
    const ack = (await signMessage('ack', payload, log.signer)).raw;
    const all: EquivocationEvidence[] = [
      { v: 1, kind: 'roots', charter, checkpoints: [await noteOf(one), await noteOf(two, log, 4)] },
      {
        v: 1,
        kind: 'roots',
        charter,
        checkpoints: [await lined(await noteOf(one)), await lined(await noteOf(two, log, 4))],
      },
      { v: 1, kind: 'ack', charter, ack, entry: await entryOf(one, 2) },
      { v: 1, kind: 'leaves', charter, index: 2, entries: [await entryOf(one, 2), await entryOf(two, 2)] },
    ];
    return all.map(encodeEquivocation);
  },
  arbitrary: (seeds) =>
    fc.oneof({ weight: 1, arbitrary: mutatedText(seeds) }, { weight: 3, arbitrary: mutatedJson(seeds) }),
  msMax: 200,
  async run(text) {
    const evidence = decodeEquivocation(text);
    must(encodeEquivocation(evidence) === text, 'the evidence encodes to another text');
    const proves = await checkEquivocation(text, project, joseVerifier);
    must(proves.log === log.id, 'evidence against another key');
    const named = notesOf(evidence).filter((note) => note.includes(trusted.id));
    must(proves.lines <= named.length, 'a line of a trusted worker where none is named');
    if (evidence.kind !== 'roots') return;
    const [first, second] = evidence.checkpoints.map((note) => parseCheckpoint(note));
    must(
      first?.size === second?.size && first?.root !== second?.root,
      'two checkpoints that fit prove something',
    );
  },
});

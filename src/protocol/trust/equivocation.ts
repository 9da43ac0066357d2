import {
  decodeEquivocation,
  type EquivocationEvidence,
  openMessage,
  type Verifier,
} from '../documents/index.ts';
import { enforce, openCharterOf } from '../judge/index.ts';
import {
  type Checkpoint,
  openCheckpoint,
  openLinesOf,
  verifyInclusion,
  withoutWitnesses,
} from '../transparency/index.ts';
import type { Revoked } from './revocations.ts';

/** Verified evidence of equivocation: the log of this key tells two stories. */
export interface Equivocation {
  /** PeerId of the log key. */
  log: string;
  kind: EquivocationEvidence['kind'];
  /** The sizes of the checkpoints, or of the one. */
  sizes: number[];
  /** The index at which two leaves are known; null where only the roots differ. */
  index: number | null;
  /** By story: the trusted workers whose lines its checkpoint has, also those whose keys are revoked. */
  signers: readonly (readonly string[])[];
  /** Number of the two stories that one of them signed whose key is not revoked. With two everything under the log key is void. */
  lines: number;
  /** A sentence without its end. */
  says: string;
}

/**
 * Whether evidence proves that a log key of the project signed two stories. Lines of the charter's trusted workers count, but for
 * `revoked` keys: a thief chooses what its line is under.
 * @throws {QuorateError} `EQUIVOCATION_UNPROVEN`, `CHARTER_…`, `CHECKPOINT_…`, `DOC_…`
 */
export async function checkEquivocation(
  raw: string,
  project: string,
  verifier: Verifier,
  revoked: Pick<ReadonlySet<string>, 'has'> = new Set(),
): Promise<Equivocation> {
  const evidence = decodeEquivocation(raw);
  const { log, trusted } = (await openCharterOf(evidence.charter, project, verifier)).payload;
  const open: OpenNote = (note) => openCheckpoint(withoutWitnesses(note), { project, log }, verifier);
  const proves = await checkStories(evidence, log, open, verifier);
  const signers: string[][] = [];
  for (const note of notesOf(evidence))
    signers.push((await openLinesOf(note, trusted, verifier)).map(({ witness }) => witness));
  return counted({ log, kind: evidence.kind, signers, ...proves }, revoked);
}

const signedText = ['', '; a trusted worker signed one of them', '; trusted workers signed both'];

function counted(
  proves: Omit<Equivocation, 'lines'>,
  revoked: Pick<ReadonlySet<string>, 'has'>,
): Equivocation {
  const lines = proves.signers.filter((keys) => keys.some((key) => !revoked.has(key))).length;
  return { ...proves, lines, says: `${proves.says}${signedText[lines] ?? ''}` };
}

/** The same where more keys are revoked than before. */
export function withoutRevoked(
  { lines, says, ...proves }: Equivocation,
  revoked: Pick<ReadonlySet<string>, 'has'>,
): Equivocation {
  const bare = says.slice(0, says.length - (signedText[lines] ?? '').length);
  return counted({ ...proves, says: bare }, revoked);
}

/** The checkpoints in evidence: one for each story, and for a story that is an ack none. */
export function notesOf(evidence: EquivocationEvidence): readonly string[] {
  switch (evidence.kind) {
    case 'roots':
      return evidence.checkpoints;
    case 'ack':
      return [evidence.entry.checkpoint];
    case 'leaves':
      return evidence.entries.map(({ checkpoint }) => checkpoint);
  }
}

/** The same evidence with other lines under its checkpoints. */
export function withNotes(
  evidence: EquivocationEvidence,
  [first = '', second = '']: readonly string[],
): EquivocationEvidence {
  switch (evidence.kind) {
    case 'roots':
      return { ...evidence, checkpoints: [first, second] };
    case 'ack':
      return { ...evidence, entry: { ...evidence.entry, checkpoint: first } };
    case 'leaves': {
      const [one, two] = evidence.entries;
      return {
        ...evidence,
        entries: [
          { ...one, checkpoint: first },
          { ...two, checkpoint: second },
        ],
      };
    }
  }
}

type OpenNote = (note: string) => Promise<Checkpoint>;

async function checkStories(
  evidence: EquivocationEvidence,
  log: string,
  open: OpenNote,
  verifier: Verifier,
): Promise<Pick<Equivocation, 'sizes' | 'index' | 'says'>> {
  switch (evidence.kind) {
    case 'roots': {
      const [first, second] = [await open(evidence.checkpoints[0]), await open(evidence.checkpoints[1])];
      const { size } = first;
      unproven(size === second.size, `one checkpoint is of ${size} leaves, the other of ${second.size}`);
      unproven(first.root !== second.root, 'both checkpoints have the same root');
      const says = `the log key ${log} signed two logs of ${size} leaves, with the roots ${first.root} and ${second.root}`;
      return { sizes: [size], index: null, says };
    }
    case 'ack': {
      const { payload, signer } = await openMessage('ack', evidence.ack, verifier);
      const { receipt, index } = payload;
      unproven(signer === log, `the ack is signed by ${signer}, which is not the log key`);
      const { size, leaf } = await openEntry(evidence.entry, index, open);
      unproven(!leaf.startsWith(`receipt ${receipt} `), 'the log has the receipt where the ack promised it');
      const says = `the log key ${log} promised receipt ${receipt} as leaf ${index}, and signed a log that has "${leaf}" there`;
      return { sizes: [size], index, says };
    }
    case 'leaves': {
      const { index } = evidence;
      const first = await openEntry(evidence.entries[0], index, open);
      const second = await openEntry(evidence.entries[1], index, open);
      unproven(first.leaf !== second.leaf, `both logs have the same leaf ${index}`);
      const says = `the log key ${log} signed a log of ${first.size} leaves with "${first.leaf}" as leaf ${index}, and one of ${second.size} with "${second.leaf}" there`;
      return { sizes: [first.size, second.size], index, says };
    }
  }
}

async function openEntry(
  { checkpoint, leaf, path }: Extract<EquivocationEvidence, { kind: 'ack' }>['entry'],
  index: number,
  open: OpenNote,
): Promise<{ size: number; leaf: string }> {
  const { size, root } = await open(checkpoint);
  const included = verifyInclusion({ leaf, index, size, root, path });
  unproven(included, `the proof does not show leaf ${index} under the checkpoint of ${size} leaves`);
  return { size, leaf };
}

function unproven(holds: boolean, why: string): void {
  enforce('EQUIVOCATION_UNPROVEN', holds, why);
}

/** The log key is void, in whole or in part, until the root names another one. */
export function revokedByEquivocation({ log, lines, says }: Equivocation): Revoked {
  return { what: { kind: 'log', id: log, whole: lines === 2 }, since: 0, reason: says, byRoot: true };
}

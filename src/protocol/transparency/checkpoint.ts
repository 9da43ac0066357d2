import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { codeOf, QuorateError } from '../base/errors.ts';
import { toUtf8 } from '../base/text.ts';
import { concat } from '../base/whole-bytes.ts';
import {
  fromBase64,
  type NoteKey,
  noteKeyId,
  noteKinds,
  parseNoteKey,
  publicKeyOf,
  type Signer,
  toBase64,
  type Verifier,
} from '../documents/index.ts';
import { transparencyLimits } from './limits.ts';

interface NoteLine {
  name: string;
  /** First four bytes of the key's hash. */
  keyId: Uint8Array;
  bytes: Uint8Array;
  /** The line itself, with its line feed. */
  text: string;
}

function formatLine(name: string, keyId: Uint8Array, bytes: Uint8Array): string {
  return `\u2014 ${name} ${toBase64(concat([keyId, bytes]))}\n`;
}

function malformed(message: string): QuorateError {
  return new QuorateError('CHECKPOINT_MALFORMED', message);
}

/** Splits a signed note into the text that is signed and its signature lines. Throws `CHECKPOINT_MALFORMED`. */
export function splitNote(note: string): { body: string; lines: NoteLine[] } {
  if (note.length > transparencyLimits.checkpointCharsMax)
    throw malformed(
      `a checkpoint of ${note.length} characters; at most ${transparencyLimits.checkpointCharsMax} are read`,
    );
  const end = note.lastIndexOf('\n\n');
  if (end === -1 || !note.endsWith('\n')) throw malformed('the checkpoint is not a signed note');
  const lines = note
    .slice(end + 2, -1)
    .split('\n')
    .map((line) => splitLine(`${line}\n`));
  return { body: note.slice(0, end + 1), lines };
}

/** A signature line with its line feed. Throws `CHECKPOINT_MALFORMED`, `DOC_NOT_BASE64`. */
export function splitLine(line: string): NoteLine {
  const parts = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)\n$/u.exec(line);
  if (parts === null) throw malformed('the checkpoint has a line that is no signature');
  const [, name = '', base64 = ''] = parts;
  const whole = fromBase64(base64, 'checkpoint signature');
  if (whole.length < 5) throw malformed('the checkpoint has a signature that is too short');
  return { name, keyId: whole.slice(0, 4), bytes: whole.slice(4), text: line };
}

export interface Witness {
  /** PeerId of the key; it is also the name in the note. */
  witness: string;
  /** When it signed, in seconds since the epoch, by its own clock. */
  time: number;
}

/** The signed size and root of a log (C2SP tlog-checkpoint), verified. */
export interface Checkpoint {
  origin: string;
  size: number;
  /** Hexadecimal. */
  root: string;
  /** The text that was signed. */
  body: string;
  /** Other signers, each key once. */
  witnesses: Witness[];
}

/** The name of a project's log, and of the key that signs for it. */
export const originOf = (project: string): string => `quorate/${project}`;

/** The text of a checkpoint; `root` in hexadecimal. */
export function formatCheckpoint(checkpoint: { project: string; size: number; root: string }): string {
  const { project, size, root } = checkpoint;
  return `${originOf(project)}\n${size}\n${toBase64(hexToBytes(root))}\n`;
}

function parseBody(body: string): { origin: string; size: number; root: string } {
  const [origin = '', size = '', root = '', rest, ...more] = body.split('\n');
  if (rest !== '' || more.length > 0 || !/^(0|[1-9][0-9]{0,15})$/.test(size))
    throw new QuorateError(
      'CHECKPOINT_MALFORMED',
      'a checkpoint is three lines: origin, size, root; without more',
    );
  const bytes = fromBase64(root, 'checkpoint root');
  if (bytes.length !== 32 || !Number.isSafeInteger(Number(size)))
    throw new QuorateError('CHECKPOINT_MALFORMED', 'the checkpoint has no valid size and sha256 root');
  return { origin, size: Number(size), root: bytesToHex(bytes) };
}

/** The contents of a signed note. Nothing is verified. Throws `CHECKPOINT_MALFORMED`, `DOC_NOT_BASE64`. */
export function parseCheckpoint(note: string): Pick<Checkpoint, 'origin' | 'size' | 'root'> {
  return parseBody(splitNote(note).body);
}

/** The log's signature: gives the whole signed note. */
export async function signCheckpoint(body: string, signer: Signer): Promise<string> {
  const { origin } = parseBody(body);
  const signature = await signer.raw(toUtf8(body));
  return `${body}\n${formatLine(origin, noteKeyId(origin, noteKinds.ed25519, signer.id), signature)}`;
}

/** The message that a witness signs. Source: C2SP tlog-cosignature, `cosignature/v1`. */
function cosignedMessage(body: string, time: number): Uint8Array {
  return toUtf8(`cosignature/v1\ntime ${time}\n${body}`);
}

/** A witness's line for a note that it checked and found consistent; `time` in seconds. */
export async function witnessCheckpoint(note: string, signer: Signer, time: number): Promise<string> {
  const { body } = splitNote(note);
  const signature = await signer.raw(cosignedMessage(body, time));
  const keyId = noteKeyId(signer.id, noteKinds.cosignature, signer.id);
  const timeBytes = hexToBytes(time.toString(16).padStart(16, '0'));
  return formatLine(signer.id, keyId, concat([timeBytes, signature]));
}

/** Opens a witness's line for a note; undefined where its name is no PeerId. */
export async function openWitnessLine(
  note: string,
  line: string,
  verifier: Verifier,
): Promise<Witness | undefined> {
  return openWitness(splitLine(line), splitNote(note).body, verifier);
}

/** The note with the lines of its log only, which is what others sign and what evidence needs. Throws `CHECKPOINT_MALFORMED`. */
export function withoutWitnesses(note: string): string {
  const { body, lines } = splitNote(note);
  const { origin } = parseBody(body);
  const own = lines.filter(({ name }) => name === origin);
  return `${body}\n${own.map(({ text }) => text).join('')}`;
}

interface WitnessLine extends Witness {
  /** With its line feed. */
  line: string;
}

/** The first valid line of each key under a note. Others are skipped, so that no added line spoils the rest. */
export async function openLinesOf(
  note: string,
  keys: readonly string[],
  verifier: Verifier,
): Promise<WitnessLine[]> {
  const { body, lines } = splitNote(note);
  const found: WitnessLine[] = [];
  for (const key of keys) {
    for (const line of lines.filter(({ name }) => name === key)) {
      const witness = await openWitness(line, body, verifier).catch(skipped);
      if (witness === undefined) continue;
      found.push({ ...witness, line: line.text });
      break;
    }
  }
  return found;
}

function skipped(error: unknown): undefined {
  if (codeOf(error) !== 'CHECKPOINT_BAD_SIGNATURE') throw error;
}

/** The signature lines of a note, each with its line feed. Nothing is verified. Throws `CHECKPOINT_MALFORMED`. */
export function signatureLines(note: string): { name: string; line: string }[] {
  return splitNote(note).lines.map(({ name, text }) => ({ name, line: text }));
}

/** Puts a witness's line under a note. Nothing is checked: open the result. */
export function addWitness(note: string, line: string): string {
  return note + line;
}

function isPeer(name: string): boolean {
  // How every PeerId of an Ed25519 key begins: anybody may add lines to a note, and to decode 600 other names takes 5 ms.
  if (!name.startsWith('12D3KooW')) return false;
  try {
    return publicKeyOf(name).length === 32;
  } catch {
    return false;
  }
}

const same = (a: Uint8Array, b: Uint8Array) => bytesToHex(a) === bytesToHex(b);

/** The line's time, where it is by this key; undefined where it is by another. */
async function openLine(
  line: NoteLine,
  body: string,
  key: Pick<NoteKey, 'name' | 'id' | 'keyId'>,
  verifier: Verifier,
): Promise<number | undefined> {
  const { name, keyId, bytes } = line;
  if (name !== key.name || !same(keyId, key.keyId)) return undefined;
  const time = Number.parseInt(bytesToHex(bytes.slice(0, 8)), 16);
  if (
    bytes.length !== 72 ||
    !Number.isSafeInteger(time) ||
    !(await verifier.raw(cosignedMessage(body, time), bytes.slice(8), key.id))
  ) {
    throw new QuorateError('CHECKPOINT_BAD_SIGNATURE', `the checkpoint bears a broken signature of ${name}`);
  }
  return time;
}

async function openWitness(line: NoteLine, body: string, verifier: Verifier): Promise<Witness | undefined> {
  const { name } = line;
  // Keys we do not know are to be skipped, says C2SP signed-note: witnesses of others may have signed too.
  if (!isPeer(name)) return undefined;
  const key = { name, id: name, keyId: noteKeyId(name, noteKinds.cosignature, name) };
  const time = await openLine(line, body, key, verifier);
  return time === undefined ? undefined : { witness: name, time };
}

/** A witness of others that signed a checkpoint, by the name in its key. */
export interface NamedWitness {
  name: string;
  /** When it signed, in seconds since the epoch, by its own clock. */
  time: number;
}

/** The lines of these witnesses (C2SP verifier keys) under a note, each key once. Lines of others are skipped. */
export async function openNamedWitnesses(
  note: string,
  keys: readonly string[],
  verifier: Verifier,
): Promise<NamedWitness[]> {
  const { body, lines } = splitNote(note);
  const found: NamedWitness[] = [];
  for (const key of keys.map(parseNoteKey)) {
    const times: number[] = [];
    for (const line of lines) {
      const time = await openLine(line, body, key, verifier);
      if (time !== undefined) times.push(time);
    }
    if (times[0] !== undefined) found.push({ name: key.name, time: times[0] });
  }
  return found;
}

/**
 * Opens a checkpoint of a project's log. Signatures by known keys must be valid; unknown ones are skipped.
 * @throws {QuorateError} `CHECKPOINT_…`, `DOC_NOT_BASE64`
 */
export async function openCheckpoint(
  note: string,
  expected: { project: string; log: string },
  verifier: Verifier,
): Promise<Checkpoint> {
  const { body, lines } = splitNote(note);
  const { origin, size, root } = parseBody(body);
  if (origin !== originOf(expected.project))
    throw new QuorateError(
      'CHECKPOINT_LOG_MISMATCH',
      `the checkpoint is of the log "${origin.slice(0, 100)}"`,
    );
  const logKeyId = noteKeyId(origin, noteKinds.ed25519, expected.log);
  const [own] = lines.filter((line) => line.name === origin && same(line.keyId, logKeyId));
  if (own === undefined)
    throw new QuorateError('CHECKPOINT_UNSIGNED', "the checkpoint is not signed by the charter's log key");
  if (own.bytes.length !== 64 || !(await verifier.raw(toUtf8(body), own.bytes, expected.log)))
    throw new QuorateError('CHECKPOINT_BAD_SIGNATURE', "the log key's signature does not fit the checkpoint");
  const witnesses: Witness[] = [];
  for (const line of lines) {
    const witness = await openWitness(line, body, verifier);
    if (witness !== undefined && !witnesses.some((known) => known.witness === witness.witness)) {
      witnesses.push(witness);
    }
  }
  return { origin, size, root, body, witnesses };
}

/** The same; undefined where another key signed it. @throws {QuorateError} other `CHECKPOINT_…`, `DOC_NOT_BASE64` */
export function openCheckpointOf(
  ...asked: Parameters<typeof openCheckpoint>
): Promise<Checkpoint | undefined> {
  return openCheckpoint(...asked).catch((error: unknown) => {
    if (codeOf(error) === 'CHECKPOINT_UNSIGNED') return undefined;
    throw error;
  });
}

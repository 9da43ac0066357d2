import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { QuorateError } from '../base/errors.ts';
import { toUtf8 } from '../base/text.ts';
import { concat } from '../base/whole-bytes.ts';
import { peerIdOf, publicKeyOf } from './base.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { documentLimits } from './limits.ts';

/** Signature kinds of C2SP signed-note: a log's plain Ed25519, and a witness's timestamped cosignature/v1. */
export const noteKinds = { ed25519: 0x01, cosignature: 0x04 } as const;
type NoteKind = (typeof noteKinds)[keyof typeof noteKinds];

/** `SHA-256(name ‖ 0x0A ‖ kind ‖ key)[:4]`. Source: C2SP signed-note, "Signatures". */
export function noteKeyId(name: string, kind: NoteKind, peerId: string): Uint8Array {
  return sha256(concat([toUtf8(name), Uint8Array.of(0x0a, kind), publicKeyOf(peerId)])).slice(0, 4);
}

/** A key of a signed note, with the name it signs under. */
export interface NoteKey {
  name: string;
  kind: NoteKind;
  /** First four bytes of the key's hash. */
  keyId: Uint8Array;
  /** PeerId of the same Ed25519 key. */
  id: string;
}

/** `name+<key id>+<base64 of kind ‖ key>`. Source: C2SP signed-note, "Verifier keys". */
export function formatNoteKey(name: string, kind: NoteKind, peerId: string): string {
  const bytes = Uint8Array.of(kind, ...publicKeyOf(peerId));
  return `${name}+${bytesToHex(noteKeyId(name, kind, peerId))}+${toBase64(bytes)}`;
}

/** A verifier key of C2SP signed-note, of an Ed25519 key and a name of printable ASCII. Throws `NOTE_KEY_INVALID`. */
export function parseNoteKey(text: string): NoteKey {
  const [, name = '', id = '', base64 = ''] =
    /^([!-*,-~]{1,128})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})$/.exec(
      text.slice(0, documentLimits.noteKeyCharsMax + 1),
    ) ?? [];
  if (name === '') throw invalid('it is name+keyid+base64, of a name without spaces');
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(base64, 'the key');
  } catch (cause) {
    throw invalid('its last part is not base64', cause);
  }
  const kind = Object.values(noteKinds).find((known) => known === bytes[0]);
  if (kind === undefined || bytes.length !== 33) throw invalid('it is of another kind of key');
  const peer = peerIdOf(bytes.slice(1));
  const keyId = noteKeyId(name, kind, peer);
  if (bytesToHex(keyId) !== id) throw invalid('its key id is not that of its name and key');
  return { name, kind, keyId, id: peer };
}

function invalid(why: string, cause?: unknown): QuorateError {
  return new QuorateError('NOTE_KEY_INVALID', `not a verifier key of a signed note: ${why}`, {
    hint: 'A witness tells its own: litewitness prints it when it starts.',
    ...(cause === undefined ? {} : { cause }),
  });
}

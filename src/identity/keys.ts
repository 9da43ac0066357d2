import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  randomUUID,
  sign,
} from 'node:crypto';
import { chmod, link, mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { messageOf, QuorateError } from '../protocol/base/errors.ts';
import { shellWord } from '../protocol/base/shell-word.ts';
import { DocumentMemory, fromBase64Url, peerIdOf, type Signer } from '../protocol/documents/index.ts';
import { signCompact } from './compact-jws.ts';
import { identityLimits } from './limits.ts';

/** DER prefix of a PKCS #8 Ed25519 private key, up to the 32 bytes of the seed (RFC 8410, 7). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The key of a node: its libp2p identity and its signing key. */
export interface NodeKey {
  readonly id: string;
  /** The 32-byte Ed25519 seed (RFC 8032), secret. */
  readonly seed: Uint8Array;
  readonly signer: Signer;
}

export function generateSeed(): Uint8Array {
  return new Uint8Array(randomBytes(32));
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  if (seed.length !== 32)
    throw new QuorateError('KEY_INVALID', `an Ed25519 seed has 32 bytes, not ${seed.length}`);
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' });
}

function publicBytesOf(key: KeyObject): Uint8Array {
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  return fromBase64Url(x ?? '', 'public key');
}

/** The key pair of a seed. @throws KEY_INVALID if it has not 32 bytes */
export function keyFromSeed(seed: Uint8Array): NodeKey {
  const key = privateKeyOf(seed);
  const id = peerIdOf(publicBytesOf(key));
  return {
    id,
    seed: Uint8Array.from(seed),
    signer: {
      id,
      // The header is rebuilt so that its members have canonical order.
      jws: async ({ alg, kid, typ }, payload) => signCompact({ alg, kid, typ }, payload, key),
      raw: async (message) => new Uint8Array(sign(null, message, key)),
      signed: new DocumentMemory(identityLimits.signedCharsMax),
    },
  };
}

/** A seed as PKCS #8 PEM (RFC 5958). @throws KEY_INVALID */
export function encodePrivatePem(seed: Uint8Array): string {
  return privateKeyOf(seed).export({ format: 'pem', type: 'pkcs8' }).toString();
}

const restore = 'Correct its permissions, or restore the key from a copy; without it this is another node.';

const invalid = (file: string, what: string, cause?: unknown): QuorateError =>
  new QuorateError('KEY_FILE_INVALID', `${file} ${what}`, { hint: restore, cause });

function decodePrivatePem(pem: string, file: string): Uint8Array {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw invalid(file, 'is not a private key in PEM', cause);
  }
  if (key.asymmetricKeyType !== 'ed25519') throw invalid(file, 'does not hold an Ed25519 key');
  const { d } = key.export({ format: 'jwk' });
  return fromBase64Url(d ?? '', 'private key');
}

/** Reads a key file. @throws KEY_FILE_MISSING, KEY_FILE_EXPOSED (accessible to others), KEY_FILE_INVALID */
export async function loadKey(file: string): Promise<NodeKey> {
  let pem: string;
  try {
    const found = await stat(file);
    if (!found.isFile())
      throw new QuorateError(
        'KEY_FILE_INVALID',
        `${file} is ${found.isDirectory() ? 'a folder' : 'no regular file'}, and no key`,
        {
          hint: `Move it away (mv ${shellWord(file)} ${shellWord(`${file}.away`)}) and restore the key from a backup. Without one a new key is created, which has to join again.`,
        },
      );
    if ((found.mode & 0o077) !== 0)
      throw new QuorateError('KEY_FILE_EXPOSED', `${file} can be read or written by other users`, {
        hint: `chmod 600 ${shellWord(file)} and, if others use this host, create a new key.`,
      });
    pem = await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof QuorateError) throw cause;
    throw new QuorateError('KEY_FILE_MISSING', `cannot read the key ${file}: ${messageOf(cause)}`, {
      hint: restore,
      cause,
    });
  }
  const key = keyFromSeed(decodePrivatePem(pem, file));
  const named = /^key (\S{1,100})$/m.exec(pem)?.[1];
  if (named !== undefined && named !== key.id)
    throw invalid(file, 'is damaged: it holds another key than it names');
  return key;
}

/** Writes a new or given key to `file` (0600), atomically. @throws KEY_FILE_EXISTS (never overwritten), KEY_FILE_UNWRITABLE */
export async function createKey(file: string, seed: Uint8Array = generateSeed()): Promise<NodeKey> {
  try {
    // Text before the key (RFC 7468, 5.2): a seed has no checksum of its own.
    await writeKey(file, `key ${keyFromSeed(seed).id}\n${encodePrivatePem(seed)}`);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST')
      throw new QuorateError('KEY_FILE_EXISTS', `${file} exists; a key is never overwritten`, { cause });
    throw new QuorateError('KEY_FILE_UNWRITABLE', `cannot write the key ${file}: ${messageOf(cause)}`, {
      hint: 'Its folder must be writable for you and on a disk with free space.',
      cause,
    });
  }
  return keyFromSeed(seed);
}

/** Writes a file that must never be there in part, nor be overwritten (`EEXIST`). */
export async function writeKey(file: string, pem: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomUUID()}.new`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(pem);
    await handle.sync();
    await handle.close();
    await chmod(draft, 0o600);
    // link(2), unlike rename(2), fails if the target exists.
    await link(draft, file);
  } finally {
    await handle.close();
    await unlink(draft);
  }
  // No document that the key signs may outlive it.
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

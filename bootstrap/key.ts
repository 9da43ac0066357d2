import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { writeKey } from '../src/identity/keys.ts';
import { QuorateError } from '../src/protocol/base/errors.ts';

export type { BootstrapErrorCode } from './error-codes.ts';

const SEED_BYTES = 32;

/**
 * Reads the node's Ed25519 seed: 64 hexadecimal digits and their checksum in a file, made if missing. @throws BOOTSTRAP_KEY_INVALID,
 * BOOTSTRAP_KEY_UNREADABLE
 */
export async function loadKey(file: string): Promise<Uint8Array> {
  const text = read(file) ?? (await create(file));
  const [, seed = '', sum] = /^([0-9a-f]{64})(?: ([0-9a-f]{8}))?$/.exec(text.trim()) ?? [];
  if (seed === '' || (sum !== undefined && sum !== sumOf(seed))) {
    const says =
      seed === ''
        ? 'does not hold a key of 64 hexadecimal digits'
        : 'is damaged: its checksum is of another key';
    throw new QuorateError('BOOTSTRAP_KEY_INVALID', `${file} ${says}`, {
      hint: 'Put it back from a copy, or move it away to create a new key; the address of this node changes with it.',
    });
  }
  return new Uint8Array(Buffer.from(seed, 'hex'));
}

/** CRC-32 of the digits, in as many. */
const sumOf = (seed: string): string => crc32(seed).toString(16).padStart(8, '0');

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unusable(file, cause);
  }
}

async function create(file: string): Promise<string> {
  const seed = randomBytes(SEED_BYTES).toString('hex');
  const text = `${seed} ${sumOf(seed)}\n`;
  try {
    // Fails if another process has created it: two nodes with one key would take over each other's connections.
    await writeKey(file, text);
  } catch (cause) {
    throw unusable(file, cause);
  }
  return text;
}

const unusable = (file: string, cause: unknown): QuorateError =>
  new QuorateError('BOOTSTRAP_KEY_UNREADABLE', `cannot read or create the key file ${file}`, {
    hint: 'Give this user read and write permission there, or name another file with --key.',
    cause,
  });

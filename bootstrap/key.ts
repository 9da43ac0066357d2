import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { QuorateError } from '../src/core/errors.ts';

export type { BootstrapErrorCode } from './error-codes.ts';

const SEED_BYTES = 32;

/**
 * Reads the node's Ed25519 seed: 64 hexadecimal digits in a file of mode 0600. Creates the file if it does not exist.
 * @throws BOOTSTRAP_KEY_INVALID, BOOTSTRAP_KEY_UNREADABLE
 */
export function loadKey(file: string): Uint8Array {
  const text = read(file) ?? create(file);
  if (!/^[0-9a-f]{64}$/.test(text.trim())) {
    throw new QuorateError('BOOTSTRAP_KEY_INVALID', `${file} does not hold a key of 64 hexadecimal digits`, {
      hint: 'Move the file away to create a new key; the address of this node changes with it.',
    });
  }
  return new Uint8Array(Buffer.from(text.trim(), 'hex'));
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unusable(file, cause);
  }
}

function create(file: string): string {
  const seed = randomBytes(SEED_BYTES).toString('hex');
  try {
    mkdirSync(dirname(file), { recursive: true });
    // Fails if another process has created it: two nodes with one key would take over each other's connections.
    writeFileSync(file, `${seed}\n`, { mode: 0o600, flag: 'wx' });
    chmodSync(file, 0o600);
  } catch (cause) {
    throw unusable(file, cause);
  }
  return seed;
}

const unusable = (file: string, cause: unknown): QuorateError =>
  new QuorateError('BOOTSTRAP_KEY_UNREADABLE', `cannot read or create the key file ${file}`, {
    hint: 'Give this user read and write permission there, or name another file with --key.',
    cause,
  });

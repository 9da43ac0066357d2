import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { CID } from 'multiformats/cid';
import { messageOf } from '../protocol/base/errors.ts';
import { cidFrom, linksOf, parseCid } from './nodes.ts';
import { PackFiles } from './pack-files.ts';
import { PinLog } from './pin-log.ts';

export interface PackFault {
  file: string;
  /** Offset in bytes. */
  at: number;
  says: string;
}

export interface CheckedStore {
  blocks: number;
  bytes: number;
  faults: PackFault[];
  /** Roots of pinned trees of which blocks are missing or damaged. */
  incomplete: string[];
}

/** The pins in a list, which is a copy: a line that a crash left incomplete is cut off. @throws STORE_PINS_DAMAGED */
export function readPins(file: string): { roots: string[]; mended: readonly string[] } {
  const log = new PinLog(file);
  log.open();
  log.close();
  return { roots: [...log.pins.keys()], mended: log.mended };
}

/**
 * Reads every block in a folder of packs, compares it with its hash, and walks the trees of these roots. Writes nothing, and reads no
 * index. @throws errors of the system
 */
export async function checkPacks(
  dir: string,
  roots: readonly string[],
  signal: AbortSignal,
): Promise<CheckedStore> {
  const checked: CheckedStore = { blocks: 0, bytes: 0, faults: [], incomplete: [] };
  if (!existsSync(dir)) return { ...checked, incomplete: [...roots] };
  const packs = new PackFiles(dir, undefined, 'r');
  /** By digest in hexadecimal: links of a node, none of another block. */
  const whole = new Map<string, CID[]>();
  const checkPack = async (pack: number): Promise<void> => {
    const file = packs.path(pack);
    const fault = (at: number, says: string) => checked.faults.push({ file, at, says });
    let end = 0;
    for await (const { cid: named, at, size } of packs.scan(pack)) {
      signal.throwIfAborted();
      const bytes = (await packs.read(pack, at, size)) ?? new Uint8Array();
      const digest = named.subarray(4);
      const cid = cidFrom(named[1] ?? 0, digest);
      end = at + size;
      checked.blocks += 1;
      checked.bytes += size;
      try {
        if (Buffer.compare(hash('sha256', bytes, 'buffer'), digest) === 0)
          whole.set(Buffer.from(digest).toString('hex'), linksOf(cid, bytes));
        else fault(at, `block ${cid} is not what its hash says`);
      } catch (error) {
        fault(at, messageOf(error));
      }
    }
    const size = await packs.size(pack).catch(() => end);
    if (size > end) fault(end, `${size - end} bytes are no block: a write that a crash cut off, or damage`);
  };
  try {
    for (const pack of packs.list()) await checkPack(pack);
    checked.incomplete.push(...roots.filter((root) => !isComplete(root, whole)));
    return checked;
  } finally {
    await packs.close();
  }
}

function isComplete(root: string, whole: ReadonlyMap<string, readonly CID[]>): boolean {
  const seen = new Set<string>();
  const open: CID[] = [parseCid(root)];
  for (let cid = open.pop(); cid !== undefined; cid = open.pop()) {
    const key = Buffer.from(cid.multihash.digest).toString('hex');
    if (seen.has(key)) continue;
    seen.add(key);
    const links = whole.get(key);
    if (links === undefined) return false;
    open.push(...links);
  }
  return true;
}

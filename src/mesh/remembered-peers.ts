import { randomUUID } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { isDiallable } from './addresses.ts';
import { meshLimits } from './limits.ts';

const FILE_BYTES_MAX = 1024 * 1024;
const WRITE_DELAY_MS = 500;

const Peer = z.object({
  id: z.string().max(128),
  addrs: z.array(z.string().max(512)).max(meshLimits.rememberedAddrsMax),
  /** Milliseconds since 1970 of the last connection. */
  seen: z.number(),
  /** Whether a dial to it has succeeded. Such peers are kept before peers that only dialled us. */
  dialled: z.boolean(),
});
const File = z.object({ version: z.literal(1), peers: z.array(Peer).max(meshLimits.rememberedMax) });
export type RememberedPeer = z.infer<typeof Peer>;

/** Which of two peers is kept before the other, as for `sort`. */
export type PeerOrder = (a: RememberedPeer, b: RememberedPeer) => number;
/** Dialled peers before the others, the most recently seen first. */
const dialledFirst: PeerOrder = (a, b) => Number(b.dialled) - Number(a.dialled) || b.seen - a.seen;

/**
 * Peers to dial after a restart, in a JSON file that is replaced as a whole, with what other processes of its folder added. A failure to
 * read or write it is counted.
 */
export class RememberedPeers {
  readonly #file: string | undefined;
  readonly #onFailure: () => void;
  readonly #order: PeerOrder;
  readonly #peers = new Map<string, RememberedPeer>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(file: string | undefined, onFailure: () => void, order: PeerOrder = dialledFirst) {
    this.#file = file;
    this.#onFailure = onFailure;
    this.#order = order;
    if (file !== undefined) this.#load(file);
  }

  /** In the order in which they are kept. */
  list(): RememberedPeer[] {
    return [...this.#peers.values()].sort(this.#order);
  }

  /** Ignored after `close`: connections still report their end then. */
  remember(id: string, addrs: string[], dialled: boolean, now: number): void {
    if (this.#isClosed) return;
    const old = this.#peers.get(id);
    const all = [...new Set([...addrs, ...(old?.addrs ?? [])])].slice(0, meshLimits.rememberedAddrsMax);
    if (all.length === 0) return;
    this.#peers.set(id, { id, addrs: all, seen: now, dialled: dialled || (old?.dialled ?? false) });
    this.#forgetBeyondMax(id);
    this.#timer ??= setTimeout(() => this.#save(), WRITE_DELAY_MS);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== undefined) this.#save();
    await this.#writing;
  }

  #load(file: string): void {
    try {
      const stat = statSync(file, { throwIfNoEntry: false });
      if (stat === undefined) return;
      if (stat.size > FILE_BYTES_MAX) throw new Error('too large');
      // One that a disk has changed is forgotten: peers are found again.
      for (const peer of File.parse(JSON.parse(readFileSync(file, 'utf8'))).peers)
        if (isDiallable(peer) && peer.seen > (this.#peers.get(peer.id)?.seen ?? -1))
          this.#peers.set(peer.id, peer);
      this.#forgetBeyondMax();
    } catch {
      this.#onFailure();
    }
  }

  #forgetBeyondMax(kept?: string): void {
    for (const { id } of this.list().toReversed()) {
      if (this.#peers.size <= meshLimits.rememberedMax) return;
      if (id !== kept) this.#peers.delete(id);
    }
  }

  #save(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const file = this.#file;
    if (file === undefined || isAnothers(file)) return;
    this.#load(file);
    const text = JSON.stringify({ version: 1, peers: this.list() }, null, 1);
    this.#writing = this.#writing.then(() => replaceFile(file, text)).catch(() => this.#onFailure());
  }
}

/** Whether root would take the file from the account of its node, which could not read it any more. */
const isAnothers = (file: string): boolean =>
  process.getuid?.() === 0 && (statSync(file, { throwIfNoEntry: false })?.uid ?? 0) !== 0;

async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}.new`;
  await mkdir(dirname(file), { recursive: true });
  try {
    await writeFile(temporary, text, { mode: 0o600 });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

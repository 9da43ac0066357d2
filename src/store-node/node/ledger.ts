import { z } from 'zod';
import { readJson, writeJson } from '../../node/files.ts';
import { oneByOne } from '../../protocol/base/one-by-one.ts';
import { cid, name, sha256, text } from '../../protocol/documents/base.ts';
import type { Known } from '../machine/plan.ts';
import { storeNodeLimits } from './limits.ts';

const time = z.int().min(0);

const entrySchema = z.strictObject({
  run: sha256,
  tree: cid,
  job: cid,
  kind: z.enum(['build', 'test']),
  repo: text(2000),
  ref: text(300),
  name,
  level: z.enum(['trusted', 'agreed']),
  decidedAt: time,
  /** It counts without a co-signature. */
  cosigned: z.literal(false).optional(),
});
/** A verdict whose bundle was verified. */
export type LedgerEntry = z.infer<typeof entrySchema>;

const ledgerSchema = z.strictObject({
  v: z.literal(1),
  entries: z.array(entrySchema).max(storeNodeLimits.entriesMax),
  trees: z.array(
    z.strictObject({
      tree: cid,
      /** With what is kept beside it, and its bundles. */
      bytes: z.int().min(0),
      beside: z.array(cid).max(storeNodeLimits.besideMax),
    }),
  ),
  asked: z.array(z.strictObject({ tree: cid, until: time })),
});
type Stored = z.infer<typeof ledgerSchema>;

/**
 * The trees that a store knows and keeps, in one file, written after the pins of a tree that comes and before those of one that goes are
 * dropped: whatever it names is here as a whole, unless the disk lost it.
 */
export class Ledger {
  readonly #file: string;
  /** By run. */
  readonly entries: Map<string, LedgerEntry>;
  readonly trees: Map<string, { bytes: number; beside: readonly string[] }>;
  readonly asked: Map<string, number>;
  /** Trees that turned out to be larger than this. Not kept on disk. */
  readonly larger = new Map<string, number>();
  readonly #inTurn = oneByOne();

  private constructor(file: string, { entries, trees, asked }: Stored) {
    this.#file = file;
    this.entries = new Map(entries.map((entry) => [entry.run, entry]));
    this.trees = new Map(trees.map(({ tree, ...rest }) => [tree, rest]));
    this.asked = new Map(asked.map(({ tree, until }) => [tree, until]));
  }

  /** @throws HOME_DAMAGED, HOME_UNREADABLE */
  static async open(file: string): Promise<Ledger> {
    const hint = 'Remove it: the store reads the verdicts of the project again.';
    const stored = await readJson(file, ledgerSchema, hint);
    return new Ledger(file, stored ?? { v: 1, entries: [], trees: [], asked: [] });
  }

  get known(): Known {
    return {
      entries: [...this.entries.values()],
      asked: [...this.asked].map(([tree, until]) => ({ tree, until })),
      bytes: new Map([...this.trees].map(([tree, { bytes }]) => [tree, bytes])),
      larger: this.larger,
    };
  }

  of(tree: string): LedgerEntry[] {
    return [...this.entries.values()].filter((entry) => entry.tree === tree);
  }

  /**
   * Returns the entry that is forgotten for it: of a tree that has its share the second oldest; else of trees that are not kept the
   * oldest.
   */
  add(entry: LedgerEntry): LedgerEntry | undefined {
    this.entries.set(entry.run, entry);
    const isFull = this.entries.size > storeNodeLimits.entriesMax;
    const own = this.of(entry.tree);
    if (!isFull && own.length <= storeNodeLimits.entriesPerTreeMax) return undefined;
    const among = isFull ? [...this.entries.values()].filter(({ tree }) => !this.trees.has(tree)) : own;
    const [oldest, second] = among.sort((a, b) => a.decidedAt - b.decidedAt);
    const gone = (isFull ? oldest : second) ?? entry;
    this.entries.delete(gone.run);
    return gone;
  }

  /** @throws HOME_UNWRITABLE */
  save(): Promise<void> {
    return this.#inTurn(() => {
      const stored: Stored = {
        v: 1,
        entries: [...this.entries.values()],
        trees: [...this.trees].map(([tree, { bytes, beside }]) => ({ tree, bytes, beside: [...beside] })),
        asked: [...this.asked].map(([tree, until]) => ({ tree, until })),
      };
      return writeJson(this.#file, stored);
    });
  }
}

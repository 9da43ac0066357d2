import { addTo } from '../base/maps.ts';
import { MerkleTree } from '../transparency/index.ts';

/** Leaves of the log by what they say: checking a bundle costs the same however long the log is. 200 bytes a leaf. */
export class LogIndex {
  readonly tree = new MerkleTree();
  /** Indices, ascending. */
  readonly charters: number[] = [];
  readonly revocations: number[] = [];
  /** By request and job. */
  readonly rounds = new Map<string, number[]>();
  /** By offer. */
  readonly receipts = new Map<string, number[]>();
  /** By operator and role: the first. */
  readonly enrolments = new Map<string, number>();
  /** By id: the index of the first leaf. */
  readonly verdicts = new Map<string, number>();

  constructor(lines: Iterable<string> = []) {
    for (const line of lines) this.append(line);
  }

  append(leaf: string): void {
    const at = this.tree.append(leaf);
    const [kind, first = '', second = '', third = '', fourth = '', fifth = '', ...more] = leaf.split(' ');
    if (kind === 'charter') this.charters.push(at);
    else if (revokedByLeaf(leaf) !== undefined) this.revocations.push(at);
    else if (kind === 'offer' && second === 'job' && fourth === 'request' && more.length === 0)
      addTo(this.rounds, `${fifth} ${third}`, at);
    else if (kind === 'receipt' && second === 'offer' && fourth === '') addTo(this.receipts, third, at);
    else if (kind === 'verdict' && !this.verdicts.has(first)) this.verdicts.set(first, at);
    else if (kind === 'enrol' && third !== '') {
      const who = `${first} ${second}`;
      if (!this.enrolments.has(who)) this.enrolments.set(who, at);
    }
  }
}

/** The id in the leaf of a revocation. A line of another form names no document, and nobody waits for it. */
export const revokedByLeaf = (leaf: string): string | undefined =>
  /^revocation ([0-9a-f]{64})$/.exec(leaf)?.[1];

interface Part {
  index: LogIndex;
  /** Index in the log of its first leaf, and how many of its leaves count. */
  offset: number;
  count: number;
}

/** The first leaves of a log: some that are kept, and fresh ones that follow them. The index of those that are kept may grow meanwhile. */
export class LogView {
  readonly size: number;
  /** How many are of those that were kept. */
  readonly from: number;
  readonly #kept: LogIndex;
  readonly #parts: readonly Part[];
  readonly fresh: readonly string[];

  constructor(kept: LogIndex, from: number, fresh: readonly string[] = []) {
    this.#kept = kept;
    this.from = from;
    this.fresh = fresh;
    this.size = from + fresh.length;
    this.#parts = [
      { index: kept, offset: 0, count: from },
      { index: new LogIndex(fresh), offset: from, count: fresh.length },
    ];
  }

  /** Of a log of which nothing was kept. */
  static of(lines: readonly string[]): LogView {
    return new LogView(new LogIndex(), 0, lines);
  }

  leaves(): string[] {
    return [...this.#kept.tree.leaves(0, this.from), ...this.fresh];
  }

  /** Of its first leaves: `size`, or all that there are. */
  under(size: number): LogView {
    if (size >= this.size) return this;
    const from = Math.min(this.from, size);
    return new LogView(this.#kept, from, this.fresh.slice(0, size - from));
  }

  /** RFC 6962 §2.1, in hexadecimal. */
  root(): string {
    return this.#kept.tree.rootWith(this.from, this.fresh);
  }

  /** The last one before an index. Each counts where it was first: one that is logged again does not replace those after it. */
  charterBefore(index: number): string | undefined {
    const before = this.#lines(({ charters }) => charters).filter(({ at }) => at < index);
    return [...new Set(before.map(({ leaf }) => leaf))].at(-1);
  }

  /** Leaves of the rounds of a request's job. */
  rounds(request: string, job: string): string[] {
    return this.#lines(({ rounds }) => rounds.get(`${request} ${job}`)).map(({ leaf }) => leaf);
  }

  receipts(offer: string): string[] {
    return this.#lines(({ receipts }) => receipts.get(offer)).map(({ leaf }) => leaf);
  }

  enrolment(operator: string, role: string): number | undefined {
    return this.#first(({ enrolments }) => enrolments.get(`${operator} ${role}`));
  }

  verdict(id: string): number | undefined {
    return this.#first(({ verdicts }) => verdicts.get(id));
  }

  /** Ids of the revocations that are not known. */
  withheld(isKnown: (id: string) => boolean): string[] {
    return this.#lines(({ revocations }) => revocations)
      .map(({ leaf }) => revokedByLeaf(leaf) ?? '')
      .filter((id) => !isKnown(id));
  }

  #first(firstOf: (index: LogIndex) => number | undefined): number | undefined {
    for (const { index, offset, count } of this.#parts) {
      const at = firstOf(index);
      if (at !== undefined && at < count) return offset + at;
    }
    return undefined;
  }

  #lines(listOf: (index: LogIndex) => readonly number[] | undefined): { at: number; leaf: string }[] {
    return this.#parts.flatMap(({ index, offset, count }) =>
      (listOf(index) ?? [])
        .filter((at) => at < count)
        .map((at) => ({ at: offset + at, leaf: index.tree.leaves(at, at + 1)[0] ?? '' })),
    );
  }
}

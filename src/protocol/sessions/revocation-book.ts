import { z } from 'zod';
import { QuorateError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { oneByOne } from '../base/one-by-one.ts';
import { toUtf8 } from '../base/text.ts';
import { claimedIdOf, type Revocation, type Verified, type Verifier } from '../documents/index.ts';
import {
  type OpenedRevocation,
  openRevocations,
  type RevocationList,
  type UnreadRevocation,
} from '../judge/index.ts';
import {
  checkEquivocation,
  type Equivocation,
  revokedByEquivocation,
  withoutRevoked,
} from '../trust/equivocation.ts';
import { EndedKeys, type Revoked, revokedBy, revokedUnread } from '../trust/revocations.ts';
import { decodeMessage, revocationListSchema } from '../wire/messages.ts';
import { sessionLimits } from './limits.ts';

/** A revocation, and the charter that names its signer; null for one by the root. */
interface KnownRevocation {
  /** `payload`: absent where this version cannot read it. */
  revocation: { id: string; raw: string; signer: string; payload?: { what: { kind: string } } };
  charter: string | null;
}

/** Revocations in one message. `next`: id of the last one in it, where more follow. */
export interface RevocationPage extends RevocationList {
  next?: string | undefined;
}

/** All of them, and one charter for each key that signed some. */
export function listOf(known: readonly KnownRevocation[]): RevocationList {
  const charters = new Map<string, string>();
  for (const { revocation, charter } of known)
    if (charter !== null && !charters.has(revocation.signer)) charters.set(revocation.signer, charter);
  return {
    charters: [...new Set(charters.values())],
    revocations: known.map(({ revocation }) => revocation.raw),
  };
}

/**
 * Those after this id, or the first. What is unread of the root, ended keys, then the root's others come first: a thief of another
 * key cannot keep these back.
 */
export function pageOf(known: readonly KnownRevocation[], after?: string): RevocationPage {
  const ordered = [0, 1, 2].flatMap((rank) => known.filter((one) => rankOf(one) === rank));
  const first = after === undefined ? 0 : ordered.findIndex(({ revocation }) => revocation.id === after) + 1;
  const page: KnownRevocation[] = [];
  const charters = new Map<string, string>();
  let chars = 0;
  for (const one of ordered.slice(first)) {
    const { revocation, charter } = one;
    const more = charter === null || charters.has(revocation.signer) ? '' : charter;
    chars += revocation.raw.length + more.length;
    const isFull =
      page.length >= limits.revocationsMax ||
      (more !== '' && charters.size >= limits.revocationChartersMax) ||
      (chars > sessionLimits.revocationPageCharsMax && page.length > 0);
    if (isFull) return { ...listOf(page), next: page.at(-1)?.revocation.id };
    if (more !== '') charters.set(revocation.signer, more);
    page.push(one);
  }
  return listOf(page);
}

function rankOf({ revocation, charter }: KnownRevocation): number {
  if (charter !== null) return 2;
  return revocation.payload === undefined || revocation.payload.what.kind === 'key' ? 0 : 1;
}

export function withEvidence(list: RevocationPage, equivocations: readonly string[]): RevocationPage {
  return equivocations.length > 0 ? { ...list, equivocations } : list;
}

/** The file of a project's revocations. */
export interface StoredRevocations {
  charters: string[];
  revocations: string[];
  /** Evidence that a log of the project tells two stories. */
  equivocations?: string[] | undefined;
  /** When somebody was last asked and answered, ms since the epoch; null before. */
  askedAt: number | null;
}

/** A list as text, as the owner hands it on. @throws `WIRE_INVALID`. */
export function decodeRevocations(text: string, what: string): RevocationPage {
  return decodeMessage(toUtf8(text), revocationListSchema, what);
}

const text = z.string().max(limits.documentBytesMax);
/** Schema of the file: without the bounds of one message. */
export const storedRevocationsSchema: z.ZodType<StoredRevocations> = revocationListSchema.extend({
  charters: z.array(text),
  revocations: z.array(text),
  askedAt: z.number().nullable(),
});

interface RevocationFile {
  load(): Promise<StoredRevocations | undefined>;
  save(stored: StoredRevocations): Promise<void>;
}

const noFile: RevocationFile = { load: async () => undefined, save: async () => {} };

/** Evidence that a log tells two stories, and what it proves. */
export interface KnownEquivocation {
  raw: string;
  proves: Equivocation;
}

/**
 * Revocations of one project that a node knows, and evidence against its log. Only valid documents of any peer are kept. None that
 * counts is displaced, and each key has room of its own.
 */
export class RevocationBook {
  readonly #project: string;
  readonly #verifier: Verifier;
  readonly #file: RevocationFile;
  readonly #known = new Map<string, OpenedRevocation>();
  readonly #ended = new EndedKeys();
  /** Ids of those that count no more: known ones whose key was ended, and leaves of the log by such a key. */
  readonly #void = new Set<string>();
  /** Those that this version cannot read, by their ids: `sessionLimits.unreadRevocationsMax` of each key. */
  readonly #unread = new Map<string, UnreadRevocation>();
  /** Ids in leaves of the log of revocations that there are not, by the word of the root. */
  readonly #absent = new Set<string>();
  /** Number of known revocations by key, without those that an ended key keeps. */
  readonly #taken = new Map<string, number>();
  /** Evidence by log key: the first one with lines of trusted workers under the most stories. */
  readonly #equivocations = new Map<string, KnownEquivocation>();
  #askedAt: number | null = null;
  readonly #inTurn = oneByOne();
  readonly #unsaved: ((error: Error) => void) | undefined;
  /** Some of the revocations are not in the file yet. */
  #isUnsaved = false;

  readonly #off: ReadonlySet<string>;

  private constructor(
    off: ReadonlySet<string>,
    project: string,
    verifier: Verifier,
    file: RevocationFile,
    unsaved?: (error: Error) => void,
  ) {
    this.#off = off;
    this.#unsaved = unsaved;
    this.#project = project;
    this.#verifier = verifier;
    this.#file = file;
  }

  /**
   * Opens the book from its file. `unsaved` is called once when the file cannot be written, again only after it could be; documents
   * count all the same. Without it `learn` throws then.
   */
  static open(
    project: string,
    verifier: Verifier,
    file: RevocationFile = noFile,
    unsaved?: (error: Error) => void,
  ): Promise<RevocationBook> {
    return RevocationBook.openBy(new Set(), project, verifier, file, unsaved);
  }

  /** Opens a book with guards off, for tests that show what each one prevents: `room-per-key`, `key-ended`, `file-shared`, `lines-of-revoked`, `newer-told`. */
  static async openBy(
    off: ReadonlySet<string>,
    project: string,
    verifier: Verifier,
    file: RevocationFile = noFile,
    unsaved?: (error: Error) => void,
  ): Promise<RevocationBook> {
    const book = new RevocationBook(off, project, verifier, file, unsaved);
    const stored = await file.load();
    if (stored !== undefined) {
      await book.#take(stored);
      book.#askedAt = stored.askedAt;
    }
    return book;
  }

  get size(): number {
    return this.#known.size;
  }

  /** When somebody was last asked and answered, ms since the epoch; null before. */
  get askedAt(): number | null {
    return this.#askedAt;
  }

  get revoked(): Revoked[] {
    return [
      ...[...this.#known.values()].map(({ revocation }) => revokedBy(revocation)),
      ...[...this.#equivocations.values()].map(({ proves }) => revokedByEquivocation(proves)),
      ...[...this.#unread.values()].map(({ charter }) => revokedUnread(this.#project, charter === null)),
    ];
  }

  /** The evidence that a log tells two stories; one for each log key. */
  get equivocations(): readonly KnownEquivocation[] {
    return [...this.#equivocations.values()];
  }

  /** Keys that the root revoked: their lines do not show which of two stories is true. */
  get ended(): Pick<ReadonlySet<string>, 'has'> {
    return this.#off.has('lines-of-revoked') ? new Set() : this.#ended;
  }

  /** The evidence against this log key. */
  equivocationOf(log: string): KnownEquivocation | undefined {
    return this.#equivocations.get(log);
  }

  /** Whether the revocation of a leaf need not be asked for: it was seen, even if it counts no more, or is known not to exist. */
  has(id: string): boolean {
    return this.#isSeen(id) || this.#absent.has(id);
  }

  #isSeen(id: string): boolean {
    return this.#known.has(id) || this.#void.has(id) || this.#unread.has(id);
  }

  /** Keys of which no more is taken, so that what else they revoked is not known here. */
  get full(): string[] {
    return [...this.#taken.keys()].filter((signer) => signer !== this.#project && !this.#hasRoom(signer));
  }

  signedBy(key: string): Verified<Revocation>[] {
    return [...this.#known.values()].flatMap(({ revocation }) =>
      revocation.signer === key ? [revocation] : [],
    );
  }

  get list(): RevocationList {
    return withEvidence(listOf(this.#told), this.evidence());
  }

  get #told(): (OpenedRevocation | UnreadRevocation)[] {
    return [...this.#unread.values(), ...this.#known.values()];
  }

  /** One message of revocations for others: those after the id `after`, or the first ones. */
  page(after?: string): RevocationPage {
    return pageOf(this.#off.has('newer-told') ? [...this.#known.values()] : this.#told, after);
  }

  /** Evidence that the log tells two stories, for others. */
  evidence(): readonly string[] {
    return this.equivocations.map(({ raw }) => raw);
  }

  /**
   * Takes and keeps what holds and is new. `askedAt`: the time of an answer. `leaves`: ids in the log, which are known from then on even
   * if they count no more. Returns what was new and what was refused.
   */
  learn(list: RevocationList, askedAt?: number, leaves?: ReadonlySet<string>): Promise<Learned> {
    return this.#inTurn(async () => {
      const learned = await this.#take(list, leaves);
      const { fresh, found, unread, refused, full } = learned;
      if (askedAt !== undefined) this.#askedAt = Math.max(askedAt, this.#askedAt ?? 0);
      const isNew = fresh.length + found.length + unread > 0;
      if (!this.#isUnsaved && !isNew && askedAt === undefined) return learned;
      const others = await this.#takeFile();
      await this.#save();
      return {
        fresh: [...fresh, ...others.fresh].filter(({ revocation }) => this.#known.has(revocation.id)),
        found: [...found, ...others.found],
        unread: unread + others.unread,
        refused,
        full: [...new Set([...full, ...others.full])],
      };
    });
  }

  /** Tries again to write the file after a failure. @throws those of the file, where there is no `unsaved`. */
  async saveAgain(): Promise<void> {
    if (this.#isUnsaved) await this.learn({ charters: [], revocations: [] });
  }

  /** Takes what other processes of the same home have added to the file. A file that cannot be read is replaced. */
  async #takeFile(): Promise<Omit<Learned, 'refused'>> {
    const stored = this.#off.has('file-shared') ? undefined : await this.#file.load().catch(() => undefined);
    if (stored === undefined) return { fresh: [], found: [], unread: 0, full: [] };
    if (stored.askedAt !== null) this.#askedAt = Math.max(stored.askedAt, this.#askedAt ?? 0);
    return this.#take(stored);
  }

  async #save(): Promise<void> {
    const { charters, revocations, equivocations } = this.list;
    try {
      await this.#file.save({
        charters: [...charters],
        revocations: [...revocations],
        ...(equivocations !== undefined && { equivocations: [...equivocations] }),
        askedAt: this.#askedAt,
      });
      this.#isUnsaved = false;
    } catch (error) {
      const isTold = this.#isUnsaved;
      this.#isUnsaved = true;
      if (this.#unsaved === undefined || !(error instanceof Error)) throw error;
      if (!isTold) this.#unsaved(error);
    }
  }

  async #take(
    { charters, revocations, equivocations = [] }: RevocationList,
    leaves?: ReadonlySet<string>,
  ): Promise<Learned> {
    const found: KnownEquivocation[] = [];
    const unproven: QuorateError[] = [];
    for (const raw of equivocations) {
      try {
        const added = await this.#takeEvidence(raw);
        if (added !== undefined) found.push(added);
      } catch (error) {
        if (!(error instanceof QuorateError)) throw error;
        unproven.push(error);
      }
    }
    const { refused, ...taken } = await this.#takeRevocations({ charters, revocations }, leaves);
    return { ...taken, found, refused: [...unproven, ...refused] };
  }

  /** Undefined where there is evidence against that log key already that shows as much. @throws those of `checkEquivocation`. */
  async #takeEvidence(raw: string): Promise<KnownEquivocation | undefined> {
    if (this.equivocations.some((known) => known.raw === raw)) return undefined;
    const proves = await checkEquivocation(raw, this.#project, this.#verifier, this.ended);
    const before = this.#equivocations.get(proves.log);
    const isFull = this.#equivocations.size >= limits.equivocationsMax;
    if (before === undefined && isFull)
      throw new QuorateError(
        'REVOCATIONS_FULL',
        `it is known of ${limits.equivocationsMax} log keys that they tell two stories; evidence against ${proves.log} is not taken`,
        { hint: 'Begin another project: see docs/rotation.md.' },
      );
    if (before !== undefined && proves.lines <= before.proves.lines) return undefined;
    const known = { raw, proves };
    this.#equivocations.set(proves.log, known);
    return known;
  }

  async #takeRevocations({ charters, revocations }: RevocationList, leaves?: ReadonlySet<string>) {
    const unknown = revocations.filter((raw) => !this.#isSeen(claimedIdOf(raw) ?? ''));
    const fresh: OpenedRevocation[] = [];
    const full = new Set<string>();
    if (unknown.length === 0) return { fresh, unread: 0, refused: [], full: [] };
    const list = { charters, revocations: unknown };
    const { opened, refused, unread } = await openRevocations(list, this.#project, this.#verifier);
    // The root's first: they say which of the others count.
    const ofRoot = opened.filter(({ charter }) => charter === null);
    for (const one of [...ofRoot, ...opened.filter(({ charter }) => charter !== null)]) {
      const { id, signer } = one.revocation;
      if (this.#isSeen(id)) continue;
      if (this.#ended.voids(signer, id)) {
        if (leaves?.has(id) === true) this.#void.add(id);
      } else if (this.#hasRoom(signer)) {
        this.#add(one);
        fresh.push(one);
      } else full.add(signer);
    }
    // After the ends of keys: an unread revocation by an ended key has no effect.
    const more = unread.filter((one) => this.#takeUnread(one, leaves));
    return { fresh, unread: more.length, refused, full: [...full] };
  }

  #takeUnread(one: UnreadRevocation, leaves?: ReadonlySet<string>): boolean {
    const { id, signer } = one.revocation;
    if (this.#ended.voids(signer, id)) {
      if (leaves?.has(id) === true) this.#void.add(id);
      return false;
    }
    const ofKey = [...this.#unread.values()].filter(({ revocation }) => revocation.signer === signer);
    if (ofKey.length >= sessionLimits.unreadRevocationsMax) return false;
    this.#unread.set(id, one);
    return true;
  }

  #add(one: OpenedRevocation): void {
    const { id, signer } = one.revocation;
    this.#known.set(id, one);
    this.#taken.set(signer, (this.#taken.get(signer) ?? 0) + 1);
    for (const leaf of one.revocation.payload.voidLeaves ?? []) this.#absent.add(leaf);
    if (this.#off.has('key-ended') || !this.#ended.add(revokedBy(one.revocation))) return;
    for (const [log, { raw, proves }] of this.#equivocations)
      this.#equivocations.set(log, { raw, proves: withoutRevoked(proves, this.ended) });
    for (const [other, { revocation }] of [...this.#known, ...this.#unread]) {
      if (!this.#ended.voids(revocation.signer, other)) continue;
      this.#known.delete(other);
      this.#unread.delete(other);
      this.#void.add(other);
    }
  }

  #hasRoom(signer: string): boolean {
    if (this.#off.has('room-per-key')) return this.#known.size < limits.revocationsMax;
    // An ended key keeps only revocations that its end lists, which bounds them.
    if (this.#ended.has(signer) && signer !== this.#project) return true;
    // One more than the root may sign: it proves that the root exceeded the bound.
    const max = signer === this.#project ? limits.rootRevocationsMax + 1 : limits.revocationsMax;
    return (this.#taken.get(signer) ?? 0) < max;
  }
}

/** The entries of a list that were new, and why the rest does not hold. */
export interface Learned {
  fresh: OpenedRevocation[];
  found: KnownEquivocation[];
  /** Number of those that are new and that this version cannot read. */
  unread: number;
  refused: QuorateError[];
  /** Keys of which no more is taken: each has as many revocations as one may have. */
  full: readonly string[];
}

import { z } from 'zod';
import { claimedIdOf, type Verifier } from '../documents/index.ts';
import { QuorateError } from '../errors.ts';
import { type OpenedRevocation, openRevocations, type RevocationList } from '../judge/index.ts';
import { limits } from '../limits.ts';
import { toUtf8 } from '../text.ts';
import { checkEquivocation, type Equivocation, revokedByEquivocation } from '../trust/equivocation.ts';
import { type Revoked, revokedBy } from '../trust/revocations.ts';
import { decodeMessage, revocationListSchema } from '../wire/messages.ts';

/** What is kept of a project's revocations. */
export interface StoredRevocations {
  charters: string[];
  revocations: string[];
  /** Evidence that a log of the project tells two stories. */
  equivocations?: string[] | undefined;
  /** When somebody was last asked and answered, ms since the epoch; null before. */
  askedAt: number | null;
}

/** A list as text, as the owner hands it on. Errors: `WIRE_INVALID`. */
export function decodeRevocations(text: string, what: string): RevocationList {
  return decodeMessage(toUtf8(text), revocationListSchema, what);
}

/** For a file. The root's own are kept beyond the bound. */
export const storedRevocationsSchema: z.ZodType<StoredRevocations> = revocationListSchema.extend({
  revocations: z.array(z.string().max(limits.documentBytesMax)),
  askedAt: z.number().nullable(),
});

/** What could not be saved is saved again after this, ms. */
export const saveAgainMs = 60_000;

/** Where they are kept. */
export interface RevocationFile {
  load(): Promise<StoredRevocations | undefined>;
  save(stored: StoredRevocations): Promise<void>;
}

/** Evidence that a log tells two stories, and what it proves. */
export interface KnownEquivocation {
  raw: string;
  proves: Equivocation;
}

/** The revocations of one project that a node knows, and the evidence against its log. It learns from anybody, believes only what holds, and forgets none. */
export class RevocationBook {
  readonly #project: string;
  readonly #verifier: Verifier;
  readonly #file: RevocationFile;
  readonly #known = new Map<string, OpenedRevocation>();
  /** By log key, the first of those that show of the most stories that trusted workers signed them. */
  readonly #equivocations = new Map<string, KnownEquivocation>();
  #askedAt: number | null = null;
  #last: Promise<unknown> = Promise.resolve();
  readonly #unsaved: ((error: Error) => void) | undefined;
  /** What is known is not all in the file. */
  #isUnsaved = false;

  private constructor(
    project: string,
    verifier: Verifier,
    file: RevocationFile,
    unsaved?: (error: Error) => void,
  ) {
    this.#unsaved = unsaved;
    this.#project = project;
    this.#verifier = verifier;
    this.#file = file;
  }

  /**
   * With what the file holds. `unsaved` is told once when it cannot be written, until it can be again; what is learned is
   * known all the same. Without it that is an error of `learn`. Errors: those of the file.
   */
  static async open(
    project: string,
    verifier: Verifier,
    file: RevocationFile,
    unsaved?: (error: Error) => void,
  ): Promise<RevocationBook> {
    const book = new RevocationBook(project, verifier, file, unsaved);
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
    ];
  }

  /** The evidence that a log tells two stories; one for each log key. */
  get equivocations(): readonly KnownEquivocation[] {
    return [...this.#equivocations.values()];
  }

  /** What is proven against this log key. */
  equivocationOf(log: string): KnownEquivocation | undefined {
    return this.#equivocations.get(log);
  }

  has(id: string): boolean {
    return this.#known.has(id);
  }

  /** To tell others. */
  get list(): RevocationList {
    const equivocations = this.equivocations.map(({ raw }) => raw);
    return { ...listOf([...this.#known.values()]), ...(equivocations.length > 0 && { equivocations }) };
  }

  /**
   * Takes what holds and is new, and keeps it. `askedAt`: the time of an answer to a question. Returns what was new, and
   * why the rest does not hold. Errors: those of the file.
   */
  learn(list: RevocationList, askedAt?: number): Promise<Learned> {
    const done = this.#last.then(async () => {
      const learned = await this.#take(list);
      const { fresh, found } = learned;
      if (askedAt !== undefined) this.#askedAt = Math.max(askedAt, this.#askedAt ?? 0);
      if (this.#isUnsaved || fresh.length > 0 || found.length > 0 || askedAt !== undefined)
        await this.#save();
      return learned;
    });
    this.#last = done.catch(() => {});
    return done;
  }

  /** Tries again to save what could not be saved. Errors: those of the file, where nobody is told of them. */
  async saveAgain(): Promise<void> {
    if (this.#isUnsaved) await this.learn({ charters: [], revocations: [] });
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

  async #take({ charters, revocations, equivocations = [] }: RevocationList): Promise<Learned> {
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
    const { fresh, refused } = await this.#takeRevocations({ charters, revocations });
    return { fresh, found, refused: [...unproven, ...refused] };
  }

  /** Undefined where there is evidence against that log key already that shows as much. Errors: those of `checkEquivocation`. */
  async #takeEvidence(raw: string): Promise<KnownEquivocation | undefined> {
    if (this.equivocations.some((known) => known.raw === raw)) return undefined;
    const proves = await checkEquivocation(raw, this.#project, this.#verifier);
    const before = this.#equivocations.get(proves.log);
    const isFull = this.#equivocations.size >= limits.equivocationsMax;
    if (before === undefined ? isFull : proves.lines <= before.proves.lines) return undefined;
    const known = { raw, proves };
    this.#equivocations.set(proves.log, known);
    return known;
  }

  async #takeRevocations({ charters, revocations }: RevocationList) {
    const unknown = revocations.filter((raw) => !this.#known.has(claimedIdOf(raw) ?? ''));
    if (unknown.length === 0) return { fresh: [], refused: [] };
    const list = { charters, revocations: unknown };
    const { opened, refused } = await openRevocations(list, this.#project, this.#verifier);
    const fresh = opened.filter(({ revocation, charter }) => {
      // The root's own are taken in any case: whoever has stolen another key must not keep them out.
      const room = this.#known.size < limits.revocationsMax || charter === null;
      if (room) this.#known.set(revocation.id, { revocation, charter });
      return room;
    });
    return { fresh, refused };
  }
}

/** What a list had that was new, and why the rest does not hold. */
export interface Learned {
  fresh: OpenedRevocation[];
  found: KnownEquivocation[];
  refused: QuorateError[];
}

/** One charter for each key that signed some. */
export function listOf(
  known: readonly { revocation: { raw: string; signer: string }; charter: string | null }[],
): RevocationList {
  const charters = new Map<string, string>();
  for (const { revocation, charter } of known)
    if (charter !== null && !charters.has(revocation.signer)) charters.set(revocation.signer, charter);
  return {
    charters: [...new Set(charters.values())].slice(0, limits.revocationChartersMax),
    revocations: known.map(({ revocation }) => revocation.raw).slice(0, limits.revocationsMax),
  };
}

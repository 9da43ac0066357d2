import { z } from 'zod';
import { claimedIdOf, type Verifier } from '../documents/index.ts';
import type { QuorateError } from '../errors.ts';
import { type OpenedRevocation, openRevocations, type RevocationList } from '../judge/index.ts';
import { limits } from '../limits.ts';
import { toUtf8 } from '../text.ts';
import { type Revoked, revokedBy } from '../trust/revocations.ts';
import { decodeMessage, revocationListSchema } from '../wire/messages.ts';

/** What is kept of a project's revocations. */
export interface StoredRevocations {
  charters: string[];
  revocations: string[];
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

/** Where they are kept. */
export interface RevocationFile {
  load(): Promise<StoredRevocations | undefined>;
  save(stored: StoredRevocations): Promise<void>;
}

/** The revocations of one project that a node knows. It learns from anybody, believes only what holds, and forgets none. */
export class RevocationBook {
  readonly #project: string;
  readonly #verifier: Verifier;
  readonly #file: RevocationFile;
  readonly #known = new Map<string, OpenedRevocation>();
  #askedAt: number | null = null;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(project: string, verifier: Verifier, file: RevocationFile) {
    this.#project = project;
    this.#verifier = verifier;
    this.#file = file;
  }

  /** With what the file holds. Errors: those of the file. */
  static async open(project: string, verifier: Verifier, file: RevocationFile): Promise<RevocationBook> {
    const book = new RevocationBook(project, verifier, file);
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
    return [...this.#known.values()].map(({ revocation }) => revokedBy(revocation));
  }

  has(id: string): boolean {
    return this.#known.has(id);
  }

  /** To tell others. */
  get list(): RevocationList {
    return listOf([...this.#known.values()]);
  }

  /**
   * Takes what holds and is new, and keeps it. `askedAt`: the time of an answer to a question. Returns what was new, and
   * why the rest does not hold. Errors: those of the file.
   */
  learn(
    list: RevocationList,
    askedAt?: number,
  ): Promise<{ fresh: OpenedRevocation[]; refused: QuorateError[] }> {
    const done = this.#last.then(async () => {
      const { fresh, refused } = await this.#take(list);
      if (askedAt !== undefined) this.#askedAt = Math.max(askedAt, this.#askedAt ?? 0);
      if (fresh.length > 0 || askedAt !== undefined) {
        const { charters, revocations } = this.list;
        await this.#file.save({
          charters: [...charters],
          revocations: [...revocations],
          askedAt: this.#askedAt,
        });
      }
      return { fresh, refused };
    });
    this.#last = done.catch(() => {});
    return done;
  }

  async #take({ charters, revocations }: RevocationList) {
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

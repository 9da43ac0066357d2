import { decodeEquivocation, encodeEquivocation } from '../../protocol/documents/index.ts';
import { openCharterOf } from '../../protocol/judge/index.ts';
import type { KnownEquivocation } from '../../protocol/sessions/revocation-book.ts';
import {
  openLinesOf,
  parseCheckpoint,
  signatureLines,
  withoutWitnesses,
  witnessCheckpoint,
} from '../../protocol/transparency/index.ts';
import { notesOf, withNotes } from '../../protocol/trust/equivocation.ts';
import type { CheckpointBook, Times } from './checkpoint-book.ts';
import type { WorkerPorts } from './ports.ts';

/** Lines of trusted workers under kept checkpoints: in evidence of two stories they show which of them one signed. */
export class LineKeeper {
  readonly #ports: WorkerPorts;
  readonly #book: CheckpointBook;

  constructor(ports: WorkerPorts, book: CheckpointBook) {
    this.#ports = ports;
    this.#book = book;
  }

  get #trusted(): readonly string[] {
    return this.#ports.credentials.charter.trusted;
  }

  /** The note with the line of the log, and those of trusted workers that hold. @throws `CHECKPOINT_MALFORMED`, `DOC_NOT_BASE64`. */
  async only(note: string, trusted = this.#trusted): Promise<string> {
    const lines = await openLinesOf(note, trusted, this.#ports.signing.documents.verifier);
    return [withoutWitnesses(note), ...lines.map(({ line }) => line)].join('');
  }

  /** Remembers these lines for a checkpoint in the book, on the disk with its next change. Returns whether there was a new one. */
  add(log: string, note: string): boolean {
    const { size, root } = parseCheckpoint(note);
    const seen = this.#book.at(log, size);
    if (seen?.root !== root) return false;
    const more = together(seen.note, note);
    if (more === seen.note) return false;
    this.#book.replace(log, { ...seen, note: more });
    return true;
  }

  /**
   * This worker's line under a note, remembered where it is a trusted worker of the project. Its time is the last at which nothing larger
   * was known here: a line of now under an older checkpoint would say that the log still ends there.
   */
  async sign(log: string, note: string, trusted = this.#trusted): Promise<string> {
    const { signing, clock } = this.#ports;
    const times = timesOf(clock);
    const age = this.#book.outdatedFor(log, parseCheckpoint(note).size, times);
    const line = await witnessCheckpoint(note, signing.signer, Math.floor((times.now - age) / 1000));
    if (trusted.includes(signing.signer.id)) this.add(log, withoutWitnesses(note) + line);
    return line;
  }

  /**
   * Evidence with the lines that are known here, this worker's own among them, where it then shows of more stories that a
   * trusted worker signed them; undefined otherwise. @throws those of the file of the book.
   */
  async complete({ raw, proves: { log, lines } }: KnownEquivocation): Promise<string | undefined> {
    const { credentials, signing, revocations } = this.#ports;
    const { verifier } = signing.documents;
    const evidence = decodeEquivocation(raw);
    const { payload } = await openCharterOf(evidence.charter, credentials.membership.project, verifier);
    const trusted = payload.trusted.filter((key) => !revocations.ended.has(key));
    await this.#book.load();
    const notes: string[] = [];
    let more = 0;
    for (const note of notesOf(evidence)) {
      const { size, root } = parseCheckpoint(note);
      const seen = this.#book.at(log, size);
      const isKept = seen?.root === root;
      if (isKept && trusted.includes(signing.signer.id)) await this.sign(log, seen.note, trusted);
      const known = isKept ? (this.#book.at(log, size)?.note ?? note) : note;
      // Invalid lines are dropped first: one must not stand for a valid line of the same key.
      const own = together(await this.only(note, trusted), await this.only(known, trusted));
      if (signatureLines(own).length > 1) more++;
      notes.push(own);
    }
    return more > lines ? encodeEquivocation(withNotes(evidence, notes)) : undefined;
  }
}

export const timesOf = (clock: Pick<WorkerPorts['clock'], 'now' | 'monotonic'>): Times => ({
  now: clock.now(),
  steady: clock.monotonic(),
});

/** A note with the lines of another one of the same checkpoint, each key's once. */
function together(note: string, other: string): string {
  const names = new Set(signatureLines(note).map(({ name }) => name));
  const more = signatureLines(other).filter(({ name }) => !names.has(name));
  return [note, ...more.map(({ line }) => line)].join('');
}

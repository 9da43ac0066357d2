import { type ErrorCode, QuorateError } from '../base/errors.ts';
import { toUtf8 } from '../base/text.ts';
import {
  type Bundle,
  claimedIdOf,
  type Grant,
  leaves as leafOf,
  sha256Hex,
  type Verified,
} from '../documents/index.ts';
import { type Check, enforce } from '../judge/index.ts';
import { type Checkpoint, openCheckpointOf, parseCheckpoint } from '../transparency/index.ts';
import {
  areFresh,
  type Expected,
  type LogView,
  type Verification,
  type VerificationStep,
  type VerifiedFacts,
  verifyBundle,
} from '../trust/index.ts';
import { type Revoked, revokedUnder } from '../trust/revocations.ts';
import { openCharter } from './ask.ts';
import { checkLogSize, type LogCopy } from './log-copy.ts';
import type { Documents } from './ports.ts';
import type { RevocationBook } from './revocation-book.ts';
import { withheldHint } from './revocation-exchange.ts';

/** Source of evidence. Its answers are verified; each method may throw. */
export interface RunSource {
  /** The newest charter, compact JWS. */
  charter(): Promise<string>;
  /** The newest checkpoint with the lines of its witnesses, and grants of workers among them, compact JWS. */
  checkpoint(): Promise<{ note: string; grants: readonly string[] }>;
  /** Leaves of the log from an index on. */
  leaves(from: number): Promise<readonly string[]>;
  bundle(run: string): Promise<Bundle>;
  /** Learns revocations from the controller and, where `isWithheld` says that it leaves some out, from other members. */
  revocations(book: RevocationBook, withheld: () => readonly string[]): Promise<void>;
}

export interface PublishedAs {
  /** Id of the signed request: the run's id. */
  request: string;
  repo: string;
  /** Full name. */
  ref: string;
  commit: string;
  job: string;
}

interface RunVerifierPorts {
  /** PeerId of the root key. */
  project: string;
  documents: Documents;
  log: LogCopy;
  /** Revocations that are known at the moment. */
  book(): Promise<RevocationBook>;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Greatest age of a line under the checkpoint up to which revocations are known. */
  ageSecondsMax: number;
  /** Default: `enforce`. Tests turn guards off to show what each one prevents. */
  check?: Check;
}

/** A run whose evidence is trusted. */
interface VerifiedRun {
  facts: VerifiedFacts;
  /** Stands for the revocations that it was verified with: another one where others are known. */
  known: string;
}

interface Knowledge {
  log: LogView;
  revoked: readonly Revoked[];
  known: string;
}

/**
 * Verifies runs for their publisher: the bundle is about this request and trusted, with all revocations of the log up to a checkpoint
 * that others than its controller signed lately.
 */
export class RunVerifier {
  readonly #ports: RunVerifierPorts;
  readonly #check: Check;

  constructor(ports: RunVerifierPorts) {
    this.#ports = ports;
    this.#check = ports.check ?? enforce;
  }

  /** @throws {QuorateError} `EvidenceRefused` where the bundle does not hold or is of another run; those of `learn` and `source` */
  async verify(source: RunSource, expected: PublishedAs): Promise<VerifiedRun> {
    const bundle = await source.bundle(expected.request);
    // Before it can be said to be revoked: what voids the evidence of another run says nothing of this one.
    checkAbout(bundle, expected.request, this.#check);
    let knowledge: Knowledge;
    try {
      knowledge = await this.#learn(source, bundle);
    } catch (error) {
      // Revocations that are known here count, whatever is kept back.
      const { revoked } = await this.#ports.book();
      const { code, steps } = await this.#verifyBundle(bundle, { revocations: revoked });
      if (code?.endsWith('_REVOKED') === true) throw refusedAt(code, steps);
      throw error;
    }
    const { log, revoked: revocations, known } = knowledge;
    const { ok, level, steps, code, facts } = await this.#verifyBundle(bundle, { log, revocations });
    if (!ok || facts === null) throw refusedAt(code, steps);
    this.#checkPublished(facts, expected);
    this.#check('RUN_NOT_TRUSTED', level === 'trusted', `the evidence of ${facts.request} comes to ${level}`);
    return { facts, known };
  }

  #verifyBundle(bundle: Bundle, known: Pick<Expected, 'log' | 'revocations'>): Promise<Verification> {
    const { project, documents } = this.#ports;
    return verifyBundle(bundle, { project, ...known }, documents.verifier);
  }

  /**
   * Learns the revocations up to a checkpoint of now, which may be that of a bundle.
   * @throws {QuorateError} `CHECKPOINT_…`, `REVOCATION_WITHHELD`, `CHARTER_NOT_IN_FORCE`, `LOG_…`, `HOME_…`, those of `source`
   */
  async learn(source: Omit<RunSource, 'bundle'>, bundle?: Bundle): Promise<void> {
    await this.#learn(source, bundle);
  }

  /** Stands for the revocations that are known, see `VerifiedRun`. */
  async known(): Promise<string> {
    return digestOf((await this.#ports.book()).revoked);
  }

  #checkPublished(facts: VerifiedFacts, { request, repo, ref, commit, job }: PublishedAs): void {
    const published = { request, repo, ref, commit, name: job };
    for (const [what, wanted] of Object.entries(published)) {
      const said = facts[what as keyof typeof published];
      this.#check('RUN_MISMATCH', said === wanted, `the evidence is about ${what} ${said}, not ${wanted}`);
    }
  }

  async #learn(source: Omit<RunSource, 'bundle'>, bundle?: Bundle): Promise<Knowledge> {
    const { project, documents, log: copy, now, ageSecondsMax } = this.#ports;
    const charter = await openCharter(await source.charter(), project, documents);
    const current = await source.checkpoint();
    const grants = charter.payload.trusted.length > 0 ? [] : await this.#grants(current.grants, bundle);
    // Another key than that of the charter in force may have signed one, as before a rotation.
    const signedBy = { project, log: charter.payload.log };
    const found = [await openCheckpointOf(current.note, signedBy, documents.verifier)];
    if (bundle !== undefined)
      found.push(await openCheckpointOf(bundle.checkpoint, signedBy, documents.verifier));
    const opened = found.filter((one) => one !== undefined);
    const freshUnder = (revoked: readonly Revoked[]) =>
      opened.filter(({ witnesses }) =>
        areFresh(witnesses, { charter: charter.payload, revoked, grants, now: now() / 1000, ageSecondsMax }),
      );
    const needFresh = (fresh: readonly Checkpoint[]) =>
      this.#check(
        'CHECKPOINT_STALE',
        fresh.length > 0,
        `no checkpoint has a line of the last ${ageSecondsMax} s by ${charter.payload.trusted.length > 0 ? 'a trusted worker' : `workers of ${charter.payload.floor.agree} operators`}`,
      );
    // Before anything is read for it.
    needFresh(freshUnder([]));
    const log = await this.#read(copy, opened, bundle, source);
    const { id } = charter;
    const last = log.charterBefore(log.size);
    this.#check(
      'CHARTER_NOT_IN_FORCE',
      last === leafOf.charter(id),
      `the newest charter that is shown is ${id}; in the log "${last ?? 'none'}" is the last one`,
    );
    const book = await this.#ports.book();
    const withheld = () => log.withheld((revocation) => book.has(revocation));
    if (withheld().length > 0) await source.revocations(book, withheld);
    this.#check(
      'REVOCATION_WITHHELD',
      withheld().length === 0,
      `the log holds the revocation ${withheld()[0]}, and nobody shows it`,
      withheldHint,
    );
    const { revoked } = book;
    const fresh = freshUnder(revokedUnder(revoked, charter.payload));
    needFresh(fresh);
    const size = Math.max(0, ...fresh.map((one) => one.size));
    await copy.keep(log.under(size));
    return { log, revoked, known: digestOf(revoked) };
  }

  /** Grants with a valid signature; nothing else is checked. */
  async #grants(shown: readonly string[], bundle: Bundle | undefined): Promise<Verified<Grant>[]> {
    const all = [
      ...shown,
      ...(bundle?.witnesses ?? []),
      ...(bundle?.receipts ?? []).map(({ grant }) => grant),
    ];
    const opened = await Promise.allSettled(
      all.map((grant) => this.#ports.documents.message('grant', grant)),
    );
    return opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  }

  /** The leaves under the checkpoints, and all that were kept: a charter or revocation that was seen once counts. */
  async #read(
    copy: LogCopy,
    opened: readonly Checkpoint[],
    bundle: Bundle | undefined,
    source: Pick<RunSource, 'leaves'>,
  ): Promise<LogView> {
    const sizes = opened.map(({ size }) => size);
    if (bundle !== undefined) sizes.push(parseCheckpoint(bundle.checkpoint).size);
    const size = Math.max(await copy.size, ...sizes);
    checkLogSize(size);
    const log = await copy.read(size, (from) => source.leaves(from));
    for (const checkpoint of opened)
      this.#check(
        'LOG_LEAVES_MISMATCH',
        log.under(checkpoint.size).root() === checkpoint.root,
        'the leaves are not those the checkpoint is over',
      );
    return log;
  }
}

/** The evidence itself does not hold, is of another run, or is void by what is known here. */
export class EvidenceRefused extends QuorateError {}

/** @throws {QuorateError} `RUN_MISMATCH` where a bundle is about another request */
export function checkAbout(bundle: Bundle, request: string, check: Check = enforce): void {
  const about = claimedIdOf(bundle.request) ?? 'none';
  check('RUN_MISMATCH', about === request, `the evidence is about request ${about}, not ${request}`);
}

export function refusedAt(code: string | null, steps: readonly VerificationStep[]): EvidenceRefused {
  const says = steps.find(({ ok }) => !ok)?.says ?? 'the evidence states no facts';
  return new EvidenceRefused((code ?? 'RUN_NOT_TRUSTED') as ErrorCode, says);
}

const digestOf = (revoked: readonly Revoked[]): string =>
  sha256Hex(
    toUtf8(
      revoked
        .map((one) => JSON.stringify(one))
        .sort()
        .join('\n'),
    ),
  );

import { codeOf, messageOf } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import { isConnectionError } from '../../protocol/sessions/ask.ts';
import {
  EvidenceRefused,
  type PublishedAs,
  type RunSource,
  type RunVerifier,
} from '../../protocol/sessions/run-verifier.ts';
import type { Publication, WatchState } from '../machine/state.ts';
import { isSaidTrusted, type Proof } from '../machine/status.ts';
import { retryAfter } from '../machine/transition.ts';
import { watchSessionLimits } from './limits.ts';

export interface WantedProof {
  published: PublishedAs;
  before?: Proof | undefined;
}

/** Runs that are said to be trusted, and those that were found to be, the newest publication first. */
export function saidTrusted({ publications, settings }: WatchState): WantedProof[] {
  const repo = settings?.url ?? '';
  return [...publications.values()].reverse().flatMap((publication) => wantedOf(publication, repo));
}

function wantedOf(
  { order: { ref, commit }, runs, stands, proofs }: Publication,
  repo: string,
): WantedProof[] {
  return runs.flatMap(({ name, run }) => {
    if (!isSaidTrusted(stands.get(run))) return [];
    return [{ published: { request: run, repo, ref, commit, job: name }, before: proofs.get(run) }];
  });
}

export interface EvidencePorts {
  verifier: RunVerifier;
  /** Steady clock, in milliseconds. */
  steady(): number;
  found(run: string, proof: Proof): unknown;
}

/** Verifies evidence of runs said to be trusted, one at a time: again ever more slowly on failure, and once other revocations are known. */
export class EvidenceChecker {
  readonly #ports: EvidencePorts;
  /** By run: failed attempts, and when the next one is due by the steady clock. */
  #tries = new Map<string, { count: number; due: number }>();
  /** Stands for the revocations that are known now; undefined before they were learned in this life. */
  #known: string | undefined;
  /** When they are asked for again, by the steady clock. */
  #learnAt = 0;

  constructor(ports: EvidencePorts) {
    this.#ports = ports;
  }

  isBusy(wanted: readonly WantedProof[]): boolean {
    return wanted.some((one) => this.#isOpen(one));
  }

  /** Learns revocations, and verifies what is due, a bounded number. @throws those of the connection, and of our own disk. */
  async look(source: RunSource, wanted: readonly WantedProof[]): Promise<void> {
    const runs = new Set(wanted.map(({ published }) => published.request));
    this.#tries = new Map([...this.#tries].filter(([run]) => runs.has(run)));
    if (wanted.some(({ before }) => before?.kind === 'trusted')) await this.#learn(source);
    const triesOf = ({ published }: WantedProof) => this.#tries.get(published.request);
    const due = wanted
      .filter((one) => this.#isOpen(one) && (triesOf(one)?.due ?? 0) <= this.#ports.steady())
      .sort((a, b) => (triesOf(a)?.count ?? 0) - (triesOf(b)?.count ?? 0));
    for (const one of due.slice(0, watchSessionLimits.proofsAtOnceMax)) await this.#prove(source, one);
  }

  /** Learns revocations. Earlier results stand where a controller does not answer. */
  async #learn(source: RunSource): Promise<void> {
    const { verifier, steady } = this.#ports;
    if (steady() < this.#learnAt) return;
    this.#learnAt = steady() + watchSessionLimits.learnMs;
    try {
      await verifier.learn(source);
    } catch (error) {
      if (isOwn(error)) throw error;
    }
    this.#known = await verifier.known();
  }

  #isOpen({ before }: WantedProof): boolean {
    // `revoked` stays open: the controller may have shown another verdict than the published one.
    if (before?.kind !== 'trusted') return true;
    return this.#known !== undefined && before.known !== this.#known;
  }

  async #prove(source: RunSource, { published, before }: WantedProof): Promise<void> {
    const { verifier, found, steady } = this.#ports;
    const { request: run } = published;
    try {
      const { facts, known } = await verifier.verify(source, published);
      this.#known = known;
      this.#learnAt = steady() + watchSessionLimits.learnMs;
      this.#tries.delete(run);
      await found(run, { kind: 'trusted', cosigned: facts.cosigners.length > 0, known });
    } catch (error) {
      if (isOwn(error)) throw error;
      const count = (this.#tries.get(run)?.count ?? 0) + 1;
      this.#tries.set(run, { count, due: steady() + retryAfter(count) });
      const isConnection = isConnectionError(error);
      // On a connection error only an earlier `trusted` is taken back: it is of other revocations.
      // A revoked verdict stays revoked while its evidence is kept back.
      if ((!isConnection || before?.kind === 'trusted') && !(await this.#isStillRevoked(before)))
        await found(run, await this.#failure(error));
      if (isConnection) throw error;
    }
  }

  async #isStillRevoked(before: Proof | undefined): Promise<boolean> {
    return before?.kind === 'revoked' && before.known === (await this.#ports.verifier.known());
  }

  async #failure(error: unknown): Promise<Proof> {
    const code = codeOf(error);
    if (!(error instanceof EvidenceRefused) || !code.endsWith('_REVOKED')) return { kind: 'missing', code };
    const known = await this.#ports.verifier.known();
    const says = messageOf(error).replace(/\b[A-Za-z0-9]{40,}\b/g, (id) => `${id.slice(0, 12)}…`);
    return { kind: 'revoked', says: escapeLine(says, watchSessionLimits.reasonCharsMax), known };
  }
}

/** Errors of this host's own disk. */
const isOwn = (error: unknown): boolean => /^(HOME|JOURNAL)_/.test(codeOf(error));

import { draftOf } from '../../controller/draft.ts';
import type { ControllerEffect } from '../../controller/events.ts';
import { publishedOf } from '../../controller/state.ts';
import { provingRun } from '../../controller/view.ts';
import { artifactOf, encodeJob, idOf, type Offer, signMessage } from '../../documents/index.ts';
import { fromUtf8 } from '../../text.ts';
import { revokedBy, sayRevoked } from '../../trust/index.ts';
import {
  type CheckpointNotice,
  encodeMessage,
  type OfferNotice,
  type VerdictNotice,
} from '../../wire/messages.ts';
import { topics } from '../../wire/protocols.ts';
import { listOf } from '../revocation-book.ts';
import { assembleBundle, holdsVerdict } from './bundle.ts';
import type { WitnessedCheckpoint } from './checkpoint-rounds.ts';
import type { FeedServer } from './feed-server.ts';
import type { ControllerPorts } from './ports.ts';

/** Publishes offers and verdicts: signs, stores, gossips. */
export class Publisher {
  readonly #ports: ControllerPorts;
  readonly #backlog: Map<string, OfferNotice>;
  readonly #feed: FeedServer;

  /** `backlog`: open offers by id; the publisher keeps it. */
  constructor(ports: ControllerPorts, backlog: Map<string, OfferNotice>, feed: FeedServer) {
    this.#ports = ports;
    this.#backlog = backlog;
    this.#feed = feed;
  }

  async offer(runId: string, offer: Offer): Promise<void> {
    const { machine, signing, project, publish } = this.#ports;
    const run = machine.state.runs.get(runId);
    if (run === undefined) return;
    const signed = await signMessage('offer', offer, signing.signer);
    const notice: OfferNotice = {
      offer: signed.raw,
      request: run.request.raw,
      publisher: run.publisher.raw,
      job: fromUtf8(encodeJob(run.job).bytes),
    };
    // It may have been closed while it was signed.
    if (!machine.state.offers.has(signed.id)) return;
    const again = this.#backlog.has(signed.id);
    this.#backlog.set(signed.id, notice);
    // Gossip drops a message that it has seen: an offer that is repeated goes to the present workers.
    if (again) this.#feed.push([notice]);
    else await publish(topics.offers(project), encodeMessage(notice));
  }

  withdraw(offer: string): void {
    this.#backlog.delete(offer);
  }

  /** Stores and publishes the bundle of a run's last verdict. One that is stored already is never written again. */
  async verdict(runId: string): Promise<void> {
    const { machine, bundles, project, signing, publish, announce, tell, dispatch } = this.#ports;
    const run = machine.state.runs.get(runId);
    const draft = draftOf(machine.state, runId);
    if (run === undefined || draft === undefined) return;
    const { name, level, outcome } = draft.verdict.predicate.quorate_verdict;
    const artifact = outcome === null ? null : artifactOf(outcome);
    const about = { run: runId, job: run.jobId, level };
    // Without a receipt there is nothing to prove; the verdict is still told.
    const verdict = idOf(draft.verdict);
    const isStored = () => dispatch({ kind: 'stored', run: runId, verdict });
    if (draft.receipts.length === 0) {
      tell('info', 'verdict', `${name}: ${level}, nobody built it`, about);
      return isStored();
    }
    const stored = await bundles.get(runId);
    if (stored !== undefined && holdsVerdict(stored, verdict, draft.cosignature?.worker)) return isStored();
    const bundle = await assembleBundle(draft, project, signing.signer);
    const proves = artifact !== null && provingRun(machine.state, artifact)?.id === runId;
    await bundles.put({ run: runId, job: run.jobId, artifact: proves ? artifact : null }, bundle);
    const notice: VerdictNotice = { job: run.jobId, request: runId, level, artifact };
    await publish(topics.verdicts(project), encodeMessage(notice));
    tell('info', 'verdict', `${name}: ${level}`, { ...about, artifact });
    isStored();
    if (artifact !== null && level !== 'disputed') await announce(artifact);
  }

  /** Removes the proofs of artifacts that were contradicted just before the last life ended. Returns what stays of `names`. */
  async #dropContradicted(names: ReadonlySet<string>): Promise<Set<string>> {
    const { machine, bundles } = this.#ports;
    const kept = new Set(names);
    for (const { history } of machine.state.runs.values())
      for (const { progress } of history) {
        if (progress.kind !== 'contradicted' || progress.artifact === null) continue;
        const { artifact } = progress;
        if (kept.has(artifact) && provingRun(machine.state, artifact) === undefined) {
          kept.delete(artifact);
          await bundles.drop(artifact);
        }
      }
    return kept;
  }

  /**
   * Brings the stored bundles in step with the runs: makes those again that were stored once and are missing now, one after
   * the other. A draft that waits for its co-signature is none. Returns what stays of the names that are `stored`.
   */
  async restore(stored: ReadonlySet<string>): Promise<Set<string>> {
    const { machine, clock, tell } = this.#ports;
    const kept = await this.#dropContradicted(stored);
    const { runs, unstored } = machine.state;
    for (const run of runs.values()) {
      if (clock.closing) break;
      const known =
        publishedOf(run) === null ||
        run.receipts.length === 0 ||
        unstored.has(run.id) ||
        run.phase.kind === 'cosigning';
      if (known || stored.has(run.id)) continue;
      tell('warn', 'bundle', `the bundle of ${run.id.slice(0, 10)} is missing; it is made again`);
      await this.verdict(run.id);
    }
    return kept;
  }

  /** Gossips a checkpoint with its witnesses. */
  async checkpoint({ note }: WitnessedCheckpoint): Promise<void> {
    const { project, publish } = this.#ports;
    const notice: CheckpointNotice = { note };
    await publish(topics.checkpoints(project), encodeMessage(notice));
  }

  /** Gossips a revocation, and lets present workers ask for it. */
  async revocation(id: string): Promise<void> {
    const { machine, project, publish, tell } = this.#ports;
    const logged = machine.state.revocations.find(({ revocation }) => revocation.id === id);
    if (logged === undefined) return;
    tell('info', 'revoked', sayRevoked(revokedBy(logged.revocation)), { revocation: id });
    this.#feed.push([]);
    await publish(topics.revocations(project), encodeMessage(listOf([logged])));
  }

  /**
   * What a run agreed on was contradicted, or its verdict revoked: the bundle of another run may still prove the artifact,
   * and takes its name. Where there is none, that of a revoked verdict stays, and the revocation beside it.
   */
  async proofLost({ progress }: Extract<ControllerEffect, { kind: 'progress' }>): Promise<void> {
    if ((progress.kind !== 'contradicted' && progress.kind !== 'revoked') || progress.artifact === null)
      return;
    const { machine, bundles } = this.#ports;
    const { artifact } = progress;
    const other = provingRun(machine.state, artifact);
    if (other === undefined) return progress.kind === 'revoked' ? undefined : bundles.drop(artifact);
    const bundle = await bundles.get(other.id);
    // Not stored yet: it takes the name when it is.
    if (bundle !== undefined && (await bundles.get(artifact)) !== bundle)
      await bundles.put({ run: other.id, job: null, artifact }, bundle);
  }
}

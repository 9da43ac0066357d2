import { tellAlarm } from '../../protocol/account/index.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import { oneByOne } from '../../protocol/base/one-by-one.ts';
import { fromUtf8, toUtf8 } from '../../protocol/base/text.ts';
import {
  artifactOf,
  encodeJob,
  idOf,
  type Offer,
  sha256Hex,
  signMessage,
} from '../../protocol/documents/index.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { mirrorsOf } from '../../protocol/sessions/mirrors.ts';
import { listOf } from '../../protocol/sessions/revocation-book.ts';
import { pause } from '../../protocol/sessions/timing.ts';
import { countsUncosigned, revokedBy, sayFullKey, sayRevoked } from '../../protocol/trust/index.ts';
import {
  type CheckpointNotice,
  encodeMessage,
  type OfferNotice,
  type VerdictNotice,
} from '../../protocol/wire/messages.ts';
import { topics } from '../../protocol/wire/protocols.ts';
import type { ControllerEffect } from '../machine/events.ts';
import { artifactIn, cosignersIn, type RunFacts } from '../machine/facts.ts';
import { fullKeys } from '../machine/members/revocations.ts';
import { publishedParts } from '../machine/queries/draft.ts';
import { bundledOf, provingRun } from '../machine/queries/summary.ts';
import { type ControllerState, publishedOf } from '../machine/state.ts';
import { hasEvidence } from '../machine/verdicts/verdict.ts';
import { assembleBundle, holdsVerdict } from './bundle.ts';
import type { WitnessedCheckpoint } from './checkpoint-round.ts';
import type { FeedServer } from './feed-server.ts';
import { inputEvidenceOf, signerOf } from './own-evidence.ts';
import type { SharedPorts } from './shared.ts';

/** Whether it names an artifact that was contradicted, and that no verdict proves. */
function isContradicted(state: ControllerState, name: string): boolean {
  const contradicted = ({ history }: RunFacts) =>
    history.some(
      ({ progress }) =>
        (progress.kind === 'contradicted' || progress.kind === 'input-lost') && progress.artifact === name,
    );
  return provingRun(state, name) === undefined && state.index.withArtifact(name).some(contradicted);
}

/** Workers that have the bundle of an artifact's run, as co-signers, or fetch it at once. */
function mirrorsAmong(
  state: ControllerState,
  run: string,
  artifact: string | null,
  cosigners: readonly string[],
): Pick<VerdictNotice, 'mirrors'> {
  const receipts = state.index.get(run)?.receipts ?? [];
  const holders = receipts.filter(({ outcome }) => artifact !== null && artifactOf(outcome) === artifact);
  if (artifact === null || holders.length === 0) return {};
  const workers = holders.map(({ worker }) => worker);
  return { mirrors: mirrorsOf(artifact, workers, cosigners) };
}

/** Publishes offers and verdicts: signs, stores, gossips. */
export class Publisher {
  readonly #ports: SharedPorts;
  readonly #feed: FeedServer;
  /** The newest checkpoint, while it waits to be gossiped. */
  #checkpoint: string | undefined;
  /** Monotonic time when one was gossiped. */
  #gossipedAt = Number.NEGATIVE_INFINITY;
  /** Bundles are assembled and stored one after the other: many may be missing at a start. */
  readonly #inTurn = oneByOne();

  constructor(ports: SharedPorts, feed: FeedServer) {
    this.#ports = ports;
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
    const again = this.#ports.backlog.has(signed.id);
    this.#ports.backlog.set(signed.id, notice);
    // Gossip drops a message that it has seen: an offer that is repeated goes to the present workers.
    if (again) this.#feed.pushAgain(signed.id);
    else await publish(topics.offers(project), encodeMessage(notice));
  }

  withdraw(offer: string): void {
    this.#ports.backlog.delete(offer);
  }

  /** Stores and publishes the bundle of a run's last verdict. One that is stored already is never written again. */
  async verdict(runId: string): Promise<void> {
    const { machine, project, publish, announce, tell, dispatch } = this.#ports;
    const known = machine.state.index.get(runId);
    const published = known === undefined ? null : publishedOf(known);
    if (known === undefined || published === null) return;
    const { level } = published.verdict;
    // The verdict is still told.
    if (!hasEvidence(known))
      return tell('info', 'verdict', `${known.job.name}: ${level}, nobody built it`, {
        run: runId,
        job: known.jobId,
        level,
      });
    const stored = await this.#inTurn(() => this.#store(runId));
    if (stored === undefined) return;
    if (stored.isNew) {
      await publish(topics.verdicts(project), encodeMessage(stored.notice));
      const { job, artifact } = stored.notice;
      const about = { run: runId, job, level: stored.notice.level, artifact };
      tell('info', 'verdict', `${known.job.name}: ${stored.notice.level}`, about);
    }
    const sha256 = sha256Hex(toUtf8(stored.text));
    void dispatch({ kind: 'stored', run: runId, verdict: stored.verdict, sha256 });
    if (stored.isNew && stored.notice.artifact !== null) await announce(stored.notice.artifact);
  }

  /** Resolves once every bundle whose verdict was told by now is stored, or failed to be. */
  storing(): Promise<void> {
    return this.#inTurn(async () => {});
  }

  /** Undefined where the documents are gone: its bundle is stored. */
  async #store(
    runId: string,
  ): Promise<{ verdict: string; text: string; notice: VerdictNotice; isNew: boolean } | undefined> {
    const { machine, bundles, lost, project } = this.#ports;
    const { state } = machine;
    const isLost = lost.has(runId);
    const draft = publishedParts(state, runId) ?? (await lost.draft(runId));
    if (draft === undefined) return undefined;
    const { job, level, outcome, policy } = draft.verdict.predicate.quorate_verdict;
    const artifact = artifactIn({ job: draft.job }, outcome);
    const notice: VerdictNotice = {
      job,
      request: runId,
      level,
      artifact,
      ...(countsUncosigned(policy, level) && { cosigned: false }),
      ...mirrorsAmong(machine.state, runId, artifact, cosignersIn(draft.endorsement)),
    };
    const verdict = idOf(draft.verdict);
    const before = await bundles.get(runId);
    if (before !== undefined && holdsVerdict(before, verdict, cosignersIn(draft.endorsement)))
      return { verdict, text: before, notice, isNew: false };
    await this.#ports.checkpoints.keep(draft.checkpoint.size);
    const inputs = await inputEvidenceOf(this.#ports, draft.inputs);
    const known = state.index.get(runId);
    // An input may have come to something else meanwhile.
    if (known === undefined || publishedOf(known)?.verdict.id !== verdict) return undefined;
    const bundle = await assembleBundle(draft, project, signerOf(this.#ports, draft.controller), inputs);
    const proves = artifact !== null && provingRun(state, artifact)?.id === runId;
    // Made again out of its turn, it does not take the name of its job from a later run.
    const namesJob = !isLost || bundledOf(state, job).at(-1)?.id === runId;
    await bundles.put({ run: runId, job: namesJob ? job : null, artifact: proves ? artifact : null }, bundle);
    lost.made(runId);
    return { verdict, text: bundle, notice, isNew: true };
  }

  /** Makes the lost bundle of a run again. @throws those of `inputEvidenceOf`, `BUNDLE_DAMAGED`. */
  async makeAgain(runId: string): Promise<void> {
    const { machine, lost, dispatch } = this.#ports;
    if (!lost.has(runId)) return;
    const stored = await this.#inTurn(() => this.#store(runId));
    if (lost.has(runId))
      throw new QuorateError('BUNDLE_DAMAGED', `the documents of ${runId} cannot be read again`, {
        hint: 'Restart the controller: they are read from its journal.',
      });
    if (stored === undefined) return;
    const sha256 = sha256Hex(toUtf8(stored.text));
    // With the evidence of today of what it reads it may be another than the one of before.
    if (machine.state.bundles.get(runId) !== sha256)
      await dispatch({ kind: 'stored', run: runId, verdict: stored.verdict, sha256 });
  }

  /** Removes proofs of artifacts that were contradicted just before the last life ended; returns the other names. */
  async restore(stored: ReadonlySet<string>): Promise<Set<string>> {
    const { machine, bundles } = this.#ports;
    const kept = new Set(stored);
    for (const name of stored) {
      if (!isContradicted(machine.state, name)) continue;
      kept.delete(name);
      await bundles.drop(name);
    }
    return kept;
  }

  /** Gossips a checkpoint with its witnesses, or the one that follows it within `checkpointMs` of the one before. */
  async checkpoint({ note }: WitnessedCheckpoint): Promise<void> {
    const { clock, project, publish } = this.#ports;
    const isDue = this.#checkpoint === undefined;
    this.#checkpoint = note;
    if (!isDue) return;
    await pause(clock, Math.max(0, this.#gossipedAt + sessionTimes.checkpointMs - clock.monotonic()));
    const notice: CheckpointNotice = { note: this.#checkpoint };
    this.#checkpoint = undefined;
    if (clock.closing) return;
    this.#gossipedAt = clock.monotonic();
    await publish(topics.checkpoints(project), encodeMessage(notice));
  }

  /** Gossips a revocation, and lets present workers ask for it. */
  async revocation(id: string): Promise<void> {
    const { machine, project, publish, tell } = this.#ports;
    const logged = machine.state.revocations.find(({ revocation }) => revocation.id === id);
    if (logged === undefined) return;
    tell('info', 'revoked', sayRevoked(revokedBy(logged.revocation)), { revocation: id });
    const { signer } = logged.revocation;
    if (fullKeys(machine.state).includes(signer))
      tellAlarm(tell, 'key-full', sayFullKey(signer), { key: signer });
    this.#feed.push([]);
    await publish(topics.revocations(project), encodeMessage(listOf([logged])));
  }

  /** Gives the name of a contradicted or revoked artifact to another run that proves it; drops it where none does and nothing was revoked. */
  async proofLost({ progress }: Extract<ControllerEffect, { kind: 'progress' }>): Promise<void> {
    const { kind } = progress;
    if (kind !== 'contradicted' && kind !== 'revoked' && kind !== 'input-lost') return;
    if (progress.artifact === null) return;
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

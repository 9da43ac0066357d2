import { codeOf, QuorateError, reportedError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import type { Bundle, Verdict } from '../../protocol/documents/index.ts';
import { ask, isConnectionError, openCharter } from '../../protocol/sessions/ask.ts';
import { sessionLimits, sessionTimes } from '../../protocol/sessions/limits.ts';
import { LogCopy } from '../../protocol/sessions/log-copy.ts';
import { withheldHint } from '../../protocol/sessions/revocation-exchange.ts';
import { pause } from '../../protocol/sessions/timing.ts';
import { type Checkpoint, parseCheckpoint } from '../../protocol/transparency/index.ts';
import { checkEvidence, type LogView, type Verification } from '../../protocol/trust/index.ts';
import type { LogWitness } from './log-witness.ts';
import type { WorkerPorts } from './ports.ts';
import type { RevocationFeed } from './revocation-feed.ts';

/** Whether what is checked is still waited for: a connection that fails is tried again for as long as it is. */
type IsWanted = () => boolean;

/** Checks of a trusted worker before it signs a verdict: the whole log up to the checkpoint of the draft, and the evidence. */
export class DraftChecks {
  readonly #ports: WorkerPorts;
  readonly #log: LogCopy;
  readonly #revocations: RevocationFeed;
  readonly #witness: LogWitness;

  constructor(ports: WorkerPorts, revocations: RevocationFeed, witness: LogWitness) {
    this.#ports = ports;
    this.#revocations = revocations;
    this.#witness = witness;
    this.#log = new LogCopy(ports.leafFile);
  }

  /** Reads the leaves that were kept before. @throws those of the file. */
  async load(): Promise<void> {
    await this.#log.size;
  }

  /**
   * Reads the log up to a checkpoint that fits those that were seen; each revocation in it is known then. @throws those of
   * `LogWitness.see` and `LogCopy.read`, `LOG_TOO_LARGE`, `REVOCATION_WITHHELD`.
   */
  async readLog(note: string, isWanted: IsWanted): Promise<LogView> {
    const checkpoint = await this.#see(note, isWanted);
    if (checkpoint.size > sessionLimits.logLeavesMax)
      throw new QuorateError(
        'LOG_TOO_LARGE',
        `the log has ${checkpoint.size} leaves; this worker reads ${sessionLimits.logLeavesMax} at most`,
      );
    const log = await this.#log.read(checkpoint.size, (from) => this.#leaves(from, isWanted));
    await this.#learnRevocations(log, isWanted);
    return log;
  }

  /** Takes the charter of a draft where it is newer. Says what is wrong where one that is newer than that is in force. @throws `CHARTER_…`. */
  async outdated(draft: Bundle): Promise<string | undefined> {
    const { credentials, signing } = this.#ports;
    await credentials.learnCharter(draft.charter);
    const { project } = credentials.membership;
    const { epoch } = (await openCharter(draft.charter, project, signing.documents)).payload;
    if (epoch >= credentials.charter.epoch) return undefined;
    return `a draft rests on charter ${epoch}; ${credentials.charter.epoch} is in force, under which there will be another`;
  }

  /** Decides again from the evidence. @throws the code of the step that failed; COSIGN_LEVEL_MISMATCH where the verdict differs */
  async check(draft: Bundle, log: LogView): Promise<{ verification: Verification; verdict: Verdict }> {
    const { credentials, signing, clock, revocations } = this.#ports;
    const { documents } = signing;
    const { project } = credentials.membership;
    const expected = { project, log, revocations: revocations.revoked, now: clock.now() };
    const verification = await checkEvidence(draft, expected, documents.verifier);
    const { says = 'the evidence does not hold' } = verification.steps.find(({ ok }) => !ok) ?? {};
    if (!verification.ok) throw reportedError(verification.code ?? 'COSIGN_EVIDENCE', says);
    const { payload } = await documents.verdict(draft.verdict);
    const { level } = payload.predicate.quorate_verdict;
    if (level !== verification.level)
      throw new QuorateError(
        'COSIGN_LEVEL_MISMATCH',
        `the verdict says ${level}; the evidence amounts to ${verification.level}`,
      );
    return { verification, verdict: payload };
  }

  /**
   * Keeps the leaves under a checkpoint that fits those before it. A trusted worker does before it signs one: a controller whose disk is
   * lost has them from here. @throws those of `LogCopy.read` and `LogCopy.keep`, `LOG_LEAVES_MISMATCH`.
   */
  async keepUnder({ size, root }: Pick<Checkpoint, 'size' | 'root'>): Promise<void> {
    if (size > sessionLimits.logLeavesMax) return;
    const log = await this.#log.read(size, (from) => this.#leaves(from, () => false));
    if (log.root() !== root)
      throw new QuorateError('LOG_LEAVES_MISMATCH', 'the leaves are not those that the checkpoint is over');
    await this.#log.keep(log);
  }

  /** Leaves that were kept, from an index on, as many as one message takes. @throws those of the file. */
  keptFrom(from: number): Promise<readonly string[]> {
    return this.#log.keptFrom(from, limits.leavesPerMessageMax);
  }

  /** Keeps the leaves on disk, before anything is signed over them. @throws those of `LogCopy.keep`. */
  keep(log: LogView): Promise<void> {
    return this.#log.keep(log);
  }

  /** Each revocation that the log has must be known here before anything is decided. @throws `REVOCATION_WITHHELD`. */
  async #learnRevocations(log: LogView, isWanted: IsWanted): Promise<void> {
    const { revocations } = this.#ports;
    const missing = () => log.withheld((id) => revocations.has(id));
    if (missing().length === 0) return;
    await this.#whileWanted(isWanted, () => this.#revocations.ask());
    // Revocations by keys that the root has ended are no longer in the list, only found by id.
    if (missing().length > 0) await this.#whileWanted(isWanted, () => this.#revocations.askFor(missing()));
    const [withheld] = missing();
    if (withheld !== undefined)
      throw new QuorateError(
        'REVOCATION_WITHHELD',
        `the log holds the revocation ${withheld}, and the controller does not show it`,
        { hint: withheldHint },
      );
  }

  /** @throws those of `LogWitness.see`. */
  async #see(note: string, isWanted: IsWanted): Promise<Checkpoint> {
    try {
      return await this.#whileWanted(isWanted, () => this.#witness.see(note));
    } catch (error) {
      if (codeOf(error) === 'LOG_INCONSISTENT') await this.#compare(note, isWanted).catch(() => {});
      throw error;
    }
  }

  /** Reads all leaves under a checkpoint that does not fit: beside those that were kept, they may prove it to others. */
  async #compare(note: string, isWanted: IsWanted): Promise<void> {
    const { size } = parseCheckpoint(note);
    const shown: string[] = [];
    while (shown.length < Math.min(size, sessionLimits.logLeavesMax)) {
      const more = await this.#leaves(shown.length, isWanted);
      if (more.length === 0) return;
      shown.push(...more.slice(0, size - shown.length));
    }
    await this.#witness.compare(note, await this.#log.kept, shown);
  }

  /** Leaves of the log from an index on. */
  #leaves(from: number, isWanted: IsWanted): Promise<readonly string[]> {
    const { credentials, dial } = this.#ports;
    return this.#whileWanted(isWanted, async () => {
      const { answer } = await ask(dial, credentials.membership.controllers, { kind: 'log', from });
      return answer.kind === 'leaves' && answer.from === from ? answer.leaves : [];
    });
  }

  async #whileWanted<T>(isWanted: IsWanted, work: () => Promise<T>): Promise<T> {
    const { clock } = this.#ports;
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        // A refusal is for good: what passes must not become one.
        if (clock.closing || !isWanted() || !isConnectionError(error)) throw error;
        await pause(clock, Math.min(sessionTimes.draftRetryMsMax, sessionTimes.draftRetryMs * tries));
      }
    }
  }
}

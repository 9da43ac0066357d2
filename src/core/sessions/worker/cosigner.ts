import {
  addSignature,
  type Bundle,
  claimedStatementId,
  cosignStatement,
  decodeBundle,
  encodeBundle,
  resultOf,
  type Verdict,
} from '../../documents/index.ts';
import { codeOf, messageOf, QuorateError, reportedError } from '../../errors.ts';
import { addWitness, type Checkpoint, parseCheckpoint } from '../../transparency/index.ts';
import { checkEvidence, type LogView } from '../../trust/index.ts';
import { ask, isConnectionError, openCharter } from '../ask.ts';
import { sessionLimits } from '../limits.ts';
import { pause } from '../timing.ts';
import type { LeaseClient } from './lease-client.ts';
import { LogCopy } from './log-copy.ts';
import type { LogWitness } from './log-witness.ts';
import type { WorkerPorts } from './ports.ts';
import type { Publication } from './publication.ts';
import type { RevocationFeed } from './revocation-feed.ts';

const noRequest = '0'.repeat(64);
/** Between two attempts to read the log: a second more after each, up to the longest. */
const retryMs = 1_000;
const retryMsMax = 15_000;
/** Of a message on the wire. */
const messageCharsMax = 1000;

/** The trusted worker's co-signature: decides again from the evidence, reads the log again, and signs. */
export class Cosigner {
  readonly #ports: WorkerPorts;
  readonly #log: LogCopy;
  readonly #revocations: RevocationFeed;
  readonly #witness: LogWitness;
  readonly #publication: Pick<Publication, 'cosigned'>;
  /** Drafts that hold, by lease id, until they are signed or refused. */
  readonly #drafts = new Map<string, Bundle>();
  /** Ids of the verdicts that were shown last, by lease id, until they are signed or refused. */
  readonly #shown = new Map<string, string>();
  /** Leases whose draft is being checked. A draft that is shown meanwhile is checked afterwards, the latest only. */
  readonly #checking = new Map<string, string | undefined>();

  /** `publication` is told of each bundle that is co-signed. */
  constructor(
    ports: WorkerPorts,
    revocations: RevocationFeed,
    witness: LogWitness,
    publication: Pick<Publication, 'cosigned'>,
  ) {
    this.#ports = ports;
    this.#revocations = revocations;
    this.#witness = witness;
    this.#publication = publication;
    this.#log = new LogCopy(ports.leafFile);
  }

  /** Checks the drafts that are shown for a lease, one at a time. */
  async check(lease: string, text: string): Promise<void> {
    if (this.#checking.has(lease)) {
      this.#checking.set(lease, text);
      return;
    }
    try {
      for (let next: string | undefined = text; next !== undefined; next = this.#checking.get(lease)) {
        this.#checking.set(lease, undefined);
        await this.#check(lease, next);
      }
    } finally {
      this.#checking.delete(lease);
    }
  }

  /** Checks a draft against everything that can be checked; the machine then says whether this worker may sign. */
  async #check(lease: string, text: string): Promise<void> {
    const { dispatch, credentials, signing, clock, tell } = this.#ports;
    const { documents } = signing;
    let request = noRequest;
    this.#shown.delete(lease);
    try {
      const draft = decodeBundle(text);
      const verdict = claimedStatementId(draft.verdict);
      if (verdict !== undefined) this.#shown.set(lease, verdict);
      const { project } = credentials.membership;
      await credentials.learnCharter(draft.charter);
      const { epoch } = (await openCharter(draft.charter, project, documents)).payload;
      if (epoch < credentials.charter.epoch) {
        const says = `a draft rests on charter ${epoch}; ${credentials.charter.epoch} is in force, under which there will be another`;
        return tell('info', 'cosign', says, { lease });
      }
      request = (await documents.message('request', draft.request)).id;
      const checkpoint = await this.#see(lease, draft.checkpoint);
      if (checkpoint.size > sessionLimits.logLeavesMax) {
        throw new QuorateError(
          'LOG_TOO_LARGE',
          `the log has ${checkpoint.size} leaves; this worker reads ${sessionLimits.logLeavesMax} at most`,
        );
      }
      const log = await this.#log.read(checkpoint.size, (from) => this.#leaves(lease, from));
      await this.#learnRevocations(lease, log);
      const { revoked: revocations } = this.#ports.revocations;
      const expected = { project, log, revocations, now: clock.now() };
      const verification = await checkEvidence(draft, expected, documents.verifier);
      const failed = verification.steps.find(({ ok }) => !ok);
      if (!verification.ok)
        throw reportedError(
          verification.code ?? 'COSIGN_EVIDENCE',
          failed?.says ?? 'the evidence does not hold',
        );
      const { payload } = await documents.verdict(draft.verdict);
      const { level } = payload.predicate.quorate_verdict;
      if (level !== verification.level) {
        throw new QuorateError(
          'COSIGN_LEVEL_MISMATCH',
          `the verdict says ${level}; the evidence amounts to ${verification.level}`,
        );
      }
      await this.#log.keep(log);
      this.#drafts.set(lease, draft);
      const result = resultOf(payload);
      await dispatch({ kind: 'cosign-checked', lease, request, result, ok: true, code: 'OK', message: '' });
    } catch (error) {
      await dispatch({
        kind: 'cosign-checked',
        lease,
        request,
        result: null,
        ok: false,
        code: codeOf(error),
        message: messageOf(error),
      });
    }
  }

  /** Signs the draft of a lease that was checked, and the checkpoint as a witness. */
  async sign(lease: string, leases: LeaseClient): Promise<void> {
    const { signing, tell } = this.#ports;
    const draft = this.#drafts.get(lease);
    const verdict = this.#shown.get(lease);
    if (draft === undefined || verdict === undefined) return;
    this.#drafts.delete(lease);
    this.#shown.delete(lease);
    let witness: string;
    let signature: string;
    let payload: Verdict;
    try {
      witness = await this.#witness.sign(draft.checkpoint);
      signature = await cosignStatement(draft.verdict, signing.signer);
      ({ payload } = await signing.documents.verdict(draft.verdict));
    } catch (error) {
      // Unanswered, the controller would wait for it until the request ends.
      this.#shown.set(lease, verdict);
      return this.refuse(lease, codeOf(error), messageOf(error), leases);
    }
    this.#publication.cosigned(lease, {
      ...payload.predicate.quorate_verdict,
      bundle: encodeBundle({
        ...draft,
        verdict: addSignature(draft.verdict, signing.signer.id, signature),
        checkpoint: addWitness(draft.checkpoint, witness),
      }),
    });
    leases.send(lease, { kind: 'cosigned', verdict, signature, witness });
    tell('info', 'cosigned', 'co-signed the verdict: built the same, and the evidence holds', { lease });
  }

  refuse(lease: string, code: string, message: string, leases: LeaseClient): void {
    this.#drafts.delete(lease);
    const verdict = this.#shown.get(lease);
    this.#shown.delete(lease);
    const says = message.replace(/[^\x20-\x7e]+/g, ' ').slice(0, messageCharsMax);
    leases.send(lease, {
      kind: 'cosign-refused',
      ...(verdict === undefined ? {} : { verdict }),
      code,
      message: says,
    });
    this.#ports.tell('warn', 'cosign-refused', `did not co-sign: ${message}`, { lease, code });
  }

  /** Each revocation that the log has must be known here before anything is decided. Errors: `REVOCATION_WITHHELD`. */
  async #learnRevocations(lease: string, log: LogView): Promise<void> {
    const { revocations } = this.#ports;
    const missing = () => log.withheld((id) => revocations.has(id));
    if (missing() === undefined) return;
    await this.#whileLeased(lease, () => this.#revocations.ask());
    const withheld = missing();
    if (withheld !== undefined)
      throw new QuorateError(
        'REVOCATION_WITHHELD',
        `the log holds "${withheld}", and the controller does not show that revocation`,
      );
  }

  /** Errors: those of `LogWitness.see`. */
  async #see(lease: string, note: string): Promise<Checkpoint> {
    try {
      return await this.#whileLeased(lease, () => this.#witness.see(note));
    } catch (error) {
      if (codeOf(error) === 'LOG_INCONSISTENT') await this.#compare(lease, note).catch(() => {});
      throw error;
    }
  }

  /** Reads all leaves under a checkpoint that does not fit: beside those that were kept, they may prove it to others. */
  async #compare(lease: string, note: string): Promise<void> {
    const { size } = parseCheckpoint(note);
    const shown: string[] = [];
    while (shown.length < Math.min(size, sessionLimits.logLeavesMax)) {
      const more = await this.#leaves(lease, shown.length);
      if (more.length === 0) return;
      shown.push(...more.slice(0, size - shown.length));
    }
    await this.#witness.compare(note, await this.#log.kept, shown);
  }

  /** Leaves of the log from an index on. */
  #leaves(lease: string, from: number): Promise<readonly string[]> {
    const { credentials, dial } = this.#ports;
    return this.#whileLeased(lease, async () => {
      const { answer } = await ask(dial, credentials.membership.controllers, { kind: 'log', from });
      return answer.kind === 'leaves' && answer.from === from ? answer.leaves : [];
    });
  }

  /** A connection that fails is tried again, for as long as the lease stands. */
  async #whileLeased<T>(lease: string, work: () => Promise<T>): Promise<T> {
    const { clock, machine } = this.#ports;
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        // A refusal is for good: what passes must not become one.
        const over = clock.closing || machine.leaseOf(lease) === undefined;
        if (over || !isConnectionError(error)) throw error;
        await pause(clock, Math.min(retryMsMax, retryMs * tries));
      }
    }
  }
}

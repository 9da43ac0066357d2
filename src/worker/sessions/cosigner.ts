import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import {
  addSignature,
  type Bundle,
  claimedStatementId,
  cosignStatement,
  decodeBundle,
  encodeBundle,
  resultOf,
  type Verdict,
} from '../../protocol/documents/index.ts';
import { addWitness } from '../../protocol/transparency/index.ts';
import type { DraftChecks } from './draft-checks.ts';
import type { LeaseClient } from './lease-client.ts';
import type { LogWitness } from './log-witness.ts';
import type { WorkerPorts } from './ports.ts';
import type { Publication } from './publication.ts';

const noRequest = '0'.repeat(64);
/** Of a message on the wire. */
const messageCharsMax = 1000;

/** A message as the wire takes it. */
export const refusalText = (message: string): string =>
  message.replace(/[^\x20-\x7e]+/g, ' ').slice(0, messageCharsMax);

/** The trusted worker's co-signature: decides again from the evidence, reads the log again, and signs. */
export class Cosigner {
  readonly #ports: WorkerPorts;
  readonly #checks: DraftChecks;
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
    checks: DraftChecks,
    witness: LogWitness,
    publication: Pick<Publication, 'cosigned'>,
  ) {
    this.#ports = ports;
    this.#checks = checks;
    this.#witness = witness;
    this.#publication = publication;
  }

  /** Checks the drafts that are shown for a lease, one at a time. */
  async check(lease: string, text: string): Promise<void> {
    if (this.#checking.has(lease)) return void this.#checking.set(lease, text);
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
    const { dispatch, machine, signing, tell } = this.#ports;
    const { documents } = signing;
    let request = noRequest;
    this.#shown.delete(lease);
    try {
      const draft = decodeBundle(text);
      const verdict = claimedStatementId(draft.verdict);
      if (verdict !== undefined) this.#shown.set(lease, verdict);
      const outdated = await this.#checks.outdated(draft);
      if (outdated !== undefined) return tell('info', 'cosign', outdated, { lease });
      request = (await documents.message('request', draft.request)).id;
      const log = await this.#checks.readLog(draft.checkpoint, () => machine.leaseOf(lease) !== undefined);
      const { verdict: payload, verification } = await this.#checks.check(draft, log);
      // An answer for a job without outputs has the same result as the build, and would pass for it.
      if (verification.facts?.earlier !== null)
        throw new QuorateError(
          'COSIGN_NOT_BUILT',
          'an answer from an earlier build is signed in a session of its own',
        );
      await this.#checks.keep(log);
      this.#drafts.set(lease, draft);
      const result = resultOf(payload);
      await dispatch({ kind: 'cosign-checked', lease, request, result, ok: true, code: 'OK', message: '' });
    } catch (error) {
      const [code, message] = [codeOf(error), messageOf(error)];
      await dispatch({ kind: 'cosign-checked', lease, request, result: null, ok: false, code, message });
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
    const of = verdict === undefined ? {} : { verdict };
    leases.send(lease, { kind: 'cosign-refused', ...of, code, message: refusalText(message) });
    this.#ports.tell('warn', 'cosign-refused', `did not co-sign: ${message}`, { lease, code });
  }
}

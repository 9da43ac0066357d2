import { join } from 'node:path';
import {
  type Bundle,
  cosignStatement,
  decodeBundle,
  openMessage,
  openStatement,
} from '../../core/documents/index.ts';
import { codeOf, messageOf, QuorateError } from '../../core/errors.ts';
import { openCheckpoint, witnessCheckpoint } from '../../core/transparency/index.ts';
import { checkEvidence } from '../../core/trust/index.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import { ask, openCharter } from '../membership/credentials.ts';
import type { WorkerContext } from './context.ts';
import type { WorkerLeases } from './leases.ts';
import { LogCopy } from './log-copy.ts';

/**
 * The trusted worker's second half: decides again from the evidence, reads the log again, and signs.
 */
export class Cosigner {
  readonly #context: WorkerContext;
  readonly #log: LogCopy;
  readonly #drafts = new Map<string, Bundle>();

  constructor(context: WorkerContext) {
    this.#context = context;
    const { dir, credentials } = context;
    this.#log = new LogCopy(join(dir, `log-${credentials.membership.project}.txt`));
  }

  /** Checks everything that can be checked; the machine then says whether this worker may sign. */
  async check(lease: string, text: string): Promise<void> {
    const { dispatch, credentials } = this.#context;
    let request = '0'.repeat(64);
    try {
      const draft = decodeBundle(text);
      const { project } = credentials.membership;
      await credentials.learnCharter(draft.charter);
      const { epoch } = (await openCharter(draft.charter, project)).payload;
      if (epoch < credentials.charter.epoch) {
        throw new QuorateError(
          'COSIGN_OLD_CHARTER',
          `the draft rests on charter ${epoch}; ${credentials.charter.epoch} is in force`,
        );
      }
      request = (await openMessage('request', draft.request, joseVerifier)).id;
      const { log } = credentials.charter;
      const checkpoint = await openCheckpoint(draft.checkpoint, { project, log }, joseVerifier);
      const leaves = await this.#log.read(checkpoint.size, (from) => this.#ask(from));
      const verification = await checkEvidence(draft, { project, leaves }, joseVerifier);
      const failed = verification.steps.find(({ ok }) => !ok);
      if (!verification.ok)
        throw new QuorateError(
          verification.code ?? 'COSIGN_EVIDENCE',
          failed?.says ?? 'the evidence does not hold',
        );
      const { payload } = await openStatement('verdict', draft.verdict, joseVerifier);
      const { level, outcome } = payload.predicate.quorate_verdict;
      if (level !== verification.level) {
        throw new QuorateError(
          'COSIGN_LEVEL_MISMATCH',
          `the verdict says ${level}; the evidence amounts to ${verification.level}`,
        );
      }
      await this.#log.keep(leaves);
      this.#drafts.set(lease, draft);
      dispatch({ kind: 'cosign-checked', lease, request, outcome, ok: true, code: 'OK', message: '' });
    } catch (error) {
      dispatch({
        kind: 'cosign-checked',
        lease,
        request,
        outcome: null,
        ok: false,
        code: codeOf(error),
        message: messageOf(error),
      });
    }
  }

  async sign(lease: string, leases: WorkerLeases): Promise<void> {
    const { key, tell } = this.#context;
    const draft = this.#drafts.get(lease);
    if (draft === undefined) return;
    this.#drafts.delete(lease);
    const signature = await cosignStatement(draft.verdict, key.signer);
    const witness = await witnessCheckpoint(draft.checkpoint, key.signer, Math.floor(Date.now() / 1000));
    leases.send(lease, { kind: 'cosigned', signature, witness });
    tell('info', 'cosigned', 'co-signed the verdict: built the same, and the evidence holds', { lease });
  }

  refuse(lease: string, code: string, message: string, leases: WorkerLeases): void {
    this.#drafts.delete(lease);
    leases.send(lease, {
      kind: 'cosign-refused',
      code,
      message: message.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 1000),
    });
    this.#context.tell('warn', 'cosign-refused', `did not co-sign: ${message}`, { lease, code });
  }

  async #ask(from: number): Promise<readonly string[]> {
    const { credentials, mesh, signal } = this.#context;
    const { answer } = await ask(mesh, credentials.membership.controllers, { kind: 'log', from }, signal);
    return answer.kind === 'leaves' && answer.from === from ? answer.leaves : [];
  }
}

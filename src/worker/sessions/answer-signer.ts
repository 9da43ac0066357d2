import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { counted } from '../../protocol/base/quantity.ts';
import {
  type Bundle,
  claimedStatementId,
  cosignStatement,
  decodeBundle,
  type Request,
  type Verified,
} from '../../protocol/documents/index.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { errorFrom, MessageStream } from '../../protocol/sessions/message-stream.ts';
import { every, pause, spread } from '../../protocol/sessions/timing.ts';
import type { LogView } from '../../protocol/trust/index.ts';
import { type CosignDown, type CosignUp, cosignDownSchema } from '../../protocol/wire/messages.ts';
import { protocols } from '../../protocol/wire/protocols.ts';
import { refusalText } from './cosigner.ts';
import type { DraftChecks } from './draft-checks.ts';
import { type GrantRenewal, mayBeRenewed } from './grant-renewal.ts';
import type { LogWitness } from './log-witness.ts';
import type { WorkerPorts } from './ports.ts';

type Answer = Extract<CosignUp, { kind: 'answered' }>['answers'][number];
interface Refusal {
  code: string;
  message: string;
}

/**
 * A trusted worker signs answers from earlier builds: on a stream of its own, all that wait together, after one reading of the log. It builds
 * nothing for them; its machine remembers that it signed one for a request.
 */
export class AnswerSigner {
  readonly #ports: WorkerPorts;
  readonly #grants: GrantRenewal;
  readonly #checks: DraftChecks;
  readonly #witness: LogWitness;
  /** Decisions of the machine, by verdict; null: sign it. */
  readonly #decided = new Map<string, Refusal | null>();

  constructor(ports: WorkerPorts, grants: GrantRenewal, checks: DraftChecks, witness: LogWitness) {
    this.#ports = ports;
    this.#grants = grants;
    this.#checks = checks;
    this.#witness = witness;
  }

  /** Stays connected for as long as the charter names this worker. */
  async run(): Promise<void> {
    const { clock, signing, credentials } = this.#ports;
    let wait: number = sessionTimes.cosignRetryMsMin;
    while (!clock.closing) {
      const began = clock.monotonic();
      if (this.#isTrusted)
        await this.#session().catch(async (error) => {
          // The feed tells its operator what is wrong with the connection.
          if (mayBeRenewed(codeOf(error))) await this.#grants.refresh(credentials.grant);
        });
      if (clock.monotonic() - began > sessionTimes.cosignRetryMsMax) wait = sessionTimes.cosignRetryMsMin;
      await pause(clock, wait * spread(signing));
      wait = Math.min(sessionTimes.cosignRetryMsMax, wait * 2);
    }
  }

  get #isTrusted(): boolean {
    const { credentials, signing } = this.#ports;
    const { role } = credentials.grant.payload;
    return role === 'trusted-worker' && credentials.charter.trusted.includes(signing.signer.id);
  }

  /** The machine decided on a draft that was checked. */
  decided(verdict: string, refusal: Refusal | null): void {
    this.#decided.set(verdict, refusal);
  }

  async #session(): Promise<void> {
    const { dial, credentials, clock } = this.#ports;
    const channel = await dial(credentials.controller, protocols.cosign, {
      timeoutMs: sessionTimes.openMs,
      maxMessageBytes: limits.bundleBytesMax,
    });
    const stream = new MessageStream<CosignUp, CosignDown>(channel, cosignDownSchema, 'a message of drafts');
    let said = credentials.grant;
    const stop = every(clock, sessionTimes.cosignHeartbeatMs, () => {
      const isSame = said === credentials.grant;
      said = credentials.grant;
      stream.post(isSame ? { kind: 'heartbeat' } : { kind: 'hello', grant: said.raw });
    });
    try {
      await stream.send({ kind: 'hello', grant: said.raw });
      for (;;) {
        const message = await stream.receive({ timeoutMs: sessionTimes.requestMs });
        if (message === undefined) return;
        if (message.kind === 'error') throw errorFrom(message);
        await stream.send(await this.#answer(message.bundles, () => !stream.channel.closed));
      }
    } finally {
      stop();
      await stream.close();
    }
  }

  async #answer(texts: readonly string[], isWanted: () => boolean): Promise<CosignUp> {
    const { signing, tell } = this.#ports;
    const drafts = texts.map(tryDecode);
    const note = drafts.find((draft): draft is Bundle => 'checkpoint' in draft)?.checkpoint ?? '';
    const checked = await this.#check(note, drafts, isWanted);
    const isSigned = checked.some((one) => !('code' in one));
    let witness: string | undefined;
    try {
      if (isSigned) witness = await this.#witness.sign(note);
    } catch (error) {
      return { kind: 'answered', answers: checked.map(() => refusalOf(error)) };
    }
    const answers: Answer[] = [];
    for (const one of checked)
      answers.push('code' in one ? one : { signature: await cosignStatement(one.verdict, signing.signer) });
    const refused = checked.flatMap((one) => ('code' in one ? [one] : []));
    const signed = counted(answers.length - refused.length, 'answer');
    if (isSigned) tell('info', 'cosigned', `signed ${signed} from earlier builds`);
    for (const { code, message } of refused)
      tell('warn', 'cosign-refused', `did not sign an answer: ${message}`, { code });
    return { kind: 'answered', ...(witness !== undefined && { witness }), answers };
  }

  /** For each draft, in their order: itself where it may be signed, or the refusal. */
  async #check(
    note: string,
    drafts: readonly (Bundle | Refusal)[],
    isWanted: () => boolean,
  ): Promise<(Bundle | Refusal)[]> {
    let log: LogView;
    try {
      for (const draft of drafts) if (!('code' in draft)) await this.#checks.outdated(draft);
      log = await this.#checks.readLog(note, isWanted);
    } catch (error) {
      return drafts.map(() => refusalOf(error));
    }
    const checked: (Bundle | Refusal)[] = [];
    for (const draft of drafts)
      checked.push('code' in draft ? draft : ((await this.#decide(draft, note, log)) ?? draft));
    return checked;
  }

  /** Why a draft is not signed; null where it is. */
  async #decide(draft: Bundle, note: string, log: LogView): Promise<Refusal | null> {
    const { dispatch, signing } = this.#ports;
    const verdict = claimedStatementId(draft.verdict) ?? '';
    let request: Verified<Request>;
    try {
      request = await signing.documents.message('request', draft.request);
    } catch (error) {
      return refusalOf(error);
    }
    let refusal: Refusal | null = null;
    let publisher: string | undefined;
    try {
      publisher = await this.#checkAnswer(draft, note, log);
    } catch (error) {
      refusal = refusalOf(error);
    }
    const { iat, exp } = request.payload;
    const { code, message } = refusal ?? { code: 'OK', message: '' };
    const ok = refusal === null;
    const checked = { request: request.id, verdict, iat, exp, ok, code, message };
    await dispatch({ kind: 'answer-checked', ...checked, ...(publisher !== undefined && { publisher }) });
    const decided = this.#decided.get(verdict);
    this.#decided.delete(verdict);
    const isEnding = { code: 'CONTROLLER_STOPPED', message: 'the worker is stopping' };
    return decided === undefined ? isEnding : decided;
  }

  /** @throws those of `DraftChecks.check`, `COSIGN_NOT_BUILT` for what is no answer, `COSIGN_MISSING`, `COSIGN_LEVEL_MISMATCH`. */
  async #checkAnswer(draft: Bundle, note: string, log: LogView): Promise<string> {
    const outdated = await this.#checks.outdated(draft);
    if (outdated !== undefined) throw new QuorateError('CHARTER_NOT_IN_FORCE', outdated);
    if (draft.checkpoint !== note)
      throw new QuorateError('COSIGN_EVIDENCE', 'drafts that are shown together have one checkpoint');
    const { verification } = await this.#checks.check(draft, log);
    const { facts, level } = verification;
    if (facts?.earlier == null)
      throw new QuorateError(
        'COSIGN_NOT_BUILT',
        'the verdict rests on no earlier request: it is signed by who built the job',
      );
    if (facts.cosigners.length === 0)
      throw new QuorateError('COSIGN_MISSING', 'no trusted worker of the charter signed the earlier verdict');
    if (level !== 'trusted')
      throw new QuorateError('COSIGN_LEVEL_MISMATCH', `an answer that is ${level} needs no signature`);
    // They are those of the checkpoint, and are on disk before anything is signed over them.
    await this.#checks.keep(log);
    return facts.publisher;
  }
}

function tryDecode(text: string): Bundle | Refusal {
  try {
    return decodeBundle(text);
  } catch (error) {
    return refusalOf(error);
  }
}

const refusalOf = (error: unknown): Refusal => ({
  code: codeOf(error),
  message: refusalText(messageOf(error)),
});

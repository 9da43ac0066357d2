import { messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { type Grant, idOf, type Verified } from '../../protocol/documents/index.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { errorMessage, MessageStream } from '../../protocol/sessions/message-stream.ts';
import type { Channel } from '../../protocol/sessions/ports.ts';
import type { SendRights } from '../../protocol/wire/bounds.ts';
import { wireLimits } from '../../protocol/wire/limits.ts';
import { type CosignDown, type CosignUp, cosignUpSchema } from '../../protocol/wire/messages.ts';
import type { BundleDraft } from '../machine/events.ts';
import { controllerLimits } from '../machine/limits.ts';
import { refusalBy } from '../machine/members/charter.ts';
import { checkPresent } from '../machine/members/enrolment.ts';
import { reuseDraftOf } from '../machine/queries/draft.ts';
import { assembleBundle } from './bundle.ts';
import { cosignatureFlaw } from './cosignature.ts';
import { inputEvidenceOf } from './own-evidence.ts';
import { type SharedPorts, servedProtocol, shownGrant } from './shared.ts';

const againMs = 1_000;
/** Text of the bundles that are shown at once, but for one that has more by itself. */
const charsMax = limits.bundleBytesMax / 4;

/** Drafts that a trusted worker was shown, and has not answered. */
interface Asked {
  drafts: { run: string; verdict: string; draft: BundleDraft }[];
  size: number;
  root: string;
  cancel: () => void;
}

type CosignStream = MessageStream<CosignDown, CosignUp>;

interface Signer {
  stream: CosignStream;
  grant: Verified<Grant>;
  /** `null` while none is asked for; `preparing` while bundles are made. */
  asked: Asked | 'preparing' | null;
}

const askedOf = (signer: Signer | undefined): Asked | undefined =>
  signer?.asked === 'preparing' ? undefined : (signer?.asked ?? undefined);

/** Has trusted workers sign reuses of earlier runs: all drafts that wait, under one checkpoint, are shown to one of them at a time. */
export class AnswerServer {
  readonly served = servedProtocol('cosign', limits.bundleBytesMax, (channel) => this.#session(channel));
  readonly #ports: SharedPorts;
  /** Connected trusted workers by key, the one that was asked last at the end. */
  readonly #signers = new Map<string, Signer>();
  /** Drafts that are being signed, by id. */
  readonly #shown = new Set<string>();

  constructor(ports: SharedPorts) {
    this.#ports = ports;
  }

  /** Shows what waits to a trusted worker that is there and has nothing before it. */
  look(): void {
    if (this.#ports.clock.closing) return;
    // Which drafts those are is not known yet.
    for (const { asked } of this.#signers.values()) if (asked === 'preparing') return;
    const runs = this.#waiting();
    if (runs.length === 0) return;
    for (const [worker, signer] of this.#signers) {
      if (signer.asked !== null || !this.#mayWork(signer.grant)) continue;
      // The next time it is another one's turn.
      this.#signers.delete(worker);
      this.#signers.set(worker, signer);
      signer.asked = 'preparing';
      this.#ask(signer, runs).catch((error) => {
        this.#ports.tell('warn', 'cosign', `answers could not be shown: ${messageOf(error)}`);
        void signer.stream.close();
      });
      return;
    }
  }

  /** Runs whose answer waits for a signature now. */
  #waiting(): string[] {
    const { state } = this.#ports.machine;
    const runs: string[] = [];
    for (const { id, phase } of state.index.open.values()) {
      if (phase.kind !== 'answer-cosigning' || this.#shown.has(phase.draft.id)) continue;
      const isLater = (state.presence.retries.get(phase)?.at ?? null) !== null;
      if (!isLater && runs.length < wireLimits.answersAtOnceMax) runs.push(id);
    }
    return runs;
  }

  #mayWork(grant: Verified<Grant>): boolean {
    return refusalBy(() => this.#check(grant)) === undefined;
  }

  /** @throws those for which the machine does not count a member as present, `COSIGN_NOT_TRUSTED_KEY`. */
  #check(grant: Verified<Grant>): void {
    const { machine, clock } = this.#ports;
    const { role } = checkPresent({ state: machine.state, now: clock.now() }, grant);
    if (role !== 'trusted-worker')
      throw new QuorateError(
        'COSIGN_NOT_TRUSTED_KEY',
        'answers are signed by trusted workers of the charter',
      );
  }

  async #ask(signer: Signer, runs: readonly string[]): Promise<void> {
    const { machine, clock, checkpoints } = this.#ports;
    const { log } = machine.state;
    const { size } = log;
    await checkpoints.keep(size);
    const drafts: Asked['drafts'] = [];
    const bundles: string[] = [];
    let chars = 0;
    for (const run of runs) {
      const made = await this.#bundleOf(run, size, signer.stream.peer);
      if (made === undefined) continue;
      const { bundle, ...draft } = made;
      chars += bundle.length;
      if (bundles.length > 0 && chars > charsMax) break;
      drafts.push(draft);
      bundles.push(bundle);
    }
    const isHere = this.#signers.get(signer.stream.peer) === signer;
    if (bundles.length === 0 || !isHere) {
      signer.asked = null;
      // Not at once: what could not be shown now cannot be in the next moment either.
      return void clock.after(againMs, () => this.look());
    }
    for (const { verdict } of drafts) this.#shown.add(verdict);
    const cancel = clock.after(controllerLimits.cosignAnswerMsMax, () => void signer.stream.close());
    signer.asked = { drafts, size, root: log.root(size), cancel };
    await signer.stream.send({ kind: 'answers', bundles });
  }

  /** Undefined where the draft does not wait any more, or its evidence cannot be had now: it is shown later. */
  async #bundleOf(
    run: string,
    size: number,
    worker: string,
  ): Promise<(Asked['drafts'][number] & { bundle: string }) | undefined> {
    const { machine, project, signing, dispatch } = this.#ports;
    const draft = reuseDraftOf(machine.state, run, size);
    if (draft === undefined) return undefined;
    const verdict = idOf(draft.verdict);
    try {
      const inputs = await inputEvidenceOf(this.#ports, draft.inputs);
      return { run, verdict, draft, bundle: await assembleBundle(draft, project, signing.signer, inputs) };
    } catch (error) {
      const message = `the answer cannot be shown: ${messageOf(error)}`;
      await dispatch({ kind: 'cosign-refused', run, worker, verdict, code: 'INTERNAL', message });
      return undefined;
    }
  }

  async #session(channel: Channel): Promise<void> {
    const { clock, admission } = this.#ports;
    const { peer } = channel;
    const sent = (bytes: number) => admission.answered(channel, bytes);
    const what = 'an answer to drafts';
    const stream: CosignStream = new MessageStream<CosignDown, CosignUp>(channel, cosignUpSchema, what, sent);
    let signer: Signer | undefined;
    const sendRights = (): SendRights =>
      askedOf(signer) === undefined ? admission.sendRightsOf(peer) : { sender: 'asked' };
    try {
      for (;;) {
        const message = await admission.receive(stream, {
          protocol: 'cosign',
          timeoutMs: sessionTimes.silenceMs,
          sendRights,
        });
        if (message === undefined) break;
        if (message.kind === 'hello') {
          const grant = await shownGrant(this.#ports, message, peer);
          this.#check(grant);
          if (signer !== undefined) signer.grant = grant;
          else {
            void this.#signers.get(peer)?.stream.close();
            signer = { stream, grant, asked: null };
            this.#signers.set(peer, signer);
          }
        } else if (message.kind === 'answered') {
          const asked = askedOf(signer);
          if (signer === undefined || asked === undefined)
            throw new QuorateError('COSIGN_NOT_ASKED', 'no answer is waited for on this stream');
          // The signer may have been revoked since the drafts were shown to it: then another one is asked.
          this.#check(signer.grant);
          await this.#answered(peer, asked, message);
          this.#over(asked);
          signer.asked = null;
        }
        this.look();
      }
    } catch (error) {
      stream.post(errorMessage(error));
    } finally {
      if (signer !== undefined && this.#signers.get(peer) === signer) this.#signers.delete(peer);
      const asked = askedOf(signer);
      if (asked !== undefined) this.#over(asked);
      await stream.close();
      if (!clock.closing) this.look();
    }
  }

  #over({ drafts, cancel }: Asked): void {
    cancel();
    for (const { verdict } of drafts) this.#shown.delete(verdict);
  }

  /** The machine gets only co-signatures that hold. @throws `COSIGN_NO_WITNESS`, those of an invalid signature. */
  async #answered(
    worker: string,
    { drafts, size, root }: Asked,
    { answers, witness = '' }: Extract<CosignUp, { kind: 'answered' }>,
  ): Promise<void> {
    const { dispatch } = this.#ports;
    if (answers.length !== drafts.length)
      throw new QuorateError('WIRE_INVALID', `${drafts.length} drafts have ${answers.length} answers`);
    const told: Promise<void>[] = [];
    for (const [at, { run, verdict, draft }] of drafts.entries()) {
      const answer = answers[at];
      if (answer === undefined) continue;
      const about = { run, worker, verdict };
      if (!('signature' in answer)) {
        const { code, message } = answer;
        told.push(dispatch({ kind: 'cosign-refused', ...about, code, message }));
        continue;
      }
      const { signature } = answer;
      const signed = { verdict: draft.verdict, size, root };
      const message = await cosignatureFlaw(this.#ports, signed, { worker, signature, witness });
      told.push(
        message === undefined
          ? dispatch({ kind: 'cosigned', ...about, signature, witness, log: { size, root } })
          : dispatch({ kind: 'cosign-refused', ...about, code: 'COSIGN_WITNESS_TIME', message }),
      );
    }
    await Promise.all(told);
  }
}

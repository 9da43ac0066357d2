import { tellAlarm } from '../../protocol/account/index.ts';
import { assert, QuorateError } from '../../protocol/base/errors.ts';
import { limits } from '../../protocol/base/limits.ts';
import { Counts } from '../../protocol/base/maps.ts';
import { toUtf8 } from '../../protocol/base/text.ts';
import { decodeJob } from '../../protocol/documents/index.ts';
import { sessionLimits, sessionTimes } from '../../protocol/sessions/limits.ts';
import { answering, errorFrom, MessageStream } from '../../protocol/sessions/message-stream.ts';
import type { Channel } from '../../protocol/sessions/ports.ts';
import { pause } from '../../protocol/sessions/timing.ts';
import { type ApiDown, type ApiUp, apiUpSchema, encodeMessage } from '../../protocol/wire/messages.ts';
import { topics } from '../../protocol/wire/protocols.ts';
import type { ControllerEvent, Reply } from '../machine/events.ts';
import { isOver, type RunFacts } from '../machine/facts.ts';
import { checkGranted } from '../machine/members/enrolment.ts';
import { fullKeys } from '../machine/members/revocations.ts';
import { operatorsAround } from '../machine/presence.ts';
import { findRun, pipelineOf, summaries, summaryOf } from '../machine/queries/summary.ts';
import { checkOrder } from '../machine/rounds/open-run.ts';
import { sendLogs } from './log-answers.ts';
import type { GrantAsked } from './ports.ts';
import { type SharedPorts, servedProtocol } from './shared.ts';
import { askingError } from './start-inquiry.ts';

type ApiStream = MessageStream<ApiDown, ApiUp>;
const jobsMax = 500;
const ofLog: ReadonlySet<string> = new Set(['log', 'checkpoint', 'inclusion'] satisfies ApiUp['kind'][]);

/** The controller's side of the api protocol: one question after the other. `follow` and `logs` answer until the run is over, and end the stream. */
export class ApiServer {
  readonly served = servedProtocol('api', limits.receiptBytesMax, (channel) => this.#session(channel));
  readonly #ports: SharedPorts;
  /** Keys of identity providers of which it was told that no more tickets are taken. */
  readonly #full = new Set<string>();
  /** Lasting answers that are under way, by peer. */
  readonly #followed = new Counts();

  constructor(ports: SharedPorts) {
    this.#ports = ports;
  }

  async #session(channel: Channel): Promise<void> {
    const sent = (bytes: number) => this.#ports.admission.answered(channel, bytes);
    const stream: ApiStream = new MessageStream<ApiDown, ApiUp>(channel, apiUpSchema, 'a request', sent);
    return answering(stream, async () => {
      let timeoutMs: number = sessionTimes.questionMs;
      for (;;) {
        const question = await this.#ports.admission.receive(stream, { protocol: 'api', timeoutMs });
        if (question === undefined) break;
        if (lasting.has(question.kind)) {
          await this.#lasting(stream, () => this.#answer(stream, question));
          break;
        }
        await this.#answer(stream, question);
        timeoutMs = sessionLimits.nextConversationMs;
      }
    });
  }

  /** @throws `API_FOLLOWED_MAX`. */
  async #lasting({ peer }: ApiStream, answer: () => Promise<void>): Promise<void> {
    const { followedPerPeerMax } = sessionLimits;
    if (this.#followed.of(peer) >= followedPerPeerMax)
      throw new QuorateError(
        'API_FOLLOWED_MAX',
        `one key may follow ${followedPerPeerMax} runs and logs at once`,
        { hint: 'Several processes with one key share this limit. Try again when some of them have ended.' },
      );
    this.#followed.add(peer, 1);
    try {
      await answer();
    } finally {
      this.#followed.add(peer, -1);
    }
  }

  async #answer(stream: ApiStream, question: ApiUp): Promise<void> {
    const { machine, inquiry } = this.#ports;
    const { state } = machine;
    // An older copy of the journal would contradict the log that members saw.
    if (!inquiry.isOpen && ofLog.has(question.kind)) throw askingError(inquiry);
    switch (question.kind) {
      case 'charter': {
        // Before the start that of the project's folder, which may name another key of this controller than members know.
        const charter = inquiry.charter ?? state.charter;
        if (charter === null)
          throw new QuorateError('CONTROLLER_NOT_STARTED', 'the controller has no charter yet', {
            hint: 'Try again in a moment: it is starting.',
          });
        return stream.send({ kind: 'charter', charter: charter.raw, ...this.#feed() });
      }
      case 'log': {
        const from = Math.min(question.from, state.log.size);
        const to = Math.min(state.log.size, from + limits.leavesPerMessageMax);
        const { size } = state.log;
        return stream.send({ kind: 'leaves', from, size, leaves: state.log.leaves(from, to) });
      }
      case 'checkpoint':
        return this.#checkpoint(stream, question);
      case 'inclusion': {
        const { index, size } = question;
        const proof = state.log.inclusion(index, size);
        const [leaf = ''] = state.log.leaves(index, index + 1);
        return stream.send({ kind: 'inclusion', leaf, proof });
      }
      case 'enrol':
        return this.#enrol(stream, question);
      case 'renew': {
        const enrol = await this.#ports.signing.documents.message('enrol', question.enrol);
        samePeer(enrol.signer, stream.peer);
        const reply = await this.#ask((token) => ({ kind: 'renew', token, enrol }));
        return this.#sendGrant(stream, reply, { enrol });
      }
      case 'submit':
        return this.#submit(stream, question);
      case 'bring':
        return this.#bring(stream, question);
      case 'jobs': {
        const equivocations = this.#ports.logEvidence.equivocations.map(({ proves }) => proves.says);
        const full = fullKeys(state);
        return stream.send({
          kind: 'jobs',
          jobs: summaries(state, jobsMax, { ref: question.ref }),
          ...(equivocations.length > 0 && { equivocations }),
          ...(full.length > 0 && { full }),
        });
      }
      case 'equivocation':
        return this.#equivocation(stream, question.equivocation);
      case 'show': {
        const run = findRun(state, question.which);
        return stream.send({
          kind: 'job',
          summary: summaryOf(state, run),
          history: run.history,
          pipeline: pipelineOf(state, run),
        });
      }
      case 'follow':
        return this.#follow(stream, findRun(state, question.which));
      case 'revoke': {
        const revocation = await this.#ports.signing.documents.message('revocation', question.revocation);
        // A charter that names who signed it may lie in the project's folder.
        if (state.charter?.payload.idps.includes(revocation.signer) !== true)
          await this.#ports.refreshCharter();
        const reply = await this.#ask((token) => ({ kind: 'revoke', token, revocation }));
        return stream.send(expected('revoked', reply));
      }
      case 'cancel': {
        const { which, reason } = question;
        return stream.send(await cancelRun(this.#ports, { which, by: stream.peer, reason }));
      }
      case 'acknowledge':
        return this.#acknowledge(stream, question);
      case 'logs':
        return sendLogs(this.#ports, stream, findRun(state, question.which), question);
    }
  }

  #ask(event: (token: string) => ControllerEvent): Promise<Reply | undefined> {
    const { replies, dispatch } = this.#ports;
    return replies.ask((token) => dispatch(event(token)));
  }

  async #checkpoint(stream: ApiStream, { old, size }: Extract<ApiUp, { kind: 'checkpoint' }>): Promise<void> {
    const { log } = this.#ports.machine.state;
    const current =
      size === undefined ? await this.#ports.checkpoints.renewed() : this.#ports.checkpoints.current;
    const to = size ?? current?.size;
    if (to === undefined)
      throw new QuorateError('CONTROLLER_NOT_STARTED', 'the controller has signed no checkpoint yet');
    const proof = log.consistency(old, to);
    const note = to === current?.size ? current.note : await this.#ports.checkpoints.at(to);
    const grants = current?.members.flatMap(({ grant }) => (grant === undefined ? [] : [grant.raw])) ?? [];
    return stream.send({ kind: 'checkpoint', note, proof, ...(size === undefined && { grants }) });
  }

  /** Somebody brings evidence against the log of this controller. */
  async #equivocation(stream: ApiStream, equivocation: string): Promise<void> {
    const { logEvidence, project, publish, tell } = this.#ports;
    const list = { charters: [], revocations: [], equivocations: [equivocation] };
    const { found, refused } = await logEvidence.learn(list);
    const [why] = refused;
    if (why !== undefined) throw why;
    for (const { proves } of found) {
      const says = `workers take no jobs of this project any more: ${proves.says}. Either this log was put back to an older state, or somebody else has its key`;
      tellAlarm(tell, 'equivocated', says, { code: 'LOG_EQUIVOCATED', log: proves.log });
      await publish(topics.equivocations(project), encodeMessage({ equivocation }));
    }
    return stream.send({ kind: 'end' });
  }

  async #enrol(stream: ApiStream, question: Extract<ApiUp, { kind: 'enrol' }>): Promise<void> {
    const { machine, signing, refreshCharter } = this.#ports;
    const enrol = await signing.documents.message('enrol', question.enrol);
    const invite = await signing.documents.message('invite', question.invite);
    const shown = question.possession;
    const possession = shown === undefined ? undefined : await signing.documents.message('possession', shown);
    const use = { enrol, invite, ...(possession && { possession }) };
    samePeer(enrol.signer, stream.peer);
    // A charter that names this key may have been signed since it was last read.
    const ours = machine.state.charter?.payload.idps.includes(invite.signer) === true;
    if (ours && invite.payload.role === 'trusted-worker') await refreshCharter();
    const reply = await this.#ask((token) => ({ kind: 'enrol', token, ...use }));
    if (reply?.kind === 'error' && reply.code === 'TICKETS_FULL')
      this.#tellFull(invite.signer, reply.message);
    return this.#sendGrant(stream, reply, { ...use, at: machine.state.keys.get(enrol.signer)?.at });
  }

  /** Once for each key, in this life. */
  #tellFull(key: string, says: string): void {
    if (this.#full.has(key)) return;
    this.#full.add(key);
    tellAlarm(this.#ports.tell, 'key-full', `${says}: end that key`, { code: 'TICKETS_FULL', key });
  }

  async #submit(stream: ApiStream, question: Extract<ApiUp, { kind: 'submit' }>): Promise<void> {
    const { machine, signing, clock, needImage, needDependencies, inquiry } = this.#ports;
    const { state } = machine;
    // Before the start the charter in force may be of before a key was replaced.
    if (!inquiry.isOpen) await Promise.race([inquiry.opened, pause(clock, sessionLimits.startWaitMs)]);
    if (!inquiry.isOpen) throw askingError(inquiry);
    const request = await signing.documents.message('request', question.request);
    const publisher = await signing.documents.message('grant', question.publisher);
    const { job, id: jobId } = decodeJob(toUtf8(question.job));
    // An image is read only for a publisher: it may have gigabytes.
    checkOrder({ state, now: clock.now() }, { request, publisher, job, jobId });
    await needImage(job.image);
    if (job.dependencies !== undefined) needDependencies(job.dependencies.tree);
    const entropy = signing.nonce();
    const around = operatorsAround(state);
    const order = { request, publisher, job, jobId, entropy, around };
    const reply = await this.#ask((token) => ({ kind: 'submit', token, ...order }));
    return stream.send(expected('accepted', reply));
  }

  async #acknowledge(stream: ApiStream, question: Extract<ApiUp, { kind: 'acknowledge' }>): Promise<void> {
    const by = await this.#publisher(stream, question.publisher);
    const { id: run } = findRun(this.#ports.machine.state, question.which);
    const reply = await this.#ask((token) => ({ kind: 'acknowledge', token, run, by }));
    return stream.send(expected('acknowledged', reply));
  }

  async #bring(stream: ApiStream, question: Extract<ApiUp, { kind: 'bring' }>): Promise<void> {
    const operator = await this.#publisher(stream, question.publisher);
    const { tree } = question;
    const { link: from } = stream.channel;
    assert(from !== undefined, 'what a publisher brings is fetched over its connection');
    const onProgress = (bytes: number, total?: number) => stream.post({ kind: 'bringing', bytes, total });
    await this.#ports.bringDependencies({ tree, from, operator, onProgress });
    return stream.send({ kind: 'brought', tree });
  }

  async #sendGrant(
    stream: ApiStream,
    reply: Reply | undefined,
    sent: Omit<GrantAsked, 'grant'>,
  ): Promise<void> {
    const { grant, charter } = expected('grant', reply);
    const { raw } = await this.#ports.grants.sign({ grant, ...sent });
    await stream.send({ kind: 'grant', grant: raw, charter, ...this.#feed() });
  }

  /** The operator of a publisher that asks. @throws those of `checkGranted`. */
  async #publisher(stream: ApiStream, grant: string): Promise<string> {
    const { machine, signing, clock } = this.#ports;
    const publisher = await signing.documents.message('grant', grant);
    const moment = { state: machine.state, now: clock.now() };
    return checkGranted(moment, publisher, { by: stream.peer, as: 'publisher' }).operator;
  }

  #feed(): { feed?: string[] } {
    const feed = [...this.#ports.feedUrls()];
    return feed.length === 0 ? {} : { feed };
  }

  /** Sends the history so far, then each new entry, until the run is over or the asker is gone. */
  async #follow(stream: ApiStream, run: RunFacts): Promise<void> {
    let wake: () => void = () => {};
    let gone = false;
    const stop = this.#ports.followers.follow(run.id, () => wake());
    // The asker says nothing more; this read ends when it goes away.
    const left = () => {
      gone = true;
      wake();
    };
    stream.receive({ timeoutMs: sessionTimes.requestMs }).then(left, left);
    try {
      for (let next = 0; !gone; ) {
        const entry = run.history[next];
        if (entry !== undefined) {
          await stream.send({ kind: 'progress', at: entry.at, progress: entry.progress });
          next++;
        } else if (isOver(run)) return await stream.send({ kind: 'end' });
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (gone || next < run.history.length) resolve();
          });
        }
      }
    } finally {
      stop();
    }
  }
}

/** A client may leave at any time, or get more answers than one: the stream ends with them. */
const lasting: ReadonlySet<ApiUp['kind']> = new Set(['follow', 'logs', 'bring']);

function samePeer(signer: string, peer: string): void {
  if (signer !== peer)
    throw new QuorateError('ENROL_SENDER_MISMATCH', 'an enrolment is sent by the key that signed it');
}

/** Ends a run for the key that published it. @throws `CANCEL_PUBLISHER_MISMATCH`, `RUN_OVER`, `JOB_UNKNOWN`, `CONTROLLER_STOPPED`. */
export async function cancelRun(
  { replies, dispatch }: Pick<SharedPorts, 'replies' | 'dispatch'>,
  asked: { which: string; by: string; reason: string },
): Promise<Extract<Reply, { kind: 'cancelled' }>> {
  return expected('cancelled', await replies.ask((token) => dispatch({ kind: 'cancel', token, ...asked })));
}

/** @throws those with which the machine refuses, `CONTROLLER_STOPPED`. */
function expected<K extends Reply['kind']>(kind: K, reply: Reply | undefined): Extract<Reply, { kind: K }> {
  if (reply?.kind === kind) return reply as Extract<Reply, { kind: K }>;
  if (reply?.kind === 'error') throw errorFrom(reply);
  throw new QuorateError('CONTROLLER_STOPPED', 'the controller is stopping', {
    hint: 'Try again when it is back.',
  });
}

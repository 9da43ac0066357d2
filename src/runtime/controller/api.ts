import { randomBytes } from 'node:crypto';
import type { Reply } from '../../core/controller/events.ts';
import type { Run } from '../../core/controller/state.ts';
import { checkOrder } from '../../core/controller/submit.ts';
import { findRun, summaries, summaryOf } from '../../core/controller/view.ts';
import { decodeJob, openMessage, signMessage } from '../../core/documents/index.ts';
import { QuorateError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { toUtf8 } from '../../core/text.ts';
import { type ApiDown, type ApiUp, apiUpSchema } from '../../core/wire/messages.ts';
import { protocols } from '../../core/wire/protocols.ts';
import { joseVerifier } from '../../identity/verifier.ts';
import { errorFrom, errorMessage, MessageStream } from '../node/message-stream.ts';
import type { ControllerContext } from './context.ts';
import type { ControllerImages } from './images.ts';
import { sendLogs } from './log-api.ts';
import { refreshCharter } from './refresh-charter.ts';

type ApiStream = MessageStream<ApiDown, ApiUp>;
const jobsMax = 500;
/** A request lasts no longer than this, so neither does following it. */
const followMsMax = 8 * 24 * 3600 * 1000;

/** One request per stream; `follow` and `logs` answer until the run is over or the asker is gone. */
export function serveApi(context: ControllerContext, images: ControllerImages): void {
  context.mesh.handle(
    protocols.api,
    async (channel) => {
      const talk: ApiStream = new MessageStream<ApiDown, ApiUp>(channel, apiUpSchema, 'a request');
      try {
        const request = await talk.receive({ timeoutMs: 10_000 });
        if (request !== undefined) await answer(context, images, talk, request);
      } catch (error) {
        await talk.send(errorMessage(error)).catch(() => {});
      }
      await talk.close();
    },
    {
      maxInboundStreams: 32,
      maxMessageBytes: limits.documentBytesMax,
      maxSendBytes: limits.receiptBytesMax,
      perPeerPerMinute: 600,
    },
  );
}

async function answer(
  context: ControllerContext,
  images: ControllerImages,
  talk: ApiStream,
  request: ApiUp,
): Promise<void> {
  const { machine, dispatch, replies } = context;
  const { state } = machine;
  switch (request.kind) {
    case 'charter': {
      if (state.charter === null)
        throw new QuorateError('CONTROLLER_NOT_STARTED', 'the controller has no charter yet', {
          hint: 'Try again in a moment: it is starting.',
        });
      return talk.send({ kind: 'charter', charter: state.charter.raw });
    }
    case 'log': {
      const from = Math.min(request.from, state.log.size);
      const to = Math.min(state.log.size, from + limits.leavesPerMessageMax);
      return talk.send({ kind: 'leaves', from, size: state.log.size, leaves: state.log.leaves(from, to) });
    }
    case 'enrol': {
      const enrol = await openMessage('enrol', request.enrol, joseVerifier);
      const invite = await openMessage('invite', request.invite, joseVerifier);
      samePeer(enrol.signer, talk.peer);
      // The charter that names this key may be a moment old, and the next look at it a moment away.
      const ours = state.charter?.payload.idps.includes(invite.signer) === true;
      if (ours && invite.payload.role === 'trusted-worker') await refreshCharter(context);
      return sendGrant(
        context,
        talk,
        replies.ask((token) => dispatch({ kind: 'enrol', token, enrol, invite })),
      );
    }
    case 'renew': {
      const enrol = await openMessage('enrol', request.enrol, joseVerifier);
      samePeer(enrol.signer, talk.peer);
      return sendGrant(
        context,
        talk,
        replies.ask((token) => dispatch({ kind: 'renew', token, enrol })),
      );
    }
    case 'submit': {
      const order = await openMessage('request', request.request, joseVerifier);
      const publisher = await openMessage('grant', request.publisher, joseVerifier);
      const { job, id: jobId } = decodeJob(toUtf8(request.job));
      // Nobody else has the controller read gigabytes.
      checkOrder({ state, now: Date.now() }, { request: order, publisher, job, jobId });
      await images.need(job.image);
      const entropy = randomBytes(18).toString('base64url');
      const reply = replies.ask((token) =>
        dispatch({ kind: 'submit', token, request: order, publisher, job, jobId, entropy }),
      );
      if (reply?.kind === 'accepted') return talk.send(reply);
      throw refusal(reply);
    }
    case 'jobs':
      return talk.send({ kind: 'jobs', jobs: summaries(state, jobsMax) });
    case 'show': {
      const run = findRun(state, request.which);
      return talk.send({ kind: 'job', summary: summaryOf(run), history: run.history });
    }
    case 'follow':
      return follow(context, talk, findRun(state, request.which));
    case 'cancel': {
      const { which, reason } = request;
      const reply = replies.ask((token) => dispatch({ kind: 'cancel', token, which, by: talk.peer, reason }));
      if (reply?.kind === 'cancelled') return talk.send(reply);
      throw refusal(reply);
    }
    case 'logs':
      return sendLogs(context, talk, findRun(state, request.which), request);
  }
}

function samePeer(signer: string, peer: string): void {
  if (signer !== peer)
    throw new QuorateError('ENROL_SENDER_MISMATCH', 'an enrolment is sent by who signed it');
}

function refusal(reply: Reply | undefined): QuorateError {
  return reply?.kind === 'error'
    ? errorFrom(reply)
    : new QuorateError('CONTROLLER_STOPPED', 'the controller is stopping', {
        hint: 'Try again when it is back.',
      });
}

async function sendGrant(
  { folder, feedUrls }: ControllerContext,
  talk: ApiStream,
  reply: Reply | undefined,
): Promise<void> {
  if (reply?.kind !== 'grant') throw refusal(reply);
  const grant = await signMessage('grant', reply.grant, folder.idp.signer);
  await talk.send({
    kind: 'grant',
    grant: grant.raw,
    charter: reply.charter,
    ...(feedUrls.length === 0 ? {} : { feed: feedUrls }),
  });
}

/** Everything so far, then live, until the run is over or nobody listens any more. */
async function follow({ followers }: ControllerContext, talk: ApiStream, run: Run): Promise<void> {
  let wake: () => void = () => {};
  let gone = false;
  const stop = followers.follow(run.id, () => wake());
  // The asker says nothing more; when it goes away, this read ends.
  const left = () => {
    gone = true;
    wake();
  };
  talk.receive({ timeoutMs: followMsMax }).then(left, left);
  try {
    for (let next = 0; !gone; ) {
      const entry = run.history[next];
      if (entry !== undefined) {
        await talk.send({ kind: 'progress', at: entry.at, progress: entry.progress });
        next++;
      } else if (run.phase.kind === 'done') return await talk.send({ kind: 'end' });
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

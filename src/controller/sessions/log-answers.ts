import { QuorateError } from '../../protocol/base/errors.ts';
import { isTrustedSlot, type Slot } from '../../protocol/documents/index.ts';
import { sessionTimes } from '../../protocol/sessions/limits.ts';
import type { MessageStream } from '../../protocol/sessions/message-stream.ts';
import { pause } from '../../protocol/sessions/timing.ts';
import type { ApiDown, ApiUp } from '../../protocol/wire/messages.ts';
import { isOver, type Recorded, type RunFacts } from '../machine/facts.ts';
import { type ControllerState, liveLeases } from '../machine/state.ts';
import type { SharedPorts } from './shared.ts';

const pieceChars = 32 * 1024;
const pollMs = 100;
const drainMs = 50;
/** Workers that an error message names. */
const workersNamedMax = 8;

export type LogAnswerPorts = Pick<SharedPorts, 'logs' | 'clock' | 'machine'>;

/** A build whose log there is or may be. */
export interface LogSource {
  lease: string;
  worker: string;
  operator: string;
  slot: string;
  /** The receipt is in: the log is complete, or lost. */
  delivered: boolean;
}

/** Whether the round of a receipt was revealed: its result may be told. */
export function revealed(run: RunFacts, recorded: Recorded): boolean {
  return isTrustedSlot(recorded.slot) ? isOver(run) : run.rounds[recorded.round - 1]?.revealed === true;
}

/**
 * Sends the logs of a run, running ones as they come. Those of a sealed round are for the requester alone: they could tell results.
 * @throws `LOGS_SEALED`, `LOGS_WORKER_UNKNOWN`, `MESH_…`.
 */
export async function sendLogs(
  { logs, clock, machine: { state } }: LogAnswerPorts,
  stream: MessageStream<ApiDown, ApiUp>,
  run: RunFacts,
  request: Extract<ApiUp, { kind: 'logs' }>,
): Promise<void> {
  const all = stream.peer === run.request.signer;
  const done = new Set<string>();
  /** Monotonic time until which a log is waited for, by lease. */
  const late = new Map<string, number>();
  const mayWait = (lease: string): boolean => {
    const now = clock.monotonic();
    const until = late.get(lease) ?? now + sessionTimes.logLaterMs;
    late.set(lease, until);
    return now < until;
  };
  const sending: Promise<void>[] = [];
  let failed: unknown;
  for (;;) {
    // A build that ended between two polls is still sent after the last one.
    const over = !request.follow || isOver(run);
    let isWaiting = false;
    for (const source of logSourcesOf(state, run, all).shown) {
      const { lease, delivered } = source;
      if (done.has(lease) || !wanted(source, request.worker)) continue;
      // A build that was just leased sends its log soon.
      if (!over && !delivered && !logs.isLive(lease)) continue;
      if (delivered && logs.mayCome(lease) && mayWait(lease)) {
        isWaiting = true;
        continue;
      }
      done.add(lease);
      const sent = sendOne({ logs, clock }, stream, source, request);
      sending.push(
        sent.catch((error: unknown) => {
          failed ??= error;
        }),
      );
    }
    if (over && !isWaiting) break;
    if (failed !== undefined) throw failed;
    if (stream.channel.closed || clock.closing) return;
    await pause(clock, pollMs);
  }
  await Promise.all(sending);
  if (failed !== undefined) throw failed;
  const there = logSourcesOf(state, run, all).shown;
  if (done.size === 0 && request.worker !== undefined && (all || there.length > 0))
    throw unknownWorker(request.worker, there);
  if (done.size === 0 && !all) {
    const says = 'the round is sealed; its logs are for who asked for the job until it ends';
    throw new QuorateError('LOGS_SEALED', says, { hint: 'Wait for the verdict.' });
  }
  await stream.send({ kind: 'end' });
}

/** By the operator's name, or the end of the worker's id; undefined for all. */
const wanted = ({ worker, operator }: LogSource, asked: string | undefined): boolean =>
  asked === undefined || operator === asked || worker.endsWith(asked);

function unknownWorker(asked: string, there: readonly LogSource[]): QuorateError {
  const says = `no worker of this job belongs to an operator "${asked}" or has an id that ends so`;
  const known = new Set(there.map(({ worker, operator }) => `${operator} ${worker}`));
  const named = [...known].slice(0, workersNamedMax).join(', ');
  const hint =
    known.size === 0 ? 'None has taken it yet.' : `There ${known.size === 1 ? 'is' : 'are'}: ${named}`;
  return new QuorateError('LOGS_WORKER_UNKNOWN', says, { hint });
}

/** Builds of a run whose logs a reader may see: those of revealed rounds, or `all`. `sealed`: there are others. */
export function logSourcesOf(
  { runs }: Pick<ControllerState, 'runs'>,
  run: RunFacts,
  all: boolean,
): { shown: LogSource[]; sealed: boolean } {
  const source = (
    lease: string,
    { worker, operator }: { worker: string; operator: string },
    slot: Slot,
    delivered: boolean,
  ): LogSource => ({ lease, worker, operator, slot: String(slot), delivered });
  const recorded = all ? run.receipts : run.receipts.filter((receipt) => revealed(run, receipt));
  const open = runs.get(run.id);
  const live = open === undefined ? [] : liveLeases(open);
  const shown = [
    ...recorded.map((one) => source(one.lease, one, one.slot, true)),
    ...(all ? live.map((one) => source(one.id, one, one.lease.slot, false)) : []),
  ];
  return { shown, sealed: shown.length < run.receipts.length + live.length };
}

async function sendOne(
  { logs, clock }: Pick<LogAnswerPorts, 'logs' | 'clock'>,
  stream: MessageStream<ApiDown, ApiUp>,
  source: LogSource,
  { follow: live, times: withTimes }: Pick<Extract<ApiUp, { kind: 'logs' }>, 'follow' | 'times'>,
): Promise<void> {
  const { worker, operator, slot, lease } = source;
  let times = withTimes && !live ? await logs.times(lease) : undefined;
  const send = async (text: string) => {
    for (let at = 0; at < text.length; at += pieceChars) {
      const piece = { worker, operator, slot, text: text.slice(at, at + pieceChars) };
      await stream.send({ kind: 'output', ...piece, ...(times !== undefined && { times }) });
      times = undefined;
    }
  };
  const queue: string[] = [];
  const stop = live ? logs.follow(lease, (text) => queue.push(text)) : undefined;
  try {
    if (stop === undefined) {
      for await (const text of logs.read(lease)) await send(text);
      return;
    }
    while (logs.isLive(lease) || queue.length > 0) {
      const text = queue.splice(0).join('');
      if (text !== '') await send(text);
      else await pause(clock, drainMs);
      if (stream.channel.closed || clock.closing) return;
    }
  } finally {
    stop?.();
  }
}

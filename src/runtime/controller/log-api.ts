import { setTimeout as sleep } from 'node:timers/promises';
import type { Recorded, Run } from '../../core/controller/state.ts';
import { liveLeases } from '../../core/controller/state.ts';
import { idOf } from '../../core/documents/index.ts';
import { QuorateError } from '../../core/errors.ts';
import type { ApiDown, ApiUp } from '../../core/wire/messages.ts';
import type { MessageStream } from '../node/message-stream.ts';
import type { ControllerContext } from './context.ts';

const pieceChars = 32 * 1024;
const lookMs = 100;
/** A message to a person is short. */
const workersNamedMax = 8;

interface Source {
  lease: string;
  worker: string;
  operator: string;
  slot: string;
  /** Its receipt is in, so its log is whole, or lost. */
  delivered: boolean;
}

function revealed(run: Run, recorded: Recorded): boolean {
  return recorded.slot === 'trusted'
    ? run.phase.kind === 'done'
    : run.rounds[recorded.round - 1]?.revealed === true;
}

/**
 * Logs of a run: of finished builds what was kept, of running ones as they come. While a round is sealed they go to its
 * requester only (libp2p has proven who asks): they could tell one worker another's result.
 */
export async function sendLogs(
  context: ControllerContext,
  talk: MessageStream<ApiDown, ApiUp>,
  run: Run,
  request: Extract<ApiUp, { kind: 'logs' }>,
): Promise<void> {
  const all = talk.peer === run.request.signer;
  const done = new Set<string>();
  const sending: Promise<void>[] = [];
  let failed: unknown;
  for (;;) {
    // What ended between two looks is still to be sent after the last.
    const over = !request.follow || run.phase.kind === 'done';
    for (const source of sourcesOf(run, all)) {
      const { lease, worker, delivered } = source;
      if (done.has(lease) || (request.worker !== undefined && !worker.endsWith(request.worker))) continue;
      // A build that was just leased sends its log in a moment.
      if (!over && !delivered && !context.logs.isLive(lease)) continue;
      done.add(lease);
      sending.push(
        sendOne(context, talk, source, request.follow).catch((error: unknown) => {
          failed ??= error;
        }),
      );
    }
    if (over) break;
    if (failed !== undefined) throw failed;
    if (talk.channel.closed) return;
    await sleep(lookMs);
  }
  await Promise.all(sending);
  if (failed !== undefined) throw failed;
  const there = sourcesOf(run, all);
  if (done.size === 0 && request.worker !== undefined && (all || there.length > 0))
    throw unknownWorker(request.worker, there);
  if (done.size === 0 && !all) {
    throw new QuorateError(
      'LOGS_SEALED',
      'the round is sealed; its logs are for who asked for the job until it ends',
      {
        hint: 'Wait for the verdict.',
      },
    );
  }
  await talk.send({ kind: 'end' });
}

function unknownWorker(asked: string, there: readonly Source[]): QuorateError {
  const known = new Map(there.map(({ worker, operator }) => [worker, `${operator} ${worker}`]));
  return new QuorateError(
    'LOGS_WORKER_UNKNOWN',
    `no worker of this job has an id that ends with "${asked}"`,
    {
      hint:
        known.size === 0
          ? 'None has taken it yet.'
          : `There ${known.size === 1 ? 'is' : 'are'}: ${[...known.values()].slice(0, workersNamedMax).join(', ')}`,
    },
  );
}

function sourcesOf(run: Run, all: boolean): Source[] {
  const recorded = run.receipts
    .filter((receipt) => all || revealed(run, receipt))
    .map(({ lease, slot }) => ({
      lease: idOf(lease),
      worker: lease.aud,
      operator: lease.operator,
      slot: String(slot),
      delivered: true,
    }));
  const live = all
    ? liveLeases(run).map(({ id, worker, operator, lease }) => ({
        lease: id,
        worker,
        operator,
        slot: String(lease.slot),
        delivered: false,
      }))
    : [];
  return [...recorded, ...live];
}

async function sendOne(
  { logs }: ControllerContext,
  talk: MessageStream<ApiDown, ApiUp>,
  source: Source,
  live: boolean,
): Promise<void> {
  const { worker, operator, slot, lease } = source;
  const send = async (text: string) => {
    for (let at = 0; at < text.length; at += pieceChars) {
      await talk.send({ kind: 'output', worker, operator, slot, text: text.slice(at, at + pieceChars) });
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
      else await sleep(50);
      if (talk.channel.closed) return;
    }
  } finally {
    stop?.();
  }
}

import type { Recorded, Run } from '../core/controller/state.ts';
import { liveLeases } from '../core/controller/state.ts';
import { idOf } from '../core/documents/index.ts';
import { QuorateError } from '../core/errors.ts';
import type { ApiDown, ApiUp } from '../core/wire/messages.ts';
import type { ControllerContext } from './controller-context.ts';
import type { Talk } from './talk.ts';

const pieceChars = 32 * 1024;

interface Source {
  lease: string;
  worker: string;
  operator: string;
  slot: string;
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
  talk: Talk<ApiDown, ApiUp>,
  run: Run,
  request: Extract<ApiUp, { kind: 'logs' }>,
): Promise<void> {
  const all = talk.peer === run.request.signer;
  const done = new Set<string>();
  for (;;) {
    const sources = sourcesOf(run, all).filter(
      ({ lease, worker }) =>
        !done.has(lease) && (request.worker === undefined || worker.endsWith(request.worker)),
    );
    await Promise.all(
      sources.map(async (source) => {
        done.add(source.lease);
        await sendOne(context, talk, source, request.follow);
      }),
    );
    if (!request.follow || run.phase.kind === 'done') break;
    if (talk.channel.closed) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
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

function sourcesOf(run: Run, all: boolean): Source[] {
  const recorded = run.receipts
    .filter((receipt) => all || revealed(run, receipt))
    .map(({ lease, slot }) => ({
      lease: idOf(lease),
      worker: lease.aud,
      operator: lease.operator,
      slot: String(slot),
    }));
  const live = all
    ? liveLeases(run).map(({ id, worker, operator, lease }) => ({
        lease: id,
        worker,
        operator,
        slot: String(lease.slot),
      }))
    : [];
  return [...recorded, ...live];
}

async function sendOne(
  { logs }: ControllerContext,
  talk: Talk<ApiDown, ApiUp>,
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
    if (stop === undefined) return await send(await logs.read(lease));
    while (logs.isLive(lease) || queue.length > 0) {
      const text = queue.splice(0).join('');
      if (text !== '') await send(text);
      else await new Promise((resolve) => setTimeout(resolve, 50));
      if (talk.channel.closed) return;
    }
  } finally {
    stop?.();
  }
}

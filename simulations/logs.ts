import type { LogFiles } from '../src/controller/sessions/ports.ts';
import { withoutColours } from '../src/protocol/base/escape.ts';
import { toUtf8 } from '../src/protocol/base/text.ts';
import { openQuestion } from '../src/protocol/sessions/ask.ts';
import type { Clock, Dial, PeerAddress } from '../src/protocol/sessions/ports.ts';
import { pause } from '../src/protocol/sessions/timing.ts';
import { openLog } from '../src/worker/sessions/log-client.ts';

const lines = (lease: string): string[] => [
  ...[`building ${lease}\n`, 'half of it is there\n', '\u001b[31mnothing failed\u001b[0m\n', 'done\n'],
];

export const logOf = (lease: string): string => withoutColours(lines(lease).join(''));

/** Times of its lines, other ones for each lease. */
export const timesOf = (lease: string): string => `1+0 2+${Number.parseInt(lease.slice(0, 6), 16)}`;

/** A build says its log to the controller, from its beginning to its end. A log that cannot be sent costs the build nothing. */
export async function sayLog(
  { dial, clock }: { dial: Dial; clock: Clock },
  controller: PeerAddress,
  lease: string,
  ms: number,
): Promise<void> {
  try {
    const stream = await openLog(dial, controller, lease);
    for (const line of lines(lease)) {
      await pause(clock, ms / 8);
      await stream.send(toUtf8(line));
    }
    await stream.end();
  } catch {}
}

/** The logs of a run by slot and worker, as a publisher is told them until the run is over. */
export async function followLogs(
  dial: Dial,
  controller: PeerAddress,
  which: string,
): Promise<Map<string, string>> {
  const told = new Map<string, string>();
  const question = await openQuestion(dial, controller, { kind: 'logs', which, follow: true });
  for (;;) {
    const answer = await question.receive({ timeoutMs: 8 * 3600_000 });
    if (answer?.kind !== 'output') break;
    const by = `${answer.slot} ${answer.worker}`;
    told.set(by, (told.get(by) ?? '') + answer.text);
  }
  await question.close();
  return told;
}

export function logFilesOn(files: Map<string, string>, alive: () => boolean): LogFiles {
  return {
    async create(lease) {
      if (alive()) files.set(lease, '');
      return {
        write(text) {
          if (alive()) files.set(lease, (files.get(lease) ?? '') + text);
        },
        async end() {},
      };
    },
    async *read(lease) {
      yield files.get(lease) ?? '';
    },
    async keepTimes(lease, times) {
      if (alive()) files.set(`times of ${lease}`, times);
    },
    times: async (lease) => files.get(`times of ${lease}`),
  };
}

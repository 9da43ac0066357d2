import { TransferMeter, type TransferState, transferText } from '../protocol/base/transfer-meter.ts';
import type { Tell } from './node-events.ts';

/** An event `transfer` this often; those who print it may leave some out. */
const tellMs = 1_000;

/** Data of an event `transfer`: how far it is, and whether it goes on. */
export interface TransferEvent extends TransferState {
  image: string;
  state: 'running' | 'done' | 'stopped';
}

export interface Transfer {
  readonly state: TransferState | undefined;
  progress(bytes: number, total?: number): void;
}

/** Tells of the transfer of an image while `work` runs and when it ends. `verb` is such as `fetching`. */
export async function tellTransfer(
  tell: Tell,
  { verb, image, everyMs = tellMs }: { verb: string; image: string; everyMs?: number },
  work: (transfer: Transfer) => Promise<unknown>,
): Promise<void> {
  const meter = new TransferMeter();
  const transfer: Transfer = {
    get state() {
      return meter.state(performance.now());
    },
    progress: (bytes, total) => meter.add(performance.now(), bytes, total),
  };
  const say = (state: TransferEvent['state'], says: string): void => {
    const known = transfer.state ?? { bytes: 0, total: null, bytesPerSecond: null };
    const data = { image, state, ...known };
    tell('info', 'transfer', `${says} the image ${image}: ${transferText(known)}`, data);
  };
  say('running', verb);
  const timer = setInterval(() => say('running', verb), everyMs).unref();
  let state: TransferEvent['state'] = 'stopped';
  try {
    await work(transfer);
    state = 'done';
  } finally {
    clearInterval(timer);
    say(state, state === 'done' ? `done ${verb}` : `stopped ${verb}`);
  }
}

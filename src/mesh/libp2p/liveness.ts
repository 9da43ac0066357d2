import { randomInt } from 'node:crypto';
import type { MessageStream, StreamMuxer } from '@libp2p/interface';
import { meshLimits } from '../limits.ts';

/** Methods of YamuxMuxer of @libp2p/yamux. */
interface PingingMuxer extends StreamMuxer {
  /** Sends one frame with the next id, which the muxer of the peer answers. While no answer has come it waits for the same one. */
  ping(): Promise<number>;
  nextPingID: number;
  onData(data: unknown): void;
}

const pingIds = 2 ** 32;

/**
 * Aborts a connection whose peer is silent: after `meshLimits.quietMs` without data a ping is sent, and data has to follow within
 * `meshLimits.pongMs`; while more is to be sent than the peer reads, only the answer counts, whose number it cannot guess.
 */
export function watchLiveness(given: StreamMuxer, connection: MessageStream): void {
  const muxer = given as PingingMuxer;
  const { onData } = muxer;
  let heardAt = performance.now();
  let askedAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  muxer.onData = (data) => {
    if (!connection.writableNeedsDrain) heardAt = performance.now();
    onData.call(muxer, data);
  };
  connection.addEventListener('close', () => clearTimeout(timer));

  const ask = (): void => {
    askedAt = performance.now();
    muxer.nextPingID = randomInt(pingIds);
    void muxer.ping().then(
      () => {
        heardAt = performance.now();
      },
      () => {},
    );
  };
  const end = (): void => {
    if (muxer.status !== 'open' || heardAt >= askedAt) return look();
    const error = new Error('the peer is silent');
    muxer.abort(error);
    connection.abort(error);
  };
  const look = (): void => {
    if (muxer.status !== 'open') return;
    const now = performance.now();
    const isAsked = askedAt > heardAt;
    const due = isAsked ? askedAt + meshLimits.pongMs : heardAt + meshLimits.quietMs;
    if (due > now) timer = setTimeout(look, due - now);
    // After a pause of this process, what waits in the socket is read first.
    else if (isAsked) setImmediate(end);
    else {
      ask();
      look();
    }
  };
  // Yamux grows its windows by the time that a ping takes.
  ask();
  look();
}

import type { StreamMuxerFactory } from '@libp2p/interface';
import { type YamuxMuxerInit, yamux } from '@libp2p/yamux';
import { watchLiveness } from './liveness.ts';

/** Fields and methods of YamuxStream of @libp2p/yamux. */
interface YamuxStream {
  state: number;
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  sendWindowUpdate(): void;
}
interface YamuxMuxer {
  _newStream(...given: unknown[]): YamuxStream;
}

/** StreamState.Established: the states before send a flag with the update, the states after need none. */
const established = 3;

/**
 * Yamux that updates a window once half of it is used up, as the reference implementation does (https://github.com/hashicorp/yamux,
 * `sendWindowUpdate`). Its own pings find no silent peer: `watchLiveness` does.
 */
export function pacedYamux(init: YamuxMuxerInit): () => StreamMuxerFactory {
  return () => {
    const factory = yamux({ ...init, enableKeepAlive: false })();
    const { createStreamMuxer } = factory;
    factory.createStreamMuxer = (connection) => {
      const muxer = createStreamMuxer.call(factory, connection);
      paceUpdates(muxer as unknown as YamuxMuxer);
      watchLiveness(muxer, connection);
      return muxer;
    };
    return factory;
  };
}

/** Holds updates of a window back until half of it is used. */
export function paceUpdates(muxer: YamuxMuxer): void {
  const { _newStream } = muxer;
  muxer._newStream = (...given) => {
    const stream = _newStream.apply(muxer, given);
    const { sendWindowUpdate } = stream;
    stream.sendWindowUpdate = () => {
      const half = stream.state === established && stream.recvWindowCapacity * 2 > stream.recvWindow;
      if (!half) sendWindowUpdate.call(stream);
    };
    return stream;
  };
}

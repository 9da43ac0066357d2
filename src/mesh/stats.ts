/** Counters since the start: inputs accepted and refused, limits reached. */
export interface MeshStats {
  gossipAccepted: number;
  gossipRejected: number;
  gossipIgnored: number;
  /** Pauses of gossip streams whose peer sent more than `meshLimits.gossipBytesPerSecond`. */
  gossipThrottled: number;
  streamsRefusedByRate: number;
  streamsRefusedByCount: number;
  /** Refused streams that were reset without an answer: too many of them waited to be closed. */
  refusalsUnanswered: number;
  messagesTooLarge: number;
  handlerFailures: number;
  /** Inbound connections that found no place, or did not get to their handshake. */
  connectionsRefused: number;
  /** Connections that were closed because others needed their place. */
  connectionsClosed: number;
  /** Dials that were not made, because too many to that network have failed. */
  dialsRefused: number;
  recordsEvicted: number;
  peersFileFailures: number;
}

export const newStats = (): MeshStats => ({
  gossipAccepted: 0,
  gossipRejected: 0,
  gossipIgnored: 0,
  gossipThrottled: 0,
  streamsRefusedByRate: 0,
  streamsRefusedByCount: 0,
  refusalsUnanswered: 0,
  messagesTooLarge: 0,
  handlerFailures: 0,
  connectionsRefused: 0,
  connectionsClosed: 0,
  dialsRefused: 0,
  recordsEvicted: 0,
  peersFileFailures: 0,
});

/** Counters since the start: inputs accepted and refused, limits reached. */
export const newStats = () => ({
  gossipAccepted: 0,
  gossipRejected: 0,
  gossipIgnored: 0,
  /** Pauses of gossip streams whose peer sent more than `meshLimits.gossipBytesPerSecond`. */
  gossipThrottled: 0,
  streamsRefusedByRate: 0,
  streamsRefusedByCount: 0,
  /** Refused streams that were reset without an answer: too many of them waited to be closed. */
  refusalsUnanswered: 0,
  messagesTooLarge: 0,
  handlerFailures: 0,
  /** Inbound connections that found no place, or did not get to their handshake. */
  connectionsRefused: 0,
  /** Connections that were closed because others needed their place. */
  connectionsClosed: 0,
  /** Dials that were not made, because too many to that network have failed. */
  dialsRefused: 0,
  recordsEvicted: 0,
  peersFileFailures: 0,
});

export type MeshStats = ReturnType<typeof newStats>;

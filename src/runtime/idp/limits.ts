/** Bounds of an identity provider's process. */
export const idpNodeLimits = {
  /** Turns of one peer in the long run: a controller with ten thousand workers asks for one grant in four seconds. */
  peerTurnsPerSecond: 100,
  /** Turns at once: all members of a controller, whose grants ended while the identity provider was away. */
  peerTurnsBurst: 1_000,
  /** Connections: of controllers, and of strangers that find the address. */
  connectionsMax: 64,
} as const;

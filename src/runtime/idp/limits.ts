/** Bounds of an identity provider's process. */
export const idpNodeLimits = {
  /** Connections: of controllers, and of strangers that find the address. */
  connectionsMax: 64,
} as const;

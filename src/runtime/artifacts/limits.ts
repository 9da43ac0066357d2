/** Bounds of what a node stores and sends to others. */
export const artifactLimits = {
  /** Interval of sweeps. One walks all that is stored, which for a full store is seconds of work. */
  collectSeconds: 900,
  /** Pause between two reads of the whole store that look for damage: disks lose bits over months. */
  scrubSeconds: 7 * 24 * 3600,
  /** How fast that reads: a store of 50 GiB takes a night and a day. */
  scrubBytesPerSecond: 512 * 1024,
  /** One attempt to fetch a damaged tree again. */
  repairSeconds: 300,
  /** Peers that are asked for it. */
  repairPeersMax: 5,
} as const;

/** Bounds of an artifact store. */
export const storeNodeLimits = {
  /** Verdicts that are remembered, 400 bytes each: those of trees that are not kept go first. */
  entriesMax: 20_000,
  /** Of one tree: whoever has it answered again and again makes the store drop no other tree for the room of its bundles. */
  entriesPerTreeMax: 32,
  /** Verdicts that were heard of and are not proven yet. The oldest goes; the next list names it again. */
  hintsMax: 10_000,
  /** Logs, and the index of dependencies, that are kept beside one tree. */
  besideMax: 64,
  /** Peers that are asked for one bundle or tree. */
  peersMax: 8,
  /** To find those who have a tree. */
  findSecondsMax: 15,
  /** One bundle of one peer. */
  bundleSecondsMax: 30,
  /** One attempt to fetch a tree. What has arrived is kept for the next one. */
  fetchSecondsMax: 1_800,
  /** One log, or one index. */
  besideSecondsMax: 60,
  /** For so long a tree is held that a controller asked for before there was a verdict. */
  askedSeconds: 24 * 3600,
  /** The same of one whose verdict only others than the root void: the owner has so long to end a stolen key. */
  fallenDays: 7,
  /** Between two sweeps of the disk for the sake of room. */
  sweepSecondsMin: 60,
  /** Open connections: of those who fetch, and of members. */
  connectionsDefault: 500,
} as const;

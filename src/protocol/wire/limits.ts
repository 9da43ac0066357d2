export const wireLimits = {
  /** Depth of a message's JSON. Those of this version need fewer than ten; later ones may add members. */
  jsonDepthMax: 32,
  /** A witness's line under a checkpoint: two hundred characters for a name that is a PeerId. */
  witnessLineCharsMax: 400,
  /** Drafts of answers that a trusted worker is shown at once; more wait for the next time. */
  answersAtOnceMax: 32,
  /** Addresses of a controller that it tells its identity provider, for tickets; a ticket has eight. */
  controllerAddrsMax: 16,
  /** Kinds of documents that a peer states versions of, and the highest: there are 19 kinds today. */
  documentKindsMax: 64,
  documentVersionMax: 1_000,
  /** Hashes of a proof: an inclusion in a log of 2^53 leaves has 53, a consistency at most twice as many and one. */
  proofHashesMax: 110,
  /** Grants of those whose lines are under a checkpoint: about thirty-five lines fit. */
  checkpointGrantsMax: 64,
  /** Workers that fetch the bundle of an artifact at once, besides the controller, which has it: a worker may leave at any time. */
  mirrorsMax: 2,
  /** Keys of a charter that may be told as full: the root's and eight identity providers'. */
  fullKeysMax: 9,
  /** Revocations that are asked for by their ids: 7 kB of them. */
  revocationIdsMax: 100,
  /** Leases that a worker tells its controller of at a start: more than it builds at once. */
  leasesHeldMax: 256,
  /** Workers that a store is told of as having a tree, and addresses of each. */
  pinFromMax: 8,
  pinAddrsMax: 8,
  /** Operators that are told with the reason for which they take no slot, per run. */
  declinedMax: 16,
  /** One text in the progress of a run: a reason, a result, a path. */
  progressCharsMax: 16 * 1024,
  /** Events of one run that are told: more than its rounds and leases come to. */
  historyMax: 10_000,
  /** Results, files or operators in one progress of a run. */
  progressItemsMax: 10_000,
} as const;

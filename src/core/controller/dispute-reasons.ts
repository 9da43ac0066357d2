/** Why a run ended as `disputed`. */
export type Dispute =
  /** All receipts that came say that the build was aborted. */
  | 'aborted'
  /** No operator took a slot, and some said why. */
  | 'not-taken'
  /** No receipt came: nobody took a slot, or whoever did was lost. */
  | 'not-built'
  /** Each build that ended by itself failed, and no trusted worker's build failed too. */
  | 'build-failed'
  | 'results-differ'
  /** The builds agree, and are fewer than the policy asks for. */
  | 'too-few'
  /** Agreed upon, and none of those who agree could serve the bytes. */
  | 'not-served'
  /** The trees are the same, and the operators list other files in them. */
  | 'files-differ'
  /** The request expired before the receipts were decided on. */
  | 'too-late'
  /** The trusted worker built something else than was agreed upon. */
  | 'contradicted'
  /** The trusted worker's build of what was agreed upon failed. */
  | 'trusted-failed'
  | 'cosign-refused';

/**
 * Rank of a peer at a node that serves it. `owner`: a publisher or trusted worker to its controller, or a peer that the node was told to
 * stay connected to. `member`: enrolled. `guest`: anybody.
 */
export type Rank = 'owner' | 'member' | 'guest';

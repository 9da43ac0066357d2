/** Rank of a peer at a node. `owner`: publisher or trusted worker, or to stay connected to; `member`: enrolled; `guest`: anybody. */
export type Rank = 'owner' | 'member' | 'guest';

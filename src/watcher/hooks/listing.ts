import type { Client } from '../../member/client.ts';

/** A controller's list of runs: its word, and no evidence. */
export type Listing = Awaited<ReturnType<Client['jobs']>>;
export type ListedRun = Listing['jobs'][number];

import type { Client } from '../client/client.ts';

/** What a controller lists: its word, and no evidence. */
export type Listing = Awaited<ReturnType<Client['jobs']>>;
export type ListedRun = Listing['jobs'][number];

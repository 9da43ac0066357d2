import { describe, it } from 'vitest';
import { isRefused, newerJournals } from './newer.ts';

describe('a journal of a newer version is refused by its name, and not touched:', () => {
  it.each(newerJournals.slice(2))('%s, %s', (...row) => isRefused(row));
});

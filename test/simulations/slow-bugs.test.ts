import { describe, it } from 'vitest';
import { expectCaught, slowBugs } from './planted.ts';

describe('a planted bug that takes long to come to light', () => {
  it.each(slowBugs)('%s is caught by its checker', expectCaught);
});

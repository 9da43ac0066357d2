import { describe } from 'vitest';
import { lends } from './support/volunteer.ts';

/** Only root can give control groups to another account. */
const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('a volunteer who is an ordinary user (needs root)', () => lends(65_534));

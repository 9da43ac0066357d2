import { describe } from 'vitest';
import { lends } from './support/volunteer.ts';

describe('a volunteer who is who runs the tests', () => lends(process.getuid?.() ?? 0));

// Whatever happened in a test file, none of its processes and folders outlives it.
import { afterAll } from 'vitest';
import { endAll } from './processes.ts';

afterAll(endAll);

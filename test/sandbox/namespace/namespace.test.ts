import { describe } from 'vitest';
import { openSandbox } from '../../../sandbox/index.ts';
import { sandboxContract } from '../contract.ts';

describe('the namespace tier', () => sandboxContract((stateDir) => openSandbox(stateDir, 'namespace')));

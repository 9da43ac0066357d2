import { describe } from 'vitest';
import { openSandbox } from '../../../sandbox/index.ts';
import { sandboxContract } from '../contract.ts';

describe('the gVisor tier', () => sandboxContract((stateDir) => openSandbox(stateDir, 'gvisor')));

import { describe } from 'vitest';
import { openSandbox } from '../../../sandbox/index.ts';
import { sandboxContract } from '../contract.ts';

describe('the gVisor tier, in short', () =>
  sandboxContract((stateDir) => openSandbox(stateDir, 'gvisor'), { short: true }));

import { describe } from 'vitest';
import { sandboxContract } from '../contract.ts';
import { unprobed } from '../support.ts';

describe('the namespace tier', () => sandboxContract(async (stateDir) => unprobed(stateDir, 'namespace')));

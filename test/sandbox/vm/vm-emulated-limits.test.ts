import { describe } from 'vitest';
import { sandboxContract } from '../contract.ts';
import { toolImage } from './image.ts';
import { emulatedWith } from './support.ts';

// Without a probe, which another test of this tier looks at: it takes as long as ten of these.
describe("the tier 'vm-emulated'", () =>
  sandboxContract(async (stateDir) => emulatedWith(stateDir), { image: toolImage, part: 'limits' }));

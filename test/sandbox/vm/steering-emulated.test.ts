import { join } from 'node:path';
import { steeringContract } from '../steering.ts';
import { toolImage } from './image.ts';
import { emulatedWith } from './support.ts';

// A guest's processes are none of the host's.
steeringContract(async (stateDir) => emulatedWith(join(stateDir, 'sandbox')), {
  image: toolImage,
  processesEach: [0],
});

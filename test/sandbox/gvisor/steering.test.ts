import { openSandbox } from '../../../sandbox/index.ts';
import { steeringContract } from '../steering.ts';

steeringContract((stateDir) => openSandbox(stateDir, 'gvisor'));

import { steeringContract } from '../steering.ts';
import { unprobed } from '../support.ts';

steeringContract(async (stateDir) => unprobed(stateDir));

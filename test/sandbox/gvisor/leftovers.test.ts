import { leavesNothing } from '../leftovers.ts';

leavesNothing('gvisor');

import { leavesNothing } from '../leftovers.ts';

leavesNothing('namespace');

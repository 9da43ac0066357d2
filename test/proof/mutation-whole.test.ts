import { mutation } from './mutation.ts';
import { rebuiltMutation } from './rebuilt-mutation.ts';

mutation({ every: 1, refusedMin: 2500 });
rebuiltMutation({ every: 1, refusedMin: 1500 });

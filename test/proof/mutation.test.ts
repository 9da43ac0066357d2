import { mutation } from './mutation.ts';
import { rebuiltMutation } from './rebuilt-mutation.ts';

mutation({ every: 4, refusedMin: 800 });
rebuiltMutation({ every: 40, refusedMin: 60 });

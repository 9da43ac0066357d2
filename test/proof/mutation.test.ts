import { mutation } from './mutation.ts';
import { rebuiltMutation } from './rebuilt-mutation.ts';

mutation({ every: 8, refusedMin: 400 });
rebuiltMutation({ every: 80, refusedMin: 30 });

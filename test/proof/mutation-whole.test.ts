import { mutation } from './mutation.ts';

mutation({ every: 1, refusedMin: 2500 });

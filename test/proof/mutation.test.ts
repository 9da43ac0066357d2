import { mutation } from './mutation.ts';

mutation({ every: 4, refusedMin: 800 });

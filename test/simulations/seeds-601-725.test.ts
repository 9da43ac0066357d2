import { cleanFrom } from './seeds.ts';

cleanFrom(601, 125);

import { cleanFrom } from './seeds.ts';

cleanFrom(726, 125);

import { cleanFrom } from './seeds.ts';

cleanFrom(476, 125);

import { cleanFrom } from './seeds.ts';

cleanFrom(226, 125);

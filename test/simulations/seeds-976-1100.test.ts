import { cleanFrom } from './seeds.ts';

cleanFrom(976, 125);

import { cleanFrom } from './seeds.ts';

cleanFrom(101, 125);

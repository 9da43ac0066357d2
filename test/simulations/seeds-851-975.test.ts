import { cleanFrom } from './seeds.ts';

cleanFrom(851, 125);

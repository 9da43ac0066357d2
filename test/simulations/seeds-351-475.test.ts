import { cleanFrom } from './seeds.ts';

cleanFrom(351, 125);

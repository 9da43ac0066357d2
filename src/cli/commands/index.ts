import type { Define } from '../context.ts';
import { doctor } from './doctor.ts';
import { init } from './init.ts';
import { invite } from './invite.ts';
import { key } from './key.ts';
import { version } from './version.ts';

/** In the order of the help: own a project, lend a machine, ask, use. */
export const verbs: readonly Define[] = [init, invite, key, doctor, version];

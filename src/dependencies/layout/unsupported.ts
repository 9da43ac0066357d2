import { QuorateError } from '../../protocol/base/errors.ts';
import type { LockedFile } from './types.ts';

/** A dependency that its tool cannot install offline. */
export const unsupported = ({ purl }: LockedFile, why: string, hint: string): QuorateError =>
  new QuorateError('DEPENDENCIES_UNSUPPORTED', `${purl}: ${why}`, { hint });

import { QuorateError } from '../protocol/base/errors.ts';
import { type Charter, runsProject } from '../protocol/documents/index.ts';

/** Whether a key may become that of a trusted worker. Errors: `TRUSTED_KEY_NOT_APART`. */
export function checkApart(charter: Charter, key: string): void {
  if (!runsProject(charter, key)) return;
  throw new QuorateError(
    'TRUSTED_KEY_NOT_APART',
    `${key} is the key of this project's controller, identity provider or log, which a trusted worker checks`,
    { hint: 'Run "quorate key" on the machine that shall be the trusted worker, and name what it prints.' },
  );
}

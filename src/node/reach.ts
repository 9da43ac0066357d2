import type { Reach } from '../dependencies/index.ts';
import { openAddresses } from '../egress/index.ts';
import { codeOf, QuorateError } from '../protocol/base/errors.ts';
import { shellWord } from '../protocol/base/shell-word.ts';

/**
 * Which servers may be asked for what a lock file, an index or a redirect names: those at public addresses, those that somebody at this
 * host named as a registry or on the command line, and those of `QUORATE_PRIVATE_HOSTS` (`HOST:PORT`, with commas between them).
 */
export function reachFrom(env: NodeJS.ProcessEnv): Reach {
  const permitted = (env.QUORATE_PRIVATE_HOSTS ?? '').toLowerCase().split(/[,\s]+/);
  return async ({ host, port }, isNamed) => {
    const at = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const isPermitted = isNamed || permitted.includes(at);
    try {
      return await openAddresses(host, () => isPermitted);
    } catch (cause) {
      if (codeOf(cause) !== 'EGRESS_ADDRESS_REFUSED') throw cause;
      const why = `${(cause as Error).message}, and no configuration of this host names it`;
      throw new QuorateError(
        'EGRESS_ADDRESS_REFUSED',
        `${why} (QUORATE_PRIVATE_HOSTS=${shellWord(at)} would)`,
        {
          cause,
        },
      );
    }
  };
}

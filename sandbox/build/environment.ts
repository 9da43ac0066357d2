import { proxyEnvironment } from '../net/proxy-bridge.ts';
import type { ProfileValues, SandboxJob } from '../types.ts';
import { profileOf, profilePath } from './profile.ts';

/**
 * Defaults that a job's environment may override. SOURCE_DATE_EPOCH (reproducible-builds.org) is 1980-01-01, the earliest
 * time that a ZIP archive can hold.
 */
const usual = { SOURCE_DATE_EPOCH: '315532800' };

/**
 * Defaults of a build without a network: npm and pip would try again for minutes. Their tries and waits are as usual where
 * there is one.
 */
const noRetries = { npm_config_fetch_retries: '0', PIP_RETRIES: '0' };

/** Variables that a job's environment cannot override. */
const pinned = ({ user, home, language, timeZone }: ProfileValues): Record<string, string> => ({
  HOME: `/build/${home}`,
  LANG: language,
  LOGNAME: user,
  OUT: '/build/out',
  PATH: profilePath,
  SHELL: '/bin/sh',
  TMPDIR: '/tmp',
  TZ: timeZone,
  USER: user,
});

/** The whole environment of a build's steps, as sorted words `NAME=value`. */
export function buildEnvironment({
  env,
  network,
  variation,
}: Pick<SandboxJob, 'env' | 'network' | 'variation'>): string[] {
  return Object.entries({
    ...{ ...usual, ...(network === undefined && noRetries), ...env, ...pinned(profileOf({ variation })) },
    ...(network !== undefined && proxyEnvironment),
  })
    .map(([name, value]) => `${name}=${value}`)
    .sort();
}

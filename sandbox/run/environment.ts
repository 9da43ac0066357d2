import { proxyEnvironment } from '../net/proxy-bridge.ts';
import type { ProfileValues, SandboxJob, SourceCommit } from '../types.ts';
import { profileOf, profilePath } from './profile.ts';

/** 1980-01-01, the earliest time that a ZIP archive can hold, in seconds since 1970. */
const zipEpochSeconds = 315_532_800;

/** Defaults that a job may override. SOURCE_DATE_EPOCH is the time of the commit, the same for all who build it. */
const usual = (commit: SourceCommit | undefined) => ({
  CI: 'true',
  SOURCE_DATE_EPOCH: String(Math.max(commit?.seconds ?? 0, zipEpochSeconds)),
});

/** Defaults of a build without a network, where npm and pip would try again for minutes. */
const noRetries = { npm_config_fetch_retries: '0', PIP_RETRIES: '0' };

/** Variables that describe the commit of a build. A job's environment cannot override them. */
const ofCommit = ({ id, tree, seconds }: SourceCommit) => ({
  QUORATE_COMMIT: id,
  QUORATE_COMMIT_TIME: String(seconds),
  QUORATE_TREE: tree,
});

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
  commit,
  dependencies,
  env,
  network,
  variation,
}: Pick<SandboxJob, 'commit' | 'dependencies' | 'env' | 'network' | 'variation'>): string[] {
  return Object.entries({
    ...usual(commit),
    ...(network === undefined && noRetries),
    ...dependencies?.env,
    ...env,
    ...pinned(profileOf({ variation })),
    ...(commit !== undefined && ofCommit(commit)),
    ...(network !== undefined && proxyEnvironment),
  })
    .map(([name, value]) => `${name}=${value}`)
    .sort();
}

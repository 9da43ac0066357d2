import type { SandboxJob, SandboxPins } from '../types.ts';

/** Profile `quorate-sandbox/1`. */
export const profilePins: SandboxPins = {
  hostName: 'quorate',
  user: 'build',
  uid: 1000,
  home: 'home',
  source: 'src',
  umask: '022',
  language: 'C.UTF-8',
  timeZone: 'UTC',
};

export const pinnedPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const pinsOf = ({ variation }: Pick<SandboxJob, 'variation'>): SandboxPins => ({
  ...profilePins,
  ...variation,
});

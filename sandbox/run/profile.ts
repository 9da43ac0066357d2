import type { ProfileValues, SandboxJob } from '../types.ts';

/** Values of the sandbox profile (`sandboxProfile`) that are the same for each build. */
export const profileValues: ProfileValues = {
  hostName: 'quorate',
  user: 'build',
  uid: 1000,
  home: 'home',
  source: 'src',
  umask: '022',
  language: 'C.UTF-8',
  timeZone: 'UTC',
};

/** PATH of every build. */
export const profilePath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The profile of a job: its values, with those that the job varies. */
export const profileOf = ({ variation }: Pick<SandboxJob, 'variation'>): ProfileValues => ({
  ...profileValues,
  ...variation,
});

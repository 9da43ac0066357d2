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

export const profilePath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The profile of a job: its values, with those that the job varies. */
export const profileOf = ({ variation }: Pick<SandboxJob, 'variation'>): ProfileValues => ({
  ...profileValues,
  ...variation,
});

/** Files of the build's /etc: identical on every host, without the host's accounts, names or resolvers. */
export const etcFiles = ({ hostName, user, uid, home }: ProfileValues): { path: string; text: string }[] => [
  {
    path: '/etc/passwd',
    text: [
      'root:x:0:0:root:/nonexistent:/usr/sbin/nologin',
      `${user}:x:${uid}:${uid}:${user}:/build/${home}:/bin/sh`,
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
      '',
    ].join('\n'),
  },
  { path: '/etc/group', text: `root:x:0:\n${user}:x:${uid}:\nnogroup:x:65534:\n` },
  { path: '/etc/hosts', text: `127.0.0.1 localhost ${hostName}\n::1 localhost ${hostName}\n` },
  { path: '/etc/nsswitch.conf', text: 'passwd: files\ngroup: files\nhosts: files\n' },
];

export const profileEtc = etcFiles(profileValues);

/** Who plays. */
export const honest = ['alice', 'bob'] as const;
export const tamperer = 'mallory';
export const trusted = 'owner';

/** The file in the artifact that the tamperer changes. */
export const tamperedFile = 'dist/program/quorate.js';

/** What each worker lends: what the job asks for, so that the demo runs on a small machine. */
export const lent = { cpus: 1, memory: 512 * 1024 ** 2, disk: 256 * 1024 ** 2, jobs: 1 };
export const lentOptions = ['--cpus', '1', '--memory', '512MiB', '--disk', '256MiB', '--jobs', '1'];
export const anyPort = '/ip4/127.0.0.1/tcp/0';

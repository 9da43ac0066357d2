import { assert } from '../protocol/base/errors.ts';
import type { AllowedHosts } from '../protocol/base/host-entry.ts';
import { limits } from '../protocol/base/limits.ts';

/** The lowest bandwidth limit of a worker, per second: heartbeats and grants still have to be on time. */
const bandwidthBytesMin = 16 * 1024;

/** How the value of a knob is written in worker.toml and on the command line, and the type of its value. */
interface Values {
  count: number;
  /** In bytes. */
  size: number;
  /** In seconds. */
  time: number;
  /** In bytes per second. */
  rate: number;
  priority: 'low' | 'idle';
  /** Compared with the 100 of everybody else. */
  share: number;
  hosts: readonly string[];
  /** `host` or `host:port`. */
  allowed: AllowedHosts;
  hours: { from: number; to: number }[];
  load: number;
  projects: readonly string[];
  tiers: readonly string[];
}

interface Knob {
  /** Section and key in worker.toml. */
  file: `${keyof typeof sections}.${string}`;
  type: keyof Values;
  /** A phrase that begins an option's help and a comment in the file. */
  what: string;
  /** Its value where nobody sets it. */
  usually: string;
  /** A value as in worker.toml. */
  example: string;
  /** Default of every host; absent where it depends on the host, or where there is no limit. */
  default?: number | string;
  /** Least and greatest value, where the type does not say it. */
  min?: number;
  max?: number;
  /** Follows the value where all that holds is shown. */
  suffix?: string;
  /** Option of `quorate worker limits`; a knob without one is read at the start only. */
  option?: `--${string}`;
  /** Builds that a change applies to besides the next ones. */
  live?: 'running builds too' | 'the next builds';
  /** How a running build is held to it by its sandbox: each one to the value, or all to equal shares, rounded down to whole ones or not. */
  cap?: 'each' | 'share' | 'whole share';
  /** Ends of its slider, which doubles from stop to stop; absent: by its type. */
  slider?: readonly [least: number, greatest: number];
  /** `join` has the option, too. */
  join?: true;
  /** `none` on the command line, null in a request, lifts the limit. */
  lifts?: true;
  enforcedBy: string;
  /** Consequence for a build, or the worker, at the limit. */
  reached: string;
}

/** The sections of worker.toml, in the order of the file. */
export const sections = {
  lend: 'How much of this host builds get.',
  priority: 'How builds give way to everything else.',
  network:
    "Network of the worker, and of builds whose jobs ask for the servers of the project's source and store. Other builds have no network.",
  when: 'When builds run.',
  serve: 'Projects this host works for.',
  sandbox: 'What stands between builds and this host.',
} as const;

/**
 * Settings of an operator, by their names in requests, in the status and in the worker. worker.toml, its schema and example, the options
 * of `join` and `worker limits`, and the table in docs/lending.md are derived from it.
 */
export const knobs = {
  cpus: {
    file: 'lend.cpus',
    type: 'count',
    example: '2',
    option: '--cpus',
    join: true,
    what: 'processors that all builds together may keep busy',
    usually: 'half of the processors',
    cap: 'share',
    live: 'running builds too',
    enforcedBy: 'the kernel (quota of a control group)',
    reached: 'it is slowed',
  },
  memoryBytes: {
    file: 'lend.memory',
    type: 'size',
    example: '"4GiB"',
    option: '--memory',
    join: true,
    what: 'memory of all builds together, such as 4GiB, without swap',
    usually: 'half of the memory',
    cap: 'whole share',
    live: 'running builds too',
    enforcedBy: 'the kernel',
    reached: 'it is stopped',
  },
  diskBytes: {
    file: 'lend.disk',
    type: 'size',
    example: '"4GiB"',
    option: '--disk',
    join: true,
    suffix: 'a build',
    what: 'bytes that one build may write, such as 4GiB',
    usually: 'as much as memory',
    live: 'the next builds',
    enforcedBy: 'the kernel (size of its file systems); in memory, or files of that size',
    reached: '"no space left"',
  },
  jobsAtOnce: {
    file: 'lend.jobs',
    type: 'count',
    example: '1',
    option: '--jobs',
    join: true,
    suffix: 'at once',
    what: 'jobs at once',
    usually: '1',
    default: 1,
    live: 'running builds too',
    enforcedBy: 'the worker',
    reached: 'the next job waits',
  },
  pids: {
    file: 'lend.processes',
    type: 'count',
    example: '4096',
    option: '--processes',
    what: 'processes and threads of all builds together',
    usually: '4096',
    default: 4096,
    min: limits.jobPidsMin,
    max: 4_194_304,
    cap: 'whole share',
    slider: [64, 32_768],
    live: 'running builds too',
    enforcedBy: 'the kernel',
    reached: 'it gets no more',
  },
  seconds: {
    file: 'lend.time',
    type: 'time',
    example: '"2h"',
    option: '--time',
    lifts: true,
    suffix: 'a build',
    what: 'time of one build, such as 2h; jobs that ask for more are not taken',
    usually: '24h',
    default: 24 * 3600,
    cap: 'each',
    live: 'running builds too',
    enforcedBy: 'the clock of the worker, and SIGKILL',
    reached: 'it is stopped',
  },
  processorSeconds: {
    file: 'lend.cpu_time',
    type: 'time',
    example: '"4h"',
    option: '--cpu-time',
    lifts: true,
    suffix: 'a build',
    what: 'processor time of one build, such as 4h',
    usually: 'as much as its time allows',
    cap: 'each',
    live: 'running builds too',
    enforcedBy: 'the kernel counts, the worker looks four times a second',
    reached: 'it is stopped',
  },
  imageBytes: {
    file: 'lend.images',
    type: 'size',
    example: '"10GiB"',
    what: 'disk for the images that jobs build in; the least recently used one is removed first',
    usually: '10GiB',
    default: limits.imageCacheBytesDefault,
    enforcedBy: 'the worker, before it prepares an image',
    reached: 'one in use stays ([images.md](images.md#bounds))',
  },
  resultBytes: {
    file: 'lend.results',
    type: 'size',
    example: '"10GiB"',
    what: 'disk for results, which are served to others; the least recently requested one is removed first',
    usually: '10GiB',
    default: 10 * 2 ** 30,
    enforcedBy: 'the worker, at its start and every 15 minutes; between two looks results may exceed it',
    reached: 'those of the last ten minutes stay',
  },
  processor: {
    file: 'priority.processor',
    type: 'priority',
    example: '"low"',
    option: '--priority',
    what: 'priority at the processors: "low" is a fifth of the usual share, "idle" what nobody else uses',
    usually: 'low',
    default: 'low',
    live: 'running builds too',
    enforcedBy: 'the kernel',
    reached: 'it waits for you',
  },
  ioWeight: {
    file: 'priority.io',
    type: 'share',
    example: '20',
    option: '--io',
    suffix: 'of 100',
    what: 'share of the disks, 1 to 1000, where everybody else has 100',
    usually: '20',
    default: 20,
    min: 1,
    max: 1000,
    live: 'running builds too',
    enforcedBy: 'the scheduler of the disk, if it is `bfq` or v2’s `io.cost`',
    reached: 'it waits for you. Where no disk heeds it, `status` says so',
  },
  upBytes: {
    file: 'network.up',
    type: 'rate',
    example: '"1MiB/s"',
    option: '--up',
    lifts: true,
    what: 'bytes a second that the worker may send, such as 1MiB/s',
    usually: 'no limit',
    min: bandwidthBytesMin,
    live: 'running builds too',
    enforcedBy: 'the worker, over all it sends: artifacts, checkouts, builds with a network, messages',
    reached: 'it waits',
  },
  downBytes: {
    file: 'network.down',
    type: 'rate',
    example: '"4MiB/s"',
    option: '--down',
    lifts: true,
    what: 'bytes a second that the worker may receive, such as 4MiB/s',
    usually: 'no limit',
    min: bandwidthBytesMin,
    live: 'running builds too',
    enforcedBy: 'the worker, over all it receives',
    reached: 'it waits',
  },
  hosts: {
    file: 'network.hosts',
    type: 'allowed',
    example: '["git.example.org", "ci.example.org:8080"]',
    what: 'hosts that the worker connects to for its project; "any" for all that the project names',
    usually: 'those that `join` showed; `quorate worker allow` adds others',
    enforcedBy: 'the worker, before it resolves a name',
    reached: 'a job that needs another host is not taken, and nothing is connected to',
  },
  hostConnections: {
    file: 'network.host_connections',
    type: 'count',
    example: '1200',
    suffix: 'an hour',
    what: 'connections within an hour to one host, and to one address, over all builds',
    usually: '1200',
    default: 1200,
    min: 1,
    max: 1_000_000,
    enforcedBy: 'the worker',
    reached: 'it is ended, and no connection is made until the hour is over',
  },
  hostBytes: {
    file: 'network.host_bytes',
    type: 'size',
    example: '"10GiB"',
    suffix: 'an hour',
    what: 'bytes within an hour from and to one host, and one address, over all builds',
    usually: '10GiB',
    default: 10 * 2 ** 30,
    enforcedBy: 'the worker',
    reached: 'as above',
  },
  privateHosts: {
    file: 'network.private',
    type: 'hosts',
    example: '["192.168.1.5:3000"]',
    what: 'servers of your own network that builds may reach where their project names the same address',
    usually: 'nothing in your own network',
    enforcedBy: 'the proxy of the worker',
    reached: 'it is refused',
  },
  hours: {
    file: 'when.hours',
    type: 'hours',
    example: '["20:00-08:00", "12:00-13:00"]',
    what: 'times of day, in local time, at which new jobs are taken',
    usually: 'always',
    enforcedBy: 'the worker',
    reached: 'no new job is taken; running builds are finished',
  },
  pauseAboveLoad: {
    file: 'when.pause_above_load',
    type: 'load',
    example: '1.5',
    what: 'processors kept busy by your own programs above which builds are paused',
    usually: 'never',
    min: 0.1,
    max: 4096,
    suffix: 'processors of others',
    enforcedBy: 'the worker looks every five seconds; the kernel freezes',
    reached: 'it is paused',
  },
  serve: {
    file: 'serve.projects',
    type: 'projects',
    what: 'root keys of the projects this host works for; it joins no other',
    usually: 'the projects it joined',
    example: '["12D3KooWLPQ43ca4k9hZatuhurWJzD8729xhxf5KFWiXijqzAQfa"]',
    enforcedBy: 'the worker',
    reached: '`join` refuses any other project',
  },
  tiers: {
    file: 'sandbox.tiers',
    type: 'tiers',
    example: '["gvisor"]',
    what: 'sandboxes to offer: vm, vm-emulated, gvisor, namespace; each must work',
    usually: 'the strongest that works here',
    enforcedBy: 'the worker',
    reached: '`join` ends when one of them does not work',
  },
} as const satisfies Record<string, Knob>;

export type KnobField = keyof typeof knobs;
export type KnobValue<F extends KnobField> = Values[(typeof knobs)[F]['type']];

/** Keys of worker.toml in some sections. */
export type KnobKey<Section extends keyof typeof sections> = {
  [F in KnobField]: (typeof knobs)[F]['file'] extends `${Section}.${infer Key}` ? Key : never;
}[KnobField];

/** Knobs that can be turned while the worker runs. */
export type LiveField = {
  [F in KnobField]: (typeof knobs)[F] extends { option: string } ? F : never;
}[KnobField];
/** The value of a live knob; null where the limit is lifted. */
export type LiveValue<F extends LiveField> =
  | KnobValue<F>
  | ((typeof knobs)[F] extends { lifts: true } ? null : never);
/** Changes of a request: undefined leaves a value as it is. */
export type KnobChanges = { [F in LiveField]?: LiveValue<F> | undefined };

/** Knobs that the sandboxes hold running builds to. */
export type CapField = {
  [F in KnobField]: (typeof knobs)[F] extends { cap: string } ? F : never;
}[KnobField];

/** Knobs whose values a job may be promised; those of the others are the operator's rules. */
const promisedFields = ['cpus', 'memoryBytes', 'diskBytes', 'jobsAtOnce', 'pids', 'seconds'] as const;
export type PromisedField = (typeof promisedFields)[number];
export const isPromised = (field: KnobField): field is PromisedField =>
  (promisedFields as readonly KnobField[]).includes(field);

/** All knobs with their fields, for what is derived from them. */
export const knobList: readonly (Knob & { field: KnobField; section: keyof typeof sections; key: string })[] =
  Object.entries<Knob>(knobs).map(([field, knob]) => {
    const [section, key] = knob.file.split('.') as [keyof typeof sections, string];
    return { ...knob, field: field as KnobField, section, key };
  });

/** In the order of the file. */
export const sectionNames = Object.keys(sections) as (keyof typeof sections)[];

/** The knobs of a section of worker.toml, in the order of the file. */
export const knobsIn = (section: keyof typeof sections): typeof knobList =>
  knobList.filter((knob) => knob.section === section);

export const isLive = (
  knob: (typeof knobList)[number],
): knob is (typeof knobList)[number] & { field: LiveField } => knob.option !== undefined;

const files = new Set(knobList.map(({ file }) => file));
assert(files.size === knobList.length, 'each knob has a key of its own in worker.toml');
assert(limits.treeBytesMax <= knobs.imageBytes.default, 'the image cache holds the largest image');
assert(limits.treeBytesMax <= knobs.resultBytes.default, 'the largest result can be kept');
assert(limits.treeBytesMax <= knobs.hostBytes.default, 'the largest source can be fetched');

import { describe, expect, it } from 'vitest';
import { exampleWorkerFile, parseWorkerFile } from '../../../src/worker/commands/worker-file.ts';
import { isPromised, knobList } from '../../../src/worker/lending-knobs.ts';

const parse = (text: string) => parseWorkerFile(text, 'worker.toml');
const refusal = (text: string): { code: string; message: string; hint: string } => {
  try {
    parse(text);
  } catch (error) {
    return error as { code: string; message: string; hint: string };
  }
  throw new Error('it was taken');
};

describe('worker.toml', () => {
  it('says what is lent and when', () => {
    const text = `[lend]
cpus = 2
memory = "4GiB"
disk = "512MiB"
jobs = 3
processes = 900
time = "2h"
cpu_time = "90m"
[priority]
processor = "idle"
io = 5
[network]
up = "512KiB/s"
down = "4MiB/s"
[serve]
projects = ["12D3KooWLPQ43ca4k9hZatuhurWJzD8729xhxf5KFWiXijqzAQfa"]
[sandbox]
tiers = ["gvisor", "namespace"]
[when]
hours = ["20:00-08:00", "12:00-13:30"]
pause_above_load = 1.5
`;
    expect(parse(text)).toMatchObject({
      lend: { cpus: 2, memory: 4 * 2 ** 30, disk: 512 * 2 ** 20, jobs: 3, processes: 900, time: 7200 },
      tiers: ['gvisor', 'namespace'],
      rules: {
        serve: ['12D3KooWLPQ43ca4k9hZatuhurWJzD8729xhxf5KFWiXijqzAQfa'],
        processorSeconds: 5400,
        processor: 'idle',
        ioWeight: 5,
        upBytes: 512 * 1024,
        downBytes: 4 * 2 ** 20,
        hours: [
          { from: 1200, to: 480 },
          { from: 720, to: 810 },
        ],
        pauseAboveLoad: 1.5,
      },
    });
  });

  it('knows where each limit stands', () => {
    const { places } = parse('# mine\n[lend]\ncpus = 2\n\n[when]\npause_above_load = 1.5\n');
    expect(places).toEqual({
      cpus: 'worker.toml:3: lend.cpus',
      pause_above_load: 'worker.toml:6: when.pause_above_load',
    });
  });

  it('may say nothing', () => {
    const nothing = { lend: {}, rules: { hours: [] }, tiers: undefined, places: {} };
    expect(parse('')).toEqual(nothing);
    expect(parse(exampleWorkerFile)).toEqual(nothing);
  });

  it('has an example whose every key can be uncommented', () => {
    const text = exampleWorkerFile.replaceAll(/^# (\w+ = )/gm, '$1');
    const { lend, rules, tiers } = parse(text);
    expect(Object.keys(lend)).toEqual(['cpus', 'memory', 'disk', 'jobs', 'processes', 'time']);
    expect(rules).toMatchObject({ pauseAboveLoad: 1.5, processor: 'low', upBytes: 2 ** 20 });
    expect(rules.imageBytes).toBe(10 * 1024 ** 3);
    expect(rules.resultBytes).toBe(10 * 1024 ** 3);
    const ofJobs = knobList.filter(({ field }) => isPromised(field) || field === 'tiers');
    expect(Object.keys(rules)).toHaveLength(knobList.length - ofJobs.length);
    expect(tiers).toEqual(['gvisor']);
  });

  it.each([
    ['[lend]\nmemory = 4GiB\n', 'WORKER_FILE_INVALID', 'worker.toml:2:', 'in quotes'],
    [
      '\n[lend]\n\nmemroy = "4GiB"\n',
      'WORKER_FILE_INVALID',
      'worker.toml:4: there is no "memroy" in [lend]',
      'Did you mean "memory"?',
    ],
    [
      '[lned]\ncpus = 1\n',
      'WORKER_FILE_INVALID',
      'worker.toml:1: there is no "lned"',
      'Did you mean "lend"?',
    ],
    [
      '[lend]\ncpus = 0\n',
      'WORKER_FILE_INVALID',
      'worker.toml:2: lend.cpus: expected at least 1',
      'config --example',
    ],
    [
      '[lend]\nmemory = "4GB"\n',
      'WORKER_FILE_INVALID',
      'lend.memory: expected a size such as',
      'config --example',
    ],
    [
      '[when]\nhours = ["25:00-08:00"]\n',
      'WORKER_FILE_INVALID',
      'worker.toml:2: when.hours.0: expected a time',
      'config',
    ],
    [
      '[when]\nhours = []\n',
      'WORKER_FILE_INVALID',
      'worker.toml:2: when.hours: expected at least one',
      'config',
    ],
    [
      '[lend]\nprocesses = 4\n',
      'WORKER_FILE_INVALID',
      'worker.toml:2: lend.processes: expected at least 8',
      '',
    ],
    ['[lend]\ntime = "2w"\n', 'WORKER_FILE_INVALID', 'worker.toml:2: lend.time: expected a time', 'config'],
    [
      '[network]\nup = "1KiB/s"\n',
      'WORKER_FILE_INVALID',
      'worker.toml:2: network.up: 1KiB/s is out of bounds: expected at least',
      '',
    ],
    ['[network]\nup = "1MiB"\n', 'WORKER_FILE_INVALID', 'network.up: expected bytes a second such as', ''],
    ['[network]\nupp = "1MiB/s"\n', 'WORKER_FILE_INVALID', 'worker.toml:2: there is no "upp"', '"up"'],
    ['[priority]\nprocessor = "high"\n', 'WORKER_FILE_INVALID', 'expected "low" or "idle"', 'config'],
    ['[priority]\nio = 0\n', 'WORKER_FILE_INVALID', 'worker.toml:2: priority.io: expected at least 1', ''],
    ['[serve]\nprojects = []\n', 'WORKER_FILE_INVALID', 'serve.projects: expected at least one project', ''],
    ['[serve]\nprojects = ["me"]\n', 'WORKER_FILE_INVALID', 'serve.projects.0: not the PeerId', ''],
    [
      '[sandbox]\ntiers = ["chroot"]\n',
      'WORKER_FILE_INVALID',
      'worker.toml:2: sandbox.tiers.0: expected tiers: vm',
      '',
    ],
    ['[when]\nhours = "20:00-08:00"\n', 'WORKER_FILE_INVALID', 'worker.toml:2: when.hours', 'config'],
    ['lend = 3\n', 'WORKER_FILE_INVALID', 'worker.toml:1: lend: ', 'config'],
    ['[lend]\ncpus = 1\ncpus = 2\n', 'WORKER_FILE_INVALID', 'worker.toml:3:', 'example'],
    ['x'.repeat(100_000), 'WORKER_FILE_INVALID', 'over 64 KiB', 'example'],
  ])('%j is refused with its place', (text, code, message, hint) => {
    const error = refusal(text);
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });
});

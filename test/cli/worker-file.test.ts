import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exampleWorkerFile, parseWorkerFile, workerFileJsonSchema } from '../../src/cli/worker-file.ts';

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
[when]
hours = ["20:00-08:00", "12:00-13:30"]
pause_above_load = 1.5
`;
    expect(parse(text)).toEqual({
      lend: { cpus: 2, memory: 4 * 2 ** 30, disk: 512 * 2 ** 20, jobs: 3 },
      rules: {
        hours: [
          { from: 1200, to: 480 },
          { from: 720, to: 810 },
        ],
        pauseAboveLoad: 1.5,
      },
    });
  });

  it('may say nothing', () => {
    expect(parse('')).toEqual({ lend: {}, rules: { hours: [] } });
    expect(parse(exampleWorkerFile)).toEqual({ lend: {}, rules: { hours: [] } });
  });

  it('has an example whose every key can be uncommented', () => {
    const text = exampleWorkerFile.replaceAll(/^# (\w+ = )/gm, '$1');
    expect(Object.keys(parse(text).lend)).toEqual(['cpus', 'memory', 'disk', 'jobs']);
    expect(parse(text).rules).toMatchObject({ pauseAboveLoad: 1.5 });
  });

  it.each([
    ['[lend]\nmemory = 4GiB\n', 'WORKER_FILE_SYNTAX', 'worker.toml:2:', 'in quotes'],
    [
      '\n[lend]\n\nmemroy = "4GiB"\n',
      'WORKER_FILE_UNKNOWN_KEY',
      'worker.toml:4: there is no "memroy" in [lend]',
      'Did you mean "memory"?',
    ],
    [
      '[lned]\ncpus = 1\n',
      'WORKER_FILE_UNKNOWN_KEY',
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
    ['[when]\nhours = "20:00-08:00"\n', 'WORKER_FILE_INVALID', 'worker.toml:2: when.hours', 'config'],
    ['lend = 3\n', 'WORKER_FILE_INVALID', 'worker.toml:1: [lend]', 'config'],
    ['[lend]\ncpus = 1\ncpus = 2\n', 'WORKER_FILE_SYNTAX', 'worker.toml:3:', 'example'],
    ['x'.repeat(100_000), 'WORKER_FILE_INVALID', 'over 65536 bytes', 'example'],
  ])('%j is refused with its place', (text, code, message, hint) => {
    const error = refusal(text);
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
  });

  it('has a published JSON Schema that is what the code says (renew it with: node scripts/job-schema.ts --write)', () => {
    const published = readFileSync(join(import.meta.dirname, '../../docs/worker.schema.json'), 'utf8');
    expect(JSON.parse(published)).toEqual(workerFileJsonSchema());
  });
});

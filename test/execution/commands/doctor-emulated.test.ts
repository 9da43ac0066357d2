import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { beforeEach, expect, it } from 'vitest';
import { Person } from '../../bad-input/support/person.ts';
import { Terminal } from '../../bad-input/support/terminal.ts';
import { until } from '../../e2e/support/wait.ts';
import { processesOfJobs } from '../../sandbox/support.ts';

const args = ['doctor', '--tier', 'vm-emulated'];
const closingMsMax = 2_500;

let person: Person;
beforeEach(async () => {
  person = await Person.arrive();
});

const notes = () => readdir(person.at('home', 'sandbox')).catch((): string[] => []);

/** A machine of the probe, once it runs: control groups, and the processes in them. */
async function running(): Promise<{ groups: string[]; processes: () => Promise<number[]> }> {
  let pid = Number.NaN;
  const processes = () => processesOfJobs(pid);
  const begun = async (): Promise<boolean> => {
    pid = Number(/^quorate-job-(\d+)-/.exec((await notes())[0] ?? '')?.[1]);
    return !Number.isNaN(pid) && (await processes()).length > 0;
  };
  await until('a machine of the probe', begun, 30_000);
  // Beside them lies the folder of the disk that the probe tries.
  const files = (await notes()).filter((name) => name.endsWith('.json'));
  const all = files.map((note) => readFile(person.at('home', 'sandbox', note), 'utf8'));
  const groups = (await Promise.all(all)).flatMap((text) => JSON.parse(text).directories as string[]);
  expect(groups.length).toBeGreaterThan(0);
  return { groups, processes };
}

async function nothingLeft({ groups, processes }: Awaited<ReturnType<typeof running>>): Promise<void> {
  expect(await notes()).toEqual([]);
  expect(await processes()).toEqual([]);
  expect(groups.filter((group) => existsSync(group))).toEqual([]);
  expect(await person.litter()).toEqual([]);
  expect((await readdir(person.at('home', 'vm'))).filter((name) => /part|tree/.test(name))).toEqual([]);
}

it('on a terminal it shows what is looked at, for how long, and ends at once on Ctrl-C with nothing left', async () => {
  const at = { columns: 80, rows: 24, cwd: person.at('folder'), env: person.env() };
  const doctor = new Terminal(person.command(args), at);
  await doctor.shows(/vm-emulated sandbox: guards, memory limit, time limit, processor limit, \d+(\.\d)? s/);
  const machines = await running();
  doctor.type('\u0003');
  const code = await doctor.end(closingMsMax);
  expect(code, doctor.screen().join('\n')).toBe(130);
  expect(doctor.screen().join('\n')).toContain('error[CLI_INTERRUPTED]');
  expect(doctor.screen().join('\n')).not.toContain('memory limit');
  await nothingLeft(machines);
});

it('elsewhere it says once that this takes a while, and ends at once on a signal with nothing left', async () => {
  const doctor = person.start(args);
  const machines = await running();
  doctor.signal('SIGINT');
  const { code } = await doctor.end(closingMsMax);
  expect(code, doctor.report()).toBe(130);
  const [first, second, ...rest] = doctor.stderr.trim().split('\n');
  expect(first).toMatch(/^Looking at the sandbox vm-emulated: .* up to \d+ min\.$/);
  expect([second, rest.length]).toEqual([expect.stringContaining('CLI_INTERRUPTED'), 1]);
  expect(doctor.text).toBe('');
  await nothingLeft(machines);
});

it('it tells what is looked at, and the row is gone with the answer', async () => {
  const at = { columns: 80, rows: 60, cwd: person.at('folder'), env: person.env() };
  const doctor = new Terminal(person.command([...args, '--verbose']), at);
  await doctor.shows(/vm-emulated sandbox: .*processor limit, /, 270_000);
  expect(await doctor.end(270_000), doctor.screen().join('\n')).toBe(0);
  const screen = doctor.screen().join('\n');
  expect(screen).toContain('vm-emulated sandbox: processor limit: 0.');
  expect(screen).not.toContain('processor limit, ');
});

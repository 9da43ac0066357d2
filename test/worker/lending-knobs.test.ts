import { describe, expect, it } from 'vitest';
import {
  exampleWorkerFile,
  parseWorkerFile,
  workerFileSchema,
} from '../../src/worker/commands/worker-file.ts';
import { knobList, knobs, type LiveField } from '../../src/worker/lending-knobs.ts';

describe('the table of what an operator can set', () => {
  it.each(knobList.map((knob) => [knob.file, knob] as const))(
    '%s has an example that is right',
    (_, knob) => {
      const { section, key, example } = knob;
      const { places, ...file } = parseWorkerFile(`[${section}]\n${key} = ${example}\n`, 'worker.toml');
      expect(
        Object.values(file.lend).length + Object.keys(file.rules).length + (file.tiers?.length ?? 0),
      ).toBe(knob.field === 'hours' ? 1 : 2);
      expect(exampleWorkerFile).toContain(`# ${key} = ${example}\n`);
    },
  );

  it('has every key of worker.toml', () => {
    const inFile = Object.entries(workerFileSchema.shape).flatMap(([section, schema]) =>
      Object.keys(schema.unwrap().shape).map((key) => `${section}.${key}`),
    );
    expect(inFile).toEqual(knobList.map(({ file }) => file));
  });

  it.each([
    ['lend.processes', 1, 8, 4_194_304],
    ['priority.io', 1, 1, 1_000],
    ['network.host_connections', 1, 1, 1_000_000],
    ['when.pause_above_load', 0.01, 0.1, 4_096],
  ])('takes %s in steps of %d from %d to %d', (file, step, least, most) => {
    const takes = (value: number) => {
      const [section, key] = file.split('.');
      try {
        parseWorkerFile(`[${section}]\n${key} = ${value}\n`, 'worker.toml');
        return true;
      } catch (error) {
        expect(error).toMatchObject({ code: 'WORKER_FILE_INVALID' });
        return false;
      }
    };
    expect([least - step, least, most, most + step].map(takes)).toEqual([false, true, true, false]);
  });

  it('names each field that can be changed while the worker runs', () => {
    const live: LiveField = 'cpus';
    // @ts-expect-error: the type knows that images cannot be changed while the worker runs.
    const not: LiveField = 'imageBytes';
    expect([live in knobs, not in knobs]).toEqual([true, true]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/protocol/base/limits.ts';
import { expandTemplates, pipelineLimits, type Template } from '../../../src/protocol/pipeline/index.ts';

const template = (name: string, more: Partial<Template> = {}): Template => ({
  name,
  image: 'host',
  run: ['x'],
  env: {},
  needs: [],
  matrix: {},
  if: {},
  ...more,
});
const trusted = (...jobs: string[]) => jobs.map((job) => ({ job, level: 'trusted' as const }));
const numbers = (count: number) => Array.from({ length: count }, (_, n) => String(n));

function expanded(...templates: Template[]) {
  const result = expandTemplates(templates);
  if ('faults' in result) throw new Error(JSON.stringify(result.faults));
  return result.instances;
}

function faultOf(...templates: Template[]) {
  const result = expandTemplates(templates);
  return 'faults' in result ? result.faults[0] : undefined;
}

describe('instances', () => {
  it('are one for each combination, the last key changing first', () => {
    const made = expanded(template('test', { matrix: { cc: ['gcc', 'clang'], shard: ['1', '2'] } }));
    expect(made.map(({ name }) => name)).toEqual([
      'test.gcc.1',
      'test.gcc.2',
      'test.clang.1',
      'test.clang.2',
    ]);
    expect(made[2]?.values).toEqual({ cc: 'clang', shard: '1' });
  });

  it('have the values in image, commands and environment, as they stand', () => {
    const image = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi';
    const [made] = expanded(
      template('a', {
        image: '${{matrix.image}}',
        run: ['make CC="${{ matrix.cc }}" $${{ x }}', 'echo $& ${{ matrix.cc }}'],
        env: { CC: '${{  matrix.cc  }}', PLAIN: '$cc ${cc}' },
        matrix: { image: [image], cc: ['g$&c ${{ matrix.image }}'] },
      }),
    );
    expect(made?.image).toBe(image);
    expect(made?.run).toEqual([
      'make CC="g$&c ${{ matrix.image }}" ${{ x }}',
      'echo $& g$&c ${{ matrix.image }}',
    ]);
    expect(made?.env).toEqual({ CC: 'g$&c ${{ matrix.image }}', PLAIN: '$cc ${cc}' });
  });

  it('have the values in named steps, and in their names', () => {
    const step = { run: 'CC=${{ matrix.cc }} make check', name: 'Tests with ${{ matrix.cc }}' };
    const [made] = expanded(template('a', { run: [step, 'make'], matrix: { cc: ['gcc'] } }));
    expect(made?.run).toEqual([{ run: 'CC=gcc make check', name: 'Tests with gcc' }, 'make']);
    const bare = { run: 'echo ${{ matrix.cc }}', allowFailure: true } as const;
    expect(expanded(template('a', { run: [bare], matrix: { cc: ['gcc'] } }))[0]?.run).toEqual([
      { run: 'echo gcc', allowFailure: true },
    ]);
    const wrong = template('a', { run: [{ run: 'x', name: '${{ matrix.c }}' }] });
    expect(faultOf(wrong)).toMatchObject({ code: 'PIPELINE_INVALID', path: ['a', 'run', 0, 'name'] });
  });

  it('read all instances of a job that they need', () => {
    const made = expanded(
      template('package', { needs: [{ job: 'test', level: 'agreed' }, ...trusted('build')] }),
      template('test', { needs: trusted('build'), matrix: { n: ['1', '2'] } }),
      template('build'),
    );
    expect(made.map(({ name }) => name)).toEqual(['build', 'test.1', 'test.2', 'package']);
    expect(made.at(-1)?.needs).toEqual([
      { instance: 'test.1', level: 'agreed' },
      { instance: 'test.2', level: 'agreed' },
      { instance: 'build', level: 'trusted' },
    ]);
  });

  it('come after what they need, whatever the graph, each once', () => {
    const graph = fc.array(fc.array(fc.nat({ max: 11 }), { maxLength: 4 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(graph, (edges) => {
        const templates = edges.map((to, n) =>
          template(`j${n}`, {
            needs: trusted(...new Set(to.filter((one) => one < n).map((one) => `j${one}`))),
          }),
        );
        const made = expanded(...templates.toReversed());
        expect(made.map(({ name }) => name).toSorted()).toEqual(templates.map(({ name }) => name).toSorted());
        const place = new Map(made.map(({ name }, at) => [name, at]));
        for (const [at, { needs }] of made.entries())
          for (const { instance } of needs) expect(place.get(instance)).toBeLessThan(at);
      }),
    );
  });
});

describe('a fault', () => {
  it('is a cycle, told with the need that closes it', () => {
    const loop = [
      template('a', { needs: trusted('b') }),
      template('b', { needs: trusted('c') }),
      template('c', { needs: trusted('b') }),
    ];
    expect(faultOf(...loop)).toMatchObject({ code: 'PIPELINE_INVALID', path: ['c', 'needs', 'b'] });
    expect(faultOf(...loop)?.message).toContain('b needs c needs b');
  });

  it('is a matrix of a million, of which nothing is built', () => {
    const matrix = Object.fromEntries(numbers(8).map((n) => [`k${n}`, numbers(1000)]));
    const before = process.threadCpuUsage().user;
    expect(faultOf(template('a', { matrix }))).toMatchObject({
      code: 'PIPELINE_TOO_LARGE',
      path: ['a', 'matrix'],
    });
    expect(process.threadCpuUsage().user - before).toBeLessThan(500_000);
  });

  it('is one job more than a pipeline has, over all matrices', () => {
    const { pipelineJobsMax } = limits;
    const wide = template('a', { matrix: { n: numbers(pipelineJobsMax - 1) } });
    expect(expanded(wide, template('b'))).toHaveLength(pipelineJobsMax);
    expect(faultOf(wide, template('b'), template('c'))?.code).toBe('PIPELINE_TOO_LARGE');
  });

  it('is a chain of one job more than may stand on each other', () => {
    const chain = (length: number) =>
      numbers(length).map((n) => template(`j${n}`, { needs: n === '0' ? [] : trusted(`j${Number(n) - 1}`) }));
    expect(expanded(...chain(pipelineLimits.depthMax))).toHaveLength(pipelineLimits.depthMax);
    for (const templates of [
      chain(pipelineLimits.depthMax + 1),
      chain(pipelineLimits.depthMax + 1).toReversed(),
    ])
      expect(faultOf(...templates)?.code).toBe('PIPELINE_TOO_LARGE');
  });

  it('is a job with one input more than it may have', () => {
    const { jobInputsMax } = limits;
    const of = (count: number) => [
      template('a', { matrix: { n: numbers(count) } }),
      template('b', { needs: trusted('a') }),
    ];
    expect(expanded(...of(jobInputsMax)).at(-1)?.needs).toHaveLength(jobInputsMax);
    expect(faultOf(...of(jobInputsMax + 1))).toMatchObject({
      code: 'PIPELINE_TOO_LARGE',
      path: ['b', 'needs'],
    });
  });

  it('is text that is too long once the values are in it, of one job or of all', () => {
    const grows = template('a', {
      run: Array.from({ length: 190 }, () => '${{ matrix.v }}'.repeat(2)),
      matrix: { v: ['x'.repeat(200)] },
    });
    expect(faultOf(grows)).toMatchObject({ code: 'PIPELINE_TOO_LARGE', path: ['a'] });
    const half = template('b', {
      run: Array.from({ length: 4 }, () => 'x'.repeat(limits.stepBytesMax / 2)),
      matrix: { n: numbers(99) },
    });
    expect(faultOf(half)?.message).toContain('all jobs together');
  });

  it('is told with its bound', () => {
    const { jobBytesMax } = limits;
    /** A job whose texts have so many bytes. */
    const of = (name: string, bytes: number) => {
      const run = Array.from({ length: Math.floor((bytes - 1_000) / 15_003) }, () => 'x'.repeat(15_000));
      const left = bytes - JSON.stringify({ image: 'host', run: ['', ...run], env: {} }).length;
      return template(name, { run: ['x'.repeat(left), ...run] });
    };
    expect(expanded(of('a', jobBytesMax))).toHaveLength(1);
    expect(faultOf(of('a', jobBytesMax + 1))?.message).toBe(
      `the job would have ${jobBytesMax + 1} bytes of commands and environment; at most ${jobBytesMax} are taken`,
    );
    const { bytesMax } = pipelineLimits;
    const whole = numbers(bytesMax / jobBytesMax).map((n) => of(`j${n}`, jobBytesMax));
    expect(expanded(...whole)).toHaveLength(whole.length);
    const first = whole.slice(1);
    expect(faultOf(of('b', 20_000), ...first, of('c', jobBytesMax - 20_000 + 1))?.message).toBe(
      `all jobs together would have ${bytesMax + 1} bytes of commands and environment; at most ${bytesMax} are taken`,
    );
  });

  it('of a matrix says how many jobs it makes', () => {
    const { pipelineJobsMax } = limits;
    const said = (count: number) => {
      const { path, message } =
        faultOf(template('b'), template('a', { matrix: { n: numbers(count) } })) ?? {};
      return [path, message?.split('this matrix of ')[1]];
    };
    expect(said(pipelineJobsMax)).toEqual([['a', 'matrix'], String(pipelineJobsMax)]);
    expect(said(pipelineJobsMax + 1)).toEqual([['a', 'matrix'], `over ${pipelineJobsMax}`]);
    const many = numbers(pipelineJobsMax + 1).map((n) => template(`j${n}`));
    expect(faultOf(...many)?.path).toEqual([`j${pipelineJobsMax}`]);
  });

  it('of a value is told with the values that were chosen', () => {
    expect(faultOf(template('a', { run: ['${{ matrix.c }}'] }))?.message).not.toContain('(with');
    expect(faultOf(template('a', { run: ['${{ matrix.c }}'], matrix: { d: ['1'] } }))?.message).toContain(
      '(with d=1)',
    );
  });

  it('is a job that the file does not have, told before anything else', () => {
    expect(faultOf(template('a', { needs: trusted('b', 'a') }))).toMatchObject({
      code: 'PIPELINE_INVALID',
      path: ['a', 'needs', 'b'],
      hint: 'It has: a.',
    });
  });

  it('is a name that two jobs would have, or that is too long', () => {
    const code = 'PIPELINE_INVALID';
    expect(faultOf(template('a', { matrix: { v: ['x y', 'x/y'] } }))).toMatchObject({
      code,
      message: 'two jobs are named "a.x_y": of one matrix',
    });
    expect(faultOf(template('a.1'), template('a', { matrix: { v: ['1'] } }))).toMatchObject({
      code,
      message: 'two jobs are named "a.1": of "a.1" and "a"',
    });
    expect(faultOf(template('a'.repeat(60), { matrix: { v: ['12345'] } }))).toMatchObject({ code });
  });
});

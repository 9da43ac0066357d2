import { describe, expect, it } from 'vitest';
import { exampleJobFile, exampleKind, parseJobFile } from '../../src/jobfile/index.ts';
import { editDistance, nearestWord } from '../../src/protocol/base/nearest-word.ts';

describe('the example job file', () => {
  it.each(['make', 'npm', 'script'] as const)('for %s says what the defaults say', (kind) => {
    const [written] = parseJobFile(exampleJobFile(kind), 'quorate.yaml').jobs;
    const [bare] = parseJobFile('jobs: {build: {run: [x]}}', 'quorate.yaml').jobs;
    expect({ ...written, run: [], env: {} }).toEqual({ ...bare, run: [], env: {} });
    expect(written?.run.join('\n')).toContain('$OUT');
  });

  it('is chosen by what lies in the folder', () => {
    expect(exampleKind(['README.md', 'Makefile', 'package.json'])).toBe('make');
    expect(exampleKind(['package.json'])).toBe('npm');
    expect(exampleKind([])).toBe('script');
  });
});

describe('the nearest word', () => {
  it('counts edits', () => {
    expect([editDistance('kitten', 'sitting'), editDistance('', 'abc'), editDistance('run', 'run')]).toEqual([
      3, 3, 0,
    ]);
  });

  it('is none when nothing is near', () => {
    expect(nearestWord('memry', ['cpus', 'memory'])).toBe('memory');
    expect(nearestWord('secrets', ['cpus', 'memory'])).toBeUndefined();
    expect(nearestWord('x'.repeat(100_000), ['cpus'])).toBeUndefined();
  });
});

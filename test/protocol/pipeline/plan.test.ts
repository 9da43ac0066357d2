import { describe, expect, it } from 'vitest';
import {
  type CommitFacts,
  expandTemplates,
  planPipeline,
  skipText,
  type Template,
} from '../../../src/protocol/pipeline/index.ts';

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

function planned(templates: Template[], facts: CommitFacts) {
  const expanded = expandTemplates(templates);
  if ('faults' in expanded) throw new Error(JSON.stringify(expanded.faults));
  return planPipeline(expanded.instances, facts);
}

const names = (templates: Template[], facts: CommitFacts) =>
  planned(templates, facts).instances.map(({ name }) => name);

describe('a job with conditions', () => {
  it.each([
    ['refs/heads/main', ['main'], true],
    ['refs/heads/main', ['refs/heads/main'], true],
    ['refs/heads/main', ['refs/tags/*'], false],
    ['refs/heads/main', ['heads/main'], false],
    ['refs/heads/release/1', ['main', 'release/*'], true],
    ['refs/tags/v1', ['v*'], true],
    ['refs/tags/v1', ['refs/heads/*'], false],
    ['0123456789012345678901234567890123456789', ['**'], false],
    ['HEAD', ['HEAD'], false],
  ])('at %s with ref %j: %s', (ref, patterns, there) => {
    expect(names([template('a', { if: { ref: patterns } })], { ref })).toEqual(there ? ['a'] : []);
  });

  it('is built for changed paths, and where no base says what changed', () => {
    const jobs = [template('a', { if: { changed: ['src/**', '*.md'] } })];
    const since = (...paths: string[]) => ({ ref: 'refs/heads/x', changed: { base: 'c'.repeat(40), paths } });
    expect(names(jobs, since('doc/x', 'src/a/b.c'))).toEqual(['a']);
    expect(names(jobs, since('doc/README.md'))).toEqual([]);
    expect(names(jobs, since())).toEqual([]);
    expect(names(jobs, { ref: 'refs/heads/x' })).toEqual(['a']);
  });

  it('is built where so many paths changed that its patterns, made to take long, are not held to all of them', () => {
    const jobs = [template('a', { if: { changed: [`${'**a'.repeat(60)}b`] } })];
    const since = (count: number) => ({ base: 'c'.repeat(40), paths: Array(count).fill('a'.repeat(4000)) });
    expect(names(jobs, { ref: 'refs/heads/x', changed: since(10) })).toEqual([]);
    expect(names(jobs, { ref: 'refs/heads/x', changed: since(150) })).toEqual(['a']);
  });

  it('is built only where all conditions hold', () => {
    const jobs = [template('a', { if: { ref: ['main'], changed: ['src/**'] } })];
    const changed = { base: 'c'.repeat(40), paths: ['src/a'] };
    expect(names(jobs, { ref: 'refs/heads/main', changed })).toEqual(['a']);
    expect(names(jobs, { ref: 'refs/heads/x', changed })).toEqual([]);
  });

  it('takes those along that need it, and says why of each', () => {
    const { instances, skipped } = planned(
      [
        template('lint'),
        template('build', { if: { ref: ['main'] } }),
        template('test', { needs: [{ job: 'build', level: 'agreed' }], matrix: { n: ['1', '2'] } }),
        template('package', { needs: [{ job: 'test', level: 'trusted' }] }),
      ],
      { ref: 'refs/heads/x' },
    );
    expect(instances.map(({ name }) => name)).toEqual(['lint']);
    expect(skipped.map(({ job, instances: of, reason }) => [job, of, skipText(reason)])).toEqual([
      ['build', ['build'], 'refs/heads/x matches none of: main'],
      ['test', ['test.1', 'test.2'], 'needs build, which is skipped'],
      ['package', ['package'], 'needs test, which is skipped'],
    ]);
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { shapesOf } from '../../src/cli/command-shapes.ts';
import { jsonSchemas, publishedSchemas } from '../../src/cli/json/outputs.ts';
import { createProgram } from '../../src/cli/program.ts';
import { jsonMembers } from '../support/json-members.ts';
import { checkJsonLine } from '../support/json-outputs.ts';
import { failUndescribed } from '../support/undescribed.ts';

const published = publishedSchemas();
const publishedAs = (name: string) => JSON.parse(published.get(name) ?? '');
const vectors = join(import.meta.dirname, '..', 'vectors', 'json');
const sha256 = 'ab'.repeat(32);
const waiting = { event: 'waiting', code: 'IMAGE_NOT_READY', message: 'm' };
const failure = { error: { code: 'HOOK_OLDER', message: 'older' } };

describe('the schemas of --json', () => {
  it('are there for each command', () => {
    const shapes = shapesOf(createProgram(new AbortController().signal, () => {}));
    // A group of commands prints nothing itself; `lock` is a command and has one.
    const groups = ['', 'charter', 'idp sessions', 'image', 'on', 'project', 'rotate', 'store', 'worker'];
    const commands = shapes.map(({ path }) => path.join(' ')).filter((name) => !groups.includes(name));
    // The other name of `diff`.
    expect([...jsonSchemas.keys()].sort()).toEqual([...commands, 'compare'].sort());
  });

  it.each(readdirSync(vectors))('have every member that they had in %s', (name) => {
    const kept = JSON.parse(readFileSync(join(vectors, name), 'utf8')) as Record<string, string[]>;
    const gone = Object.entries(kept).flatMap(([file, members]) => {
      const now = new Set(published.has(file) ? jsonMembers(publishedAs(file)) : []);
      return members.filter((member) => !now.has(member)).map((member) => `${file}: ${member}`);
    });
    expect(gone, 'docs/versions.md promises that none goes').toEqual([]);
  });

  it('published: leave room for fields of later versions, and refuse what is no answer', () => {
    const check = new Ajv2020({ strict: false }).compile(publishedAs('on-trusted.schema.json'));
    expect([waiting, failure, { ...waiting, later: 1 }].map((value) => check(value))).toEqual([
      true,
      true,
      true,
    ]);
    expect([{ event: 'waiting' }, {}, null, 'waiting'].map((value) => check(value))).toEqual([
      ...[false, false, false, false],
    ]);
  });

  it('in tests: a field that none describes is found, at the end of the file', () => {
    checkJsonLine(['on', 'trusted', '--ref', 'main'], waiting);
    checkJsonLine(['cancel', sha256], { cancelled: sha256, reason: 'no' });
    failUndescribed();
    checkJsonLine(['cancel', sha256], { cancelled: sha256, reason: 'no', later: 1 });
    expect(failUndescribed).toThrow(/quorate cancel --json: .*later/);
    failUndescribed();
  });
});

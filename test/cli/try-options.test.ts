import { beforeAll, describe, expect, it } from 'vitest';
import { codeIn } from '../bad-input/support/person.ts';
import { jobFile } from '../e2e/support/jobs.ts';
import { listen } from '../source/support.ts';
import { arrive, attempt, connectTo, event, lines, listing, person, repository } from './trying.ts';

beforeAll(arrive);

describe('quorate try of a job with a network', () => {
  const withNetwork = (run: string[], names: string) =>
    jobFile({ run }).replace('    image: host\n', `    image: host\n    network: ${names}\n`);

  it('needs a project, whose charter says what it may reach', async () => {
    const dir = await repository(withNetwork(listing.run, '[vcs]'));
    const answer = await attempt(dir);
    expect(answer.code, answer.report).toBe(3);
    expect(codeIn(answer.err)).toBe('TRY_NO_PROJECT');
    expect(answer.err).toContain('wants a network (vcs)');
  });

  it('reaches what the charter lists, and says in its log and its events what was refused', async () => {
    const port = await listen((socket) => socket.end('hello\n'));
    const run = [connectTo(`127.0.0.1:${port}`), connectTo('evil.example:443')];
    const dir = await repository(withNetwork(run, '[vcs]'));
    const made = await person.run(['init', '--name', 'x', '--vcs', `127.0.0.1:${port}`], {
      cwd: dir,
      ms: 240_000,
    });
    expect(made.code, made.report).toBe(0);
    const answer = await attempt(dir, '--json');
    expect(answer.code, answer.report).toBe(0);
    const said = lines(answer).flatMap(({ event: name, line }) => (name === 'output' ? [String(line)] : []));
    expect(said).toContain('HTTP/1.1 200 Connection established\r'.trim());
    expect(said).toContain(
      'quorate: network: EGRESS_NOT_ALLOWED: a connection to evil.example:443 was refused',
    );
    expect(event(answer, 'network')).toMatchObject({ connections: 2, refused: 1 });
  });
});

describe('quorate try --tier and --input', () => {
  it.each([
    [['--tier', 'namespac'], 'Did you mean namespace?'],
    [['--input', 'lib'], 'lib=bafybei'],
    [['--input', 'a/b=bafybeiaaaaaaaaaaaaaaaaaaaaaaaaa'], 'lib=bafybei'],
    [['--input', `x=bafybei${'a'.repeat(52)}`, '--input', `x=bafybei${'a'.repeat(52)}`], 'twice'],
  ])('%j is refused, with what to give', async (args, says) => {
    const answer = await attempt(await repository(listing), ...args);
    expect(answer.code, answer.report).toBe(2);
    expect(answer.err).toContain(says);
  });

  it('builds in the tier that is named', async () => {
    const answer = await attempt(await repository(listing, { 'a.txt': 'a' }), '--tier', 'namespace');
    expect(answer.code, answer.report).toBe(0);
  });

  it('says where it looked for an artifact that is not here', async () => {
    const answer = await attempt(await repository(listing), '--input', `lib=bafybei${'a'.repeat(52)}`);
    expect(answer.code, answer.report).toBe(3);
    expect(codeIn(answer.err)).toBe('ARTIFACT_NOT_FOUND');
  });
});

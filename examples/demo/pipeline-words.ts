import { escapeLine } from '../../src/protocol/base/escape.ts';
import type { Progress } from '../../src/protocol/wire/progress.ts';
import { shortId } from '../../src/terminal/format.ts';
import type { Colours } from '../../src/terminal/output.ts';
import type { Story } from './story.ts';

type Paints = Pick<Colours, 'green' | 'red' | 'yellow'>;

/** A sentence on what became of a job; undefined for what needs none. */
export function wordsFor(story: Story, job: string, progress: Progress, paints: Paints): string | undefined {
  const { green, red, yellow } = paints;
  switch (progress.kind) {
    case 'waiting':
      return `waits for ${Object.keys(progress.needs).join(', ')}`;
    case 'inputs':
      return begins(story, Object.entries(progress.inputs), yellow);
    case 'agreed':
      return `${progress.by.join(', ')} ${story.isTest(job) ? 'passed it alike' : 'made the same'}: ${idOf(progress.artifact)}`;
    case 'verdict':
      if (progress.level === 'trusted') return green(trustedWords(story, job));
      if (progress.level === 'agreed') return yellow(agreedWords(story, job));
      return red([progress.level, ...(progress.reason === undefined ? [] : [progress.reason])].join(': '));
    case 'contradicted':
      return red(`the trusted worker contradicts: it made other bytes than ${idOf(progress.artifact)}`);
    case 'compared':
      return red(`the owner is alarmed: results differ in ${escapeLine(progress.files.join(', '), 200)}`);
    case 'input-lost':
      return red(`revoked: ${escapeLine(progress.reason, 200)}`);
    default:
      return undefined;
  }
}

function begins(
  story: Story,
  inputs: [name: string, cid: string][],
  yellow: (text: string) => string,
): string {
  const text = `begins, on ${inputs.map(([name, cid]) => `${name} ${idOf(cid)}`).join(', ')}`;
  return inputs.every(([name]) => story.level(name) === 'trusted')
    ? `${text}, which is trusted`
    : yellow(`${text}, which no trusted worker has confirmed yet`);
}

function trustedWords(story: Story, job: string): string {
  if (!story.isTest(job)) return 'trusted: the trusted worker made the same bytes, and signed';
  return story.rose(job) ? 'trusted, without running again' : 'trusted';
}

const agreedWords = (story: Story, job: string): string =>
  story.isTest(job)
    ? 'passed, provisionally: its input is not trusted yet'
    : 'agreed; the trusted worker still builds it';

const idOf = (cid: string | null): string => (cid === null ? 'nothing' : shortId(cid));

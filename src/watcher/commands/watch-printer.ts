import { escapeLine } from '../../protocol/base/escape.ts';
import { shortRun } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import type { WatchNotice } from '../sessions/ports.ts';

/** Prints what a watcher does: a line for what people want to know, a JSON value for everything. */
export class WatchPrinter {
  readonly #out: Output;
  /** The failure that was printed last: while it goes on it is printed once. */
  #failing = '';

  constructor(out: Output) {
    this.#out = out;
  }

  print(notice: WatchNotice): void {
    const { kind, ...rest } = notice;
    // Settings are in the file, and every ref of a first look would be a page.
    if (kind !== 'configured' && !(notice.kind === 'refs' && notice.first))
      this.#out.value({ event: kind, ...rest });
    if (notice.kind === 'look-failed') {
      const says = `${notice.what}: ${notice.code}: ${escapeLine(notice.message, 300)}`;
      if (says !== this.#failing) this.#out.note(this.#out.colours.yellow(`${says}. It is tried again.`));
      this.#failing = says;
      return;
    }
    if (notice.kind === 'looked') this.#failing = '';
    const line = lineOf(notice);
    if (line !== undefined) this.#out.say(line);
  }
}

const commitOf = (id: string): string => {
  const [ref = '', commit = ''] = id.split('@');
  return `${escapeLine(ref, 120)} at ${commit.slice(0, 12)}`;
};

function lineOf(notice: WatchNotice): string | undefined {
  switch (notice.kind) {
    case 'refs':
      if (notice.first)
        return `${notice.changed.length} branches and tags are there; what is pushed from now on is published`;
      return notice.changed
        .map(
          ({ ref, commit }) =>
            `${escapeLine(ref, 120)} ${commit === null ? 'is gone' : `at ${commit.slice(0, 12)}`}`,
        )
        .join('\n');
    case 'pull':
      return `pull request ${notice.seen.pull} at ${notice.seen.commit.slice(0, 12)}, by ${escapeLine(notice.seen.author, 60)}`;
    case 'pull-closed':
      return `pull request ${notice.pull} is closed`;
    case 'decided':
      return `pull request ${notice.pull} at ${notice.commit.slice(0, 12)}: ${notice.verdict} by ${escapeLine(notice.by, 60)}`;
    case 'published':
      return `published ${commitOf(notice.id)}: ${notice.runs.map(({ name, run }) => `${escapeLine(name, 80)} ${shortRun(run)}`).join(', ')}`;
    case 'unaffected':
      return `not published ${commitOf(notice.id)}: ${escapeLine(notice.says, 300)}`;
    case 'refused':
      return `not published ${commitOf(notice.id)}: ${notice.code}: ${escapeLine(notice.message, 300)}${notice.again ? '. It is tried again.' : ''}`;
    case 'cancelled':
      return `cancelled ${commitOf(notice.id)}`;
    case 'status-set': {
      const [commit = '', ...context] = notice.key.split(' ');
      return `${commit.slice(0, 12)} ${escapeLine(context.join(' '), 120)}: ${notice.status.state}: ${notice.status.says}`;
    }
    case 'status-failed':
      return `status not set: ${escapeLine(notice.message, 300)}${notice.again ? '. It is tried again.' : ''}`;
    default:
      return undefined;
  }
}

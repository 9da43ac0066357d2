import { Violation } from '../../observer.ts';
import type { Seen, WatchChecker } from '../project.ts';

/** Once nothing fails any more, tips are known, pipelines end, the forge shows every status, and the newest artifact had its command. */
export class Settled implements WatchChecker {
  readonly invariant = 'settled';

  observe(seen: Seen): void {
    if (seen.kind !== 'ended') return;
    const { project, hook } = seen;
    const { tips, publications, statuses, pulls } = seen.watcher.state;
    for (const [ref, commit] of project.tips)
      if (ref.startsWith('refs/heads/') && tips.get(ref)?.commit !== commit)
        this.#fail(`${ref} is not known`);
    for (const { order, phase } of publications.values())
      if (phase !== 'ended') this.#fail(`${order.id} is ${phase}`);
    for (const { pull, decision, ordered } of pulls.values())
      if (decision?.verdict === 'approved' && !ordered) this.#fail(`pull request ${pull} waits`);
    for (const [key, { wanted }] of statuses)
      if (project.shown.get(key)?.says !== wanted.says) this.#fail(`the forge does not show ${key}`);
    const newest = [...project.runs.values()].findLast(
      ({ name, order, level }) => name === 'build' && order.ref === 'refs/heads/main' && level === 'trusted',
    );
    if (newest !== undefined && hook.ledger.get(newest.run) === undefined)
      this.#fail(`no command for ${newest.run}`);
  }

  #fail(message: string): never {
    throw new Violation(this.invariant, message);
  }
}

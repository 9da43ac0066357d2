import { Violation } from '../../observer.ts';
import type { Seen, WatchChecker } from '../project.ts';

/** A status is green where the evidence of its runs holds. */
export class Green implements WatchChecker {
  readonly invariant = 'green';

  observe(seen: Seen): void {
    if (seen.kind !== 'status' || seen.status.state !== 'success') return;
    const { commit, context, project } = seen;
    const runs = [...project.runs.values()].filter(({ order }) => order.commit === commit);
    const [job] = /(?<=\/)(build|test)$/.exec(context) ?? [];
    const orders = Map.groupBy(runs, ({ order }) => order.id);
    const isProven = [...orders.values()].some((of) =>
      of.filter(({ name }) => job === undefined || name === job).every(({ run }) => project.isProven(run)),
    );
    if (!isProven) throw new Violation(this.invariant, `${context} of ${commit} is green without evidence`);
  }
}

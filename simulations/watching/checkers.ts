import { Violation } from '../observer.ts';
import type { Seen } from './project.ts';

/** Throws a `Violation` when an invariant does not hold. */
type Observe = (seen: Seen) => void;

/** A commit is published where the git server showed it at its branch, or a maintainer approved it. */
function asked(): Observe {
  const known = new Set<string>();
  return (seen) => {
    if (seen.kind === 'refs-shown')
      for (const [ref, commit] of seen.refs) if (ref.startsWith('refs/heads/')) known.add(`${ref}@${commit}`);
    if (seen.kind === 'approved') known.add(`${seen.ref}@${seen.commit}`);
    if (seen.kind !== 'published') return;
    const { ref, commit } = seen.order;
    if (!known.has(`${ref}@${commit}`))
      throw new Violation(`${ref} at ${commit} was published, and nobody asked for it`);
  };
}

/** A branch is published as often as it was shown to move to a commit, at most, however often the watcher dies. */
function once(): Observe {
  let tips: ReadonlyMap<string, string> = new Map();
  const moves = new Map<string, number>();
  const orders = new Map<string, Set<string>>();
  return (seen) => {
    if (seen.kind === 'refs-shown') {
      for (const [ref, commit] of seen.refs) {
        const key = `${ref}@${commit}`;
        if (tips.get(ref) !== commit) moves.set(key, (moves.get(key) ?? 0) + 1);
      }
      tips = seen.refs;
    }
    if (seen.kind !== 'published' || seen.order.floor) return;
    const key = `${seen.order.ref}@${seen.order.commit}`;
    const published = (orders.get(key) ?? new Set()).add(seen.order.id);
    orders.set(key, published);
    const { size } = published;
    const moved = moves.get(key) ?? 0;
    if (size > moved) throw new Violation(`${key} was shown ${moved} times, and published ${size} times`);
  };
}

/** A status is green where the evidence of its runs holds. */
const green = (): Observe => (seen) => {
  if (seen.kind !== 'status' || seen.status.state !== 'success') return;
  const { commit, context, project } = seen;
  const runs = [...project.runs.values()].filter(({ order }) => order.commit === commit);
  const [job] = /(?<=\/)(build|test)$/.exec(context) ?? [];
  const orders = Map.groupBy(runs, ({ order }) => order.id);
  const isProven = [...orders.values()].some((of) =>
    of.filter(({ name }) => job === undefined || name === job).every(({ run }) => project.isProven(run)),
  );
  if (!isProven) throw new Violation(`${context} of ${commit} is green without evidence`);
};

/** The command of a hook is started at most once for a run, and for none without evidence (docs/hooks.md, "At most once"). */
function commands(): Observe {
  const started = new Set<string>();
  return (seen) => {
    if (seen.kind !== 'executed') return;
    const { subject, project } = seen;
    if (!project.isProven(subject)) throw new Violation(`${subject} has no evidence`);
    if (started.has(subject)) throw new Violation(`${subject} had its command twice`);
    started.add(subject);
  };
}

/** Once nothing fails any more, tips are known, pipelines end, the forge shows every status, and the newest artifact had its command. */
const settled = (): Observe => (seen) => {
  if (seen.kind !== 'ended') return;
  const { project, hook } = seen;
  const { tips, publications, statuses, pulls } = seen.watcher.state;
  const check = (holds: boolean, message: string) => {
    if (!holds) throw new Violation(message);
  };
  for (const [ref, commit] of project.tips)
    check(!ref.startsWith('refs/heads/') || tips.get(ref)?.commit === commit, `${ref} is not known`);
  for (const { order, phase } of publications.values()) check(phase === 'ended', `${order.id} is ${phase}`);
  for (const { pull, decision, ordered } of pulls.values())
    check(decision?.verdict !== 'approved' || ordered, `pull request ${pull} waits`);
  for (const [key, { wanted }] of statuses)
    check(project.shown.get(key)?.says === wanted.says, `the forge does not show ${key}`);
  const newest = [...project.runs.values()].findLast(
    ({ name, order, level }) => name === 'build' && order.ref === 'refs/heads/main' && level === 'trusted',
  );
  if (newest !== undefined) check(hook.ledger.get(newest.run) !== undefined, `no command for ${newest.run}`);
};

/** By invariant. */
export const watchCheckers = { asked, once, green, commands, settled };

/** The version that a node states of its program; null where it states none. */
type Stated = { readonly program: string } | null;

/** `0.2.0`, as `--least-worker` and `more.leastWorker` of a charter have it: without the parts of a version before a release. */
export const leastVersion = /^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$/;

/** The least version of workers that get jobs, as the charter has it in `more`. Undefined where it has none, or one that is not read here. */
export function leastWorkerOf(
  charter: { more?: Readonly<Record<string, unknown>> | undefined } | undefined,
): string | undefined {
  const least = charter?.more?.leastWorker;
  return typeof least === 'string' && leastVersion.test(least) ? least : undefined;
}

/** Whether a peer is of a version before this one. One whose version is not of numbers is, and one that states none. */
export function isBelow(peer: Stated, least: string | undefined): boolean {
  if (least === undefined) return false;
  const [, numbers = '', rest] = /^(\d+\.\d+\.\d+)([-+].*)?$/.exec(peer?.program ?? '') ?? [];
  if (numbers === '') return true;
  const wanted = least.split('.').map(Number);
  const differences = numbers.split('.').map((number, at) => Math.sign(Number(number) - (wanted[at] ?? 0)));
  const first = differences.find((difference) => difference !== 0);
  return first === undefined ? rest?.startsWith('-') === true : first === -1;
}

/** Says how a worker is below what its project takes; undefined where it is not. */
export const belowText = (own: Stated, least: string | undefined): string | undefined =>
  isBelow(own, least)
    ? `the project takes workers of version ${least} or later, and this one is ${own?.program ?? 'of none'}`
    : undefined;

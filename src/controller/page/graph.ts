import { html } from 'hono/html';
import { foreign, type Html, runUrl } from '../../http/kit/parts.ts';
import { accountOf, worstOf } from '../../protocol/account/index.ts';
import type { PipelineJob } from '../node/project-view.ts';
import { groupsOf, type JobGroup } from './axes.ts';
import { jobsOf, statesOf } from './jobs.ts';
import { pageLimits } from './limits.ts';

const box = { width: 168, height: 40, gapX: 44, gapY: 14 } as const;
/** Where edges pass a column, between its boxes. */
const laneHeight = 8;
const nameChars = 20;

type Group = JobGroup<PipelineJob>;

/** A group of jobs, or the way of the edges from one of another column through this one. */
interface Item {
  group: Group;
  isLane: boolean;
  column: number;
  x: number;
  y: number;
}

const heightOf = ({ isLane }: Item): number => (isLane ? laneHeight : box.height);
const middleOf = (item: Item): number => item.y + heightOf(item) / 2;

/** Draws a pipeline: each job, or matrix of jobs, in the column after the last of those that it needs; those without needs stand below. Empty where there are no needs. `here`: the run of the page. */
export function graph(jobs: readonly PipelineJob[], here: string): Html | '' {
  const groups = groupsOf(jobs);
  const needed = new Set(jobs.flatMap(({ needs }) => needs.map(({ run }) => run)));
  const [connected, alone] = [true, false].map((wanted) =>
    groups.filter((one) => one.jobs.some(({ run, needs }) => needs.length > 0 || needed.has(run)) === wanted),
  ) as [Group[], Group[]];
  if (connected.length === 0) return '';
  const { items, edges, needs: all } = drawingOf(connected);
  const boxes = items.filter(({ isLane }) => !isLane);
  const width = Math.max(...items.map(({ x }) => x + box.width)) + 2;
  const height = Math.max(...items.map((item) => item.y + heightOf(item))) + 2;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Pipeline">
<svg class="graph" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="list" aria-label="${connected.flatMap((one) => one.jobs).length} jobs">
<g aria-hidden="true">${edges.map((d) => html`<path class="edge" d="${d}"/>`)}</g>
${boxes.map((one) => node(one, here))}
</svg></div>${edges.length < all ? html`<p class="quiet">${edges.length} of ${all} needs are drawn.</p>` : ''}${alone.length === 0 ? '' : html`<div>${jobsOf(alone.flatMap((one) => one.jobs))}</div>`}`;
}

function node({ group: { name: of, jobs, isMatrix }, x, y }: Item, here: string): Html {
  const job = jobs.find(({ run }) => run === here) ?? worstOf(jobs);
  if (job === undefined) return html``;
  const isHere = job.run === here;
  const worst = worstOf(jobs) ?? job;
  const { state, reason } = accountOf(worst);
  const name = foreign(of, 80);
  const short = name.length > nameChars ? `${name.slice(0, nameChars - 1)}…` : name;
  const counts = statesOf(jobs).map(([one, count]) => `${count} ${one}`);
  const says = isMatrix
    ? `${jobs.length} jobs, ${counts.join(', ')}`
    : `${state}${job.test === true ? ' · test' : ''}`;
  const needed = new Set(jobs.flatMap(({ needs }) => needs.map((need) => foreign(need.name, 80))));
  const needs = isMatrix || needed.size === 0 ? '' : `, needs ${[...needed].join(', ')}`;
  const label = `${name}, ${says}${needs}`;
  return html`<g role="listitem" class="${state}${isHere ? ' here' : ''}"><a href="${runUrl(job.run)}" aria-label="${label}"${isHere ? html` aria-current="page"` : ''}>
<title>${label}. ${foreign(reason)}</title>
<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="4"/>
<text x="${x + 10}" y="${y + 17}">${short}</text>
<text class="state" x="${x + 10}" y="${y + 32}">${isMatrix ? `${jobs.length} jobs, ${counts[0] ?? ''}` : says}</text>
</a></g>`;
}

/**
 * Places boxes and lanes, and leads edges from box to box through the gaps between columns and along lanes: behind no box. `needs`: how many
 * edges there would be. Lanes and ways are made for those alone that are drawn: others take a second.
 */
export function drawingOf(groups: readonly Group[]): { items: Item[]; edges: string[]; needs: number } {
  const groupOf = new Map(groups.flatMap((group) => group.jobs.map(({ run }) => [run, group] as const)));
  const needs = new Map(
    groups.map((group) => {
      const needed = group.jobs.flatMap((job) => job.needs.flatMap(({ run }) => groupOf.get(run) ?? []));
      return [group, new Set(needed.filter((one) => one !== group))] as const;
    }),
  );
  const columns = columnsOf(groups, needs);
  const columnOf = (group: Group) => columns.get(group) ?? 0;
  const all = groups.flatMap((to) =>
    [...(needs.get(to) ?? [])].flatMap((from) => (columnOf(from) < columnOf(to) ? [{ from, to }] : [])),
  );
  const pairs = all.slice(0, pageLimits.edgesDrawnMax);
  /** The last column before which edges of a group end. */
  const until = new Map<Group, number>();
  for (const { from, to } of pairs) until.set(from, Math.max(until.get(from) ?? 0, columnOf(to)));
  const placed: Map<Group, Item>[] = [];
  const last = Math.max(0, ...columns.values());
  for (let column = 0; column <= last; column++) placed.push(columnAt(column));
  const edges = pairs.map(({ from, to }) => {
    const way = placed.slice(columnOf(from), columnOf(to)).flatMap((items) => items.get(from) ?? []);
    const end = placed[columnOf(to)]?.get(to);
    return end === undefined ? '' : pathThrough([...way, end]);
  });
  return { items: placed.flatMap((items) => [...items.values()]), edges, needs: all.length };

  /** A column, in the order of what its items come from. */
  function columnAt(column: number): Map<Group, Item> {
    const before = placed[column - 1];
    const items = groups.flatMap((group, n) => {
      const isLane = columnOf(group) < column && column < (until.get(group) ?? 0);
      if (columnOf(group) !== column && !isLane) return [];
      const sources = isLane ? [group] : [...(needs.get(group) ?? [])];
      const from = sources.flatMap((one) => before?.get(one) ?? []).map(middleOf);
      const at =
        from.length === 0 ? Number.MAX_SAFE_INTEGER : from.reduce((sum, y) => sum + y, 0) / from.length;
      return [{ group, isLane, at, n }];
    });
    items.sort((a, b) => a.at - b.at || a.n - b.n);
    let y = 1;
    return new Map(
      items.map(({ group, isLane }) => {
        const item: Item = { group, isLane, column, x: 1 + column * (box.width + box.gapX), y };
        y += heightOf(item) + box.gapY;
        return [group, item];
      }),
    );
  }
}

/** From the right of the first item to the left of the last, straight along those between. */
function pathThrough(items: readonly Item[]): string {
  let d = '';
  for (const [n, item] of items.entries()) {
    const y = middleOf(item);
    const before = items[n - 1];
    if (before === undefined) {
      d = `M${item.x + box.width} ${y}`;
      continue;
    }
    const middle = item.x - box.gapX / 2;
    d += `C${middle} ${middleOf(before)} ${middle} ${y} ${item.x} ${y}`;
    if (n < items.length - 1) d += `H${item.x + box.width}`;
  }
  return d;
}

/** Columns by the longest way from a job that needs none; jobs that need each other, which no controller has, stay where they are. */
function columnsOf(
  groups: readonly Group[],
  needs: ReadonlyMap<Group, ReadonlySet<Group>>,
): Map<Group, number> {
  const columns = new Map<Group, number>();
  const columnOf = (group: Group, above: ReadonlySet<Group>): number => {
    const known = columns.get(group);
    if (known !== undefined) return known;
    let column = 0;
    const path = new Set([...above, group]);
    for (const needed of needs.get(group) ?? [])
      if (!path.has(needed)) column = Math.max(column, columnOf(needed, path) + 1);
    columns.set(group, column);
    return column;
  };
  for (const group of groups) columnOf(group, new Set());
  return columns;
}

import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readOptional } from '../files.ts';
import {
  type Controller,
  type Hierarchies,
  type Hierarchy,
  optionalControllers,
  parseHierarchies,
  requiredControllers,
} from './controllers.ts';

/** A cgroup in which the cgroups of jobs are created, and the controllers that those have. */
export interface CgroupParent {
  readonly version: 1 | 2;
  readonly path: string;
  readonly controllers: readonly Controller[];
}

export interface CgroupParents {
  readonly parents: readonly CgroupParent[];
  readonly missing: readonly { controller: Controller; why: string }[];
}

export function readHierarchies(): Hierarchies {
  return parseHierarchies(
    readFileSync('/proc/self/mountinfo', 'utf8'),
    readFileSync('/proc/self/cgroup', 'utf8'),
  );
}

/** Finds for each controller a cgroup in which this process may create children. Enables v2 controllers there. */
export function findCgroupParents(hierarchies: Hierarchies): CgroupParents {
  const parents: CgroupParent[] = [];
  const missing: { controller: Controller; why: string }[] = [];
  const { v1, v2 } = hierarchies;
  for (const controller of requiredControllers) {
    const own = v1[controller]?.own;
    if (own === undefined) continue;
    if (writable(own)) parents.push({ version: 1, path: own, controllers: [controller] });
    else missing.push({ controller, why: `${own} (cgroup v1) is not writable for this user` });
  }
  const onV2 = requiredControllers.filter((controller) => v1[controller] === undefined);
  const found = v2 === undefined || onV2.length === 0 ? undefined : findV2Parent(v2, onV2);
  if (found !== undefined) parents.push({ version: 2, path: found, controllers: onV2 });
  else {
    const why =
      v2 === undefined
        ? 'no cgroup file system is mounted'
        : `no group at or above ${v2.own} is delegated to this user with it`;
    missing.push(...onV2.map((controller) => ({ controller, why })));
  }
  if (missing.length === 0) parents.push(...optionalParents(hierarchies, parents));
  return { parents: mergeShared(parents), missing };
}

/** On v2 each cgroup can be frozen and counts its processor time, whichever controllers it has (cgroup-v2.rst). */
function optionalParents({ v1, v2 }: Hierarchies, found: readonly CgroupParent[]): CgroupParent[] {
  return optionalControllers.flatMap((controller): CgroupParent[] => {
    const own = v1[controller]?.own;
    if (own !== undefined && writable(own)) return [{ version: 1, path: own, controllers: [controller] }];
    const parent = found.find(({ version }) => version === 2)?.path ?? v2?.own;
    const there = controller !== 'io' || (parent !== undefined && hasIo(parent));
    return there && parent !== undefined && writable(parent)
      ? [{ version: 2, path: parent, controllers: [controller] }]
      : [];
  });
}

/**
 * The nearest cgroup, from this process's own upwards, whose children can have the controllers. A non-root v2 cgroup that
 * contains processes cannot enable controllers for its children ("No Internal Process Constraint", cgroup-v2.rst).
 */
function findV2Parent(hierarchy: Hierarchy, controllers: readonly Controller[]): string | undefined {
  for (let at = hierarchy.own; at.startsWith(hierarchy.mount); at = dirname(at)) {
    if (writable(at) && offers(at, controllers) && enable(at, controllers)) return at;
    if (at === hierarchy.mount) return undefined;
  }
  return undefined;
}

/** Whether the io controller is available for children; of the optional ones only it must be enabled on v2. */
function hasIo(parent: string): boolean {
  return offers(parent, ['io']) && enable(parent, ['io']);
}

function offers(group: string, controllers: readonly Controller[]): boolean {
  const available = words(join(group, 'cgroup.controllers'));
  return controllers.every((controller) => available.includes(controller));
}

function enable(group: string, controllers: readonly Controller[]): boolean {
  const file = join(group, 'cgroup.subtree_control');
  try {
    const enabled = words(file);
    const lacking = controllers.filter((controller) => !enabled.includes(controller));
    if (lacking.length > 0) writeFileSync(file, lacking.map((controller) => `+${controller}`).join(' '));
    return true;
  } catch {
    return false;
  }
}

/** Merges entries of the same directory: v1 controllers may share a hierarchy. */
function mergeShared(parents: readonly CgroupParent[]): CgroupParent[] {
  const merged = new Map<string, CgroupParent>();
  for (const parent of parents) {
    const same = merged.get(parent.path);
    const controllers = [...(same?.controllers ?? []), ...parent.controllers];
    merged.set(parent.path, { ...parent, controllers });
  }
  return [...merged.values()];
}

const words = (file: string): string[] => (readOptional(file) ?? '').split(/\s+/).filter(Boolean);

/** Creating children needs write access to the directory, moving processes also to cgroup.procs (tried by the probe). */
function writable(group: string): boolean {
  try {
    accessSync(group, constants.W_OK);
    accessSync(join(group, 'cgroup.procs'), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

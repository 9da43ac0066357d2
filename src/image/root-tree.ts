import { QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { printable, tooLarge } from './errors.ts';
import { imageLimits } from './limits.ts';

/** Where a file's bytes are: in the unpacked archive of a layer. */
export interface Content {
  layer: number;
  at: number;
  size: number;
}

export interface Folder {
  kind: 'dir';
  children: Map<string, Node>;
  /** The last layer that named it. */
  layer: number;
}
export type Node =
  | Folder
  | { kind: 'file'; content: Content; executable: boolean; layer: number }
  | { kind: 'link'; target: string; layer: number };

const folder = (layer: number): Folder => ({ kind: 'dir', children: new Map(), layer });

const conflict = (parts: readonly string[], why: string): QuorateError =>
  new QuorateError('IMAGE_PATH_REFUSED', `the entry ${printable(parts.join('/'))} of the image ${why}`, {
    hint: 'Its layers do not fit together; get the image again from where it comes from.',
  });

/**
 * A root file system, as layers are put on top of each other. A link in the middle of a path is followed as the kernel
 * does for a process whose root this is, so that nothing gets out of it.
 */
export class Root {
  readonly top = folder(-1);
  #steps = 0;

  #step(): void {
    this.#steps += 1;
    if (this.#steps > imageLimits.stepsMax)
      throw tooLarge('the layers of the image take too many steps to put together');
  }

  /** The folder at a path; with `layer` it is made where it is missing. */
  #folder(parts: readonly string[], layer?: number): Folder | undefined {
    const way: Folder[] = [this.top];
    const todo = parts.toReversed();
    let follows = 0;
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      this.#step();
      const at = way.at(-1) ?? this.top;
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (way.length > 1) way.pop();
        continue;
      }
      let next = at.children.get(part);
      if (next === undefined) {
        if (layer === undefined) return undefined;
        if (way.length > limits.pathDepthMax) throw conflict(parts, 'lies too deep');
        next = folder(layer);
        at.children.set(part, next);
      }
      if (next.kind === 'dir') way.push(next);
      else if (next.kind === 'link') {
        follows += 1;
        if (follows > imageLimits.linksMax) throw conflict(parts, 'lies behind links that lead in circles');
        if (next.target.startsWith('/')) way.length = 1;
        todo.push(...next.target.split('/').reverse());
      } else if (layer === undefined) return undefined;
      else throw conflict(parts, 'lies below a file');
    }
    return way.at(-1);
  }

  #put(parts: readonly string[], node: Node): void {
    const name = parts.at(-1);
    if (name === undefined) throw conflict(parts, 'would replace the root itself');
    this.#folder(parts.slice(0, -1), node.layer)?.children.set(name, node);
  }

  /** A folder that is there already keeps what is in it; anything else gives way. */
  addFolder(parts: readonly string[], layer: number): void {
    const name = parts.at(-1);
    if (name === undefined) return;
    const there = this.#folder(parts.slice(0, -1), layer)?.children.get(name);
    if (there?.kind === 'dir') there.layer = layer;
    else this.#put(parts, folder(layer));
  }

  addFile(parts: readonly string[], content: Content, executable: boolean): void {
    this.#put(parts, { kind: 'file', content, executable, layer: content.layer });
  }

  addLink(parts: readonly string[], target: string, layer: number): void {
    this.#put(parts, { kind: 'link', target, layer });
  }

  /** A second name of what an earlier entry holds, in this layer or below. */
  addHardLink(parts: readonly string[], target: readonly string[], layer: number): void {
    const there = this.find(target);
    if (there === undefined || there.kind === 'dir') throw conflict(parts, 'is a hard link to no file');
    this.#put(parts, { ...there, layer });
  }

  /** What is at a path, itself not followed if it is a link. */
  find(parts: readonly string[]): Node | undefined {
    const name = parts.at(-1);
    return name === undefined ? this.top : this.#folder(parts.slice(0, -1))?.children.get(name);
  }

  /** Takes away what the layers below this one have at a path. */
  remove(parts: readonly string[], layer: number): void {
    const name = parts.at(-1);
    const at = this.#folder(parts.slice(0, -1));
    const node = name === undefined ? undefined : at?.children.get(name);
    if (at !== undefined && name !== undefined && node !== undefined && this.#isBelow(node, layer))
      at.children.delete(name);
  }

  /** Takes away what the layers below this one have in a folder. */
  clear(parts: readonly string[], layer: number): void {
    const at = this.#folder(parts);
    if (at !== undefined) this.#clear(at, layer);
  }

  #clear(at: Folder, layer: number): void {
    for (const [name, node] of at.children) if (this.#isBelow(node, layer)) at.children.delete(name);
  }

  /** Whether nothing is left of it once the layers below are taken away, which it does. */
  #isBelow(node: Node, layer: number): boolean {
    this.#step();
    if (node.kind === 'dir') {
      this.#clear(node, layer);
      if (node.children.size > 0) return false;
    }
    return node.layer < layer;
  }
}

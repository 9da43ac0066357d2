import { QuorateError } from '../protocol/base/errors.ts';
import { printable } from '../protocol/base/escape.ts';
import { limits } from '../protocol/base/limits.ts';
import { tooLarge } from './errors.ts';
import { imageLimits } from './limits.ts';

/** Location of a file's content: layer, offset in its unpacked archive, size. */
export interface Content {
  layer: number;
  at: number;
  size: number;
}

export interface Folder {
  kind: 'dir';
  children: Map<string, Node>;
  /** The topmost layer that contains it. */
  layer: number;
}
export type Node =
  | Folder
  | { kind: 'file'; content: Content; executable: boolean; layer: number }
  | { kind: 'link'; target: string; layer: number };

const folder = (layer: number): Folder => ({ kind: 'dir', children: new Map(), layer });

const conflict = (parts: readonly string[], why: string): QuorateError =>
  new QuorateError('IMAGE_INVALID', `the entry ${printable(parts.join('/'))} of the image ${why}`, {
    hint: 'Its layers are inconsistent; get the image again from its source.',
  });

/** The tree to which layers are applied. Links within a path are followed as in a chroot: no path leaves the tree. */
export class Root {
  readonly top = folder(-1);
  #steps = 0;

  #step(): void {
    this.#steps += 1;
    if (this.#steps > imageLimits.stepsMax)
      throw tooLarge('applying the layers of the image takes too many steps');
  }

  /** The folder at a path; with `layer`, missing folders are created. */
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
        if (way.length > limits.pathDepthMax) throw conflict(parts, 'is nested too deeply');
        next = folder(layer);
        at.children.set(part, next);
      }
      if (next.kind === 'dir') way.push(next);
      else if (next.kind === 'link') {
        follows += 1;
        if (follows > imageLimits.linksMax) throw conflict(parts, 'is behind a cycle of links');
        if (next.target.startsWith('/')) way.length = 1;
        todo.push(...next.target.split('/').reverse());
      } else if (layer === undefined) return undefined;
      else throw conflict(parts, 'is below a file');
    }
    return way.at(-1);
  }

  #put(parts: readonly string[], node: Node): void {
    const name = parts.at(-1);
    if (name === undefined) throw conflict(parts, 'would replace the root itself');
    this.#folder(parts.slice(0, -1), node.layer)?.children.set(name, node);
  }

  /** Adds a folder. An existing folder keeps its content; any other entry is replaced. */
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

  addHardLink(parts: readonly string[], target: readonly string[], layer: number): void {
    const there = this.find(target);
    if (there === undefined || there.kind === 'dir') throw conflict(parts, 'is a hard link without a target');
    this.#put(parts, { ...there, layer });
  }

  /** The entry at a path. A link at the end is not followed. */
  find(parts: readonly string[]): Node | undefined {
    const name = parts.at(-1);
    return name === undefined ? this.top : this.#folder(parts.slice(0, -1))?.children.get(name);
  }

  /** Removes the entry of lower layers at a path (whiteout). */
  remove(parts: readonly string[], layer: number): void {
    const name = parts.at(-1);
    const at = this.#folder(parts.slice(0, -1));
    const node = name === undefined ? undefined : at?.children.get(name);
    if (at !== undefined && name !== undefined && node !== undefined && this.#isBelow(node, layer))
      at.children.delete(name);
  }

  /** Removes all entries of lower layers in a folder (opaque whiteout). */
  clear(parts: readonly string[], layer: number): void {
    const at = this.#folder(parts);
    if (at !== undefined) this.#clear(at, layer);
  }

  #clear(at: Folder, layer: number): void {
    for (const [name, node] of at.children) if (this.#isBelow(node, layer)) at.children.delete(name);
  }

  /** Removes entries of lower layers below a node. Returns whether the node itself is of a lower layer and empty. */
  #isBelow(node: Node, layer: number): boolean {
    this.#step();
    if (node.kind === 'dir') {
      this.#clear(node, layer);
      if (node.children.size > 0) return false;
    }
    return node.layer < layer;
  }
}

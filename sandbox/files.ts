import { readdirSync, readFileSync } from 'node:fs';

/** Text of a file; undefined if it cannot be read. */
export function readOptional(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Names in a folder; empty if it cannot be read. */
export function listOptional(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

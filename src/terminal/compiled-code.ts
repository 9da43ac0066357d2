import { flushCompileCache } from 'node:module';

/** After the start of a daemon: it has loaded what it needs, and the host has other things to do then. */
const afterMs = 10_000;

/**
 * Writes what V8 compiled of the program to the cache that bin/quorate.js enables, once a daemon has started. Node does so when a process
 * ends otherwise: dozens of files, on a busy host longer than the process has to end.
 */
export function writeCompiledCode(ms = afterMs): void {
  setTimeout(() => flushCompileCache(), ms).unref();
}

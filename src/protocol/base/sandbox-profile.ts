/**
 * Version of all that is pinned around a build: environment, permissions, layout of dependencies (docs/sandbox.md). Part of each
 * job and receipt. 2: commit and its time in the environment (ADR 0032), dependencies (ADR 0039).
 */
export const sandboxProfile = 'quorate-sandbox/2';

import type { Look } from './scenes.ts';

/** A picture of a scene, and the answers that a reader who sees nothing else gives. */
export interface Glance {
  scene: string;
  look: Look;
  green: 'yes' | 'no' | 'not yet';
  why: string;
  next: string;
}

/** The narrowest window: whatever is not seen here at once is not at a glance. */
const phone = (scheme: Look['scheme']): Look => ({ width: 390, height: 844, scheme });

export const glances: readonly Glance[] = [
  {
    scene: 'trusted',
    look: phone('light'),
    green: 'yes',
    why: 'the operators and the trusted worker built the same, and the trusted worker signed',
    next: 'get the artifact with quorate fetch',
  },
  {
    scene: 'failed',
    look: phone('light'),
    green: 'no',
    why: 'the build failed in step 2 (Compile), exit 1, everywhere: TypeScript errors in src/lantern.ts',
    next: 'read the logs, mend it, and publish a commit that does',
  },
  {
    scene: 'failed-test',
    look: phone('light'),
    green: 'no',
    why: 'the unit tests failed: "glows in the dark" and "survives a storm"',
    next: 'read the logs, mend it, and publish a commit that does',
  },
  {
    scene: 'disputed-results-differ',
    look: phone('dark'),
    green: 'no',
    why: 'operators came to different results: share/README differs',
    next: 'compare them with quorate diff, and find what the build depends on with quorate try --vary',
  },
  {
    scene: 'agreed-away',
    look: phone('light'),
    green: 'not yet',
    why: 'operators built the same, and no trusted worker is connected to sign it',
    next: 'start the trusted worker',
  },
  {
    scene: 'waiting-declined',
    look: phone('light'),
    green: 'not yet',
    why: 'all operators decline: one is paused, the others have too few cpus or too little memory',
    next: 'ask them to resume or to lend more, or lower what the job asks for',
  },
  {
    scene: 'dependent-fell',
    look: phone('light'),
    green: 'no',
    why: 'it was cancelled: library, which it needs, failed',
    next: 'mend library; publish it again with quorate run --failed',
  },
  {
    scene: 'revoked-artifact',
    look: phone('dark'),
    green: 'no',
    why: 'its artifact was revoked: it deletes files of its users',
    next: 'do not use the artifact; publish a commit that makes other bytes',
  },
  {
    scene: 'project',
    look: phone('light'),
    green: 'yes',
    why: 'main is trusted: the operators and the trusted worker made the same',
    next: 'get the artifact with quorate fetch',
  },
  {
    scene: 'branches',
    look: phone('light'),
    green: 'yes',
    why: 'main is trusted: alice, bob, carol and the own worker made the same; another branch is disputed, and one is revoked',
    next: 'get the artifact of main; look at the alarm of the branch feature/2026-11-…',
  },
];

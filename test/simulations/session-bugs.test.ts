import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sessionBugs } from '../../simulations/session-bugs.ts';
import { bugsInSessions, expectCaught } from './planted.ts';

const sources = join(import.meta.dirname, '../../src');

/** Files of sessions that no seed runs, or whose mistakes no checker could see. */
const without: Readonly<Record<string, string>> = {
  'protocol/sessions/announce-again.ts': 'no simulated node has a DHT',
  'controller/sessions/grants.ts': 'planted around it: members-unsynced, revoked-go-on-apart',
  'controller/sessions/held-log.ts': 'planted around it: promises-forgotten, epoch-goes-on',
  'controller/sessions/revocations.ts':
    'no mistake is known that a seed shows: workers learn of revocations in other ways too',
  'controller/sessions/lost-bundles.ts': 'planted around it: lost-bundles-believed',
  'controller/sessions/ports.ts': 'types',
  'controller/sessions/shared.ts': 'types, and the options of each protocol',
  'controller/sessions/start-inquiry.ts': 'planted around it: start-asks-nobody',
  'controller/sessions/signed-bundles.ts': 'planted around it: signed-unasked',
  'protocol/sessions/error-codes.ts': 'codes',
  'idp/sessions/idp-sessions.ts': 'planted around it: tickets-used-again, invite-is-ticket',
  'protocol/sessions/kept-streams.ts': 'no mistake is known that a seed shows',
  'protocol/sessions/limits.ts': 'numbers',
  'protocol/sessions/own-revocations.ts': 'a command of the owner',
  'protocol/sessions/ports.ts': 'types',
  'protocol/sessions/run-source.ts': 'a command of a client',
  'protocol/sessions/run-verifier.ts': 'a command of a client',
  'store-node/sessions/project-watch.ts': 'simulated stores are asked, and watch nothing',
  'worker/sessions/log-comparison.ts':
    'a trusted worker that has leaves of one story is shown no draft of the other',
  'worker/sessions/http-feed.ts': 'no simulated controller has an HTTP feed',
  'worker/sessions/limits.ts': 'numbers',
  'worker/sessions/ports.ts': 'types',
  'worker/sessions/postponed-offers.ts': 'few seeds have more operators than a share admits',
  'worker/sessions/revocation-feed.ts':
    'no mistake is known that a seed shows: trusted workers ask for what the log names',
};

describe('a mistake planted in a session', () => {
  it('is there for each file, or it says why not', () => {
    // Mistakes around the sessions of the watcher are those of `simulations/watching`.
    const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /^(?!watcher\/)[a-z-]+\/sessions\/.*\.ts$/.test(name),
    );
    const planted = Object.values(sessionBugs).flatMap(({ source }) => source?.file ?? []);
    expect([...new Set(planted), ...Object.keys(without)].sort()).toEqual(files.sort());
  });

  it.each(bugsInSessions)('%s is caught by its checker', expectCaught);
});

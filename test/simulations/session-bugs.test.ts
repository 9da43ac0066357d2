import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sessionBugs } from '../../simulations/session-bugs.ts';
import { bugsInSessions, expectCaught } from './planted.ts';

const folder = join(import.meta.dirname, '../../src/protocol/sessions');

/** Files of sessions that no seed runs, or whose mistakes no checker could see. */
const without: Readonly<Record<string, string>> = {
  'announce-again.ts': 'no simulated node has a DHT',
  'controller/expired-grants.ts': 'tells the operator, and does nothing else',
  'controller/grants.ts': 'planted around it: members-unsynced, revoked-go-on-apart',
  'controller/held-log.ts': 'planted around it: promises-forgotten, epoch-goes-on',
  'controller/known.ts':
    'no mistake is known that a seed shows: workers learn of revocations in other ways too',
  'controller/lost-bundles.ts': 'planted around it: lost-bundles-believed',
  'controller/ports.ts': 'types',
  'controller/signers.ts': 'no mistake is known that a seed shows',
  'controller/start-inquiry.ts': 'planted around it: start-asks-nobody',
  'error-codes.ts': 'codes',
  'idp/idp-sessions.ts': 'planted around it: tickets-used-again, invite-is-ticket',
  'kept-streams.ts': 'no mistake is known that a seed shows',
  'limits.ts': 'numbers',
  'own-revocations.ts': 'a command of the owner',
  'ports.ts': 'types',
  'run-source.ts': 'a command of a client',
  'run-verifier.ts': 'a command of a client',
  'store/project-watch.ts': 'simulated stores are asked, and watch nothing',
  'worker/compare-leaves.ts': 'a trusted worker that has leaves of one story is shown no draft of the other',
  'worker/http-feed.ts': 'no simulated controller has an HTTP feed',
  'worker/limits.ts': 'numbers',
  'worker/log-errors.ts': 'messages',
  'worker/named-hosts.ts': 'planted around it: host-untold',
  'worker/neighbours.ts': 'no mistake is known that a seed shows: evidence is gossiped too',
  'worker/ports.ts': 'types',
  'worker/postponed-offers.ts': 'few seeds have more operators than a share admits',
  'worker/revocation-feed.ts':
    'no mistake is known that a seed shows: trusted workers ask for what the log names',
  'worker/uncompared.ts': 'tells the operator, and does nothing else',
};

describe('a mistake planted in a session', () => {
  it('is there for each file, or it says why not', () => {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const planted = Object.values(sessionBugs).map(({ file }) => file);
    expect([...planted, ...Object.keys(without)].sort()).toEqual(files.sort());
  });

  it.each(bugsInSessions)('%s is caught by its checker', expectCaught);
});

import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../../src/core/errors.ts';
import { Patience } from '../../../src/runtime/client/patience.ts';

const busy = (says: string) => new QuorateError('MESH_PEER_QUOTA', says);
const waiting = { signal: new AbortController().signal, tell: () => {} };

describe('patience with a limit that all commands of a home share', () => {
  it('ends with the error that began the wait', async () => {
    const patience = new Patience(waiting, false, 50);
    await patience.wait(busy('first'));
    await expect(patience.wait(busy('second'))).rejects.toMatchObject({
      ...{ code: 'MESH_PEER_QUOTA', message: 'first' },
    });
  });

  it('begins anew after an answer', async () => {
    const patience = new Patience(waiting, false, 50);
    await patience.wait(busy('first'));
    patience.progressed();
    await patience.wait(busy('second'));
  });
});

it('waits for a controller that asks its members before it starts, as for one that was lost', async () => {
  const asking = new QuorateError('CONTROLLER_ASKING', 'the controller waits for its members');
  await new Patience(waiting, false).wait(asking);
  // Control: what it refuses stays refused.
  const refused = new QuorateError('KEY_NOT_ENROLLED', 'the key is not enrolled');
  await expect(new Patience(waiting, false).wait(refused)).rejects.toBe(refused);
});

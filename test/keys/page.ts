import { cells, grouped } from './cells.ts';
import { type Answer, type Party, rowOf, rows, states, stateTexts } from './table.ts';

const isCode = (answer: Answer): boolean => /^[A-Z]+(_[A-Z]+)+$/.test(answer);

/** The answers of a document in a state, each with the parties that give it. */
function line(answers: Partial<Record<Party, Answer>>): string {
  const given = Object.entries(grouped(answers));
  const [[answer, by] = ['', []], another] = given;
  if (another === undefined) return `${said(answer)}${by.length > 1 ? ' by all' : ''}`;
  return given.map(([one, of]) => `${said(one)}: ${of.join(', ')}`).join('; ');
}

const said = (answer: Answer): string => (isCode(answer) ? `\`${answer}\`` : answer);

/** keys.md, which the build makes. */
export function keysPage(): string {
  const all = cells();
  const tables = rows.map((row) => {
    const of = all[rowOf(row)] ?? {};
    const lines = states.map((state) => `| ${state} | ${of[state] === undefined ? '—' : line(of[state])} |`);
    const head = `## The ${row.key}’s ${row.document}\n\nAsked: ${row.takenBy.join(', ')}.\n\n| state of the key | answer |\n|---|---|`;
    return `${head}\n${lines.join('\n')}\n`;
  });
  return `${intro}\n${tables.join('\n')}`;
}

const intro = `# Documents of each key, and who accepts them

Made from \`test/keys/cells.json\` by the build. \`test/keys\` signs every document with the key in every state, asks
every party through its own entry, and compares the answers. What a code means is in [errors.md](errors.md); how a key is replaced, in [rotation.md](../../docs/rotation.md); how it is ended, in [revocation.md](../../docs/revocation.md).

| state | |
|---|---|
${states.map((state) => `| ${state} | ${stateTexts[state]} |`).join('\n')}
| — | The key cannot be in this state: a project has one root key and one log key, and no charter names members. |

Parties: \`fetch\`, \`verify\`, \`on\`, \`store\` and \`watch\` are the commands, *page* is the page that verifies in a browser. They take bundles: other documents of a bundle are
in force there. A trusted worker is asked before it co-signs; it *waits for a draft under the charter in force* where one came with an older charter. A store says
\`STORE_UNPROVEN\` of every bundle that does not hold, or is below \`agreed\`. A revocation is accepted where it counts from then on.

- A bundle is judged by its own charter: what a key signed before it was rotated out stays valid, until the root revokes the key.
- An operator's receipt that is void voids no verdict that enough others support; the same goes for lines under a checkpoint.
- \`watch\`, and \`on\` before it runs its command, want a fresh line of a trusted worker where the charter names one.
- The root alone says which leaves of a key that wrote the log name no revocation ([revocation.md](../../docs/revocation.md#leaves-that-name-no-revocation)).
- The root's key is ended by nobody: nothing is above it ([rotation.md](../../docs/rotation.md#a-stolen-root-key)).
- The log key that signed two stories is void by evidence ([verify.md](../../docs/verify.md#a-log-that-tells-two-stories)), in every state.
- A store signs nothing: it proves what it keeps by the bytes. Left out are acks, enrolments and proofs of a ticket, which count for the lease or the ticket that they answer, and
  sessions of the pages ([sign-in.md](../../docs/sign-in.md)).
`;

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

Made from \`test/keys/cells.json\` by the build. \`test/keys\` signs every document with the key in every state and compares the
answers of every party. Codes: [errors.md](errors.md); replacing a key: [rotation.md](../../docs/rotation.md); ending it: [revocation.md](../../docs/revocation.md).

| state | |
|---|---|
${states.map((state) => `| ${state} | ${stateTexts[state]} |`).join('\n')}
| — | impossible: a project has one root key and one log key, and no charter names members |

Parties: \`fetch\`, \`verify\`, \`on\`, \`store\` and \`watch\` are the commands, *page* verifies in a browser. They take bundles, whose other documents are in force there. A trusted worker is asked
before it co-signs; it *waits for a draft under the charter in force* where one came with an older charter. A store says \`STORE_UNPROVEN\` of every bundle that does not hold, or is below
\`agreed\`. A revocation counts from where it is accepted on.

- A bundle is judged by its own charter: a rotated key's documents stay valid until the root revokes it.
- Void receipts or lines void no verdict that enough others support.
- \`watch\`, and \`on\` before its command, want a fresh line of a trusted worker where the charter names one.
- Only the root says [which leaves name no revocation](../../docs/revocation.md#leaves-that-name-no-revocation). Nothing ends [the root's key](../../docs/rotation.md#a-stolen-root-key).
- A log key that signed [two stories](../../docs/verify.md#a-log-that-tells-two-stories) is void in every state.
- Left out: acks, enrolments, proofs of a ticket, [sessions](../../docs/sign-in.md). A store signs nothing.
`;

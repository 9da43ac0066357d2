/**
 * Powers of the holders of keys, in mutants whose chain is made again: `group: field` of `rebuilt.ts`, and the level with the
 * facts that are other than the honest ones. Everything that is not here has to be refused.
 */
export interface Power {
  what: RegExp;
  is: RegExp;
  /** Words of the threat model's row that says so. */
  row: string;
}

const disputed = /^none /;

export const powers: Power[] = [
  {
    what: /^publisher: job followed: /,
    is: /^trusted (name,)?job$/,
    row: 'request any commit of an allowed server, under any policy the floor allows',
  },
  {
    what: /^publisher: (request followed: (ref|iat)|whole followed: asks for (another commit|no co-signature))$/,
    is: /^trusted (ref|requested|job,commit|policy,witnesses)$/,
    row: 'request any commit of an allowed server, under any policy the floor allows',
  },
  {
    what: /^(one worker|N workers): /,
    is: disputed,
    row: "vote wrongly with its operator's one vote",
  },
  {
    what: /^N workers: whole followed: builds something else, while the trusted worker is away$/,
    is: /^agreed /,
    row: 'make an artifact `agreed`',
  },
  {
    what: /^trusted worker: /,
    is: disputed,
    row: 'Say that it built something else',
  },
  {
    what: /^controller: verdictFacts followed: level$/,
    is: /^agreed/,
    row: 'choose among operators, delay, withhold',
  },
  {
    what: /^(identity provider|controller process.*): whole followed: invents a publisher$/,
    is: /^trusted job,commit$/,
    row: 'create operators and publishers, with what these can',
  },
  {
    what: /^(identity provider|controller process.*): publisherGrant (alone|followed): operator$/,
    is: /^trusted publisher$/,
    row: 'create operators and publishers',
  },
  {
    what: /^controller process.*: whole followed: invents operators and a publisher, and asks for no co-signature$/,
    is: /^trusted /,
    row: 'anything, where a charter of these keys, past ones too, asks for no co-signature or witness',
  },
  {
    what: /^controller process.*: .*: (level|invents operators, and states no more than agreement)$/,
    is: /^agreed/,
    row: '`agreed` at will',
  },
  {
    what: /^controller process and N workers: /,
    is: /^(none|agreed) (?!.*(name|job|repo|ref|commit|policy))/,
    row: '`agreed` at will',
  },
  {
    what: /^controller process and trusted worker: /,
    is: /^(none|trusted) (?!.*(name|job|repo|ref|commit|policy))/,
    row: "with the controller's process: anything the floor allows",
  },
];

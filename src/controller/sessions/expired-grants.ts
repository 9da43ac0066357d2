import type { ControllerPorts } from './ports.ts';

/** Tells the owner of a member that is refused because its grant has ended: it should have been renewed long before. */
export function warnOfExpired(
  { machine, tell }: Pick<ControllerPorts, 'machine' | 'tell'>,
  peer: string,
  code: string,
): void {
  const member = machine.state.keys.get(peer);
  if (code !== 'DOC_EXPIRED' || member === undefined) return;
  tell('warn', 'grant', `${member.operator} was refused: its grant has ended, and it should renew it`, {
    worker: peer,
    operator: member.operator,
  });
}

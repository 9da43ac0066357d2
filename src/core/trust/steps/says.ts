import type { Policy } from '../../documents/index.ts';
import type { Decided } from './decision.ts';

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

export function sayDecision({ level, operators }: Decided, { agree, of }: Policy): string {
  const by = `${plural(operators.length, 'operator')} built the same (${operators.join(', ')}); the policy asks for ${agree} of ${of}`;
  switch (level) {
    case 'trusted':
      return `Decided again from the evidence: trusted. ${by}.`;
    case 'agreed':
      return `Decided again from the evidence: agreed. ${by}, and for more than is shown here.`;
    case 'failed':
      return "Decided again from the evidence: the build failed, and the trusted worker's did too.";
    default:
      return 'Decided again from the evidence: there is no agreement.';
  }
}

export function sayCosigners(cosigners: readonly string[]): string {
  return cosigners.length === 0
    ? 'The verdict claims nothing that needs a co-signature.'
    : `The trusted worker built the same and signed (${cosigners.join(', ')}).`;
}

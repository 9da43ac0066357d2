import { answerAsked } from './answer.ts';
import { read } from './question.ts';

await answerAsked(read);

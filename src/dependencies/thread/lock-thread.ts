import { answerAsked } from './answer.ts';
import { read } from './question.ts';

/** The thread that lock files are read in. */
await answerAsked(read);

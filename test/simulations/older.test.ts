import { olderWorkers } from './older-workers.ts';

olderWorkers(1);

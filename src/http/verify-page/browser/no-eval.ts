import { z } from 'zod';

// Before any schema is made: zod compiles them to functions otherwise, which the policy of the page forbids.
z.config({ jitless: true });

import Type from 'typebox';
import type { Operation } from '../http/index.ts';

/** The console's routes, for the OpenAPI document. */
export const consoleOperations = {
  snapshot: {
    ...{ id: 'console', tag: 'server', access: 'read' },
    summary: 'What the server does now, and did in the last minutes',
    description:
      'What the page at /console/ shows. Bounded: much of a kind is listed up to a number, with a count of all.',
    query: [
      {
        name: 'since',
        description: 'first second of the history that is wanted, counted from the start of the server',
        schema: Type.Integer({ minimum: 0 }),
      },
    ],
    answers: {
      200: { description: 'a snapshot', schema: 'ConsoleSnapshot' },
      400: { description: 'since is no number of seconds', schema: 'Error' },
      403: { description: 'the token does not allow it', schema: 'Error' },
    },
  },
  drain: {
    ...{ id: 'drain', tag: 'server', summary: 'Have the server stop, as a signal does', access: 'admin' },
    description: 'For administrators. What is in flight is answered first; the process ends.',
    answers: {
      202: { description: 'it begins to', schema: 'Draining', example: { draining: true } },
      403: { description: 'the token does not allow it', schema: 'Error' },
      501: { description: 'this server is stopped by a signal only', schema: 'Error' },
    },
  },
} as const satisfies Record<string, Operation>;

import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { OfframpError } from '../errors.ts';
import type { FrameType } from './frame.ts';

/** Checks a frame's header; throws OfframpError HELLO_INVALID for a hello, FRAME_INVALID for all others. */
export type Parser<S extends TSchema> = (header: unknown) => Static<S>;

/** Compiles on first use: a device that never serves should not pay for the server's schemas at start. */
export function parserOf<S extends TSchema>(type: FrameType, schema: S): Parser<S> {
  let validator: Validator<Record<never, never>, S> | undefined;
  return (header) => {
    validator ??= Compile(schema);
    // The schema has been checked against it, which the compiler cannot know.
    if (validator.Check(header)) return header as Static<S>;
    const problem = validator.Errors(header)[0];
    const where = problem?.instancePath === '' ? 'header' : problem?.instancePath;
    throw new OfframpError(
      type === 'hello' ? 'HELLO_INVALID' : 'FRAME_INVALID',
      `Invalid ${type} frame: ${where} ${problem?.message ?? 'does not fit'}`,
    );
  };
}

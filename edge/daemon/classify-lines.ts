import { addAbortSignal, type Readable } from 'node:stream';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import type { Answer } from '../agent/index.ts';
import { answerJson, errorWords } from './answer-json.ts';
import { type Line, readLines } from './read-lines.ts';
import { readPicture } from './read-picture.ts';
import { Slots } from './slots.ts';

export interface ClassifyLinesOptions {
  readonly input: Readable;
  readonly classify: (picture: Uint8Array, budgetMs: number | undefined) => Promise<Answer>;
  /** Writes a line and its end; rejects when nobody reads any more. */
  readonly write: (line: string) => Promise<void>;
  /** Lines that are read and not yet answered. */
  readonly maxInFlight: number;
  /** Ends the reading; what is under way is answered still. */
  readonly signal: AbortSignal;
}

export interface LinesTally {
  readonly answers: number;
  readonly errors: number;
}

/** A picture of 8 MiB in base64, and what stands around it. */
const maxLineBytes = 12 * 1024 * 1024;
const expected = '{"id"?, "path" or "image": base64, "budgetMs"?}';

const requestLine = Type.Object(
  {
    id: Type.Optional(Type.Union([Type.String({ maxLength: 256 }), Type.Number()])),
    path: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
    image: Type.Optional(Type.String({ minLength: 1 })),
    budgetMs: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 600_000 })),
  },
  { additionalProperties: false },
);
type RequestLine = Static<typeof requestLine>;
const validator = Compile(requestLine);

/**
 * Answers requests that come as lines of JSON with lines of JSON, in the order in which answers are there. A line that is none of ours,
 * or whose picture cannot be read, is answered with an error. Reads on only as there is room, so that neither a fast writer nor a slow
 * reader fills the memory.
 */
export async function classifyLines(options: ClassifyLinesOptions): Promise<LinesTally> {
  const { input, maxInFlight, write } = options;
  const readerGone = new AbortController();
  const stop = AbortSignal.any([options.signal, readerGone.signal]);
  const slots = new Slots(maxInFlight);
  let answers = 0;
  let errors = 0;

  async function reply(line: Line, place: number): Promise<void> {
    const said = await answerLine(line, place, options.classify);
    if ('error' in said) errors++;
    else answers++;
    await write(JSON.stringify(said)).catch(() => readerGone.abort());
    slots.give();
  }

  try {
    let place = 0;
    for await (const line of readLines(addAbortSignal(stop, input), maxLineBytes)) {
      place++;
      if (isBlank(line)) continue;
      await slots.take();
      if (stop.aborted) {
        slots.give();
        break;
      }
      void reply(line, place);
    }
  } catch (thrown) {
    if (!stop.aborted) throw new OfframpError('DATA_MISSING', `Cannot read on: ${reasonOf(thrown)}`);
  }
  await slots.drained();
  return { answers, errors };
}

function isBlank(line: Line): boolean {
  return line !== 'too long' && line.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
}

/** `line` is the place of the request, from 1; `id` what it calls itself, else its path, else its place. */
async function answerLine(
  line: Line,
  place: number,
  classify: ClassifyLinesOptions['classify'],
): Promise<Record<string, unknown>> {
  let id: string | number = String(place);
  try {
    const value = parseLine(line);
    id = ownName(value) ?? id;
    const { path, image, budgetMs } = checkLine(value);
    const picture = path === undefined ? Buffer.from(image ?? '', 'base64') : await readPicture(path);
    return { id, line: place, ...answerJson(await classify(picture, budgetMs)) };
  } catch (thrown) {
    return { id, line: place, error: errorWords(OfframpError.from(thrown)) };
  }
}

function parseLine(line: Line): unknown {
  if (line === 'too long') {
    throw new OfframpError('IMAGE_TOO_LARGE', `The line is longer than ${maxLineBytes} bytes`);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(line));
  } catch (thrown) {
    throw new OfframpError('IMAGE_INVALID', `The line is no JSON: ${reasonOf(thrown)}; expected ${expected}`);
  }
}

/** What a line calls itself, so that its error can be told from others. */
function ownName(value: unknown): string | number | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, path } = value as Readonly<Record<string, unknown>>;
  const name = id ?? path;
  return typeof name === 'string' || typeof name === 'number' ? name : undefined;
}

function checkLine(value: unknown): RequestLine {
  if (!validator.Check(value)) {
    const problem = validator.Errors(value)[0];
    // Objects are closed by the schema `false`, which is what a field too many meets first.
    const reason = problem?.keyword === 'boolean' ? 'no such field' : problem?.message;
    const where = `${problem?.instancePath ?? ''} ${reason ?? ''}`.trim().slice(0, 200);
    const code = problem?.instancePath === '/budgetMs' ? 'BUDGET_INVALID' : 'IMAGE_INVALID';
    throw new OfframpError(code, `The line: ${where}; expected ${expected}`);
  }
  const { path, image } = value;
  if (path === undefined && image === undefined) {
    throw new OfframpError('IMAGE_MISSING', `The line has neither path nor image; expected ${expected}`);
  }
  if (path !== undefined && image !== undefined) {
    throw new OfframpError('IMAGE_INVALID', `The line has path and image; expected ${expected}`);
  }
  return value;
}

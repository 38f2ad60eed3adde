import { type Command, Option } from 'commander';
import type { HttpLimits } from '../../cloud/http/index.ts';
import { wholeNumber } from '../options.ts';

const mebibyte = 1024 * 1024;

/** What the cloud server takes over the Open Inference Protocol. */
export function addHttpOptions<C extends Command>(command: C): C {
  const options = [
    new Option('--http-budget-ms <number>', 'for an answer over HTTP, when its request names no timeout')
      .argParser(wholeNumber(1, 600_000))
      .default(10_000),
    new Option('--max-http-rows <number>', 'rows of one HTTP request')
      .argParser(wholeNumber(1, 1_000_000))
      .default(1024),
    new Option('--max-http-tensor-bytes <number>', 'bytes of the tensors of one HTTP request, in or out')
      .argParser(wholeNumber(1, 1024 * mebibyte))
      .default(8 * mebibyte),
    new Option('--max-http-requests <number>', 'HTTP requests under way at once')
      .argParser(wholeNumber(1, 100_000))
      .default(256),
    new Option('--max-http-held-bytes <number>', 'bytes of the bodies of all of them')
      .argParser(wholeNumber(1, 64 * 1024 * mebibyte))
      .default(256 * mebibyte),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

export type HttpSettings = HttpLimits;

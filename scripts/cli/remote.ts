import { type Command, Option } from 'commander';
import { wholeNumber } from '../options.ts';

/** Where segments run when that is on another server. */
export function addRemoteOptions<C extends Command>(command: C): C {
  const options = [
    new Option(
      '--remote <url>',
      'run the segments on this server, by the Open Inference Protocol, instead of here',
    ).conflicts(['device', 'threads', 'workers']),
    new Option('--remote-token-file <file>', 'file with its token (or OFFRAMP_REMOTE_TOKEN)'),
    new Option('--remote-ca <file>', "authority in PEM to trust for https:, instead of Node's own"),
    new Option('--remote-parallel <number>', 'runs that are sent at the same time')
      .argParser(wholeNumber(1, 64))
      .default(4),
    new Option('--remote-encoding <encoding>', 'how tensors are sent')
      .choices(['auto', 'binary', 'json'])
      .default('auto'),
    new Option('--remote-timeout-ms <number>', 'time for one run')
      .argParser(wholeNumber(1, 600_000))
      .default(10_000),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

export interface RemoteSettings {
  readonly remote?: string;
  readonly remoteTokenFile?: string;
  readonly remoteCa?: string;
  readonly remoteParallel: number;
  readonly remoteEncoding: 'auto' | 'binary' | 'json';
  readonly remoteTimeoutMs: number;
}

import { Command, InvalidArgumentError, Option } from 'commander';
import { wholeNumber } from '../options.ts';
import { defaultCloudPort } from '../project.ts';
import { examples } from './examples.ts';

export function defineEmulate(): Command {
  return new Command('emulate')
    .description(
      'Put a slow link before a server: a TCP proxy with the rate, delay and outages of a real one.',
    )
    .addHelpText(
      'before',
      examples(
        'offramp emulate --link lte',
        'offramp emulate --link rtt=70,jitter=10,up=6,down=12,loss=0.002',
        'offramp emulate --link outage --listen 127.0.0.1:9100 --to 127.0.0.1:8470',
        'offramp emulate --link up=drive.up,down=drive.down,rtt=40',
        "offramp emulate --link 'rtt=70,up=10,down=walk.csv#Timestamp:DL_bitrate' --print",
        'sudo offramp emulate --packet --link lte',
        'offramp emulate --list',
      ),
    )
    .option('--link <link>', 'a preset, or settings; docs/links.md says which', 'lte')
    .addOption(
      new Option('--listen <host:port>', 'where the near side connects to, port 0 for any')
        .argParser(place)
        .default({ host: '127.0.0.1', port: 9000 }, '127.0.0.1:9000'),
    )
    .addOption(
      new Option('--to <host:port>', 'the server at the far side')
        .argParser(place)
        .default({ host: '127.0.0.1', port: defaultCloudPort }, `127.0.0.1:${defaultCloudPort}`),
    )
    .option('--seed <number>', 'of jitter and losses', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--start-at-ms <number>', "where in the link's time to begin", wholeNumber(0, 1e9), 0)
    .option('--max-connections <number>', 'connections at once', wholeNumber(1, 10_000), 256)
    .addOption(
      new Option(
        '--packet',
        'no proxy: a network namespace that packets reach over the link, needs root and Linux',
      ).conflicts(['listen', 'to', 'maxConnections']),
    )
    .option('--namespace <name>', 'with --packet, begins with offramp-', 'offramp-device')
    .option('--congestion <name>', "with --packet, TCP's congestion control; the kernel's own unless said")
    .option('--print', 'print the link as JSON, its traces written out, and end')
    .option('--list', 'print the presets with their sources, and end')
    .option('--json', 'say where it listens as JSON; with --list, the presets')
    .action(async (options) => {
      const { emulateCommand } = await import('../commands/emulate.ts');
      await emulateCommand(options);
    });
}

/** Parses `HOST:PORT`, an IPv6 address in brackets. */
function place(text: string): { host: string; port: number } {
  const [, bracketed, plain = '', digits = ''] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits !== '' && port <= 65_535) return { host: bracketed ?? plain, port };
  throw new InvalidArgumentError('Expected HOST:PORT, such as 127.0.0.1:9000 or [::1]:9000.');
}

import { Command, Option } from 'commander';
import type { DoctorCommandOptions } from '../commands/doctor.ts';
import { deviceOption, RepeatableOption, wholeNumber } from '../options.ts';
import { defaultBundle, defaultCloudPort, defaultEdgePort } from '../project.ts';
import { addCloudTlsOptions } from './access.ts';
import { examples } from './examples.ts';

export function defineDoctor(): Command {
  const command = new Command('doctor')
    .description('Check this machine, its bundles and its way to the cloud server, and say what to mend.')
    .addHelpText(
      'before',
      examples(
        'offramp doctor',
        'offramp doctor --cloud wss://gpu.example:8470 --cloud-token-file cloud-token.txt',
        'offramp doctor --device cuda --host 0.0.0.0 --port 8470 --token-file tokens.txt',
      ),
    );
  const options = [
    new RepeatableOption('--bundle <id or folder>', 'bundle to check, may be repeated').default(
      [defaultBundle],
      `"${defaultBundle}"`,
    ),
    deviceOption(),
    new RepeatableOption('--cloud <url>', 'ws: or wss: address of a cloud server to reach, may be repeated'),
    new Option('--cloud-token-file <file>', "file with the cloud server's token (or OFFRAMP_CLOUD_TOKEN)"),
    new Option('--host <address>', 'address that a server here is to listen on').default('127.0.0.1'),
    portsOption(),
    new Option('--token-file <file>', 'bearer tokens that a server here asks for'),
    new Option('--workers <number>', 'inference threads of a server here')
      .argParser(wholeNumber(1, 64))
      .default(1),
    new Option('--threads <number>', 'threads inside each').argParser(wholeNumber(1, 256)).default(1),
    new Option('--max-connections <number>', 'devices connected at once')
      .argParser(wholeNumber(1, 100_000))
      .default(1024),
    new Option('--timeout-ms <number>', 'time for each step on the network')
      .argParser(wholeNumber(100, 60_000))
      .default(5000),
  ];
  for (const option of options) command.addOption(option);
  return addCloudTlsOptions(command)
    .option('--json', 'print JSON')
    .action(async (settings: DoctorCommandOptions) => {
      const { doctorCommand } = await import('../commands/doctor.ts');
      await doctorCommand(settings);
    });
}

function portsOption(): Option {
  const parse = wholeNumber(1, 65_535);
  return new Option(
    '--port <number>',
    `port that a server here is to listen on, may be repeated (default: ${defaultCloudPort} and ${defaultEdgePort})`,
  ).argParser((text: string, earlier: readonly number[] = []) => [...earlier, parse(text)]);
}

import { Option } from 'commander';
import { schedulerNames } from '../../cloud/scheduling/index.ts';
import type { CloudCommandOptions } from '../commands/cloud.ts';
import { ConfiguredCommand } from '../config/index.ts';
import { deviceOption, logLevelOption, port, RepeatableOption, wholeNumber } from '../options.ts';
import { defaultBundle, defaultCloudPort } from '../project.ts';
import { addAccessOptions } from './access.ts';
import { examples } from './examples.ts';
import { addHttpOptions } from './http.ts';
import { addRemoteOptions } from './remote.ts';
import { addTracingOptions } from './tracing.ts';

export function defineCloud(): ConfiguredCommand {
  const command = new ConfiguredCommand('cloud')
    .description('Run the cloud server: finishes the images that devices send.')
    .addHelpText(
      'before',
      examples(
        'offramp cloud',
        'offramp cloud --host 0.0.0.0 --token-file tokens.txt --device cuda',
        'offramp cloud --bundle ./my-bundle --workers 2',
        'offramp cloud --host 0.0.0.0 --token-file tokens.txt --tls-cert gpu.pem --tls-key gpu.key',
        'offramp cloud --remote http://triton.example:8000',
        'offramp cloud --config cloud.json --print-config',
      ),
    )
    .option('--host <address>', 'address to listen on; any but loopback needs a token', '127.0.0.1')
    .option('--port <number>', 'port to listen on, 0 for any', port, defaultCloudPort)
    .addOption(
      new RepeatableOption('--bundle <id or folder>', 'bundle to serve, may be repeated').default(
        [defaultBundle],
        `"${defaultBundle}"`,
      ),
    )
    .option(
      '--repository <folder>',
      'folders of bundles, named by id, that administrators may have loaded and unloaded meanwhile',
    )
    .addOption(deviceOption())
    .addOption(
      new Option('--require-device', 'do not start where --device auto finds only the CPU').conflicts(
        'remote',
      ),
    )
    .option('--workers <number>', 'inference threads', wholeNumber(1, 64), 1)
    .option('--threads <number>', 'threads inside each', wholeNumber(1, 256), 1)
    .option('--max-batch-rows <number>', 'rows of the largest batch', wholeNumber(1, 1024), 64)
    .option(
      '--max-queued-rows <number>',
      'rows that may wait before requests are refused',
      wholeNumber(1, 1_000_000),
      4096,
    )
    .addOption(
      new Option('--scheduler <rule>', 'decides which bundle runs next and how deep')
        .choices(schedulerNames)
        .default('offramp'),
    )
    .option('--credits <number>', 'requests in flight per connection', wholeNumber(1, 65_536), 64)
    .option(
      '--max-image-bytes <number>',
      'bytes of the largest picture file that a device may send, 0 for none',
      wholeNumber(0, 16 * 1024 * 1024),
      256 * 1024,
    )
    .option('--decoders <number>', 'pictures decoded at once', wholeNumber(1, 64), 2)
    .option(
      '--drain-ms <number>',
      'how long a stop waits for requests in flight',
      wholeNumber(0, 600_000),
      10_000,
    )
    .option('--page', "serve a page at /page/ that runs the agent in the visitor's browser")
    .option('--no-console', 'have no console at /console/ that shows what the server does')
    .option('--token-file <file>', 'bearer tokens, one a line (or OFFRAMP_CLOUD_TOKEN)');
  return addTracingOptions(addRemoteOptions(addHttpOptions(addAccessOptions(command))))
    .addOption(logLevelOption())
    .option('--json', 'say where it listens as JSON')
    .addConfigOptions()
    .addSecret({ name: 'token', variable: 'OFFRAMP_CLOUD_TOKEN', file: 'tokenFile' })
    .addSecret({ name: 'remoteToken', variable: 'OFFRAMP_REMOTE_TOKEN', file: 'remoteTokenFile' })
    .addSection('bundles', 'bundleSettings')
    .serve(async (options: CloudCommandOptions) => {
      const { cloudCommand } = await import('../commands/cloud.ts');
      await cloudCommand(options);
    });
}

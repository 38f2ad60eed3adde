import { Option } from 'commander';
import { aims } from '../../shared/plan/index.ts';
import type { EdgeCommandOptions } from '../commands/edge.ts';
import { ConfiguredCommand } from '../config/index.ts';
import {
  channels,
  factor,
  logLevelOption,
  milliseconds,
  NumbersOption,
  port,
  RepeatableOption,
  resizeOption,
  runtimeOption,
  share,
  threadsOrAuto,
  wholeNumber,
} from '../options.ts';
import { defaultBundle, defaultEdgePort } from '../project.ts';
import { addCloudTlsOptions } from './access.ts';
import { examples } from './examples.ts';
import { addTracingOptions } from './tracing.ts';

export function defineEdge(): ConfiguredCommand {
  const command = new ConfiguredCommand('edge')
    .description('Run the edge agent daemon: answers images on a local HTTP API.')
    .addHelpText(
      'before',
      examples(
        'offramp edge --cloud ws://127.0.0.1:8470',
        'curl --data-binary @digit.png -H content-type:image/png http://127.0.0.1:8471/v1/classify',
        'offramp edge   # stands alone, no cloud',
        'offramp edge --config edge.json --print-config',
      ),
    )
    .option('--host <address>', 'address to listen on; any but loopback needs a token', '127.0.0.1')
    .option('--port <number>', 'port to listen on, 0 for any', port, defaultEdgePort)
    .addOption(
      new Option(
        '--socket <file>',
        'Unix socket to listen on in place of an address, for its owner',
      ).conflicts(['host', 'port']),
    )
    .option('--bundle <id or folder>', 'bundle to run', defaultBundle)
    .addOption(
      new RepeatableOption('--cloud <url>', 'ws: or wss: address of a cloud server, may be repeated'),
    )
    .option(
      '--cut <number>',
      'segments to run here, 0 sends the image (default: 1 with a cloud, all without)',
      wholeNumber(0, 64),
    )
    .option('--rate <channels>', 'channels of the codes to send, one of the rates of the cut', channels)
    .addOption(
      new NumbersOption(
        '--threshold <level>',
        "thresholds of the device's exits in place of the calibrated ones, 0 lets nothing leave; one for all, or one for each, repeated or with commas",
        share,
      ),
    )
    .option(
      '--priority <level>',
      "at the server, 1 is served first (default: the server's)",
      wholeNumber(1, 64),
    )
    .option(
      '--budget-ms <number>',
      'time for an answer unless the request says otherwise',
      wholeNumber(1, 600_000),
      500,
    )
    .addOption(resizeOption())
    .addOption(runtimeOption())
    .option(
      '--workers <number>',
      'inference threads; 0 runs segments in the thread of the daemon, auto does where they take less than 1 ms',
      threadsOrAuto,
      'auto',
    )
    .option('--threads <number>', 'threads inside each', wholeNumber(1, 256), 1)
    .option(
      '--slowdown <factor>',
      'for trials: each run of a segment takes so many times as long, as on a smaller device',
      factor,
      1,
    )
    .addOption(
      new NumbersOption(
        '--segment-ms <list>',
        'for trials: milliseconds that a run of each segment takes, as on another device',
        milliseconds,
      ).conflicts('slowdown'),
    )
    .option(
      '--max-in-flight <number>',
      'images under way before more are refused',
      wholeNumber(1, 65_536),
      256,
    )
    .addOption(
      new Option(
        '--objective <aim>',
        'choose cut, thresholds and rate while running, for the least of this, or the most accuracy',
      )
        .choices(aims)
        .conflicts(['cut', 'rate', 'threshold']),
    )
    .option(
      '--accuracy-floor <share>',
      'with --objective: least share of right answers (default: half a point below the calibration)',
      share,
    )
    .option(
      '--audit-share <share>',
      "share of the device's own answers that the cloud is asked about as well",
      share,
      0.005,
    )
    .option(
      '--allowed-disagreement <share>',
      "share of them in which the cloud may disagree (default: by the bundle's calibration)",
      share,
    )
    .option(
      '--exit-share-tolerance <times>',
      'how many times the odds of leaving by the first exit may grow or shrink before a warning',
      factor,
      2,
    )
    .addOption(
      new Option('--page', "serve a page at /page/ that runs the agent in the visitor's browser").conflicts(
        'socket',
      ),
    )
    .option('--watch <folder>', 'answer pictures as they appear in a folder, as lines of JSON on stdout')
    .option('--out <folder>', 'with --watch: write each answer into a file here instead')
    .option('--existing', 'with --watch: answer the files that are there at the start too')
    .option(
      '--token-file <file>',
      "bearer tokens of the daemon's own API, one a line (or OFFRAMP_EDGE_TOKEN)",
    )
    .option('--cloud-token-file <file>', "file with the cloud server's token (or OFFRAMP_CLOUD_TOKEN)");
  return addTracingOptions(addCloudTlsOptions(command))
    .addOption(logLevelOption())
    .option('--json', 'say where it listens as JSON')
    .addConfigOptions()
    .addSecret({ name: 'token', variable: 'OFFRAMP_EDGE_TOKEN', file: 'tokenFile' })
    .addSecret({ name: 'cloudToken', variable: 'OFFRAMP_CLOUD_TOKEN', file: 'cloudTokenFile' })
    .serve(async (options: EdgeCommandOptions) => {
      const { edgeCommand } = await import('../commands/edge.ts');
      await edgeCommand(options);
    });
}

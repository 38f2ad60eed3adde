/**
 * The `offramp` command. Data goes to stdout, talk to stderr.
 * Exit codes: 0 done, 1 a coded error (its code leads the message on stderr), 2 wrong usage.
 */
import { Argument, Command, CommanderError, Option } from 'commander';
import { OfframpError } from '../shared/errors.ts';
import type { ResizeMode } from '../shared/host/index.ts';
import { day, numberWithin } from './calibrate/arguments.ts';
import type { ImageFormat } from './evaluate/sent-pictures.ts';
import { channels, deviceOption, logLevelOption, port, wholeNumber } from './options.ts';
import { say } from './output.ts';
import { defaultBundle, defaultCloudPort, defaultEdgePort, version } from './project.ts';

const usageError = 2;
const resizeOption = new Option('--resize <fit>', "how a picture of another size is fitted to the network's")
  .choices(['cover', 'contain', 'fill', 'off'] satisfies ResizeMode[])
  .default('cover');

function examples(...lines: readonly string[]): string {
  return `Examples:\n${lines.map((line) => `  $ ${line}`).join('\n')}\n`;
}

function collect(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value];
}

function onlyOne(bundles: readonly string[]): string {
  const [bundle, second] = bundles;
  if (bundle !== undefined && second === undefined) return bundle;
  throw new OfframpError(
    'CONFIG_INVALID',
    `--bundle: got ${bundles.join(', ')}, expected one unless --table or --plot is given`,
  );
}

/** Options of `evaluate` that are about the way to a server, of which there is none with --table and --plot. */
const networkOptions = ['budgetMs', 'concurrency', 'imageFormat', 'imageQuality', 'rate'];

const program = new Command('offramp')
  .description('Edge-cloud partitioned inference with early exits.')
  .version(version)
  .exitOverride()
  .addHelpText(
    'before',
    examples(
      'offramp demo --once',
      'offramp cloud',
      'offramp edge --cloud ws://127.0.0.1:8470',
      'offramp classify digit.png',
    ),
  )
  .addHelpText('after', '\nExit codes: 0 done, 1 error (its code is printed), 2 wrong usage.');

program
  .command('cloud')
  .description('Run the cloud server: finishes the images that devices send.')
  .addHelpText(
    'before',
    examples(
      'offramp cloud',
      'offramp cloud --host 0.0.0.0 --token-file tokens.txt --device cuda',
      'offramp cloud --bundle ./my-bundle --workers 2',
    ),
  )
  .option('--host <address>', 'address to listen on; any but loopback needs a token', '127.0.0.1')
  .option('--port <number>', 'port to listen on, 0 for any', port, defaultCloudPort)
  .option(
    '--bundle <id or folder>',
    `bundle to serve, may be repeated (default: "${defaultBundle}")`,
    collect,
  )
  .addOption(deviceOption)
  .option('--workers <number>', 'inference threads', wholeNumber(1, 64), 1)
  .option('--threads <number>', 'threads inside each', wholeNumber(1, 256), 1)
  .option('--max-batch-rows <number>', 'rows of the largest batch', wholeNumber(1, 1024), 64)
  .option(
    '--max-queued-rows <number>',
    'rows that may wait before requests are refused',
    wholeNumber(1, 1_000_000),
    4096,
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
  .option('--token-file <file>', 'bearer tokens, one a line (or OFFRAMP_CLOUD_TOKEN)')
  .addOption(logLevelOption)
  .option('--json', 'say where it listens as JSON')
  .action(async ({ bundle = [defaultBundle], ...options }) => {
    const { cloudCommand } = await import('./commands/cloud.ts');
    await cloudCommand({ bundle, ...options });
  });

program
  .command('edge')
  .description('Run the edge agent daemon: answers images on a local HTTP API.')
  .addHelpText(
    'before',
    examples(
      'offramp edge --cloud ws://127.0.0.1:8470',
      'curl --data-binary @digit.png -H content-type:image/png http://127.0.0.1:8471/v1/classify',
      'offramp edge   # stands alone, no cloud',
    ),
  )
  .option('--host <address>', 'address to listen on; any but loopback needs a token', '127.0.0.1')
  .option('--port <number>', 'port to listen on, 0 for any', port, defaultEdgePort)
  .option('--bundle <id or folder>', 'bundle to run', defaultBundle)
  .option('--cloud <url>', 'ws: or wss: address of the cloud server')
  .option(
    '--cut <number>',
    'segments to run here, 0 sends the image (default: 1 with a cloud, all without)',
    wholeNumber(0, 64),
  )
  .option('--rate <channels>', 'channels of the codes to send, one of the rates of the cut', channels)
  .option(
    '--budget-ms <number>',
    'time for an answer unless the request says otherwise',
    wholeNumber(1, 600_000),
    500,
  )
  .addOption(resizeOption)
  .option('--workers <number>', 'inference threads', wholeNumber(1, 64), 1)
  .option('--threads <number>', 'threads inside each', wholeNumber(1, 256), 1)
  .option('--max-in-flight <number>', 'images under way before more are refused', wholeNumber(1, 65_536), 256)
  .option('--token-file <file>', "bearer tokens of the daemon's own API, one a line (or OFFRAMP_EDGE_TOKEN)")
  .option('--cloud-token-file <file>', "file with the cloud server's token (or OFFRAMP_CLOUD_TOKEN)")
  .addOption(logLevelOption)
  .option('--json', 'say where it listens as JSON')
  .action(async (options) => {
    const { edgeCommand } = await import('./commands/edge.ts');
    await edgeCommand(options);
  });

program
  .command('classify')
  .description('Classify picture files (PNG, JPEG, WebP), here or with the help of a cloud server.')
  .addHelpText(
    'before',
    examples('offramp classify digit.png', 'offramp classify --cloud ws://127.0.0.1:8470 --json *.png'),
  )
  .argument('<files...>', 'picture files')
  .option('--bundle <id or folder>', 'bundle to run', defaultBundle)
  .option('--cloud <url>', 'ws: or wss: address of the cloud server')
  .option('--cloud-token-file <file>', "file with the cloud server's token (or OFFRAMP_CLOUD_TOKEN)")
  .option(
    '--cut <number>',
    'segments to run here, 0 sends the image (default: 1 with a cloud, all without)',
    wholeNumber(0, 64),
  )
  .option('--budget-ms <number>', 'time for each answer', wholeNumber(1, 600_000), 2000)
  .addOption(resizeOption)
  .option('--json', 'print JSON')
  .action(async (files, options) => {
    const { classifyCommand } = await import('./commands/classify.ts');
    await classifyCommand(files, options);
  });

program
  .command('evaluate')
  .description('Measure a bundle on its test split through the real agent, WebSocket and server.')
  .addHelpText(
    'before',
    examples(
      'offramp evaluate --data ./data',
      'offramp evaluate --bundle b-lenet-mnist --data ./data --json',
      'offramp evaluate --rate-curve ./curve --data ./data',
      'offramp evaluate --table --data ./data   # against their baselines, all bundles',
      'offramp evaluate --bundle b-lenet-mnist --plot ./curves --data ./data',
    ),
  )
  .option(
    '--bundle <id or folder>',
    `bundle to measure (default: "${defaultBundle}"); with --table or --plot may be repeated (default: all)`,
    collect,
  )
  .option('--data <folder>', 'folder that holds the data sets (or OFFRAMP_DATA)')
  .option('--limit <number>', 'only the first so many images', wholeNumber(1, 1_000_000))
  .option('--cut <number>', 'segments on the device, 0 sends the image', wholeNumber(0, 64), 1)
  .option('--rate <channels>', 'channels of the codes to send, one of the rates of the cut', channels)
  .addOption(
    new Option('--image-format <format>', 'how the image is sent at cut 0 (default: "raw")').choices([
      'raw',
      'png',
      'jpeg',
      'webp',
    ] satisfies ImageFormat[]),
  )
  .option('--image-quality <number>', 'quality of JPEG or WebP (default: 80)', wholeNumber(1, 100))
  .option('--concurrency <number>', 'images under way at once', wholeNumber(1, 1024), 16)
  .option('--budget-ms <number>', 'time for each answer', wholeNumber(1, 600_000), 2000)
  .addOption(
    new Option(
      '--rate-curve [folder]',
      'send every image at every rate and as WebP; write SVG and JSON',
    ).conflicts(['concurrency', 'imageFormat', 'imageQuality', 'plot', 'rate', 'sample', 'table']),
  )
  .addOption(
    new Option('--table', "measure against the baseline, in one process: the paper's Table I").conflicts(
      networkOptions,
    ),
  )
  .addOption(
    new Option('--plot <folder>', 'write accuracy against time and operations as SVG and JSON').conflicts(
      networkOptions,
    ),
  )
  .option('--sample <number>', '--table, --plot: images to time', wholeNumber(1, 1_000_000), 1000)
  .option('--json', 'print JSON')
  .action(async ({ bundle, ...options }) => {
    if (options.table || options.plot !== undefined) {
      const { evaluateTableCommand } = await import('./commands/evaluate-table.ts');
      await evaluateTableCommand({ ...options, bundle });
      return;
    }
    const single = { ...options, bundle: onlyOne(bundle ?? [defaultBundle]) };
    if (options.rateCurve !== undefined) {
      const { evaluateRatesCommand } = await import('./commands/evaluate-rates.ts');
      await evaluateRatesCommand(single);
      return;
    }
    const { evaluateCommand } = await import('./commands/evaluate.ts');
    await evaluateCommand(single);
  });

program
  .command('calibrate')
  .description("Choose a bundle's temperatures and thresholds from its calibration records.")
  .addHelpText(
    'before',
    examples(
      'offramp calibrate --epsilon 0.01 --delta 0.05 --write',
      'offramp calibrate --target accuracy --at-least 0.96 --delta 0.05',
      'offramp calibrate --check --method ucb-wsr',
    ),
  )
  .option('--bundle <id or folder>', 'bundle to calibrate', defaultBundle)
  .addOption(
    new Option('--target <kind>', 'what the thresholds are to reach')
      .choices(['agreement', 'accuracy', 'device-share', 'mean-cost'])
      .default('agreement'),
  )
  .option('--at-least <share>', 'accuracy, device-share: the figure to reach', numberWithin(0, 1))
  .option('--at-most-macs <number>', 'mean-cost: MACs per image, device and cloud', numberWithin(0, 1e15))
  .option(
    '--epsilon <share>',
    'agreement: share of images that may differ (default: 0.01)',
    numberWithin(0, 1),
  )
  .option(
    '--delta <share>',
    'agreement (default: 0.05), accuracy: probability that the promise fails',
    numberWithin(0, 1),
  )
  .addOption(
    new Option('--method <name>', 'how a promise is shown (default: "ltt")').choices([
      'ucb-wsr',
      'ltt',
      'crc',
    ]),
  )
  .addOption(
    new Option('--loss <kind>', 'agreement: what counts (default: "disagreement")').choices([
      'disagreement',
      'gap',
    ]),
  )
  .option('--cut <number>', 'segments on the device', wholeNumber(1, 64), 1)
  .option('--write', 'write the result into manifest.json')
  .option('--date <YYYY-MM-DD>', 'day to write (default: today)', day)
  .option('--check', 'check the promise on random splits instead; fails when it is broken')
  .option('--splits <number>', 'splits to check it on', wholeNumber(1, 100_000), 1000)
  .option('--seed <number>', 'seed of the splits', wholeNumber(0, 2 ** 32 - 1), 1)
  .option('--json', 'print JSON')
  .action(async (options) => {
    const { calibrateCommand } = await import('./commands/calibrate.ts');
    await calibrateCommand(options);
  });

program
  .command('data')
  .description('Download a data set (mnist, cifar10) and check it against the published digests.')
  .addHelpText('before', examples('offramp data mnist --to ./data', 'OFFRAMP_DATA=./data npm test'))
  .addArgument(new Argument('<name>', 'data set').choices(['mnist', 'cifar10']))
  .requiredOption('--to <folder>', 'folder to put it in')
  .option('--json', 'print JSON')
  .action(async (name, options) => {
    const { dataCommand } = await import('./commands/data.ts');
    await dataCommand(name, options);
  });

program
  .command('demo')
  .description('Run a cloud server and an edge agent on this machine and stream images through them.')
  .addHelpText(
    'before',
    examples('npm start', 'npm start -- --once', 'OFFRAMP_DATA=./data offramp demo --rate 200'),
  )
  .option('--bundle <id or folder>', 'bundle to run', defaultBundle)
  .option('--once', 'send every image once, print the summary and end')
  .option(
    '--rate <number>',
    'images per second; with --once as fast as they go unless given',
    wholeNumber(1, 100_000),
  )
  .option('--budget-ms <number>', 'time for each answer', wholeNumber(1, 600_000), 500)
  .option('--json', 'print the summary as JSON (with --once)')
  .action(async (options) => {
    const { demoCommand } = await import('./commands/demo.ts');
    await demoCommand(options);
  });

try {
  await program.parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) process.exitCode = thrown.exitCode === 0 ? 0 : usageError;
  else {
    const error = OfframpError.from(thrown);
    say(`${error.code}: ${error.message}`);
    if (error.code === 'INTERNAL' && error.cause instanceof Error) say(error.cause.stack ?? '');
    process.exitCode = 1;
  }
}

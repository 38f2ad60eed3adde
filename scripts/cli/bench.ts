import { Command, InvalidArgumentError, Option } from 'commander';
import { providers } from '../../shared/runtime/index.ts';
import { cloudBenchDefaults as usual } from '../bench/cloud/defaults.ts';
import { emulatorNames } from '../bench/e2e/emulator-names.ts';
import { exitModes } from '../bench/scheduler/service.ts';
import { deviceOption, RepeatableOption, share, threadsOrAuto, wholeNumber } from '../options.ts';
import { examples } from './examples.ts';

export function defineBench(): Command {
  // Before the subcommands, which take it over from here.
  const command = new Command('bench').exitOverride();
  command
    .description(
      'Measure parts by themselves, server, scheduler, accelerator, agent, and all of it together.',
    )
    .addHelpText(
      'before',
      examples(
        'offramp bench scheduler',
        'offramp bench cloud --data ../data',
        'offramp bench device --device webgpu --data ../data',
        'offramp bench edge',
        'offramp bench drift --data ../data',
        'offramp bench web',
        "offramp bench e2e --scenario six-links --data ../data --only 'lte/*' --compare",
        'npm run -s bench -- scheduler --json',
      ),
    );
  addScheduler(command);
  addCloud(command);
  addDevice(command);
  addEdge(command);
  addDrift(command);
  addE2e(command);
  addWeb(command);
  return command;
}

const loads = Array.from({ length: 15 }, (_, index) => (index + 1) / 10);

function addScheduler(command: Command): void {
  command
    .command('scheduler')
    .description("Compare schedulers on EdgeServing's workload, on a virtual clock with times measured here.")
    .addHelpText(
      'before',
      examples(
        'offramp bench scheduler',
        'offramp bench scheduler --exits time --save-profile profile.json --json',
        'offramp bench scheduler --profile profile.json --loads 0.5,1,1.5 --slo 20 --plot ./charts',
      ),
    )
    .addOption(
      new RepeatableOption('--bundle <id or folder>', 'bundle to serve, may be repeated (default: all)'),
    )
    .option('--cut <number>', 'segments on the device', wholeNumber(0, 64), 0)
    .option('--passes <number>', 'times each bundle and batch size is timed', wholeNumber(1, 10_000), 100)
    .option('--max-batch-rows <number>', 'rows of the largest batch (default: 10)', wholeNumber(1, 64))
    .addOption(
      new Option('--profile <file>', 'read the times from a file, measure nothing').conflicts([
        'bundle',
        'cut',
        'passes',
        'saveProfile',
      ]),
    )
    .option('--save-profile <file>', 'write the times to a file')
    .addOption(
      new Option(
        '--exits <mode>',
        'confidence: a row leaves at the first exit that is sure; time: with its batch',
      )
        .choices(exitModes)
        .default('confidence'),
    )
    .addOption(
      new Option('--loads <list>', 'arrival rates, 1 keeps full batches to the final exit busy')
        .argParser(positiveNumbers)
        .default(loads, '0.1,0.2 to 1.5'),
    )
    .option(
      '--slo <list>',
      "deadlines in milliseconds (default: three in EdgeServing's proportions)",
      positiveNumbers,
    )
    .option('--seconds <number>', 'virtual time of a run', wholeNumber(1, 3600), 20)
    .option('--seed <number>', 'first seed', wholeNumber(0, 2 ** 31), 666_666)
    .option(
      '--seeds <number>',
      'runs of every load point, each with a seed of its own',
      wholeNumber(1, 1000),
      5,
    )
    .option('--executors <number>', 'batches that run at the same time', wholeNumber(1, 64), 1)
    .option('--plot <folder>', 'write charts over the load as SVG')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { benchSchedulerCommand } = await import('../commands/bench-scheduler.ts');
      await benchSchedulerCommand(options);
    });
}

function addCloud(command: Command): void {
  command
    .command('cloud')
    .description('Measure a real server against the same segment run with nothing around it.')
    .addHelpText(
      'before',
      examples(
        'offramp bench cloud --data ../data',
        'offramp bench cloud --bundle b-alexnet-cifar10 --data ../data --json',
      ),
    )
    .option('--bundle <id or folder>', 'bundle to serve', 'b-resnet-cifar10')
    .option('--data <folder>', 'folder of the data sets (or OFFRAMP_DATA)')
    .addOption(deviceOption())
    .option(
      '--connections <number>',
      'devices, each with one row under way',
      wholeNumber(1, 10_000),
      usual.connections,
    )
    .option('--workers <number>', 'inference threads', wholeNumber(1, 64), usual.workers)
    .option('--threads <number>', 'threads inside each', wholeNumber(1, 256), usual.threads)
    .option(
      '--max-batch-rows <number>',
      'rows of the largest batch',
      wholeNumber(1, 1024),
      usual.maxBatchRows,
    )
    .option('--budget-ms <number>', 'time for an answer', wholeNumber(1, 600_000), usual.budgetMs)
    .option('--seconds <number>', 'length of every measurement', wholeNumber(1, 600), usual.seconds)
    .option(
      '--rounds <number>',
      'times that the segment alone and the server take turns',
      wholeNumber(1, 100),
      usual.rounds,
    )
    .option('--seed <number>', 'of the arrivals', wholeNumber(0, 2 ** 31), usual.seed)
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { benchCloudCommand } = await import('../commands/bench-cloud.ts');
      await benchCloudCommand(options);
    });
}

function addDevice(command: Command): void {
  command
    .command('device')
    .description('Hold a GPU against the CPU: whether every segment gives the same answers, and how fast.')
    .addHelpText(
      'before',
      examples(
        'offramp bench device --device webgpu --data ../data --json',
        'offramp bench device --device cuda --bundle b-lenet-mnist --images 64 --passes 0',
        'offramp bench device --device cuda --data ../data --served --out cuda.json',
      ),
    )
    .addOption(
      new RepeatableOption('--bundle <id or folder>', 'bundle to run, may be repeated (default: all)'),
    )
    .addOption(
      new Option('--device <device>', 'what to hold against the CPU')
        .choices([...providers.filter((provider) => provider !== 'cpu'), 'auto'])
        .default('auto'),
    )
    .option('--data <folder>', 'folder of the data sets (or OFFRAMP_DATA)')
    .option('--images <number>', 'images of each bundle', wholeNumber(1, 10_000), 256)
    .option(
      '--tolerance <number>',
      'largest difference of two logits that counts as rounding',
      aboveZero,
      1e-4,
    )
    .option('--threads <number>', "threads of the CPU's session", wholeNumber(1, 256), 1)
    .option('--max-batch-rows <number>', 'rows of the largest batch', wholeNumber(1, 1024), 64)
    .option(
      '--passes <number>',
      'times each batch size is timed, 0 only compares',
      wholeNumber(0, 10_000),
      20,
    )
    .option('--served', 'then measure a server on the device too, as bench cloud does, with each bundle')
    .option(
      '--seconds <number>',
      'length of every measurement of a server',
      wholeNumber(1, 600),
      usual.seconds,
    )
    .option('--out <file>', 'write the figures into a file, as JSON')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { benchDeviceCommand } = await import('../commands/bench-device.ts');
      await benchDeviceCommand(options);
    });
}

function aboveZero(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('Expected a number above 0.');
}

function positiveNumbers(text: string): number[] {
  const values = text.split(',').map(Number);
  if (values.every((value) => Number.isFinite(value) && value > 0)) return values;
  throw new InvalidArgumentError('Expected numbers above 0, separated by commas.');
}

function addEdge(command: Command): void {
  command
    .command('edge')
    .description("Hold an agent's answers that leave on the device against the bare run of the segment.")
    .addHelpText(
      'before',
      examples(
        'offramp bench edge',
        'offramp bench edge --workers 1 --json',
        'offramp bench edge --memory-images 0',
      ),
    )
    .addOption(
      new RepeatableOption('--bundle <id or folder>', 'bundle to run, may be repeated (default: all)'),
    )
    .option(
      '--data <folder>',
      "folder of the data sets (or OFFRAMP_DATA); without it the project's own pictures",
    )
    .option('--workers <number>', 'inference threads, as of offramp edge', threadsOrAuto, 'auto')
    .option('--images <number>', 'images timed of each bundle', wholeNumber(50, 1_000_000), 2000)
    .option(
      '--memory-images <number>',
      "images through the first bundle's agent while memory is watched",
      wholeNumber(0, 100_000_000),
      1_000_000,
    )
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { benchEdgeCommand } = await import('../commands/bench-edge.ts');
      await benchEdgeCommand(options);
    });
}

function addDrift(command: Command): void {
  command
    .command('drift')
    .description('See how soon audits find changed pictures, and how often they cry wolf.')
    .addHelpText(
      'before',
      examples(
        'offramp bench drift --data ../data',
        'offramp bench drift --bundle b-lenet-mnist --audit-share 0.02 --json',
      ),
    )
    .option('--bundle <id or folder>', 'bundle to run', 'b-resnet-cifar10')
    .option(
      '--data <folder>',
      "folder of the data sets (or OFFRAMP_DATA); without it the project's own digits for MNIST",
    )
    .option('--audit-share <share>', 'as of offramp edge', share, 0.005)
    .option('--images <number>', 'images of each stream', wholeNumber(1, 10_000_000), 2_000_000)
    .option('--runs <number>', 'streams of each shift', wholeNumber(1, 10_000), 20)
    .option('--unshifted-runs <number>', 'streams of images as they are', wholeNumber(1, 10_000), 200)
    .option('--seed <number>', 'of noise, streams and audits', wholeNumber(0, 2 ** 31), 1)
    .option('--out <file>', 'write the figures as JSON')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { benchDriftCommand } = await import('../commands/bench-drift.ts');
      await benchDriftCommand(options);
    });
}

function addWeb(command: Command): void {
  command
    .command('web')
    .description("See how soon a visitor of the page has the first answer, in this machine's Chromium.")
    .addHelpText('before', examples('offramp bench web', 'offramp bench web --visits 30 --json'))
    .option('--bundle <id or folder>', 'bundle that the page shows', 'b-lenet-mnist')
    .option(
      '--visits <number>',
      'visits with nothing cached, and as many of a kept page',
      wholeNumber(1, 1000),
      10,
    )
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { benchWebCommand } = await import('../commands/bench-web.ts');
      await benchWebCommand(options);
    });
}

function addE2e(command: Command): void {
  command
    .command('e2e')
    .description('Run a scenario of the simulator with real processes over emulated links.')
    .addHelpText(
      'before',
      examples(
        'offramp bench e2e --scenario six-links --data ../data --out six-links.json',
        "offramp bench e2e --scenario mine.json --only 'lte/*' --only '3g/ours' --seconds 60",
        'offramp bench e2e --scenario mine.json --compare --json',
        'offramp bench e2e --scenario lte-driving --data ../data --html lte-driving.html',
      ),
    )
    .requiredOption('--scenario <name or file>', 'one that comes with the project, or a file')
    .option(
      '--data <folder>',
      "folder of the data sets (or OFFRAMP_DATA); without it the project's own pictures",
    )
    .addOption(
      new RepeatableOption(
        '--only <link/policy>',
        'runs these cells alone, * stands for anything, may be repeated (default: all)',
      ),
    )
    .option('--seconds <number>', "length of each run (default: the scenario's)", wholeNumber(1, 86_400))
    .option('--jobs <number>', 'cells at the same time', wholeNumber(1, 64), 1)
    .addOption(
      new Option('--emulator <kind>', 'what stands in for the link').choices(emulatorNames).default('stream'),
    )
    .option(
      '--congestion <name>',
      "with --emulator packet, TCP's congestion control; the kernel's own unless said",
    )
    .option('--compare', 'simulate the same cells as well, and say how far that is off')
    .option('--out <file>', 'write the figures as JSON')
    .option('--html <file>', 'write a report with charts: one file to open in a browser')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { benchE2eCommand } = await import('../commands/bench-e2e.ts');
      await benchE2eCommand(options);
    });
}

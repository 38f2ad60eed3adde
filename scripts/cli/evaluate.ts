import { Command, Option } from 'commander';
import { OfframpError } from '../../shared/errors.ts';
import type { ImageFormat } from '../evaluate/sent-pictures.ts';
import { channels, RepeatableOption, wholeNumber } from '../options.ts';
import { defaultBundle } from '../project.ts';
import { examples } from './examples.ts';

/** Options that are about the way to a server, of which there is none with --table and --plot. */
const networkOptions = ['budgetMs', 'concurrency', 'imageFormat', 'imageQuality', 'rate'];

function onlyOne(bundles: readonly string[]): string {
  const [bundle, second] = bundles;
  if (bundle !== undefined && second === undefined) return bundle;
  throw new OfframpError(
    'CONFIG_INVALID',
    `--bundle: got ${bundles.join(', ')}, expected one unless --table or --plot is given`,
  );
}

export function defineEvaluate(): Command {
  return new Command('evaluate')
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
    .addOption(
      new RepeatableOption(
        '--bundle <id or folder>',
        `bundle to measure (default: "${defaultBundle}"); with --table or --plot may be repeated (default: all)`,
      ),
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
        const { evaluateTableCommand } = await import('../commands/evaluate-table.ts');
        await evaluateTableCommand({ ...options, bundle });
        return;
      }
      const single = { ...options, bundle: onlyOne(bundle ?? [defaultBundle]) };
      if (options.rateCurve !== undefined) {
        const { evaluateRatesCommand } = await import('../commands/evaluate-rates.ts');
        await evaluateRatesCommand(single);
        return;
      }
      const { evaluateCommand } = await import('../commands/evaluate.ts');
      await evaluateCommand(single);
    });
}

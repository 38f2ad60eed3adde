import { Command } from 'commander';
import { wholeNumber } from '../options.ts';
import { defaultBundle } from '../project.ts';
import { examples } from './examples.ts';

export function defineDemo(): Command {
  return new Command('demo')
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
      const { demoCommand } = await import('../commands/demo.ts');
      await demoCommand(options);
    });
}

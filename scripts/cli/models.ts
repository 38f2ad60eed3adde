import { Command, Option } from 'commander';
import { instanceKinds } from '../models/triton.ts';
import { RepeatableOption, wholeNumber } from '../options.ts';
import { examples } from './examples.ts';

export function defineModels(): Command {
  // Before the subcommands, which take it over from here.
  const command = new Command('models').exitOverride();
  command
    .description('List, check and export bundles.')
    .addHelpText(
      'before',
      examples('offramp models list', 'offramp models verify', 'offramp models export --triton ./repository'),
    );
  command
    .command('list')
    .description('List bundles with their versions and digests.')
    .addOption(bundleOption('list'))
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { listCommand } = await import('../commands/models.ts');
      await listCommand(options);
    });
  command
    .command('verify')
    .description('Compare every file of bundles with the digests in their manifests.')
    .addOption(bundleOption('verify'))
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { verifyCommand } = await import('../commands/models.ts');
      await verifyCommand(options);
    });
  addExport(command);
  return command;
}

function addExport(command: Command): void {
  command
    .command('export')
    .description('Write the segments of bundles as a model repository of Triton Inference Server.')
    .addHelpText(
      'before',
      examples(
        'offramp models export --triton ./repository',
        'offramp models export --triton ./repository --bundle b-lenet-mnist --instance-kind gpu --force',
      ),
    )
    .requiredOption('--triton <folder>', 'model repository to write into')
    .addOption(bundleOption('export'))
    .option('--max-batch-size <number>', 'rows of the largest batch', wholeNumber(1, 1024), 64)
    .option('--instances <number>', 'copies of each graph that run at the same time', wholeNumber(1, 64), 1)
    .addOption(
      new Option('--instance-kind <kind>', 'what they run on').choices([...instanceKinds]).default('auto'),
    )
    .option('--force', 'replace models that are there')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { exportCommand } = await import('../commands/models.ts');
      await exportCommand(options);
    });
}

function bundleOption(verb: string): Option {
  return new RepeatableOption('--bundle <id or folder>', `bundle to ${verb}, may be repeated (default: all)`);
}

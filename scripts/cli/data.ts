import { Argument, Command } from 'commander';
import { examples } from './examples.ts';

export function defineData(): Command {
  return new Command('data')
    .description('Download a data set (mnist, cifar10) and check it against the published digests.')
    .addHelpText('before', examples('offramp data mnist --to ./data', 'OFFRAMP_DATA=./data npm test'))
    .addArgument(new Argument('<name>', 'data set').choices(['mnist', 'cifar10']))
    .requiredOption('--to <folder>', 'folder to put it in')
    .option('--json', 'print JSON')
    .action(async (name, options) => {
      const { dataCommand } = await import('../commands/data.ts');
      await dataCommand(name, options);
    });
}

import { Command, type ErrorOptions, type Option, type ParseOptionsResult } from 'commander';
import { RepeatableOption } from '../options.ts';
import { print } from '../output.ts';
import { parseConfig, readConfigFile } from './file.ts';
import { type Row, settingsJson, settingsTable } from './report.ts';
import { isSwitch, listFrom, switchFrom, variableOf } from './variables.ts';

/** A secret that comes in an environment variable only, so that nobody reads it in the list of processes. */
export interface Secret {
  /** What `--print-config` calls it. */
  readonly name: string;
  readonly variable: string;
  /** The setting that names a file with the secret. Where both are given in the same way, the file counts. */
  readonly file: string;
}

/**
 * A command whose options are settings: each is taken from its flag, else from its environment variable, else from the
 * configuration file, else it is the default. commander keeps the values with their sources; variables get their names here, and
 * the file is put in before commander looks at them, so that conflicts are found whatever the parts come from.
 *
 * An empty variable counts as absent.
 */
export class ConfiguredCommand extends Command {
  readonly #secrets: Secret[] = [];
  /** Keys of the file that somebody else reads, and the name under which they are handed on. */
  readonly #sections = new Map<string, string>();

  override addOption(option: Option): this {
    const key = option.attributeName();
    return super.addOption(key === 'printConfig' ? option : option.env(variableOf(this.name(), key)));
  }

  /** Adds the options that are about the settings as a whole. */
  addConfigOptions(): this {
    return this.option('--config <file>', 'JSON file with settings, keys as the options in camelCase').option(
      '--print-config',
      'print every setting and where it comes from, and end',
    );
  }

  addSecret(secret: Secret): this {
    this.#secrets.push(secret);
    return this;
  }

  /** Lets the file have an object under a key, which `serve` gets as it is, under `name`. */
  addSection(key: string, name: string): this {
    this.#sections.set(key, name);
    return this;
  }

  /** Does `work` with the settings, unless they are only to be printed. Their type is what the options' parsers make. */
  serve<Settings>(work: (settings: Settings) => Promise<void>): this {
    return this.action(async ({ printConfig, ...settings }) => {
      if (!printConfig) return work(settings);
      print(settings.json ? settingsJson(this.rows()) : settingsTable(this.rows()));
    });
  }

  /** Flags first, then what commander does not know of variables, then the file; after this commander reads the variables. */
  override parseOptions(args: string[]): ParseOptionsResult {
    const parsed = super.parseOptions(args);
    for (const option of this.#settings()) this.#readVariable(option);
    const file = this.#configFile();
    // With something unknown commander shows its help, or refuses, and needs no file for that.
    if (file !== undefined && parsed.unknown.length === 0) this.#readFile(file);
    return parsed;
  }

  /** Says of a conflict that the file may be a part of it: commander names flags, of which the command line may show none. */
  override error(message: string, options?: ErrorOptions): never {
    const file = this.#configFile();
    const mayBeInFile = options?.code === 'commander.conflictingOption' && file !== undefined;
    return super.error(mayBeInFile ? `${message}; what ${file} sets counts too` : message, options);
  }

  /** Every setting in the order of the help, then secrets and sections. */
  rows(): Row[] {
    return [
      ...this.#settings().map((option) => this.#rowOf(option)),
      ...this.#secrets.map((secret) => this.#rowOfSecret(secret)),
      ...[...this.#sections].map(([key, name]) => this.#rowOfSection(key, name)),
    ];
  }

  #settings(): Option[] {
    return this.options.filter(({ envVar }) => envVar !== undefined);
  }

  #configFile(): string | undefined {
    return this.getOptionValue('config') ?? process.env[variableOf(this.name(), 'config')];
  }

  /**
   * Takes over from commander what it would read wrongly: it knows no empty variable, no switch that says false and no list. What
   * is read here leaves the environment, so that commander does not read it again.
   */
  #readVariable(option: Option): void {
    const { envVar = '' } = option;
    const text = process.env[envVar];
    if (text === undefined) return;
    const isOurs = isSwitch(option) || option instanceof RepeatableOption;
    if (text !== '' && !isOurs) return;
    delete process.env[envVar];
    if (text === '' || !this.#isOpen(option.attributeName())) return;
    const value = isSwitch(option) ? switchFrom(text) : listFrom(text);
    if (value === undefined) this.#refuse(option, text);
    this.setOptionValueWithSource(option.attributeName(), value, 'env');
  }

  #refuse(option: Option, text: string): never {
    const expected = isSwitch(option) ? 'true or false' : 'a list, separated by commas';
    this.error(
      `error: option '${option.flags}' value '${text}' from env '${option.envVar}' is invalid. Expected ${expected}.`,
      { code: 'commander.invalidArgument' },
    );
  }

  #readFile(file: string): void {
    const options = this.#settings().filter((option) => option.attributeName() !== 'config');
    const sections = [...this.#sections.keys()];
    for (const [key, value] of parseConfig(readConfigFile(file), file, { options, sections })) {
      const name = this.#sections.get(key) ?? key;
      if (this.#isOpen(name) && !this.#hasVariable(key)) this.setOptionValueWithSource(name, value, 'config');
    }
  }

  /** Whether neither a flag nor a variable has said what a setting is. */
  #isOpen(key: string): boolean {
    return [undefined, 'default'].includes(this.getOptionValueSource(key));
  }

  /** Whether a variable goes before the file for a key: its own, or one that holds the secret itself. */
  #hasVariable(key: string): boolean {
    const own = this.options.find((option) => option.attributeName() === key)?.envVar;
    const secrets = this.#secrets.filter(({ file }) => file === key).map(({ variable }) => variable);
    return [own, ...secrets].some((variable) => variable !== undefined && isSet(variable));
  }

  #rowOf(option: Option): Row {
    const key = option.attributeName();
    const value: unknown = this.getOptionValue(key) ?? (isSwitch(option) ? false : undefined);
    const source = this.getOptionValueSource(key);
    if (source === 'cli') return { key, value, origin: 'flag', from: option.long };
    if (source === 'env') return { key, value, origin: 'environment', from: option.envVar };
    if (source === 'config') return { key, value, origin: 'file', from: this.#configFile() };
    return { key, value, origin: source === 'implied' ? 'implied' : 'default', from: undefined };
  }

  #rowOfSecret({ name, variable, file }: Secret): Row {
    const isUsed = isSet(variable) && this.getOptionValue(file) === undefined;
    if (!isUsed) return { key: name, value: undefined, origin: 'default', from: undefined };
    return { key: name, value: '(set)', origin: 'environment', from: variable };
  }

  #rowOfSection(key: string, name: string): Row {
    const value: unknown = this.getOptionValue(name);
    if (value === undefined) return { key, value, origin: 'default', from: undefined };
    return { key, value, origin: 'file', from: this.#configFile() };
  }
}

function isSet(variable: string): boolean {
  return (process.env[variable] ?? '') !== '';
}

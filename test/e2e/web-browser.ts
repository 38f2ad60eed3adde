/** A page with an agent in Chromium, as a test sees it. */
import { type Browser, chromium, type Page } from 'playwright-core';
import type {
  AgentEvent,
  AgentSettings,
  AgentStatus,
  Answer,
  BundleFacts,
  SettingsInUse,
  StartOptions,
} from '../../edge/web/index.ts';
import { chromiumFlags } from '../support/browser.ts';
import { waitUntil } from './support.ts';

/** An answer as it leaves the page: with plain lists. */
export type PlainAnswer = Omit<Answer, 'probabilities' | 'device'> & {
  readonly probabilities: readonly number[];
  readonly device?: Omit<NonNullable<Answer['device']>, 'probabilities'> & {
    readonly probabilities: readonly number[];
  };
};

/** What the script of the page does when it is asked, see `web-page.mjs`. */
interface Asks {
  readonly start: { readonly order: StartOptions; readonly value: BundleFacts };
  readonly events: { readonly order: undefined; readonly value: readonly AgentEvent[] };
  readonly status: { readonly order: undefined; readonly value: AgentStatus };
  readonly configure: { readonly order: AgentSettings; readonly value: SettingsInUse };
  readonly close: { readonly order: undefined; readonly value: undefined };
  readonly classifyAll: {
    readonly order: {
      readonly url: string;
      readonly imageBytes: number;
      readonly budgetMs?: number;
      readonly lanes?: number;
    };
    readonly value: { readonly answers: readonly PlainAnswer[]; readonly untouched: boolean };
  };
  readonly classifyFile: { readonly order: string; readonly value: PlainAnswer };
  readonly classifyDrawn: {
    readonly order: { readonly url: string; readonly side: number; readonly scale: number };
    readonly value: PlainAnswer;
  };
}

interface PageError {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

interface Reply<Value> {
  readonly value: Value;
  readonly error?: PageError;
}

export function launch(path: string, flags: readonly string[] = chromiumFlags): Promise<Browser> {
  return chromium.launch({ executablePath: path, args: [...flags] });
}

/** Waits for an expression to hold. Playwright's own way has the page evaluate it, which the policy forbids. */
export function holdsInPage(page: Page, expression: string): Promise<void> {
  return waitUntil(() => page.evaluate<boolean>(expression), expression, { everyMs: 25 });
}

export class AgentPage {
  readonly page: Page;
  /** What the browser has complained of: errors and warnings of page and worker, scripts that threw. */
  readonly complaints: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on('console', (message) => {
      const kind = message.type();
      if (kind === 'error' || kind === 'warning') this.complaints.push(`${kind}: ${message.text()}`);
    });
    page.on('pageerror', (error) => this.complaints.push(`thrown: ${error.message}`));
  }

  static async open(browser: Browser, url: string): Promise<AgentPage> {
    const own = new AgentPage(await browser.newPage());
    await own.page.goto(url);
    await holdsInPage(own.page, 'globalThis.ask !== undefined');
    return own;
  }

  /** @throws Error with the words of the page's. */
  async ask<Kind extends keyof Asks>(kind: Kind, order?: Asks[Kind]['order']): Promise<Asks[Kind]['value']> {
    const { value, error } = await this.#asked<Asks[Kind]['value']>(kind, order);
    if (error !== undefined) throw new Error(`${kind}: ${error.name} ${error.code}: ${error.message}`);
    return value;
  }

  /** The error that it has to come to. */
  async refusal<Kind extends keyof Asks>(kind: Kind, order: Asks[Kind]['order']): Promise<PageError> {
    const { error } = await this.#asked(kind, order);
    if (error === undefined) throw new Error(`${kind} was expected to be refused`);
    return error;
  }

  async #asked<Value>(kind: string, order: unknown): Promise<Reply<Value>> {
    // As text: what a test is compiled to may lean on helpers that a page has not.
    return this.page.evaluate(`ask(${JSON.stringify(kind)}, ${JSON.stringify(order)})`);
  }
}

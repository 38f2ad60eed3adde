import type { BrowserContext, Page } from 'playwright-core';
import { waitUntil } from './support.ts';

/** Of the test itself, and what Chromium warns of when somebody asks whether there is WebGPU. */
const expected = ['blocked by Playwright', 'No available adapters.'];

/** The page as somebody sees and handles it. */
export class Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the browser complained of. */
  readonly complaints: string[] = [];

  constructor(page: Page) {
    this.page = page;
    this.context = page.context();
    page.on('console', (message) => {
      const isExpected = expected.some((words) => message.text().includes(words));
      if (['error', 'warning'].includes(message.type()) && !isExpected) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(`thrown: ${error.message}`));
  }

  /** Waits for an expression to hold; the policy forbids Playwright's own way. */
  holds(expression: string, deadlineMs = 20_000): Promise<void> {
    return waitUntil(() => this.page.evaluate<boolean>(expression), expression, { everyMs: 25, deadlineMs });
  }

  text(id: string): Promise<string> {
    return this.page.evaluate<string>(`document.querySelector('#${id}').textContent`);
  }

  says(id: string, words: string, deadlineMs?: number): Promise<void> {
    return this.holds(
      `document.querySelector('#${id}').textContent.includes(${JSON.stringify(words)})`,
      deadlineMs,
    );
  }

  /** Until it can be used; connected to its server unless said otherwise. */
  async ready(connection = 'connected'): Promise<void> {
    await this.holds(
      `!document.querySelector('#sample').disabled && document.querySelector('#connection').dataset.state === '${connection}'`,
    );
  }

  /** Draws a line through points, as shares of the pad, by real mouse events. */
  async draw(points: readonly (readonly [x: number, y: number])[]): Promise<void> {
    const pad = this.page.locator('#pad');
    await pad.scrollIntoViewIfNeeded();
    const box = await pad.boundingBox();
    if (box === null) throw new Error('the pad is not to be seen');
    const { mouse } = this.page;
    for (const [index, [x, y]] of points.entries()) {
      await mouse.move(box.x + x * box.width, box.y + y * box.height, { steps: 6 });
      if (index === 0) await mouse.down();
    }
    await mouse.up();
  }

  async setSlider(id: string, value: number): Promise<void> {
    await this.page.locator(`#${id}`).fill(String(value));
  }

  file(name: string, mimeType: string, buffer: Buffer): Promise<void> {
    return this.page.setInputFiles('#file', { name, mimeType, buffer });
  }
}

/** A seven, as shares of the pad. */
export const seven = [
  [0.28, 0.25],
  [0.72, 0.25],
  [0.45, 0.85],
] as const;

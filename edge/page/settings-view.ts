import type { AgentSettings, BundleFacts, SettingsInUse } from '../web/index.ts';
import { element, setText } from './dom.ts';
import { entropy } from './format.ts';
import type { LinkSettings } from './link.ts';

export interface SettingsListeners {
  onSettings(change: AgentSettings): void;
  onLink(change: Partial<LinkSettings>): void;
}

const steps = 100;
const leastBudgetMs = 10;
const mostBudgetMs = 5000;

/** The sliders, and what they say. */
export class SettingsView {
  readonly #threshold = element('threshold', HTMLInputElement);
  readonly #rate = element('rate', HTMLInputElement);
  readonly #budget = element('budget', HTMLInputElement);
  readonly #delay = element('delay', HTMLInputElement);
  readonly #cutLink = element('cut-link', HTMLInputElement);
  readonly #reset = element('reset', HTMLButtonElement);
  #channels: readonly number[] = [];

  constructor({ onSettings, onLink }: SettingsListeners) {
    const changed = (slider: HTMLInputElement, change: () => void) =>
      slider.addEventListener('input', change);
    changed(this.#threshold, () => {
      const threshold = thresholdAt(Number(this.#threshold.value));
      this.#say(this.#threshold, entropy(threshold));
      onSettings({ threshold });
    });
    changed(this.#rate, () => {
      const channels = this.#channels[Number(this.#rate.value)];
      if (channels === undefined) return;
      this.#sayRate(channels);
      onSettings({ channels });
    });
    changed(this.#budget, () => {
      const budgetMs = budgetAt(Number(this.#budget.value));
      this.#say(this.#budget, `${budgetMs} ms`);
      onSettings({ budgetMs });
    });
    changed(this.#delay, () => {
      const delayMs = Number(this.#delay.value);
      this.#say(this.#delay, `${delayMs} ms`);
      onLink({ delayMs });
    });
    this.#cutLink.addEventListener('change', () => onLink({ isCut: this.#cutLink.checked }));
    this.#reset.addEventListener('click', () => {
      onSettings({ threshold: 'calibrated', channels: 'all', budgetMs: 500 });
    });
    this.#say(this.#delay, `${this.#delay.value} ms`);
  }

  /** Fits the sliders to a network, and to whether it has a server at all. */
  show({ cuts }: BundleFacts, settings: SettingsInUse, hasCloud: 'cloud' | 'alone'): void {
    const channels = cuts.find(({ cut }) => cut === settings.cut)?.channels ?? [];
    this.#channels = channels;
    element('rate-field', HTMLElement).hidden = channels.length < 2;
    this.#rate.max = String(Math.max(0, channels.length - 1));
    for (const id of ['delay-field', 'cut-field']) element(id, HTMLElement).hidden = hasCloud === 'alone';
    for (const input of [this.#threshold, this.#rate, this.#budget, this.#reset]) input.disabled = false;
    this.#follow(settings);
  }

  /** No slider is moved under the hand that holds it: only the rounding would show. */
  #follow({ thresholds, calibratedThresholds, channels, budgetMs }: SettingsInUse): void {
    const [threshold = 0] = thresholds;
    const [calibrated = 0] = calibratedThresholds;
    if (document.activeElement !== this.#threshold)
      this.#threshold.value = String(placeOfThreshold(threshold));
    this.#say(this.#threshold, entropy(threshold));
    const hint = `Below it a picture leaves here; 0 lets nothing leave. Calibrated: ${entropy(calibrated)}.`;
    setText('threshold-hint', hint);
    if (document.activeElement !== this.#budget) this.#budget.value = String(placeOfBudget(budgetMs));
    this.#say(this.#budget, `${budgetMs} ms`);
    if (channels === undefined) return;
    this.#rate.value = String(Math.max(0, this.#channels.indexOf(channels)));
    this.#sayRate(channels);
  }

  #sayRate(channels: number): void {
    const all = this.#channels.at(-1) ?? channels;
    this.#say(this.#rate, `${channels} of ${all} channels`);
  }

  #say(slider: HTMLInputElement, words: string): void {
    setText(`${slider.id}-value`, words);
    slider.setAttribute('aria-valuetext', words);
  }
}

/** Thresholds are small: squares of the slider's place, 0 to 1. */
export function thresholdAt(place: number): number {
  return (place / steps) ** 2;
}

export function placeOfThreshold(threshold: number): number {
  return Math.round(Math.sqrt(threshold) * steps);
}

/** Budgets grow by the same factor with each step, from 10 ms to 5 s. */
export function budgetAt(place: number): number {
  return Math.round(leastBudgetMs * (mostBudgetMs / leastBudgetMs) ** (place / steps));
}

export function placeOfBudget(budgetMs: number): number {
  const share = Math.log(budgetMs / leastBudgetMs) / Math.log(mostBudgetMs / leastBudgetMs);
  return Math.round(Math.min(1, Math.max(0, share)) * steps);
}

import type { Answer, BundleFacts, DeviceOpinion } from '../web/index.ts';
import { element, make, setText, setWidth } from './dom.ts';
import { bytes, entropy, milliseconds } from './format.ts';
import type { PictureCost } from './pictures.ts';
import { type PageTimes, stageParts } from './stages.ts';
import { type Verdict, verdictOf } from './words.ts';

interface Row {
  readonly row: HTMLTableRowElement;
  readonly cells: readonly [Cell, Cell];
}

interface Cell {
  readonly bar: HTMLElement;
  readonly figure: HTMLElement;
}

/** A slice narrower than this has no room for its number. */
const numberedShare = 0.045;

/** An entropy on the meter: small ones are the interesting ones, so that it is a scale of square roots. */
export function meterShare(value: number): number {
  return Math.sqrt(Math.min(1, Math.max(0, value)));
}

/** Shows one answer, first what the device thinks and then the whole of it. */
export class AnswerView {
  readonly #road = element('road', SVGElement);
  #rows: readonly Row[] = [];
  #classes: readonly string[] = [];

  /** Begins anew, for another network. */
  show({ classes }: BundleFacts): void {
    this.#classes = classes;
    this.#rows = classes.map(newRow);
    element('thoughts', HTMLElement).replaceChildren(...this.#rows.map(({ row }) => row));
    this.clear();
  }

  clear(): void {
    this.#setVerdict({ way: 'none', head: '', words: 'Draw something, or take a sample.' }, '\u00a0');
    for (const column of [0, 1] as const) this.#setThoughts(column, undefined);
    setWidth(element('meter-fill', HTMLElement), 0);
    setText('meter-words', 'Normalised entropy of the branch, against the threshold.');
    setText('device-head', 'here');
    setText('sent', '-');
    setText('picture-bytes', '-');
    setText('bytes-words', '');
    setText('total-ms', 'from picture to answer');
    for (const id of ['sent-bar', 'picture-bar']) setWidth(element(id, HTMLElement), 0);
    for (const id of ['stages', 'stage-legend']) element(id, HTMLElement).replaceChildren();
  }

  setThreshold(threshold: number): void {
    const mark = element('meter-mark', HTMLElement);
    mark.style.left = `${100 * meterShare(threshold)}%`;
    setWidth(element('meter-zone', HTMLElement), meterShare(threshold));
  }

  /** The device is not sure, and the server is asked. */
  onDevice(device: DeviceOpinion): void {
    this.#setDevice(device);
    this.#setThoughts(1, undefined);
    this.#road.dataset.way = 'under-way';
  }

  onAnswer(answer: Answer, page: PageTimes): void {
    const { device, route, className, probabilities, exit } = answer;
    if (device !== undefined) this.#setDevice(device);
    const isFar = route === 'features' || route === 'image';
    this.#setThoughts(1, isFar ? probabilities : undefined);
    setText('cloud-head', isFar ? `server: ${exit}` : 'server');
    this.#setVerdict(verdictOf(answer, this.#classes), className);
    this.#setStages(answer, page);
  }

  setCost({ bytesSent }: Pick<Answer, 'bytesSent'>, cost: PictureCost): void {
    const most = Math.max(bytesSent, cost.bytes, 1);
    setText('sent', bytes(bytesSent));
    setText('picture-bytes', bytes(cost.bytes));
    // The rest of the line is for the figure.
    setWidth(element('sent-bar', HTMLElement), (0.7 * bytesSent) / most);
    setWidth(element('picture-bar', HTMLElement), (0.7 * cost.bytes) / most);
    setText('bytes-words', cost.words);
  }

  #setDevice({ probabilities, entropy: value, exit, threshold }: DeviceOpinion): void {
    this.#setThoughts(0, probabilities);
    setText('device-head', `here: ${exit}`);
    setWidth(element('meter-fill', HTMLElement), meterShare(value));
    const than = threshold === undefined ? '' : comparison(value, threshold);
    setText('meter-words', `Entropy ${entropy(value)}${than}`);
  }

  #setVerdict(
    { way, head, words }: Omit<Verdict, 'way'> & { readonly way: string },
    className: string,
  ): void {
    this.#road.dataset.way = way;
    setText('verdict-class', className);
    setText('verdict-head', head);
    setText('verdict-words', words);
  }

  #setThoughts(column: 0 | 1, probabilities: Float64Array | undefined): void {
    const best = probabilities?.indexOf(Math.max(...probabilities));
    for (const [index, { row, cells }] of this.#rows.entries()) {
      const { bar, figure } = cells[column];
      const share = probabilities?.[index];
      setWidth(bar, share ?? 0);
      figure.textContent = share === undefined ? '' : (100 * share).toFixed(1);
      figure.classList.toggle('best', index === best);
      const isBest = cells.some((cell) => cell.figure.classList.contains('best'));
      row.classList.toggle('is-best', isBest);
    }
  }

  #setStages(answer: Answer, page: PageTimes): void {
    const parts = stageParts(answer, page);
    const total = parts.reduce((sum, { ms }) => sum + ms, 0);
    setText('total-ms', `${milliseconds(total)} from picture to answer`);
    const bar = parts.map(({ place, ms }, index) => {
      const slice = make('span', place, ms / total >= numberedShare ? String(index + 1) : '');
      setWidth(slice, ms / total);
      return slice;
    });
    const legend = parts.map(({ place, words, ms }, index) => {
      const item = make('li');
      const chip = make('span', `chip ${place}`);
      chip.append(make('span', '', String(index + 1)));
      item.append(chip, make('span', '', words), make('span', 'ms', milliseconds(ms)));
      return item;
    });
    element('stages', HTMLElement).replaceChildren(...bar);
    element('stage-legend', HTMLElement).replaceChildren(...legend);
  }
}

function comparison(value: number, threshold: number): string {
  return value < threshold
    ? `: below the threshold ${entropy(threshold)}, so the picture may leave here.`
    : `: not below the threshold ${entropy(threshold)}, so the picture has to travel.`;
}

function newRow(name: string): Row {
  const row = make('tr');
  const head = make('th', '', name);
  head.scope = 'row';
  const cell = (): Cell & { readonly data: HTMLTableCellElement } => {
    const data = make('td');
    const [bar, figure] = [make('span', 'bar'), make('span', 'figure')];
    data.append(bar, figure);
    return { data, bar, figure };
  };
  const cells = [cell(), cell()] as const;
  row.append(head, ...cells.map(({ data }) => data));
  return { row, cells };
}

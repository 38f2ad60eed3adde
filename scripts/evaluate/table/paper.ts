/** One row of Table I of BranchyNet (Teerapittayanon, McDanel, Kung, ICPR 2016), CPU columns. */
export interface PaperRow {
  readonly network: string;
  /** Per cent. */
  readonly accuracy: number;
  /** Milliseconds per image. */
  readonly ms: number;
}

export interface PaperBranchyRow extends PaperRow {
  /** Time of the baseline over the time of this row. */
  readonly gain: number;
  /** Entropies in nats, not normalised; ours are these divided by ln(classes). */
  readonly thresholdsNats: readonly number[];
  /** Per cent of images that leave at each exit. As printed: those of B-LeNet miss 100 by 0.07. */
  readonly exitPercent: readonly number[];
}

export interface PaperPair {
  readonly baseline: PaperRow;
  readonly branchy: PaperBranchyRow;
}

/** Table I by the network that a bundle's id begins with. Measured at batch size 1 on a 3.0 GHz CPU with 20 MB of L3 cache. */
export const paperTable: Readonly<Record<string, PaperPair>> = {
  'b-lenet': {
    baseline: { network: 'LeNet', accuracy: 99.2, ms: 3.37 },
    branchy: {
      network: 'B-LeNet',
      accuracy: 99.25,
      ms: 0.62,
      gain: 5.4,
      thresholdsNats: [0.025],
      exitPercent: [94.3, 5.63],
    },
  },
  'b-alexnet': {
    baseline: { network: 'AlexNet', accuracy: 78.38, ms: 9.56 },
    branchy: {
      network: 'B-AlexNet',
      accuracy: 79.19,
      ms: 6.32,
      gain: 1.5,
      thresholdsNats: [0.0001, 0.05],
      exitPercent: [65.6, 25.2, 9.2],
    },
  },
  'b-resnet': {
    baseline: { network: 'ResNet-110', accuracy: 80.7, ms: 137.2 },
    branchy: {
      network: 'B-ResNet',
      accuracy: 79.17,
      ms: 73.5,
      gain: 1.9,
      thresholdsNats: [0.3, 0.2],
      exitPercent: [41.5, 13.8, 44.7],
    },
  },
};

export const paperNote =
  "The paper's times leave out the branches, softmax and entropy; ours leave out nothing (batch size 1, one thread, no network).";

/** The paper's rows for the network of a bundle, by its id; `undefined` for a network that is not in the table. */
export function paperRowsOf(bundleId: string): PaperPair | undefined {
  return Object.entries(paperTable).find(([network]) => bundleId.startsWith(`${network}-`))?.[1];
}

/** Ids in the order of the paper's table, those that it does not have behind them. */
export function inPaperOrder(bundleIds: readonly string[]): string[] {
  const networks = Object.keys(paperTable);
  const place = (id: string) => {
    const found = networks.findIndex((network) => id.startsWith(`${network}-`));
    return found === -1 ? networks.length : found;
  };
  return [...bundleIds].sort((a, b) => place(a) - place(b));
}

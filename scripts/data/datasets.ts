/** One file as its publisher gives it. */
export interface PublishedFile {
  readonly name: string;
  /** Where it is to be had, the first choice first. */
  readonly urls: readonly string[];
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** A labelled image set that can be downloaded. */
export interface Dataset {
  readonly name: DatasetName;
  readonly title: string;
  /** Folder below the data folder that holds its files. */
  readonly folder: string;
  readonly files: readonly PublishedFile[];
  /** Members of the archive that are kept, by their path in it; absent when the files are used as published. */
  readonly unpack?: readonly ArchiveMember[];
}

/** A file inside a published archive and what becomes of it. */
export interface ArchiveMember {
  readonly path: string;
  /** Name in the data set's folder; one that ends in `.gz` is compressed on the way. */
  readonly keepAs: string;
  /** Largest size that is read from the archive. */
  readonly maxBytes: number;
}

export type DatasetName = 'mnist' | 'cifar10';

/** Class names of CIFAR-10 in label order, as in the publisher's `batches.meta.txt`. */
export const cifar10Classes = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
] as const;

/** 10,000 records of one label byte and 3 x 32 x 32 pixel bytes. */
export const cifar10BatchBytes = 30_730_000;

const mnistMirrors = [
  'https://ossci-datasets.s3.amazonaws.com/mnist/',
  'https://storage.googleapis.com/cvdf-datasets/mnist/',
];

function mnistFile(name: string, bytes: number, sha256: string): PublishedFile {
  return { name, bytes, sha256, urls: mnistMirrors.map((mirror) => mirror + name) };
}

function cifarMember(name: string): ArchiveMember {
  return { path: `cifar-10-batches-bin/${name}`, keepAs: `${name}.gz`, maxBytes: cifar10BatchBytes };
}

const mnist: Dataset = {
  name: 'mnist',
  title: 'MNIST (LeCun, Cortes, Burges): 70,000 handwritten digits, 28 x 28 grey',
  folder: 'mnist',
  files: [
    mnistFile(
      'train-images-idx3-ubyte.gz',
      9912422,
      '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
    ),
    mnistFile(
      'train-labels-idx1-ubyte.gz',
      28881,
      '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
    ),
    mnistFile(
      't10k-images-idx3-ubyte.gz',
      1648877,
      '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
    ),
    mnistFile(
      't10k-labels-idx1-ubyte.gz',
      4542,
      'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
    ),
  ],
};

const cifar10: Dataset = {
  name: 'cifar10',
  title: 'CIFAR-10 (Krizhevsky, Nair, Hinton): 60,000 photographs in 10 classes, 32 x 32 RGB',
  folder: 'cifar10',
  files: [
    {
      name: 'cifar-10-binary.tar.gz',
      urls: ['https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz'],
      bytes: 170052171,
      sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
    },
  ],
  unpack: [
    cifarMember('data_batch_1.bin'),
    cifarMember('data_batch_2.bin'),
    cifarMember('data_batch_3.bin'),
    cifarMember('data_batch_4.bin'),
    cifarMember('data_batch_5.bin'),
    cifarMember('test_batch.bin'),
    { path: 'cifar-10-batches-bin/batches.meta.txt', keepAs: 'batches.meta.txt', maxBytes: 4096 },
  ],
};

/** The sets the project trains and measures on. */
export const datasets: Readonly<Record<DatasetName, Dataset>> = { mnist, cifar10 };

/** Whether a word typed by a person names a data set. */
export function isDatasetName(text: string): text is DatasetName {
  return Object.hasOwn(datasets, text);
}

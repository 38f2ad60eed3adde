/** What the test's page runs: an agent, and images through it. Asked by name from outside. */
import { startAgent } from '/offramp/offramp-web.js';

let agent;
let events = [];

const asks = {
  async start(options) {
    await asks.close();
    events = [];
    agent = await startAgent(options);
    agent.onEvent((event) => events.push(event));
    return agent.bundle;
  },
  events: () => events,
  status: () => agent.status(),
  configure: (settings) => agent.configure(settings),
  async close() {
    const last = agent;
    agent = undefined;
    await last?.close();
  },
  /** Raw images, one behind the other, `lanes` under way at a time. */
  async classifyAll({ url, imageBytes, budgetMs, lanes = 1 }) {
    const all = new Uint8Array(await (await fetch(url)).arrayBuffer());
    const answers = [];
    let next = 0;
    const lane = async () => {
      for (let index = next++; (index + 1) * imageBytes <= all.length; index = next++) {
        const image = all.subarray(index * imageBytes, (index + 1) * imageBytes);
        answers[index] = plain(await agent.classify(image, { budgetMs }));
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    return { answers, untouched: all.length > 0 };
  },
  /** A picture file. */
  async classifyFile(url) {
    return plain(await agent.classify(await (await fetch(url)).blob()));
  },
  /** Grey pixels as a canvas has them, `scale` times as large in both directions. */
  async classifyDrawn({ url, side, scale }) {
    const grey = new Uint8Array(await (await fetch(url)).arrayBuffer());
    const drawn = new ImageData(side * scale, side * scale);
    for (let y = 0; y < side * scale; y++) {
      for (let x = 0; x < side * scale; x++) {
        const value = grey[Math.floor(y / scale) * side + Math.floor(x / scale)];
        drawn.data.set([value, value, value, 255], 4 * (y * side * scale + x));
      }
    }
    return plain(await agent.classify(drawn));
  },
};

function plain(answer) {
  const { device } = answer;
  return {
    ...answer,
    probabilities: [...answer.probabilities],
    device: device && { ...device, probabilities: [...device.probabilities] },
  };
}

/** Errors come back in words: what is thrown in a page loses its fields on the way out. */
globalThis.ask = async (name, order) => {
  try {
    return { value: await asks[name](order) };
  } catch (thrown) {
    return { error: { name: thrown.name, code: thrown.code, message: thrown.message } };
  }
};

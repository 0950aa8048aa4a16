// Server-sent events out of a stream of text (HTML, section 9.2), as far as the daemon
// writes them: "id:", "data:", comments, and an empty line behind each.

const longest = 1 << 20; // characters of one notice

export class Events {
  constructor() {
    this.rest = '';
  }

  // feed takes the next text and returns what is complete: {id, data}, or {} for a
  // comment, which shows that the stream is alive.
  feed(text) {
    const blocks = (this.rest + text).split('\n\n');
    this.rest = blocks.pop();
    if (this.rest.length > longest) throw new Error('a notice without an end');
    return blocks.map(block);
  }
}

function block(text) {
  const out = {};
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    if (name === 'id' || name === 'data') out[name] = line.slice(colon + 1).replace(/^ /, '');
  }
  return out;
}

// notices are the notices among what has been fed.
export const notices = (list) => list.filter((e) => e.data).map((e) => JSON.parse(e.data));

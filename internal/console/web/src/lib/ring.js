// The latest so many of what comes, however much comes.
export class Ring {
  constructor(size) {
    this.size = size;
    this.items = [];
    this.next = 0; // where the oldest is, once it is full
  }

  push(item) {
    if (this.items.length < this.size) {
      this.items.push(item);
      return;
    }
    this.items[this.next] = item;
    this.next = (this.next + 1) % this.size;
  }

  get length() {
    return this.items.length;
  }

  // latest returns the last n that pass, the latest first.
  latest(n, passes = () => true) {
    const list = [];
    for (let i = this.items.length - 1; i >= 0 && list.length < n; i--) {
      const item = this.items[(this.next + i) % this.items.length];
      if (passes(item)) list.push(item);
    }
    return list;
  }

  clear() {
    this.items = [];
    this.next = 0;
  }
}

/** Which of one sender's messages a connection has received: each has to come once. */
export class Tally {
  /** All below have come. */
  #next = 0
  /** Which above have, where they came out of order. */
  #ahead

  /** Throws where it has come before. */
  add(number) {
    if (number === this.#next) {
      this.#next++
      while (this.#ahead?.delete(this.#next)) this.#next++
    } else if (number < this.#next || this.#ahead?.has(number)) {
      throw new Error(`message ${number} was delivered twice to one connection`)
    } else (this.#ahead ??= new Set()).add(number)
  }
}

/**
 * Objects whose members are made from one thing, each when it is first read: where most of many are not needed. The members are
 * no own properties, so spread syntax does not copy them. Called twice, as the type of what they are made from is given and
 * those of the members are inferred.
 */
export const lazily =
  <From>() =>
  <Makers extends Record<string, (from: From) => NonNullable<unknown>>>(
    makers: Makers,
  ): ((from: From) => { readonly [Name in keyof Makers]: ReturnType<Makers[Name]> }) => {
    class Lazy {
      readonly #from: From
      readonly #made: Record<string, unknown> = {}

      constructor(from: From) {
        this.#from = from
      }

      static {
        for (const [name, make] of Object.entries(makers)) {
          Object.defineProperty(this.prototype, name, {
            get(this: Lazy) {
              return (this.#made[name] ??= make(this.#from))
            },
          })
        }
      }
    }
    return (from) => new Lazy(from) as never
  }

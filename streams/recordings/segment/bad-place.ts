// A place in a segment where the next record should stand and does not; what it means depends on what follows it.

/** Thrown inside this room only: whoever knows the other segments turns it into a torn tail or into an error. */
export class BadPlace extends Error {
  override readonly name = 'BadPlace';
  /** Where in the file. */
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(reason);
    this.offset = offset;
  }
}

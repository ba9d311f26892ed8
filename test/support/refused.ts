// Asserts that a call is refused with a code, and with a message of the house's form.
import * as assert from 'uvu/assert';
import { type ErrorCode, GradwireError } from '../../src/errors.ts';

/** Calls `wrong`, which must throw a GradwireError of that code (and text); returns the error. */
export function refused(code: ErrorCode, wrong: () => unknown, text = /./): GradwireError {
  try {
    wrong();
  } catch (error) {
    if (!(error instanceof GradwireError)) throw error;
    assert.is(error.code, code, `${error.message} instead of ${code}`);
    assert.match(error.text, text);
    assert.ok(error.message.startsWith(`${code}: `));
    return error;
  }
  throw new assert.Assertion({
    message: `nothing was refused; expected ${code}`,
    details: '',
    generated: false,
    operator: 'refused',
    expects: code,
    actual: '',
  });
}

/**
 * Under a Content-Security-Policy the schema library finds out that it may not compile checks by trying, and every page would report a
 * violation. So it is told.
 */
export const evaluatesNothing = {
  name: 'evaluates-nothing',
  setup(pass) {
    let isFound = false;
    pass.onLoad({ filter: /typebox[\\/]build[\\/]system[\\/]environment[\\/]evaluate\.mjs$/ }, () => {
      isFound = true;
      const contents =
        'export const CanEvaluate = () => false; export const Evaluate = () => { throw new EvalError(); };';
      return { contents, loader: 'js' };
    });
    pass.onEnd(({ errors }) => {
      if (isFound || errors.length > 0) return undefined;
      return { errors: [{ text: 'typebox has no evaluate.mjs where it was, expected the file to replace' }] };
    });
  },
};

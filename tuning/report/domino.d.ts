/** What the charts need of the package; its own declarations are no module. */
declare module '@mixmark-io/domino' {
  const domino: {
    /** An empty document with which elements can be made, as `document` of a browser. */
    createDocument(html: string): unknown;
  };
  export = domino;
}

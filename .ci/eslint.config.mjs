// The rules for the app's own JavaScript; run by .ci/run.
const browser = [
  "CSS", "Image", "XMLSerializer", "clearTimeout", "createImageBitmap", "document", "getComputedStyle", "navigator",
  "setTimeout", "window",
];

export default [
  {
    files: ["**/*.js"],
    languageOptions: {
      ecmaVersion: 2022,
      sourceType: "module",
      globals: Object.fromEntries(browser.map((name) => [name, "readonly"])),
    },
    rules: {
      "no-undef": "error",
      "no-unused-vars": "error",
      "prefer-const": "error",
      "no-var": "error",
      eqeqeq: "error",
      "no-implicit-globals": "error",
      "no-eval": "error",
      "no-new-func": "error",
    },
  },
];

// Writes static/vendor: copies, one icon sprite, one CodeMirror bundle, the licences and VENDOR.md. Run by build.sh.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const out = process.argv[2];
const modules = "node_modules";
const written = [];

const read = (path) => readFileSync(join(modules, path));
const text = (path) => read(path).toString("utf8");
const version = (name) => JSON.parse(text(`${name}/package.json`)).version;
const withoutSourceMap = (source) => source.replace(/\/\*# sourceMappingURL=.*?\*\//g, "").replace(/^\/\/# sourceMappingURL=.*$/gm, "");

function write(name, content, origin, licence) {
  writeFileSync(join(out, name), content);
  written.push({ name, origin, licence, sha: createHash("sha256").update(content).digest("hex") });
}

function writeScripts() {
  write("htmx.js", withoutSourceMap(text("htmx.org/dist/htmx.min.js")), `htmx.org ${version("htmx.org")}`, "0BSD");
  // The file with the htmx extension "morph" built in.
  write("idiomorph-ext.js", withoutSourceMap(text("idiomorph/dist/idiomorph-ext.min.js")), `idiomorph ${version("idiomorph")}`, "0BSD");
}

// Tabler goes into a cascade layer, so that our own rules win without a fight of specificities.
function writeTabler() {
  const css = withoutSourceMap(text("@tabler/core/dist/css/tabler.min.css")).replace('@charset "UTF-8";', "");
  const remote = [...css.matchAll(/url\((?!["']?data:)[^)]*\)/g)];
  if (remote.length) throw new Error(`Tabler fetches ${remote[0][0]}`);
  write("tabler.css", `@charset "UTF-8";\n@layer tabler{${css.trim()}}\n`, `@tabler/core ${version("@tabler/core")} (Bootstrap inside)`, "MIT");
}

function writeFonts() {
  const families = [["inter", "Inter Variable", "100 900"], ["jetbrains-mono", "JetBrains Mono Variable", "100 800"]];
  const faces = [];
  for (const [slug, family, weight] of families) {
    const css = text(`@fontsource-variable/${slug}/index.css`);
    for (const subset of ["latin-ext", "latin"]) {
      const file = `${slug}-${subset}-wght-normal.woff2`;
      const range = css.split(file)[1].match(/unicode-range: ([^;]+);/)[1];
      write(`fonts/${file}`, read(`@fontsource-variable/${slug}/files/${file}`), `@fontsource-variable/${slug} ${version(`@fontsource-variable/${slug}`)}`, "OFL-1.1");
      faces.push(`@font-face {\n  font-family: "${family}";\n  font-style: normal;\n  font-display: swap;\n  font-weight: ${weight};\n  src: url("fonts/${file}") format("woff2");\n  unicode-range: ${range};\n}\n`);
    }
  }
  write("fonts.css", faces.join("\n"), "written by build.mjs", "OFL-1.1 (the fonts)");
}

function writeIcons() {
  const names = readFileSync("icons.txt", "utf8").split("\n").filter(Boolean);
  const symbols = names.map((name) => {
    const svg = text(`@tabler/icons/icons/outline/${name}.svg`);
    const body = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
    const shapes = body.replace(/<path stroke="none" d="M0 0h24v24H0z" fill="none" \/>/, "").replace(/\s*\n\s*/g, "");
    return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round">${shapes}</symbol>`;
  });
  write("icons.svg", `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`, `@tabler/icons ${version("@tabler/icons")}, the ${names.length} of icons.txt`, "MIT");
}

async function writeCodeMirror() {
  const result = await build({
    entryPoints: ["codemirror-entry.js"], bundle: true, format: "esm", minify: true, target: "es2022", legalComments: "none", write: false,
  });
  const parts = readdirSync(join(modules, "@codemirror")).map((part) => `${part} ${version(`@codemirror/${part}`)}`);
  write("codemirror.js", result.outputFiles[0].text, `codemirror ${version("codemirror")} (${parts.join(", ")})`, "MIT");
}

const MIT = readFileSync(join(modules, "@tabler/icons/LICENSE"), "utf8").replace(/^Copyright.*$/m, "COPYRIGHT");

function writeLicences() {
  const copies = {
    "htmx.txt": ["htmx.org/LICENSE"], "idiomorph.txt": ["idiomorph/LICENSE"], "tabler-icons.txt": ["@tabler/icons/LICENSE"],
    "inter.txt": ["@fontsource-variable/inter/LICENSE"], "jetbrains-mono.txt": ["@fontsource-variable/jetbrains-mono/LICENSE"],
    "codemirror.txt": ["codemirror/LICENSE", "@lezer/common/LICENSE", "style-mod/LICENSE", "w3c-keyname/LICENSE", "crelt/LICENSE", "@marijn/find-cluster-break/LICENSE"],
  };
  for (const [name, sources] of Object.entries(copies)) {
    writeFileSync(join(out, "licenses", name), sources.map((source) => `${source.replace("/LICENSE", "")}\n\n${text(source).trim()}\n`).join(`\n${"-".repeat(72)}\n\n`));
  }
  // @tabler/core ships its licence as a line in the stylesheet; this is the text it names, with Bootstrap's, which is inside it.
  const tabler = ["Copyright (c) 2018-2026 The Tabler Authors", "Copyright (c) 2011-2025 The Bootstrap Authors"];
  writeFileSync(join(out, "licenses", "tabler.txt"), MIT.replace("COPYRIGHT", tabler.join("\n")));
}

function writeVendorPage() {
  const rows = written.map((file) => `| \`${file.name}\` | ${file.origin} | ${file.licence} | \`${file.sha}\` |`);
  writeFileSync(join(out, "VENDOR.md"), `# Third-party assets

Everything a page loads comes from here or from our own \`static/\`; nothing is fetched from another host. This page is written by the build.

To refresh: change a version in \`build/package.json\` (or an icon in \`build/icons.txt\`), run \`sh static/vendor/build/build.sh\`, look at the
diff of this page and at the gallery in both themes, commit. \`codemirror\` stays a 6.0.x on purpose: the registry's tag "latest" may point at version 5.
The build wraps Tabler in \`@layer tabler\`, drops source map references and fails if a stylesheet would fetch anything.
Licence texts are in \`licenses/\`.

| File | From | Licence | SHA-256 |
|---|---|---|---|
${rows.join("\n")}
`);
}

for (const folder of ["fonts", "licenses"]) {
  rmSync(join(out, folder), { recursive: true, force: true });
  mkdirSync(join(out, folder), { recursive: true });
}
writeScripts();
writeTabler();
writeFonts();
writeIcons();
await writeCodeMirror();
writeLicences();
writeVendorPage();

// `npm run specs`: writes the OpenAPI and AsyncAPI documents; with `-- --release`, also as what later ones are compared with.
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { fail, prepare, repository } from "./prepare.mjs"

const read = () => {
  try {
    return parseArgs({ options: { release: { type: "boolean", default: false } } }).values
  } catch (error) {
    return fail(`${error.message.split(/[.\n]/)[0]}: the only option is --release.`)
  }
}

const { release } = read()
await prepare()
const { specifications, specificationText } = await import("../../contracts/dist/Specifications.js")
for (const folder of ["docs/api", ...(release ? ["docs/api/released"] : [])]) {
  mkdirSync(join(repository, folder), { recursive: true })
  for (const [name, document] of Object.entries(specifications())) {
    writeFileSync(join(repository, folder, name), specificationText(document))
    console.log(`${folder}/${name}`)
  }
}

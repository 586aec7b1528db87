import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The repository's root. */
export const repository = fileURLToPath(new URL("../../../", import.meta.url))

/** What `npm start` keeps between runs; git-ignored. */
export const stateDirectory = process.env["TANDEM_STATE"] ?? join(repository, ".tandem")

/** Kafka's jars, which every stack shares. */
export const jarsDirectory = join(repository, ".tandem", "kafka-jars")
